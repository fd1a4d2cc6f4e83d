"""A few keys at once, and never a part of them before somebody else's."""

from __future__ import annotations

import os
import tty
from collections.abc import Iterator

import pytest

from wxcode_jupyter.terminal.feeder import Feeder


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    yield master, slave
    os.close(master)
    os.close(slave)


async def test_what_the_terminal_takes_in_part_is_followed_by_its_rest(
    ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data[:2])))
    fed = Feeder(ends[0])
    assert fed.write_now(b"abcdef")
    await fed.write(b"XYZ")
    assert b"".join(os.read(ends[1], 1) for _ in range(9)) == b"abcdefXYZ"  # a terminal may give it in parts


async def test_nothing_is_written_at_once_behind_others_or_where_it_is_much(ends: tuple[int, int]) -> None:
    fed = Feeder(ends[0])
    assert not fed.write_now(b"x" * 2000)
    fed.push(b"y" * 60_000)  # more than the terminal takes
    assert not fed.write_now(b"z")
    fed.close()
    assert not fed.write_now(b"z")
