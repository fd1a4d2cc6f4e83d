"""One owner per workspace: who holds it is told, and a claim comes before the session."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from tests.support.terminal import STUBBORN, Bench, output_until, python, running, server_script, shell, until
from wxcode_jupyter.errors import HeldElsewhere

HOLDER = Path(".milestones/.holder.json")


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
