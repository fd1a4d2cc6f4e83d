"""The terminal in wxcode's JSON (`PROTOCOL.md`), over real sockets against a real PTY."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.server.api import UNKNOWN_ID, Api, install_gsd
from tests.server.sockets import Socket
from tests.support.server import WxServer
from tests.support.terminal import until
from tests.unit.protocol.test_wxjson import BAD


class TestComingAndGoing:
    async def test_the_first_client_starts_the_session(self, server: WxServer, api: Api, path: str) -> None:
        async with await Socket.connect(server, f"{path}/terminal") as client:
            connected = await client.wait_connected()

            assert [frame["message"] for frame in client.of("status")] == [
                "Connecting...",
                "Preparing the session...",
                "Connected.",
            ]
            assert [frame["connected"] for frame in client.of("status")] == [False, False, True]
            assert connected["session_id"] == api.json("GET", f"{path}/session")["claude_session_id"]
            await client.wait_text("stand-in up: session-id\r\n")
            assert "onnect" not in client.text

    async def test_a_later_client_gets_everything_that_was_printed(
        self, server: WxServer, terminal_path: str, api: Api, path: str
    ) -> None:
        async with await Socket.connect(server, terminal_path) as first:
            await first.wait_connected()
            await first.type("echo bef''ore\r")
            await first.wait_text("before\r\n")
            pid = api.json("GET", f"{path}/session")["pid"]

            async with await Socket.connect(server, terminal_path) as second:
                await second.wait_connected()
                assert second.of("status")[1]["message"] == "Reconnecting to the existing session..."
                await second.type("echo aft''er\r")
                await second.wait_text("after\r\n")
                await first.wait_text("after\r\n")
                assert first.text == second.text

        await until(lambda: api.json("GET", f"{path}/session")["clients"] == 0)
        async with await Socket.connect(server, terminal_path) as third:
            await third.wait_text("after\r\n")
            assert api.json("GET", f"{path}/session")["pid"] == pid

    async def test_a_return_resumes_the_conversation(
        self, server: WxServer, terminal_path: str, api: Api, path: str
    ) -> None:
        """The id is kept once a SessionStart was reported, and asked for once a prompt is in the transcript."""
        async with await Socket.connect(server, terminal_path) as client:
            session_id = (await client.wait_connected())["session_id"]
            await client.type("hook SessionStart\r")
            await until(lambda: api.json("GET", path)["claude_session_id"] == session_id)
            await client.type("exit\r")
            assert await client.wait_closed() == 1000

        async with await Socket.connect(server, terminal_path) as client:
            await client.wait_connected()
            before = client.of("status")[1]
            assert (before["message"], before["session_id"]) == ("Resuming the conversation...", session_id)

    @pytest.mark.parametrize("frames", [0, 1, 2, 3])
    async def test_who_leaves_while_it_starts_breaks_nothing(
        self, frames: int, server: WxServer, terminal_path: str, api: Api, path: str
    ) -> None:
        async with await Socket.connect(server, terminal_path) as client:
            for _ in range(frames):
                await client.next()

        async with await Socket.connect(server, terminal_path) as client:
            session_id = (await client.wait_connected())["session_id"]
            await client.wait_text("stand-in up")
            await client.type("hook SessionStart\r")
            await until(lambda: api.json("GET", path)["claude_session_id"] == session_id)
            assert client.text.count("stand-in up") == 1

    async def test_messages_come_in_the_configured_language(self, other_server: WxServer) -> None:
        with Api(other_server) as api:
            path = f"/output-projects/{api.create_project('em portugues')['id']}"
            async with await Socket.connect(other_server, f"{path}/terminal") as first:
                await first.wait_connected()
                async with await Socket.connect(other_server, f"{path}/terminal") as second:
                    await second.wait_connected()

                    assert [frame["message"] for frame in first.of("status")] == [
                        "Conectando...",
                        "Preparando a sessao...",
                        "Conectado.",
                    ]
                    assert second.of("status")[1]["message"] == "Reconectando a sessao existente..."
            api.json("DELETE", f"{path}/session")

    async def test_a_milestone_leads_to_its_project(self, server: WxServer, api: Api, project: dict[str, Any]) -> None:
        body = {"output_project_id": project["id"], "element_name": "done"}
        milestone = api.json("POST", "/milestones", 201, json=body)
        api.json("PATCH", f"/milestones/{milestone['id']}", json={"status": "completed"})

        async with (
            await Socket.connect(server, f"/milestones/{milestone['id']}/terminal") as by_milestone,
            await Socket.connect(server, f"/output-projects/{project['id']}/terminal") as by_project,
        ):
            await by_milestone.wait_connected()
            await by_project.wait_connected()
            await by_milestone.type("echo he''re\r")
            await by_project.wait_text("here\r\n")

    async def test_a_pending_milestone_is_started_once(
        self, server: WxServer, api: Api, project: dict[str, Any], path: str
    ) -> None:
        install_gsd(project)
        body = {"output_project_id": project["id"], "element_name": "pending"}
        milestone = api.json("POST", "/milestones", 201, json=body)
        milestone_path = f"/milestones/{milestone['id']}/terminal"

        async with await Socket.connect(server, f"{milestone_path}?role=observer") as observer:
            assert await observer.wait_closed() == 4005
        assert api.json("GET", f"{path}/commands")["total"] == 0

        async with await Socket.connect(server, milestone_path):
            pass  # whoever leaves at once has started it all the same
        async with await Socket.connect(server, milestone_path) as client:
            await client.wait_connected()
            commands = api.json("GET", f"{path}/commands")["commands"]

        assert [command["milestone_id"] for command in commands] == [milestone["id"]]

    async def test_a_pending_milestone_that_cannot_start_says_why(
        self, server: WxServer, api: Api, project: dict[str, Any]
    ) -> None:
        body = {"output_project_id": project["id"], "element_name": "pending"}
        milestone = api.json("POST", "/milestones", 201, json=body)

        async with await Socket.connect(server, f"/milestones/{milestone['id']}/terminal") as client:
            assert (await client.wait("error"))["code"] == "gsd_missing"
            assert await client.wait_closed() == 4005


class TestMistakes:
    @pytest.mark.parametrize(("message", "field"), BAD)
    async def test_a_bad_frame_is_answered_and_changes_nothing(
        self, message: str | bytes, field: str, server: WxServer, terminal_path: str
    ) -> None:
        async with await Socket.connect(server, terminal_path) as client:
            await client.wait_connected()
            await client.wait_text("up: session-id\r\n")
            frames = len(client.frames)

            await client.connection.write_message(message, binary=isinstance(message, bytes))
            answer = await client.next()
            assert answer
            assert (answer["type"], answer["code"]) == ("error", "invalid_body")
            assert field in answer["message"]

            await client.type("stty size\r")
            await client.wait_text("40 120\r\n")
            assert client.text.endswith("up: session-id\r\nstty size\r\n40 120\r\n")
            assert {frame["type"] for frame in client.frames[frames + 1 :]} == {"output"}

    async def test_a_type_of_a_later_version_is_ignored(self, server: WxServer, terminal_path: str) -> None:
        async with await Socket.connect(server, terminal_path) as client:
            await client.wait_connected()
            await client.send(type="ping", data=7)
            await client.type("stty size\r")
            await client.wait_text("40 120\r\n")
            assert client.of("error") == []

    @pytest.mark.parametrize("route", ["output-projects", "milestones"])
    @pytest.mark.parametrize(
        ("identifier", "code", "reason"), [("x", 4000, "invalid_id"), (UNKNOWN_ID, 4004, "not_found")]
    )
    async def test_an_id_that_leads_nowhere(
        self, route: str, identifier: str, code: int, reason: str, server: WxServer
    ) -> None:
        async with await Socket.connect(server, f"/{route}/{identifier}/terminal") as client:
            assert await client.wait_closed() == code
            assert client.frames[-1]["code"] == reason
            assert client.frames[-1]["message"]

    async def test_a_session_that_cannot_start(
        self, server: WxServer, terminal_path: str, project: dict[str, Any]
    ) -> None:
        os.rmdir(project["workspace_path"])
        Path(project["workspace_path"]).touch()

        async with await Socket.connect(server, terminal_path) as client:
            assert await client.wait_closed() == 4005
            assert client.frames[-1]["code"] == "invalid_path"

    async def test_a_session_that_another_server_holds(
        self, server: WxServer, other_server: WxServer, project: dict[str, Any], terminal_path: str
    ) -> None:
        async with await Socket.connect(server, terminal_path) as holding:
            await holding.wait_connected()
            with Api(other_server) as api:
                there = api.create_project("held", workspace_path=project["workspace_path"])
                async with await Socket.connect(other_server, f"/output-projects/{there['id']}/terminal") as client:
                    assert await client.wait_closed() == 4409

        assert client.frames[-1]["code"] == "held_elsewhere"
        assert server.url in client.frames[-1]["message"]

    async def test_keys_before_the_session_is_up_are_refused(self, server: WxServer, terminal_path: str) -> None:
        async with await Socket.connect(server, terminal_path) as client:
            await client.type("too early\r")
            early = await client.wait("error")
            assert early["code"] == "session_not_running"
            await client.wait_connected()
            await client.type("stty size\r")
            await client.wait_text("40 120\r\n")
            assert "too early" not in client.text
