"""Sessions whose server is gone: kept by the keeper, taken over by one server, complete."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.terminal import (
    Bench,
    descriptors,
    keeper_pid,
    output_until,
    processes_with,
    running,
    screen_until,
    server_script,
    shell,
    until,
)
from wxcode_jupyter.errors import HeldElsewhere, KeeperUnavailable, TerminalClosed
from wxcode_jupyter.models import TermSize
from wxcode_jupyter.terminal import process
from wxcode_jupyter.terminal.attachment import Role
from wxcode_jupyter.terminal.journal import SEGMENT_BYTES, JournalReader, SizeRecord
from wxcode_jupyter.terminal.ownership import _read_holder
from wxcode_jupyter.terminal.pool import TerminalPool
from wxcode_jupyter.terminal.session import TerminalSession

ABOUT = {"whose": "ours"}


async def open_kept(bench: Bench, script: str) -> tuple[TerminalPool, TerminalSession]:
    session = await bench.open(shell(script), about=ABOUT)
    await output_until(session, b"up")
    return bench.pools[0], session


async def die(bench: Bench, script: str, about: Mapping[str, Any] | None) -> int:
    """Have a server open a session, and kill it; return the session's process."""
    server = subprocess.Popen(server_script(bench, shell(script), about), stdout=subprocess.PIPE)
    assert server.stdout
    pids = json.loads(await asyncio.to_thread(server.stdout.readline))
    server.kill()
    server.wait()
    server.stdout.close()
    return int(pids["child"])


async def test_a_session_goes_on_while_nobody_follows_and_is_taken_over_whole(bench: Bench) -> None:
    first, session = await open_kept(
        bench, "echo up; read line; seq 1 3000; echo got $line; read line; echo $line; exit 7"
    )
    client = session.attach(Role.DRIVER, TermSize(30, 90))
    await session.write(b"one\n")
    await first.leave("key")
    assert (await client.read()).data == b""  # detached
    with pytest.raises(TerminalClosed):
        await session.write(b"x")
    second = bench.pool(url="http://127.0.0.1:9999/")
    [(journal, about)] = await second.list_kept()
    assert about == ABOUT
    assert running(session.pid)
    again = await second.adopt("other key", journal)
    assert (again.pid, again.size, again.stream) == (session.pid, TermSize(30, 90), session.stream)
    output = await output_until(again, b"got one")
    assert output.startswith(b"up\r\n")
    assert b"\r\n2999\r\n3000\r\n" in output
    assert (await again.screen()).lines[29 - 1].startswith("got one")
    holder = _read_holder(os.open(bench.workspace(), os.O_RDONLY))
    assert holder is not None
    assert holder["url"] == "http://127.0.0.1:9999/"
    await again.write(b"two\n")
    await again.wait_closed()
    assert again.exit_code == 7
    assert await second.list_kept() == []


async def test_a_server_that_dies_leaves_its_session_to_one_of_those_that_want_it(bench: Bench) -> None:
    pid = await die(bench, "echo up; cat", ABOUT)
    pools = [bench.pool() for _ in range(3)]
    async with asyncio.timeout(10):
        while not (kept := await pools[0].list_kept()):
            await asyncio.sleep(0.01)
    [(journal, _about)] = kept
    with pytest.raises(HeldElsewhere):
        async with pools[2].claim(str(bench.workspace())):
            pass
    taken = await asyncio.gather(*(pool.adopt("key", journal) for pool in pools), return_exceptions=True)
    [winner] = [each for each in taken if isinstance(each, TerminalSession)]
    assert sum(isinstance(each, TerminalClosed) for each in taken) == 2
    await winner.write(b"to the winner\n")
    await output_until(winner, b"to the winner")
    assert winner.pid == pid


async def test_without_an_about_a_session_ends_with_its_server(bench: Bench) -> None:
    pid = await die(bench, "echo up; cat", None)
    await until(lambda: not running(pid))
    assert await bench.pool().list_kept() == []


async def test_what_ends_while_nobody_follows_is_kept_no_longer(bench: Bench) -> None:
    first, session = await open_kept(bench, "echo up; read line")
    [journal] = [str(path) for path in Path(bench.folder).glob("journal-*")]
    await first.leave("key")
    os.kill(session.pid, signal.SIGKILL)
    await until(lambda: not processes_with(bench.tag))
    second = bench.pool()
    async with asyncio.timeout(10):
        while await second.list_kept():
            await asyncio.sleep(0.01)
    with pytest.raises(TerminalClosed, match="ended"):
        await second.adopt("key", journal)


