"""Output that is meant to hurt: the emulator's process, which all sessions share, takes all of it and stays small.

Through the real worker process, with another session beside; `tests/server/test_terminal_bombs.py` has a server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.bombs import BOMBS, ENDLESS, RESET, SECRET
from tests.support.processes import resident_bytes
from wxcode_jupyter.models import TermSize
from wxcode_jupyter.terminal.emulation import EmulatedScreen, Emulation
from wxcode_jupyter.terminal.journal import JournalWriter, SizeChange, SizeRecord

#: Ten times what it takes on an idle machine, and far below the 20 s after which a worker that hangs is killed.
LIMIT_S = 15.0
#: libghostty's own limit of a screen's memory, and what a Python process has.
MEMORY_BYTES = 200_000_000
ENDLESS_BYTES = 24_000_000
SLOW_BYTES = 250_000  # pyte takes half a megabyte a second; what is more than one is skipped anyway


class Recorded:
    """A session's journal, written by the test."""

    def __init__(self, emulation: Emulation, folder: Path) -> None:
        self.writer = JournalWriter(str(folder), 64 << 20, 8 << 20)
        self.replies = bytearray()
        SizeRecord(str(folder)).append(SizeChange(0, 24, 80))
        self.screen: EmulatedScreen = emulation.open(str(folder), lambda: self.writer.head, self.replies.extend)

    async def shows(self) -> str:
        async with asyncio.timeout(LIMIT_S):
            return (await self.screen.view(styled=True)).text


class Bombed:
    """Two sessions of one emulator: one is bombed, the other one is not."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.emulation = Emulation(kind)
        self.bad, self.good = (Recorded(self.emulation, folder / name) for name in ("bad", "good"))
        self.lines = 0

    async def check(self) -> None:
        """Assert that both show what they should, the bombed one after a reset."""
        self.lines += 1
        self.good.writer.append(b"\r\x1b[2Kline %d" % self.lines)
        bad = asyncio.create_task(self.bad.shows())
        assert await self.good.shows() == f"line {self.lines}"
        await bad
        async with asyncio.timeout(LIMIT_S):
            snapshot = await self.bad.screen.snapshot(1000)
        assert len(snapshot.data) < 4_000_000
        assert (await self.bad.screen.view()).size == TermSize(24, 80)
        assert SECRET.encode() not in self.bad.replies
        assert SECRET.encode().hex().encode() not in self.bad.replies.lower()
        assert len(self.bad.replies) < 4_000_000
        assert self.emulation.pid
        assert resident_bytes(self.emulation.pid) < MEMORY_BYTES
        self.bad.writer.append(RESET + b"usable")
        assert await self.bad.shows() == "usable"
        assert (self.bad.screen.crashes, self.good.screen.crashes) == (0, 0)
        self.bad.replies.clear()

    async def close(self) -> None:
        await self.emulation.close()
        for each in (self.bad, self.good):
            each.writer.close()


@pytest.fixture(params=["ghostty", "pyte"])
async def bombed(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bombed]:
    bombed = Bombed(request.param, tmp_path)
    yield bombed
    await bombed.close()


async def test_what_has_an_end(bombed: Bombed) -> None:
    for name, bomb in BOMBS.items():
        bombed.bad.writer.append(bomb if bombed.kind == "ghostty" else bomb[:SLOW_BYTES])
        try:
            await bombed.check()
        except BaseException as error:
            error.add_note(f"bomb: {name}")
            raise


async def test_what_has_none(bombed: Bombed) -> None:
    for name, (begin, more) in ENDLESS.items():
        total = ENDLESS_BYTES if bombed.kind == "ghostty" else SLOW_BYTES
        chunk = more * (65_536 // len(more))
        bombed.bad.writer.append(begin)
        for _ in range(total // len(chunk)):
            bombed.bad.writer.append(chunk)
        try:
            await bombed.check()
        except BaseException as error:
            error.add_note(f"without an end: {name}")
            raise
