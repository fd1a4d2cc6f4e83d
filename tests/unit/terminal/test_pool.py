"""One process per key, one owner per workspace, nothing left afterwards."""

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

from tests.support.terminal import (
    Bench,
    descriptors,
    output_to_end,
    output_until,
    processes_with,
    python,
    running,
    shell,
    until,
)
from wxcode_jupyter.errors import HeldElsewhere, KeeperUnavailable, SessionAlive, SpawnFailed, TerminalClosed
from wxcode_jupyter.models import TermSize
from wxcode_jupyter.terminal.process import KeeperClient

HOLDER = Path(".milestones/.holder.json")


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


async def test_another_server_is_told_who_holds_the_workspace(bench: Bench) -> None:
    await bench.pool(url="http://first/").open("key", bench.spec(("cat",)))
    link = bench.folder / "link"
    link.symlink_to(bench.workspace())
    for pool in (bench.pool(url="http://second/"), bench.pool(str(bench.folder / "elsewhere"))):
        for name in ("ws", "link"):
            spec = bench.spec(("cat",), workspace=name)
            with pytest.raises(HeldElsewhere) as held:
                await pool.open("key", spec)
            assert held.value.holder["url"] == "http://first/"
            assert held.value.holder["pid"] == os.getpid()
            assert not os.path.exists(spec.journal_dir)
    holder = bench.workspace() / HOLDER
    assert stat.S_IMODE(holder.stat().st_mode) == 0o600


async def test_a_holder_that_cannot_be_read_is_none(bench: Bench) -> None:
    pool = bench.pool()
    await pool.open("key", bench.spec(("cat",)))
    (bench.workspace() / HOLDER).write_text("{")
    with pytest.raises(HeldElsewhere) as held:
        await pool.open("other", bench.spec(("cat",)))
    assert held.value.holder is None


async def test_a_link_in_place_of_the_milestones_folder_is_not_followed(bench: Bench) -> None:
    outside = bench.workspace("outside")
    (bench.workspace() / ".milestones").symlink_to(outside)
    session = await bench.open(("cat",))
    await session.end(grace_s=1)
    assert list(outside.iterdir()) == []


async def test_the_workspace_is_free_when_the_end_is_reported(bench: Bench) -> None:
    for number in range(5):
        session = await bench.open(shell("exit 0"), key=f"key {number}")
        await session.wait_closed()
    assert list(bench.workspace().iterdir()) == []


async def test_the_milestones_folder_that_was_there_stays(bench: Bench) -> None:
    context = bench.workspace() / ".milestones" / "m1"
    context.mkdir(parents=True)
    session = await bench.open(shell("exit 0"))
    await session.wait_closed()
    assert [path.name for path in (bench.workspace() / ".milestones").iterdir()] == ["m1"]


async def test_a_background_process_that_inherited_the_lock_does_not_keep_the_workspace(bench: Bench) -> None:
    # With an environment of its own it belongs to the session no more.
    session = await bench.open(shell("setsid env -i sleep 1000 & echo pid=$! fd=$WXCODE_WORKSPACE_LOCK_FD; read x"))
    output = await output_until(session, b"\n")
    pid, descriptor = (int(part.partition(b"=")[2]) for part in output.split())
    try:
        await until(lambda: os.getsid(pid) == pid)
        assert os.readlink(f"/proc/{pid}/fd/{descriptor}") == str(bench.workspace())
        await session.write(b"\n")
        await session.wait_closed()
        assert running(pid)
        assert not (await bench.open(("cat",), key="next")).closed
    finally:
        os.kill(pid, signal.SIGKILL)