async def test_a_keeper_that_is_stopped_ends_what_it_keeps(bench: Bench) -> None:
    first, session = await open_kept(bench, "trap '' HUP; echo up; cat")
    keeper = await keeper_pid(bench)
    await first.leave("key")
    await first.close_all()
    assert running(session.pid)
    os.kill(keeper, signal.SIGTERM)
    await until(lambda: not running(keeper))
    assert processes_with(bench.tag) == []


async def test_what_was_written_beyond_the_limit_is_told_as_a_gap_and_the_screen_is_right(bench: Bench) -> None:
    pool = bench.pool()
    session = await pool.open(
        "key", bench.spec(shell("echo up; read line; seq 1 3500000; echo the end; cat"), limit_bytes=1, about=ABOUT)
    )
    await output_until(session, b"up")
    had = session.head
    await session.write(b"\n")
    await pool.leave("key")
    [(journal, _)] = await pool.list_kept()
    await until(lambda: JournalReader(journal).head > 3 * SEGMENT_BYTES, timeout_s=60.0)
    session = await pool.adopt("key", journal)
    await until(lambda: session.head >= 26_000_000, timeout_s=60.0)
    async with session.attach(Role.OBSERVER, offset=had) as client:
        assert (await client.read()).offset > had
    view = await screen_until(session, lambda view: "the end" in view.lines)
    assert view.lines[view.lines.index("the end") - 1] == "3500000"
    assert view.exact is False  # it says so itself, and whoever attaches has the program draw again
    sizes = len(SizeRecord(journal).load_new())
    await session.snapshot()
    await until(lambda: len(SizeRecord(journal).load_new()) == sizes + 2)


async def test_what_is_silent_for_too_long_without_a_server_is_ended_and_what_writes_is_not(bench: Bench) -> None:
    pool = bench.pool()
    silent = await pool.open("silent", replace(bench.spec(shell("echo up; cat"), about=ABOUT), silence_limit_s=0.5))
    writes = shell("while :; do echo up; sleep 0.1; done")
    talks = await pool.open("talks", replace(bench.spec(writes, workspace="ws2", about=ABOUT), silence_limit_s=0.5))
    for key, session in (("silent", silent), ("talks", talks)):
        await output_until(session, b"up")
        await pool.leave(key)
    began = time.monotonic()
    await until(lambda: not running(silent.pid))
    assert time.monotonic() - began > 0.4
    assert "nothing was written, for 0.5 s" in Path(bench.runtime_dir, "keeper.log").read_text()
    assert running(talks.pid)
    [(journal, _)] = await pool.list_kept()
    again = await pool.adopt("talks", journal)
    assert again.pid == talks.pid


async def test_one_that_was_taken_over_may_be_silent(bench: Bench) -> None:
    pool = bench.pool()
    spec = replace(bench.spec(shell("echo up; cat"), about=ABOUT), silence_limit_s=1.0)
    session = await pool.open("key", spec)
    await output_until(session, b"up")
    await pool.leave("key")
    [(journal, _)] = await pool.list_kept()
    session = await pool.adopt("key", journal)
    beside = await pool.open("other", replace(spec, owns=(str(bench.workspace("ws2")),), journal_dir=f"{journal}-2"))
    await output_until(beside, b"up")
    await pool.leave("other")
    await until(lambda: not running(beside.pid))  # by then the time of the first would be over, too
    assert running(session.pid)


async def test_a_keeper_of_another_version_says_how_to_go_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await open_kept(bench, "echo up; cat")
    keeper = await keeper_pid(bench)
    monkeypatch.setattr(process, "PROTOCOL_VERSION", 99)
    with pytest.raises(KeeperUnavailable, match=r"another version.*keeper stop --yes") as refused:
        await bench.pool().list_kept()
    assert refused.value.details["pid"] == keeper


async def test_leaving_and_taking_over_again_and_again_leaves_nothing_behind(bench: Bench) -> None:
    pool, session = await open_kept(bench, "echo up; cat")
    keeper = await keeper_pid(bench)
    await session.screen()  # the emulator's process is there
    gc.collect()
    before, kept = descriptors(), len(os.listdir(f"/proc/{keeper}/fd"))
    for number in range(50):
        await pool.leave("key")
        [(journal, _)] = await pool.list_kept()
        session = await pool.adopt("key", journal)
        await session.write(b"round %d\n" % number)
        await output_until(session, b"round %d\r\nround %d\r\n" % (number, number))
    assert descriptors() == before
    assert len(os.listdir(f"/proc/{keeper}/fd")) == kept
