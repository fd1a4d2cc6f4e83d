"""Keepers that die at the worst moments, and keepers and servers that have no descriptors left."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import stopped
from tests.support.terminal import (
    Bench,
    descriptors,
    keeper_pid,
    output_until,
    processes_with,
    running,
    shell,
    until,
)
from wxcode_jupyter.errors import HeldElsewhere, KeeperUnavailable, TerminalError
from wxcode_jupyter.terminal import process
from wxcode_jupyter.terminal.child import Child
from wxcode_jupyter.terminal.helper import Helper
from wxcode_jupyter.terminal.process import KeeperClient
from wxcode_jupyter.terminal.reactor import READABLE, Reactor
from wxcode_jupyter.terminal.session import TerminalSession

ABOUT = {"whose": "ours"}
CHATTY = "echo up; while read line; do echo got $line; done"


async def open_many(bench: Bench, count: int, script: str = CHATTY) -> list[TerminalSession]:
    sessions = [await bench.open(shell(script), key=f"key {n}", workspace=f"ws{n}", about=ABOUT) for n in range(count)]
    for session in sessions:
        await output_until(session, b"up")
    return sessions


def client_of(session: TerminalSession) -> KeeperClient:
    return session._child.keeper


async def test_keepers_may_die_again_and_again_at_any_moment_of_a_succession(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_RELAPSE_S", 0.0)
    sessions = await open_many(bench, 20)
    gc.collect()
    before = descriptors()
    for delay_s in (0.0, 0.0, 0.002, 0.004, 0.008):
        first = client_of(sessions[0])
        os.kill(first.pid, signal.SIGKILL)
        second = await _next(first)
        await asyncio.sleep(delay_s)  # somewhere while it is entrusted with them
        os.kill(second, signal.SIGKILL)
        for session in sessions:
            await _kept_by_another(session, first.pid, second)
    for n, session in enumerate(sessions):
        await session.write(b"%d\n" % n)
        output = await output_until(session, b"got %d\r\n" % n)
        assert output.count(b"got") == 1
        assert not session.closed
        assert session.size.rows == 24
    assert len(descriptors()) == len(before), set(descriptors()) ^ set(before)
    assert len(os.listdir(f"/proc/{client_of(sessions[0]).pid}/fd")) <= 6 * len(sessions) + 12
    with pytest.raises(HeldElsewhere):
        async with bench.pool().claim(str(bench.workspace("ws7"))):
            pass


async def _kept_by_another(session: TerminalSession, *dead: int) -> None:
    await until(lambda: not session.lost and client_of(session).pid not in dead)


async def _next(first: KeeperClient) -> int:
    """Return the pid of the keeper that comes after one that was killed, as soon as there is one."""
    while True:
        await until(lambda: first.lost)
        successor = await KeeperClient.find(first._folder)
        if successor is not None:
            successor.close()
            return successor.pid
        await asyncio.sleep(0.001)


async def test_a_keeper_that_is_killed_before_it_listens_is_followed_by_another(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    [session] = await open_many(bench, 1)
    killed: list[int] = []

    class Doomed(Helper):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            if len(killed) < 2:
                killed.append(self.pid)
                self.kill()

    monkeypatch.setattr("wxcode_jupyter.terminal.launch.Helper", Doomed)
    keeper = client_of(session).pid
    os.kill(keeper, signal.SIGKILL)
    await until(lambda: client_of(session).pid not in (keeper, *killed))
    await session.write(b"on\n")
    await output_until(session, b"got on")
    assert len(killed) == 2


async def test_what_is_left_while_the_keeper_dies_is_left_to_the_next(bench: Bench) -> None:
    sessions = await open_many(bench, 5)
    pool = bench.pools[0]
    os.kill(client_of(sessions[0]).pid, signal.SIGKILL)
    await asyncio.gather(*(pool.leave(session.key) for session in sessions))
    await pool.close_all()
    assert all(running(session.pid) for session in sessions)
    second = bench.pool()
    kept = await second.list_kept()
    assert len(kept) == 5
    for n, (journal, _) in enumerate(kept):
        again = await second.adopt(f"again {n}", journal)
        await again.write(b"hello\n")
        await output_until(again, b"got hello")
        assert again.size.rows == 24


async def test_what_is_left_to_a_keeper_that_hangs_goes_on_when_it_does(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    [session] = await open_many(bench, 1)
    pool, keeper = bench.pools[0], client_of(session).pid
    with monkeypatch.context() as patch, stopped(keeper):
        patch.setattr(process, "_REQUEST_TIMEOUT_S", 0.3)
        await pool.leave(session.key)
        await pool.close_all()
        assert running(session.pid)
    second = bench.pool()
    async with asyncio.timeout(20):
        while not (kept := await second.list_kept()):
            await asyncio.sleep(0.01)
    again = await second.adopt("again", kept[0][0])
    await again.write(b"hello\n")
    await output_until(again, b"got hello")


async def test_a_session_that_ends_while_it_is_left_is_no_error(bench: Bench) -> None:
    for _ in range(10):
        [session] = await open_many(bench, 1)
        os.kill(session.pid, signal.SIGKILL)
        await bench.pools[0].leave(session.key)
        await until(lambda: not processes_with(bench.tag))


async def test_one_whose_journal_cannot_be_gone_on_with_is_ended_alone(bench: Bench) -> None:
    sessions = await open_many(bench, 3)
    journal = Path(sessions[1]._journal_dir)
    journal.rename(journal.with_suffix(".away"))
    journal.write_text("in the way")
    os.kill(client_of(sessions[0]).pid, signal.SIGKILL)
    await sessions[1].wait_closed()
    journal.unlink()
    for session in (sessions[0], sessions[2]):
        await session.write(b"on\n")
        await output_until(session, b"got on")
    keeper = client_of(sessions[0]).pid
    assert not any(".away" in os.readlink(fd) for fd in Path(f"/proc/{keeper}/fd").iterdir())


async def test_one_that_another_server_has_taken_over_is_not_ended(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    [session] = await open_many(bench, 1)
    second = bench.pool()
    taken = asyncio.Event()
    connect = KeeperClient.connect

    async def connect_late(folder: str) -> KeeperClient:
        await taken.wait()
        return await connect(folder)

    with monkeypatch.context() as patch:
        patch.setattr(process.KeeperClient, "connect", connect_late)
        client_of(session)._mourn("The connection broke")
        async with asyncio.timeout(20):
            while not (kept := await second.list_kept()):
                await asyncio.sleep(0.01)
        again = await second.adopt("again", kept[0][0])
        taken.set()
        await session.wait_closed()
    assert session.exit_code is None
    await again.write(b"still\n")
    await output_until(again, b"got still")


async def test_one_that_was_adopted_for_nobody_does_not_take_the_others_with_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, session = await open_many(bench, 2)
    pool, client = bench.pools[0], client_of(session)
    await pool.leave(left.key)
    [(journal, _)] = await pool.list_kept()
    with monkeypatch.context() as patch, stopped(client.pid):
        patch.setattr(process, "_REQUEST_TIMEOUT_S", 0.2)
        with pytest.raises(KeeperUnavailable):
            await pool.adopt("again", journal)
    await until(lambda: not client._silent)
    assert await pool.list_kept() == [(journal, ABOUT)]
    os.kill(client.pid, signal.SIGKILL)
    await session.write(b"on\n")
    await output_until(session, b"got on")


async def test_a_server_without_descriptors_keeps_what_it_has(bench: Bench) -> None:
    [session] = await open_many(bench, 1)
    await session.screen()
    other: TerminalSession | None
    for spare in range(12):
        with _limited(spare):
            try:
                other = await bench.open(shell("echo up; cat"), key=f"other {spare}", workspace=f"other{spare}")
            except (TerminalError, OSError):
                other = None
        await session.wait_kept()
        if other:
            await other.end()
    await session.write(b"on\n")
    await output_until(session, b"got on")
    assert not session.closed


@contextmanager
def _limited(spare: int, pid: int = 0) -> Iterator[None]:
    """Allow a process, this one by default, to open so many descriptors more and none beyond."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    taken = {int(name) for name in os.listdir(f"/proc/{pid or 'self'}/fd")}
    free = (number for number in range(len(taken) + spare + 1) if number not in taken)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (next(islice(free, spare, None)), hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_keeper_without_descriptors_leaves_no_program_behind_that_nobody_follows(bench: Bench) -> None:
    [session] = await open_many(bench, 1)
    keeper = client_of(session).pid
    for spare in range(16):
        with _limited(spare, keeper):
            try:
                other = await bench.open(("cat",), key="other", workspace="other")
            except TerminalError:
                await until(lambda: processes_with(bench.tag) == [session.pid])
                continue
        await other.end()
    assert client_of(session).pid == keeper
    await session.write(b"on\n")
    await output_until(session, b"got on")


async def test_a_claim_whose_keeper_dies_while_it_is_given_back_is_no_error(bench: Bench) -> None:
    pool, keeper = bench.pool(), await keeper_pid(bench)
    async with pool.claim(str(bench.workspace())):
        os.kill(keeper, signal.SIGSTOP)  # so that it takes the request and does not answer
        asyncio.get_running_loop().call_later(0.1, os.kill, keeper, signal.SIGKILL)
    async with pool.claim(str(bench.workspace())):
        pass


def test_what_is_told_of_a_number_that_was_another_descriptors_before_is_not_its_end(tmp_path: Path) -> None:
    terms = {"owns": [], "holder": {}, "journal_dir": str(tmp_path / "journal"), "limit_bytes": 1 << 20}
    ended: list[int | None] = []
    master, slave = os.openpty()
    with subprocess.Popen(["cat"], stdin=slave, stdout=slave) as program:
        os.close(slave)
        os.set_blocking(master, False)
        told = {"key": "key", "pid": program.pid, "mark": "a mark that nobody has", "started_at": 0.0, **terms}
        fds = [master, os.eventfd(0, os.EFD_NONBLOCK), os.pidfd_open(program.pid)]
        child = Child.go_on_with(Reactor(), told, fds, lambda _, code: ended.append(code), lambda _: None)
        child._notice_exit(READABLE)
        assert (child.ended, ended) == (False, [])
        program.kill()
        program.wait()
        child._notice_exit(READABLE)
        assert (child.ended, ended) == (True, [None])