async def test_the_child_keeps_the_workspace_locked_when_everybody_else_is_gone(bench: Bench) -> None:
    program = python("""
        import fcntl, os, signal, sys
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        print("up", flush=True)
        signal.pause()
    """)
    server = subprocess.Popen(server_script(bench, program), stdout=subprocess.PIPE)
    assert server.stdout
    pids = json.loads(await asyncio.to_thread(server.stdout.readline))
    os.kill(pids["keeper"], signal.SIGKILL)
    server.kill()
    server.wait()
    server.stdout.close()
    assert running(pids["child"])
    with pytest.raises(HeldElsewhere):
        await bench.open(("cat",))
    os.kill(pids["child"], signal.SIGKILL)
    await until(lambda: not running(pids["child"]))
    await bench.open(("cat",))


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
    await client.wait_rescued()
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
    before = descriptors()
    os.kill(session.pid, signal.SIGKILL)
    await session.wait_closed()
    assert session.exit_code == -signal.SIGKILL
    await until(lambda: processes_with(bench.tag) == [])
    assert len(descriptors()) < len(before)


async def test_when_the_keeper_is_killed_its_sessions_close_and_new_ones_can_be_opened(bench: Bench) -> None:
    gc.collect()
    before = descriptors()
    session = await bench.open(
        python("""
            import os, signal, time
            for number in (signal.SIGHUP, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            if os.fork() == 0:
                time.sleep(1000)
            print("up", flush=True)
            time.sleep(1000)
        """)
    )
    await output_until(session, b"up")
    keeper = await keeper_pid(bench)
    os.kill(keeper, signal.SIGKILL)
    await session.wait_closed()
    assert session.exit_code is None
    with pytest.raises(TerminalClosed):
        await session.write(b"x")
    assert (await session.screen()).lines[0] == "up"
    again = await bench.open(("cat",))
    assert processes_with(bench.tag) == [again.pid]
    assert await keeper_pid(bench) != keeper
    await bench.pools[0].close_all()
    assert descriptors() == before


STUBBORN = python("""
    import signal
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    print("up", flush=True)
    while True:
        signal.pause()
""")


async def test_a_session_whose_keeper_was_killed_has_ended_only_when_its_child_is_dead(bench: Bench) -> None:
    session = await bench.open(STUBBORN)
    await output_until(session, b"up")
    at_the_end: list[bool] = []
    session.subscribe(lambda: at_the_end.append(running(session.pid)) if session.closed else None)
    os.kill(await keeper_pid(bench), signal.SIGKILL)
    await until(lambda: session.lost)
    assert not session.closed
    with pytest.raises(TerminalClosed):
        await session.write(b"x")
    assert running(session.pid)
    await session.wait_closed()
    assert at_the_end == [False]


async def test_what_is_opened_while_a_session_without_a_keeper_ends_comes_after_it(bench: Bench) -> None:
    session = await bench.open(STUBBORN)
    await output_until(session, b"up")
    os.kill(await keeper_pid(bench), signal.SIGKILL)
    await until(lambda: session.lost)
    again = await bench.open(("cat",))
    assert session.closed
    assert not running(session.pid)
    assert running(again.pid)


async def test_to_end_a_session_without_a_keeper_is_to_wait_for_its_end(bench: Bench) -> None:
    session = await bench.open(STUBBORN)
    await output_until(session, b"up")
    os.kill(await keeper_pid(bench), signal.SIGKILL)
    await until(lambda: session.lost)
    assert await session.end(grace_s=0.1) is None
    assert not running(session.pid)


async def test_what_has_left_the_group_is_ended_without_a_keeper_too(bench: Bench) -> None:
    session = await bench.open(
        shell("setsid sh -c 'trap \"\" HUP TERM; echo pid=$$; while :; do sleep 0.1; done' & wait")
    )
    pid = int((await output_until(session, b"\n")).partition(b"=")[2])
    os.kill(await keeper_pid(bench), signal.SIGKILL)
    await session.wait_closed()
    assert processes_with(bench.tag) == []
    assert not running(pid)


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


async def keeper_pid(bench: Bench) -> int:
    client = await KeeperClient.connect(bench.runtime_dir)
    client.close()
    return client.pid


