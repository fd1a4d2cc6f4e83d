"""The disk is full: the terminal works on, what is lost is told, and when there is room again all goes on.

A stand-in runs in claude's place: what the CLI itself does without room for its transcript is not ours to say.
"""

from __future__ import annotations

from pathlib import Path

from tests.server.api import Api
from tests.server.sockets import Socket
from tests.server.wxterm_socket import WxtermSocket
from tests.support.faults import full_disk, keeper_of
from tests.support.kept import Servers, begin
from tests.support.terminal import until
from wxcode_jupyter.protocol.wxterm import Snapshot, State


async def test_under_the_journal(tmp_path: Path) -> None:
    with Servers(tmp_path) as servers:
        server, api = servers.start()
        session, pid = begin(api)
        project = session.removesuffix("/session")
        typed = Path(api.json("GET", project)["workspace_path"], "typed")
        async with (
            await Socket.connect(server, f"{project}/terminal") as client,
            await WxtermSocket.connect(server, f"{project}/terminal") as fast,
        ):
            await client.wait_connected()
            await client.type("echo be''fore\r")
            for each in (client, fast):
                await each.wait_text("before")
            with full_disk(keeper_of(tmp_path / "home"), server.pid):
                await client.type(
                    "until rmdir stop 2> /dev/null; do seq 1000000 1001000; sleep 0.1; done; mkdir typed\r"
                )
                while "being lost" not in (await fast.wait(State)).message:
                    pass
                assert "being lost" in api.json("GET", session)["message"]
                (typed.parent / "stop").mkdir()
                await until(typed.exists, 40)
            await client.type("echo af''ter\r")
            for each in (client, fast):
                await each.wait_text("after\r\n")

        lost = client.of("status")[-1]
        assert "bytes of output are no longer kept" in lost["message"]
        assert int(lost["message"].split()[0]) > 1001 * 8
        assert "1000999" not in client.text
        assert len(fast.of(Snapshot)) == 2, "what it lacks is nowhere: it gets the screen as it is"
        await until(lambda: api.json("GET", session)["message"] == "")
        assert "after" in api.get(f"{project}/screen").text
        assert api.json("GET", session)["pid"] == pid
        api.json("DELETE", session)


async def test_under_the_store(tmp_path: Path) -> None:
    with Servers(tmp_path) as servers:
        server, api = servers.start()
        session, pid = begin(api)
        project = session.removesuffix("/session")
        async with await Socket.connect(server, f"{project}/terminal") as client:
            await client.wait_connected()
            with full_disk(server.pid):
                refusal = api.refused("POST", "/output-projects", 503, "store_unavailable", json={"name": "another"})
                assert "free space" in refusal["message"]
                await client.type("hook PreToolUse; hook PostToolUse; echo wor''ks\r")
                await client.wait_text("works\r\n")
                assert api.json("GET", session)["pid"] == pid
            await until(lambda: tools(api, project) == ["tool_started", "tool_finished"], 40)
        assert api.create_project("another")["name"] == "another"


async def test_under_the_spool(tmp_path: Path) -> None:
    with Servers(tmp_path) as servers:
        server, api = servers.start()
        session, pid = begin(api)
        project = session.removesuffix("/session")
        async with await Socket.connect(server, f"{project}/terminal") as client:
            await client.wait_connected()
            with full_disk(pid):
                await client.type("hook PreToolUse; echo exit sta''tus $?\r")
                await client.wait_text("exit status 0\r\n")
            await client.type("hook PostToolUse\r")
            await until(lambda: tools(api, project) == ["tool_finished"], 40)
        [spool] = tmp_path.rglob("spool")
        await until(lambda: not list(spool.iterdir()), 40)


def tools(api: Api, project: str) -> list[str]:
    """Return what the events tell of tools."""
    events = api.json("GET", f"{project}/events")["events"]
    return [event["type"] for event in events if event["type"].startswith("tool_")]
