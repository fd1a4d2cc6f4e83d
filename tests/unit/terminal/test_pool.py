"""One process per key, and nothing left afterwards."""

from __future__ import annotations

import asyncio
import gc
import os
import signal

import pytest

from tests.support.terminal import (
    Bench,
    descriptors,
    keeper_pid,
    output_to_end,
    output_until,
    processes_with,
    python,
    running,
    shell,
    until,
)
from wxcode_jupyter.errors import SessionAlive, SpawnFailed, TerminalClosed
from wxcode_jupyter.models import TermSize
from wxcode_jupyter.terminal.process import KeeperClient


async def test_thirty_opens_at_once_give_one_process(bench: Bench) -> None:
    pool = bench.pool()
    spec = bench.spec(("cat",))
    sessions = await asyncio.gather(*(pool.open("key", spec) for _ in range(30)))
    assert len({id(session) for session in sessions}) == 1
    assert processes_with(bench.tag) == [sessions[0].pid]
    assert pool.get("key") is sessions[0]
    assert pool.get("other") is None


async def test_one_caller_who_gives_up_does_not_take_it_from_the_others(bench: Bench) -> None:
    pool, spec = bench.pool(), bench.spec(("cat",))
    impatient = asyncio.create_task(pool.open("key", spec))
    patient = asyncio.create_task(pool.open("key", spec))
    await asyncio.sleep(0)
    impatient.cancel()
    assert not (await patient).closed
    with pytest.raises(asyncio.CancelledError):
        await impatient


async def test_a_key_can_be_opened_again_as_soon_as_its_session_has_closed(bench: Bench) -> None:
    first = await bench.open(shell("exit 1"))
    await first.wait_closed()
    second = await bench.open(("cat",))
    assert second is not first
    assert not second.closed
    assert not (bench.folder / "journal-1").exists()


async def test_the_same_key_twice_on_one_connection_is_a_conflict(bench: Bench) -> None:
    client = await KeeperClient.connect(bench.runtime_dir)
    spec = bench.spec(("cat",))
    request = {
        "owns": list(spec.owns),
        "argv": list(spec.argv),
        "cwd": spec.cwd,
        "env": dict(spec.env),
        "rows": 24,
        "cols": 80,
        "journal_dir": spec.journal_dir,
        "limit_bytes": 1,
        "holder": {},
    }
    child = await client.spawn("key", request)
    with pytest.raises(SessionAlive):
        await client.spawn("key", request)
    (listed,) = await client.list()
    assert (listed["key"], listed["pid"], listed["mine"]) == ("key", child.pid, True)
    client.close()
    child.close_terminal()
    await client.successor()
    assert not running(child.pid)


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (("no-such-program",), "not in the PATH"),
        (("./no-such-program",), "not found|No such file"),
        (("/etc/passwd",), "executable|ermission"),
        (("sh", "a\0b"), "NUL"),
    ],
)
async def test_a_program_that_cannot_be_started_is_an_error_that_leaves_nothing(
    bench: Bench, argv: tuple[str, ...], reason: str
) -> None:
    spec = bench.spec(argv)
    with pytest.raises(SpawnFailed, match=reason):
        await bench.pool().open("key", spec)
    assert not os.path.exists(spec.journal_dir)
    assert list(bench.workspace().iterdir()) == []
    assert (await bench.open(("cat",))).pid


async def test_a_variable_that_no_program_can_be_given_is_an_error(bench: Bench) -> None:
    with pytest.raises(SpawnFailed, match="variable"):
        await bench.open(("cat",), **{"A=B": "x"})


async def test_a_working_directory_that_is_missing_is_an_error(bench: Bench) -> None:
    spec = bench.spec(("cat",))
    bench.workspace().rmdir()
    with pytest.raises(SpawnFailed):
        await bench.pool().open("key", spec)


async def test_the_child_gets_its_environment_and_nothing_else(bench: Bench) -> None:
    session = await bench.open(
        python("""
            import os, signal
            fds = [fd for fd in map(int, os.listdir("/proc/self/fd")) if os.path.exists(f"/proc/self/fd/{fd}")]
            print(sorted(set(os.environ) - {"LC_CTYPE"}), sorted(fds))
            print([s for s in signal.valid_signals() if signal.getsignal(s) is signal.SIG_IGN and s not in (13, 25)])
            print(os.getcwd(), os.getsid(0) == os.getpid() == os.getpgrp(), os.environ["WXCODE_WORKSPACE_LOCK_FD"])
        """),
        size=TermSize(24, 300),
    )
    output = (await output_to_end(session)).decode().splitlines()
    lock = output[2].split()[-1]
    names = ["LANG", "PATH", "PS1", "TERM", "WXCODE_TERMINAL_MARK", "WXCODE_TEST", "WXCODE_WORKSPACE_LOCK_FD"]
    assert output == [f"{names} [0, 1, 2, {lock}]", "[]", f"{bench.workspace()} True {lock}"]


async def test_nothing_is_left_after_close_all(bench: Bench) -> None:
    gc.collect()
    before = descriptors()
    pool = bench.pool()
    sessions = [
        await pool.open(f"key {number}", bench.spec(shell("sleep 1000 & echo up; wait"), workspace=f"ws {number}"))
        for number in range(5)
    ]
    for session in sessions:
        await output_until(session, b"up")
        assert (await session.screen()).lines[0] == "up"
    keeper, worker = (await keeper_pid(bench)), pool._emulation.pid
    await pool.close_all()
    await pool.close_all()
    assert descriptors() == before
    assert processes_with(bench.tag) == []
    assert worker
    assert not running(worker)
    await until(lambda: not running(keeper))
    assert sorted(os.listdir(bench.runtime_dir)) == ["keeper.lock", "keeper.log"]
    assert (bench.folder / "run" / "keeper.log").read_text() == ""
    for session in sessions:
        session.discard()
    assert not list(bench.folder.glob("journal-*"))
    with pytest.raises(TerminalClosed):
        await pool.open("key", bench.spec(("cat",)))


async def test_nothing_is_left_of_a_child_that_was_killed(bench: Bench) -> None:
    session = await bench.open(shell("sleep 1000 & echo up; wait"))
    await output_until(session, b"up")
    await session.screen()  # the emulator's process is up: its descriptors stay
    before = descriptors()
    os.kill(session.pid, signal.SIGKILL)
    await session.wait_closed()
    assert session.exit_code == -signal.SIGKILL
    await until(lambda: processes_with(bench.tag) == [])
    assert len(descriptors()) < len(before)