def server_script(bench: Bench, argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command line of a server that opens one session and then does nothing; it prints the pids."""
    bench.workspace()
    program = f"""
import asyncio, json
from pathlib import Path
from tests.support.terminal import Bench, output_until
from wxcode_jupyter.terminal.process import KeeperClient

async def main():
    bench = Bench(Path({str(bench.folder)!r}), journals=100)
    session = await bench.open({argv!r})
    await output_until(session, b"up")
    keeper = await KeeperClient.connect(bench.runtime_dir)
    print(json.dumps({{"child": session.pid, "keeper": keeper.pid}}), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
    return (python("")[0], "-c", program)


async def test_a_claim_keeps_others_out_and_becomes_the_sessions(bench: Bench) -> None:
    ours, other = bench.pool(url="http://127.0.0.1:1/"), bench.pool(str(bench.folder / "other"))
    workspace = str(bench.workspace())
    async with ours.claim(workspace):
        with pytest.raises(HeldElsewhere) as held:
            await other.open("key", bench.spec(("cat",)))
        assert held.value.holder["url"] == "http://127.0.0.1:1/"
        session = await bench.open(("cat",))
    with pytest.raises(HeldElsewhere):
        await other.open("key", bench.spec(("cat",)))
    await session.end()
    async with other.claim(workspace):
        pass
    async with ours.claim(workspace):
        pass


async def test_a_session_owns_every_folder_it_names(bench: Bench) -> None:
    ours, other = bench.pool(url="http://127.0.0.1:1/"), bench.pool(str(bench.folder / "other"))
    place, workspace = str(bench.workspace("place")), str(bench.workspace())
    async with ours.claim(place), ours.claim(workspace):
        session = await bench.open(("cat",), also=(place,))
    os.rename(workspace, bench.folder / "renamed")
    spec = bench.spec(("cat",), also=(place,))
    with pytest.raises(HeldElsewhere) as held:
        await other.open("key", spec)
    assert held.value.holder["url"] == "http://127.0.0.1:1/"
    async with other.claim(workspace):  # what was refused has left nothing behind
        pass
    await session.end()
    assert not (await other.open("key", spec)).closed


async def test_a_claim_waits_for_the_session_of_a_server_that_was_killed(bench: Bench) -> None:
    server = subprocess.Popen(server_script(bench, STUBBORN), stdout=subprocess.PIPE)
    assert server.stdout
    child = json.loads(await asyncio.to_thread(server.stdout.readline))["child"]
    pool = bench.pool(url="http://next/")
    server.kill()  # and not waited for: it may be a zombie
    await until(lambda: not running(server.pid))
    assert running(child)
    async with pool.claim(str(bench.workspace())):
        assert not running(child)
    server.wait()
    server.stdout.close()


async def test_a_claim_waits_for_nobody_who_may_live(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wxcode_jupyter.terminal.pool._DEAD_HOLDER_S", float("inf"))
    dead = subprocess.Popen(shell("exit"))
    dead.wait()
    await bench.open(("cat",))
    path, pool = bench.workspace() / HOLDER, bench.pool(str(bench.folder / "other"))
    for holder in (
        {"pid": dead.pid, "host": "another"},
        {"pid": dead.pid},
        {"host": "here"},
        {"pid": "1", "host": "here"},
        {"pid": os.getpid(), "host": "here"},
    ):
        path.write_text(json.dumps(holder))
        with pytest.raises(HeldElsewhere) as held:
            async with pool.claim(str(bench.workspace())):
                pass
        assert held.value.holder == holder


async def test_a_claim_does_not_wait_for_ever(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wxcode_jupyter.terminal.pool._DEAD_HOLDER_S", 0.2)
    dead = subprocess.Popen(shell("exit"))
    dead.wait()
    await bench.open(("cat",))
    (bench.workspace() / HOLDER).write_text(json.dumps({"pid": dead.pid, "host": "here"}))
    with pytest.raises(HeldElsewhere):
        async with bench.pool(str(bench.folder / "other")).claim(str(bench.workspace())):
            pass


async def test_a_claim_ends_with_its_server(bench: Bench) -> None:
    ours, other = bench.pool(), bench.pool(str(bench.folder / "other"))
    workspace = str(bench.workspace())
    async with ours.claim(workspace):
        await ours.close_all()

        async with asyncio.timeout(20):
            while True:
                try:
                    async with other.claim(workspace):
                        break
                except HeldElsewhere:
                    await asyncio.sleep(0.005)  # the keeper hears of it in its own time
