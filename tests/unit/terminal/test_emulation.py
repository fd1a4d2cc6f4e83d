"""The emulator's process may die: screens come back, exact where possible, and answers are never given twice."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import fragile_emulator
from tests.support.fragile_emulator import FragileScreen
from tests.support.terminal import Bench, output_until, python, screen_until, until
from wxcode_jupyter.errors import TerminalClosed, TerminalError
from wxcode_jupyter.models import TermSize
from wxcode_jupyter.terminal import checkpoints, emulator_process
from wxcode_jupyter.terminal.emulated import CHECKPOINT_BYTES
from wxcode_jupyter.terminal.emulation import EmulatedScreen, Emulation
from wxcode_jupyter.terminal.emulator_process import EmulatorProcess
from wxcode_jupyter.terminal.journal import JournalReader, JournalWriter, SizeChange, SizeRecord

CRASH = Path(__file__).parent / "data" / "emulator_crash.json"


class Recording:
    """A journal that the test writes, and the emulator that follows it."""

    def __init__(self, emulation: Emulation, folder: Path, limit_bytes: int = 1 << 30, segment_bytes: int = 8 << 20):
        self.writer = JournalWriter(str(folder), limit_bytes, segment_bytes)
        self.sizes = SizeRecord(str(folder))
        self.replies = b""
        self.sizes.append(SizeChange(0, 24, 80))
        self.screen: EmulatedScreen = emulation.open(str(folder), lambda: self.writer.head, self._take)

    def feed(self, data: bytes) -> None:
        self.writer.append(data)

    def resize(self, rows: int, cols: int) -> None:
        self.sizes.append(SizeChange(self.writer.head, rows, cols))

    def _take(self, replies: bytes) -> None:
        self.replies += replies


Record = Callable[..., Recording]


@pytest.fixture
async def emulation() -> AsyncIterator[Emulation]:
    emulation = Emulation()
    yield emulation
    await emulation.close()


@pytest.fixture
def record(emulation: Emulation, tmp_path: Path, request: pytest.FixtureRequest) -> Record:
    def make(name: str = "journal", **options: int) -> Recording:
        recording = Recording(emulation, tmp_path / name, **options)
        request.addfinalizer(recording.writer.close)
        return recording

    return make


def kill(emulation: Emulation) -> None:
    assert emulation.pid
    os.kill(emulation.pid, signal.SIGKILL)


async def test_a_screen_right_after_the_workers_death_is_the_same(emulation: Emulation, record: Record) -> None:
    recording = record()
    recording.feed(b"\x1b]0;title\x07" + b"one two three " * 20)
    recording.resize(10, 33)
    recording.feed(b"\r\nafter\x1b[6n")
    before = await recording.screen.view()
    assert before.size == TermSize(10, 33)
    first = emulation.pid
    kill(emulation)
    assert await recording.screen.view() == before
    assert emulation.pid != first
    assert recording.replies.count(b"R") == 1


async def test_output_and_queries_of_the_time_without_a_worker_are_made_up_for(
    emulation: Emulation, record: Record
) -> None:
    recording = record()
    recording.feed(b"\x1b[6n")
    await recording.screen.view()
    kill(emulation)
    recording.feed(b"xy\x1b[6n")
    await recording.screen.view()
    assert recording.replies == b"\x1b[1;1R\x1b[1;3R"


async def test_what_takes_the_emulator_down_twice_is_skipped_and_the_others_go_on(
    emulation: Emulation, record: Record, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emulator_process, "MODULE", fragile_emulator.MODULE)
    poisonous, healthy = record("poisonous"), record("healthy")
    healthy.feed(b"fine")
    for step in json.loads(CRASH.read_text())["steps"]:
        if "feed" in step:
            poisonous.feed(step["feed"].encode("latin-1"))
        else:
            poisonous.resize(step["rows"], step["cols"])
    with caplog.at_level(logging.WARNING):
        bad, good = await asyncio.gather(poisonous.screen.view(), healthy.screen.view())
    assert (good.lines[0], good.exact) == ("fine", True)
    assert not bad.exact
    assert bad.offset == poisonous.writer.head
    assert "ended with status -" in caplog.text
    poisonous.feed(b"\x18\x1b[")
    assert not (await poisonous.screen.view()).exact
    poisonous.feed(b"2J\x1b[Hagain")
    assert (await poisonous.screen.view()).exact
    assert healthy.screen.crashes == 0


async def test_a_journal_that_does_not_reach_back_makes_it_inexact_until_a_redraw(
    emulation: Emulation, record: Record
) -> None:
    recording = record(limit_bytes=0, segment_bytes=1000)
    for number in range(200):
        recording.feed(b"line %04d of many\r\n" % number)
        if number % 50 == 0:
            assert (await recording.screen.view()).exact
    exact = await recording.screen.view()
    kill(emulation)
    rebuilt = await recording.screen.view()
    assert not rebuilt.exact
    assert replace(rebuilt, exact=True) == exact
    recording.feed(b"\x1bcfresh")
    assert (await recording.screen.view()).exact


async def test_a_worker_goes_on_from_the_newest_checkpoint(
    emulation: Emulation, record: Record, tmp_path: Path
) -> None:
    recording = record(limit_bytes=0)
    recording.feed(b"\x1b]0;title\x07\x1b[?2004h\x1b[31m")
    for number in range(9):
        recording.feed(b"all work and no play makes jack a dull boy\r\n" * 50_000)
        recording.resize(24 + number, 80)
        before = await recording.screen.view(styled=True)
    kept = checkpoints.offsets(str(tmp_path / "journal"))
    assert len(kept) == 2
    assert recording.writer.head - kept[0] < CHECKPOINT_BYTES < JournalReader(str(tmp_path / "journal")).oldest
    kill(emulation)
    assert await recording.screen.view(styled=True) == before
    assert (before.exact, before.title, before.bracketed_paste) == (True, "title", True)
    assert (await recording.screen.snapshot(1000)).exact


async def test_a_checkpoint_that_the_worker_dies_of_is_not_used_again(
    emulation: Emulation, record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emulator_process, "MODULE", fragile_emulator.MODULE)
    *steps, last = json.loads(CRASH.read_text())["steps"]
    poisoned = FragileScreen(TermSize(24, 80))
    for step in steps:
        if "feed" in step:
            poisoned.feed(step["feed"].encode("latin-1"))
        else:
            poisoned.resize(TermSize(step["rows"], step["cols"]))
    recording = record()
    recording.feed(b"healthy\r\n")
    state = poisoned.save()
    assert state
    checkpoints.save(str(tmp_path / "journal"), recording.writer.head, state)
    recording.feed(last["feed"].encode("latin-1") + b"\x18\x1b[m\r\nafter")
    view = await recording.screen.view()
    assert (view.exact, recording.screen.crashes) == (True, 1)
    assert any("after" in line for line in view.lines)


async def test_a_checkpoint_that_is_none_is_passed_over(emulation: Emulation, record: Record, tmp_path: Path) -> None:
    recording = record()
    recording.feed(b"from the beginning")
    checkpoints.save(str(tmp_path / "journal"), 4, b'["0.0.0", 0, "", "", ""]\nanother version')
    view = await recording.screen.view()
    assert (view.exact, view.lines[0], recording.screen.crashes) == (True, "from the beginning", 0)


async def test_lost_output_makes_it_inexact(emulation: Emulation, record: Record) -> None:
    recording = record(limit_bytes=0, segment_bytes=1000)
    recording.feed(b"seen\r\n")
    assert (await recording.screen.view()).exact
    for number in range(200):
        recording.feed(b"line %04d of many\r\n" % number)
    view = await recording.screen.view()
    assert (view.exact, view.lines[22]) == (False, "line 0199 of many")


async def test_one_with_a_long_way_to_go_does_not_hold_up_another(emulation: Emulation, record: Record) -> None:
    busy, quiet = record("busy"), record("quiet")
    quiet.feed(b"quick")
    await quiet.screen.view()
    line = b"all work and no play makes jack a dull boy\r\n" * 1000
    for _ in range(1500):
        busy.feed(line)
    slow = asyncio.create_task(busy.screen.view())
    await asyncio.sleep(0)
    assert (await quiet.screen.view()).lines[0] == "quick"
    assert not slow.done()
    assert (await slow).exact


async def test_a_worker_that_stands_still_is_replaced(
    emulation: Emulation, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = record()
    recording.feed(b"hello")
    await recording.screen.view()
    monkeypatch.setattr(emulator_process, "STALL_S", 1.0)
    rounds: list[int] = []
    check = EmulatorProcess._check_progress

    def count(it: EmulatorProcess) -> None:
        rounds.append(it.helper.pid)
        check(it)

    monkeypatch.setattr(EmulatorProcess, "_check_progress", count)
    assert emulation.pid
    stalled = emulation.pid
    os.kill(stalled, signal.SIGSTOP)
    assert (await recording.screen.view()).lines[0] == "hello"
    assert rounds.count(stalled) == 1


async def test_a_worker_that_never_starts_is_an_error_in_the_end(
    emulation: Emulation, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emulator_process, "MODULE", "wxcode_jupyter.terminal.no_such_module")
    with pytest.raises(TerminalError, match="does not start"):
        await record().screen.view()


async def test_pyte_serves_where_the_native_one_cannot(tmp_path: Path) -> None:
    emulation = Emulation("pyte")
    recording = Recording(emulation, tmp_path / "journal")
    recording.feed(b"\x1b[6nhello")
    view = await recording.screen.view()
    assert (view.lines[0], view.exact, recording.replies) == ("hello", True, b"\x1b[1;1R")
    recording.feed(b"too much for it\r\n" * 200_000)
    view = await recording.screen.view()
    assert (view.lines[0], view.exact) == ("too much for it", False)
    await emulation.close()
    recording.writer.close()


async def test_closed_screens_say_so(emulation: Emulation, record: Record) -> None:
    recording = record()
    waiting = asyncio.create_task(recording.screen.view())
    await asyncio.sleep(0)
    recording.screen.close()
    recording.screen.close()
    recording.screen.follow()
    with pytest.raises(TerminalClosed):
        await waiting
    with pytest.raises(TerminalClosed):
        await recording.screen.view()


async def test_in_a_session_a_refill_types_no_answer_again(bench: Bench) -> None:
    session = await bench.open(
        python(r"""
            import os, tty
            tty.setraw(0)
            os.write(1, b"\x1b[6n")
            while True:
                os.write(1, b"<%s>" % os.read(0, 100).hex().encode())
        """)
    )
    await output_until(session, b"<1b5b313b3152>")
    emulation = bench.pools[0]._emulation
    first = emulation.pid
    kill(emulation)
    await until(lambda: emulation.pid != first)
    view = await session.screen()
    assert view.lines[0] == "<1b5b313b3152>"
    await session.write(b"k")
    await screen_until(session, lambda view: view.lines[0] == "<1b5b313b3152><6b>")
