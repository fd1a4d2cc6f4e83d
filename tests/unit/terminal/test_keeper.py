"""The keeper's life, and what becomes of sessions without it."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from tests.support.processes import stopped
from tests.support.terminal import (
    STUBBORN,
    Bench,
    descriptors,
    keeper_pid,
    output_to_end,
    output_until,
    processes_with,
    python,
    running,
    server_script,
    shell,
    until,
)
from wxcode_jupyter.errors import HeldElsewhere, KeeperUnavailable, TerminalClosed
from wxcode_jupyter.models import TermSize
from wxcode_jupyter.terminal import process
from wxcode_jupyter.terminal.attachment import Role
from wxcode_jupyter.terminal.journal import SizeRecord
from wxcode_jupyter.terminal.process import KeeperClient
from wxcode_jupyter.terminal.session import TerminalSession


async def test_when_the_keeper_is_killed_its_sessions_go_on_with_another(bench: Bench) -> None:
    gc.collect()
    before = descriptors()
    session = await bench.open(shell("echo up; while :; do read line && echo got $line; done"))
    other = await bench.open(shell("echo up; read line; exit 3"), key="other", workspace="ws2")
    client = session.attach(Role.DRIVER, TermSize(30, 90))
    for each in (session, other):
        await output_until(each, b"up")
    await session.screen()
    for number in range(3):
        await kill_keeper(bench, session, b"after %d\n" % number)
        await output_until(session, b"got after %d\r\n" % number)
        await until(lambda: not session._sizing.redrawing)
    assert await bench.pools[0].open("key", bench.spec(("true",))) is session
    # Complete, in order, and with the screen drawn again each time: a keeper may die with what it had read.
    output = await output_until(session, b"got after 2")
    positions = [output.index(b"got after %d\r\n" % number) for number in range(3)]
    assert positions == sorted(positions)
    assert output.count(b"after") == 6
    sizes = [24, 30, *([29, 30] * 3)]
    await until(lambda: [size.rows for size in SizeRecord(session._journal_dir).load_new()] == sizes)
    await other.write(b"\n")
    await other.wait_closed()
    assert other.exit_code is None  # nobody can know it
    with pytest.raises(HeldElsewhere):
        async with bench.pool(url="another").claim(str(bench.workspace())):
            pass
    client.detach()
    assert await session.end() is None
    assert not running(session.pid)
    again = await bench.open(("cat",))
    assert processes_with(bench.tag) == [again.pid]
    for pool in bench.pools:
        await pool.close_all()
    assert descriptors() == before


async def test_what_the_terminal_has_when_the_keeper_dies_comes_to_the_next(bench: Bench) -> None:
    session = await bench.open(shell("echo up; read line; seq 1 200000; echo end of it"))
    await output_until(session, b"up")
    await session.write(b"\n")
    await until(lambda: session.head > 20_000)
    os.kill(await keeper_pid(bench), signal.SIGKILL)
    output = await output_to_end(session)
    assert output.endswith(b"end of it\r\n")
    numbers = [int(line) for line in output.split(b"\r\n") if line.isdigit()]
    # What a keeper has read and not yet written when it dies is lost, and nothing else; nothing comes twice.
    assert numbers == sorted(set(numbers))
    assert len(numbers) > 200_000 - (1 << 20) // 6
    assert (await session.screen()).lines[-2] == "end of it"


async def test_a_session_that_no_keeper_can_be_found_for_has_ended_only_when_its_child_is_dead(bench: Bench) -> None:
    session = await bench.open(STUBBORN)
    await output_until(session, b"up")
    at_the_end: list[bool] = []
    session.subscribe(lambda: at_the_end.append(running(session.pid)) if session.closed else None)
    await kill_for_good(bench)
    await until(lambda: session._child.ending)
    assert not session.closed
    with pytest.raises(TerminalClosed):
        await session.write(b"x")
    assert running(session.pid)
    with pytest.raises(KeeperUnavailable):
        await bench.open(("cat",))
    assert at_the_end == [False]
    os.chmod(bench.runtime_dir, 0o700)
    again = await bench.open(("cat",))
    assert processes_with(bench.tag) == [again.pid]


async def test_to_end_a_session_without_a_keeper_is_to_wait_for_its_end(bench: Bench) -> None:
    session = await bench.open(STUBBORN)
    await output_until(session, b"up")
    await kill_for_good(bench)
    await until(lambda: session.lost)
    assert await session.end(grace_s=0.1) is None
    assert not running(session.pid)


async def test_what_has_left_the_group_is_ended_without_a_keeper_too(bench: Bench) -> None:
    session = await bench.open(
        shell("setsid sh -c 'trap \"\" HUP TERM; echo pid=$$; while :; do sleep 0.1; done' & wait")
    )
    pid = int((await output_until(session, b"\n")).partition(b"=")[2])
    await kill_for_good(bench)
    await session.wait_closed()
    assert processes_with(bench.tag) == []
    assert not running(pid)


async def test_what_has_left_the_group_is_ended_by_the_next_keeper_too(bench: Bench) -> None:
    session = await bench.open(shell("setsid sh -c 'echo pid=$$; while :; do sleep 0.1; done' & wait"))
    pid = int((await output_until(session, b"\n")).partition(b"=")[2])
    await kill_keeper(bench, session)
    os.kill(session.pid, signal.SIGKILL)
    await session.wait_closed()
    await until(lambda: not running(pid) and not processes_with(bench.tag))


async def test_keepers_that_die_of_what_they_keep_are_not_started_for_ever(bench: Bench) -> None:
    session = await bench.open(("cat",))
    for _ in range(1 + process._MAX_RELAPSES):
        await kill_keeper(bench, session)
    os.kill(await keeper_pid(bench), signal.SIGKILL)
    await session.wait_closed()
    assert processes_with(bench.tag) == []


async def test_when_the_server_is_killed_its_sessions_end_and_then_the_keeper(bench: Bench) -> None:
    server = subprocess.Popen(
        server_script(bench, shell("trap '' HUP; sleep 1000 & echo up; wait")), stdout=subprocess.PIPE
    )
    assert server.stdout
    pids = json.loads(await asyncio.to_thread(server.stdout.readline))
    assert running(pids["child"])
    server.kill()
    server.wait()
    server.stdout.close()
    await until(lambda: processes_with(bench.tag) == [])
    await until(lambda: not running(pids["keeper"]))
    assert list(bench.workspace().iterdir()) == []
    await bench.open(("cat",))


async def test_a_keeper_that_is_asked_to_end_ends_its_sessions(bench: Bench) -> None:
    session = await bench.open(("cat",))
    keeper = await keeper_pid(bench)
    os.kill(keeper, signal.SIGTERM)
    await session.wait_closed()
    await until(lambda: not running(keeper))
    assert not running(session.pid)


async def test_a_keeper_that_hangs_is_waited_for_once_and_its_sessions_end_without_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await bench.open(shell("sleep 1000 & echo up; wait"))
    await output_until(session, b"up")
    keeper = await keeper_pid(bench)
    monkeypatch.setattr(process, "_REQUEST_TIMEOUT_S", 1.0)
    with stopped(keeper):
        with pytest.raises(KeeperUnavailable, match="did not answer within"):
            await session.end()
        with pytest.raises(KeeperUnavailable, match="does not answer"):
            await bench.pools[0].close_all()
        assert session.closed
        assert processes_with(bench.tag) == []
    await until(lambda: not running(keeper))


async def test_a_claim_that_came_too_late_is_given_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await KeeperClient.connect(bench.runtime_dir)
    folder = str(bench.workspace())
    with monkeypatch.context() as patch, stopped(client.pid):
        patch.setattr(process, "_REQUEST_TIMEOUT_S", 0.2)
        for _ in range(2):
            with pytest.raises(KeeperUnavailable):
                await client.claim(folder, {})
    await until(lambda: not client._silent)
    await client.claim(folder, {})
    client.close()


async def test_many_threads_and_loops_find_one_keeper(bench: Bench) -> None:
    async def connect() -> int:
        client = await KeeperClient.connect(bench.runtime_dir)
        client.close()
        return client.pid

    pids = await asyncio.gather(*(asyncio.to_thread(asyncio.run, connect()) for _ in range(30)))
    assert len(set(pids)) == 1


async def test_a_keeper_with_nothing_to_keep_leaves_and_the_next_connection_starts_another(bench: Bench) -> None:
    first = await keeper_pid(bench)
    await until(lambda: not running(first))
    assert await keeper_pid(bench) != first


async def test_a_socket_that_a_dead_keeper_left_is_replaced(bench: Bench) -> None:
    first = await keeper_pid(bench)
    os.kill(first, signal.SIGKILL)
    await until(lambda: not running(first))
    assert (Path(bench.runtime_dir) / "keeper.sock").is_socket()
    assert await keeper_pid(bench) != first


async def test_the_keepers_folder_may_have_any_length(bench: Bench) -> None:
    deep = bench.folder / ("x" * 120) / ("y" * 120)
    pool = bench.pool(str(deep))
    assert (await pool.open("key", bench.spec(("cat",)))).pid
    assert stat.S_IMODE(deep.stat().st_mode) == 0o700
    assert stat.S_IMODE((deep / "keeper.sock").stat().st_mode) == 0o600


async def test_a_folder_that_others_may_enter_is_refused(bench: Bench) -> None:
    os.mkdir(bench.runtime_dir, 0o755)
    with pytest.raises(KeeperUnavailable, match="chmod 700"):
        await bench.open(("cat",))


async def test_the_keeper_imports_little() -> None:
    program = "import sys, wxcode_jupyter.terminal.keeper; print(*sys.modules)"
    loaded = subprocess.run((*python(program)[:1], "-c", program), capture_output=True, text=True, check=True).stdout
    for heavy in ("asyncio", "tornado", "pymongo", "pyghostty", "cffi", "pyte", "wxcode_jupyter.models"):
        assert heavy not in loaded.split()


async def kill_for_good(bench: Bench) -> None:
    """Kill the keeper, and see to it that none can be started."""
    keeper = await keeper_pid(bench)
    os.chmod(bench.runtime_dir, 0o755)
    os.kill(keeper, signal.SIGKILL)


async def kill_keeper(bench: Bench, session: TerminalSession, typed: bytes = b"") -> None:
    """Kill the keeper, type something at once, and wait until another one follows the session."""
    keeper = await keeper_pid(bench)
    os.kill(keeper, signal.SIGKILL)
    await session.write(typed)
    await until(lambda: session._child.keeper.pid != keeper)
    assert await keeper_pid(bench) == session._child.keeper.pid
