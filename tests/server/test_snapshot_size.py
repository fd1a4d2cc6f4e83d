"""What one client may cost bounds what it is sent at once: a screen full of links comes with less of its history."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.terminal import Bench, output_until, python
from wxcode_jupyter.models import TermSize
from wxcode_jupyter.server.dialect import HISTORY_ROWS, SNAPSHOT_BYTES, screen_for_all

#: Rows of which each cell is a link of its own in colours of its own.
LINKS = r"""
    import sys, time
    cols = int(sys.argv[1])
    for row in range(60000 // cols):
        for cell in range(cols - 1):
            link = f"\033]8;;http://a.host/{row}/{cell}\033\\"
            print(end=f"{link}\033[38;2;{row % 256};{cell % 256};7;48;2;{cell % 256};{row % 256};77mx")
        print(end="\033]8;;\033\\\033[m\r\n")
    print(end="last", flush=True)
    time.sleep(1000)
"""


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with Bench(tmp_path) as bench:
        yield bench


@pytest.mark.parametrize(("cols", "history"), [(80, 100), (400, 0)])
async def test_as_much_history_as_fits_is_sent(cols: int, history: int, bench: Bench) -> None:
    session = await bench.open((*python(LINKS), str(cols)), size=TermSize(24, cols))
    await output_until(session, b"last")

    sent = await screen_for_all(session)

    assert sent.exact
    assert sent == await session.snapshot(history)
    assert len(sent.data) <= SNAPSHOT_BYTES
    more = HISTORY_ROWS[HISTORY_ROWS.index(history) - 1]
    assert len((await session.snapshot(more)).data) > SNAPSHOT_BYTES
