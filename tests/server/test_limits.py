"""Limits, each below, at and beyond it: what is refused says why and how to change it, and what is there goes on."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from tornado.httpclient import HTTPClientError

from tests.server.api import API, Api
from tests.server.conftest import make_server
from tests.server.sockets import TIMEOUT_S, Socket, connect, dial, open_raw
from tests.server.wxterm_socket import WxtermSocket
from tests.support.processes import open_files, resident_bytes
from tests.support.server import WxServer
from tests.support.terminal import until
from wxcode_jupyter.protocol.frames import Input
from wxcode_jupyter.protocol.wxterm import Failure
from wxcode_jupyter.service.config import Config

LIMITS: dict[str, Any] = {
    "max_clients": 3,
    "max_followers": 2,
    "max_queued_commands": 3,
    "max_uploads": 1,
    "max_events": 20,
    "context_limit_bytes": 2048,
    "input_limit_bytes": 8192,
    "attach_timeout_s": 5.0,
}
CONFIG = Config("", "", "", context_limit_bytes=2048, input_limit_bytes=8192)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[WxServer]:
    """A server with small limits."""
    with make_server(folder / "limits", **LIMITS) as server:
        yield server


class TestClients:
    async def test_one_more_is_refused_and_the_others_go_on(
        self, server: WxServer, terminal_path: str, api: Api, path: str
    ) -> None:
        async with AsyncExitStack() as stack:
            first, second = [
                await stack.enter_async_context(await WxtermSocket.connect(server, terminal_path)) for _ in range(2)
            ]
            await first.wait_connected()
            await until(lambda: clients_of(api, path) == 2)
            async with await Socket.connect(server, terminal_path) as third:
                await third.wait_connected()
                assert clients_of(api, path) == 3

                async with await WxtermSocket.connect(server, terminal_path) as binary:
                    assert (await binary.wait(Failure)).code == "too_many_clients"
                    assert await binary.wait_closed() == 4429
                async with await Socket.connect(server, terminal_path) as text:
                    refusal = await text.wait("error")
                    assert refusal["code"] == "too_many_clients"
                    assert "c.WxcodeApp.max_clients" in refusal["message"]
                    assert await text.wait_closed() == 4429
                assert await panel_is_closed(server) == 4429
                for download in ("output", "recording"):
                    error = api.refused("GET", f"{path}/{download}", 429, "too_many_clients")
                    assert error["details"] == {"limit": 3}

                assert clients_of(api, path) == 3
                await first.type_keys("echo it goes o''n\r")
                await asyncio.gather(*(client.wait_text("it goes on") for client in (first, second, third)))
            await until(lambda: clients_of(api, path) == 2)
            async with await WxtermSocket.connect(server, terminal_path) as next_one:
                await next_one.wait_connected()
                await next_one.wait_text("it goes on")

    async def test_who_never_attaches_is_let_go(
        self, server: WxServer, terminal_path: str, api: Api, path: str
    ) -> None:
        async with await WxtermSocket.connect(server, terminal_path) as attached:
            await attached.wait_connected()
            connection = await connect(server, f"{API}{terminal_path}", subprotocols=["wxterm.v1"])
            async with WxtermSocket(connection) as silent:
                refusal = await silent.wait(Failure)
                assert refusal.code == "too_slow"
                assert "5 s (c.WxcodeApp.attach_timeout_s)" in refusal.message
                assert await silent.wait_closed() == 4408
            assert clients_of(api, path) == 1
            await attached.type_keys("echo nobody min''ds\r")
            await attached.wait_text("nobody minds")


class TestInput:
    @pytest.mark.parametrize("length", [8191, 8192])
    async def test_a_frame_up_to_the_limit_is_typed_whole(
        self, length: int, server: WxServer, terminal_path: str
    ) -> None:
        async with await WxtermSocket.connect(server, terminal_path) as client:
            await client.wait_connected()
            await client.type_keys(reader(length))
            await client.wait_text("ready")
            await client.send(Input(b"x" * length))
            await client.wait_text(digest(b"x" * length))

    async def test_one_beyond_it_is_refused_and_nothing_of_it_typed(self, server: WxServer, terminal_path: str) -> None:
        async with (
            await WxtermSocket.connect(server, terminal_path) as client,
            await Socket.connect(server, terminal_path) as other,
        ):
            await other.wait_connected()
            await client.wait_connected()
            await client.type_keys(reader(10))
            await client.wait_text("ready")
            await client.send(Input(b"x" * 8193))
            refusal = await client.wait(Failure)
            assert (refusal.code, "c.WxcodeApp.input_limit_bytes" in refusal.message) == ("too_large", True)
            await other.type("x" * 8193)
            assert (await other.wait("error"))["code"] == "too_large"

            await client.send(Input(b"y" * 10))
            await client.wait_text(digest(b"y" * 10))

    async def test_what_a_program_does_not_read_yet_waits_and_arrives_whole(
        self, server: WxServer, terminal_path: str, project: dict[str, Any]
    ) -> None:
        """Twenty times as much as may wait: the rest waits with the client."""
        async with await WxtermSocket.connect(server, terminal_path) as client:
            await client.wait_connected()
            await client.type_keys(reader(20 * 8192, "until [ -e go ]; do sleep 0.05; done"))
            await client.wait_text("ready")
            parts = [b"%c" % (65 + number) * 8192 for number in range(20)]
            for part in parts:
                await client.send(Input(part))
            Path(project["workspace_path"], "go").touch()
            await client.wait_text(digest(b"".join(parts)))

    async def test_a_message_that_is_too_long_is_not_even_read(self, server: WxServer, terminal_path: str) -> None:
        async with await WxtermSocket.connect(server, terminal_path) as other:
            await other.wait_connected()
            with closing(open_raw(server, f"{API}{terminal_path}", "wxterm.v1")) as client:
                client.sendall(b"\x82\xff" + (CONFIG.frame_limit_bytes + 1).to_bytes(8, "big") + b"\0\0\0\0")
                assert b"\x03\xf1message too big" in read_to_end(client)
            await other.type_keys("echo undisturb''ed\r")
            await other.wait_text("undisturbed")


class TestBodies:
    @pytest.mark.parametrize("length", [2047, 2048])
    def test_a_context_up_to_the_limit_is_taken(self, length: int, api: Api, project: dict[str, Any]) -> None:
        body = {"output_project_id": project["id"], "element_name": "x", "context": "\x01" * length}

        assert api.json("POST", "/milestones", 201, json=body)["context"] == "\x01" * length

    def test_one_beyond_it_is_refused_by_name(self, api: Api, project: dict[str, Any]) -> None:
        body = {"output_project_id": project["id"], "element_name": "x", "context": "é" * 1025}
        error = api.refused("POST", "/milestones", 400, "invalid_body", json=body)

        assert error["details"] == {"field": "context", "limit_bytes": 2048}
        assert "c.WxcodeApp.context_limit_bytes" in error["message"]
        assert api.json("GET", "/milestones", params={"output_project_id": project["id"]})["total"] == 0

    @pytest.mark.parametrize("excess", [-1, 0, 1])
    @pytest.mark.parametrize("chunked", [False, True])
    def test_a_body_beyond_the_limit_is_refused(self, chunked: bool, excess: int, api: Api) -> None:
        content = b'{"text": "' + b"x" * (CONFIG.body_limit_bytes - 12 + excess) + b'"}'
        request: dict[str, Any] = {"content": iter([content]) if chunked else content}
        route = "/output-projects/0123456789abcdef01234567/commands"
        if excess <= 0:
            api.refused("POST", route, 400, "invalid_request", **request)  # it was read: the text is too long
        else:
            error = api.refused("POST", route, 413, "too_large", **request)
            assert error["details"] == {"field": "", "limit_bytes": CONFIG.body_limit_bytes}
            assert "c.WxcodeApp.context_limit_bytes" in error["message"]

    def test_it_costs_no_memory_and_the_connection_goes_on(self, server: WxServer, api: Api) -> None:
        api.json("GET", "/info")
        before = resident_bytes(server.pid)
        for route in ("/milestones", "/info", "/nowhere"):
            for request in (iter([bytes(1 << 20)] * 60), bytes(60 << 20)):
                response = api.request("POST", route, content=request)
                assert response.status_code in (413, 405, 404), response.text
            assert resident_bytes(server.pid) - before < 30 << 20, route
        api.json("GET", "/info")

    def test_who_may_not_is_told_only_that(self, server: WxServer) -> None:
        content = b"x" * (CONFIG.body_limit_bytes + 1)
        address = f"{server.url}{API}/milestones"

        assert httpx.post(address, content=content, trust_env=False).status_code == 403


class TestQueue:
    def test_one_more_is_refused_and_nothing_is_lost(self, api: Api, path: str) -> None:
        commands = [api.json("POST", f"{path}/commands", 202, json={"text": f"do {number}"}) for number in range(3)]

        error = api.refused("POST", f"{path}/commands", 429, "too_many_commands", json={"text": "do 3"})

        assert error["details"] == {"limit": 3}
        assert "c.WxcodeApp.max_queued_commands" in error["message"]
        again = {"id": commands[0]["id"], "text": "do 0"}
        assert api.json("POST", f"{path}/commands", 202, json=again) == commands[0]
        assert texts_of(api, path) == ["do 0", "do 1", "do 2"]
        api.json("DELETE", f"/commands/{commands[1]['id']}")
        api.json("POST", f"{path}/commands", 202, json={"text": "do 4"})
        api.refused("POST", f"{path}/commands", 429, "too_many_commands", json={"text": "do 5"})
        assert texts_of(api, path) == ["do 0", "do 2", "do 4"]

    def test_of_many_at_once_as_many_as_fit_are_taken(self, api: Api, path: str) -> None:
        def send(number: int) -> int:
            return api.post(f"{path}/commands", json={"text": f"do {number}"}).status_code

        with ThreadPoolExecutor(8) as pool:
            statuses = sorted(pool.map(send, range(8)))

        assert statuses == [202] * 3 + [429] * 5
        assert len(texts_of(api, path)) == 3


class TestFollowers:
    async def test_one_more_is_refused_and_the_others_go_on(self, server: WxServer, api: Api, path: str) -> None:
        async with await Socket.connect(server, f"{path}/events") as first:
            async with await Socket.connect(server, f"{path}/events") as second:
                with pytest.raises(HTTPClientError) as refused:
                    await Socket.connect(server, f"{path}/events")
                assert refused.value.code == 429
                assert refused.value.response
                error = json.loads(refused.value.response.body)
                assert (error["reason"], error["details"]) == ("too_many_followers", {"limit": 2})
                assert "c.WxcodeApp.max_followers" in error["message"]

                api.json("POST", f"{path}/session", json={})
                for follower in (first, second):
                    assert await follower.wait("session_state")
            for _ in range(20):  # places are given back
                await connect_again(server, f"{path}/events")

    async def test_a_handshake_that_is_refused_keeps_no_place(self, server: WxServer, api: Api, path: str) -> None:
        headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Authorization": f"token {server.token}"}
        with contextlib.ExitStack() as open_ones:  # a connection that ends gives all back
            for _ in range(3):
                client = open_ones.enter_context(httpx.Client(trust_env=False))
                answer = client.get(f"{server.url}{API}{path}/events", headers=headers)
                assert answer.status_code == 426  # no version is asked for (RFC 6455, 4.4)
            async with await Socket.connect(server, f"{path}/events"), await Socket.connect(server, f"{path}/events"):
                pass


class TestEvents:
    async def test_the_oldest_go_and_who_asks_for_them_is_told(self, server: WxServer, api: Api, path: str) -> None:
        queue = [f"do {number}" for number in range(3)]
        for _ in range(6):  # each is an event when it is queued, and one when it is withdrawn
            for command in [api.json("POST", f"{path}/commands", 202, json={"text": text}) for text in queue]:
                api.json("DELETE", f"/commands/{command['id']}")

        page = api.json("GET", f"{path}/events")

        gap, *events = page["events"]
        assert (gap["type"], gap["data"]) == ("events_pruned", {"after": 0, "until": gap["seq"]})
        assert events[0]["seq"] > gap["seq"] > 0
        assert 20 <= len(events) <= 22
        assert page["last_seq"] == events[-1]["seq"]
        after = {"after": gap["seq"]}
        assert api.json("GET", f"{path}/events", params=after)["events"] == events
        assert api.json("GET", f"{path}/events", params={"after": 1, "limit": 1})["last_seq"] == gap["seq"]
        async with await Socket.connect(server, f"{path}/events?after=1") as follower:
            assert (await follower.next() or {})["data"] == {"after": 1, "until": gap["seq"]}
            assert [await follower.next() for _ in events] == events


class TestUploads:
    def test_one_more_is_refused_and_the_first_goes_on(self, server: WxServer, api: Api) -> None:
        with closing(open_upload(server, 1000)) as first:
            first.sendall(b"x" * 10)
            while not uploads(server):
                time.sleep(0.01)
            error = api.refused("POST", "/imports", 429, "too_many_uploads", content=b"x" * (1 << 20))
            assert error["details"] == {"limit": 1}
            assert "c.WxcodeApp.max_uploads" in error["message"]

            first.sendall(b"x" * 990)
            assert b"400 Bad Request" in first.recv(65536)
        api.refused("POST", "/imports", 400, "invalid_body", content=b"x" * 1000)


def reader(length: int, first: str = "true") -> str:
    """Return the line that does something first, and then reads so many bytes and prints their digest."""
    return f"stty raw -echo; echo rea''dy; {first}; head -c {length} | sha256sum; stty sane\r"


def digest(data: bytes) -> str:
    """Return what sha256sum prints."""
    return hashlib.sha256(data).hexdigest()


def read_to_end(client: socket.socket) -> bytes:
    """Read until the connection is closed."""
    read = b""
    with contextlib.suppress(ConnectionResetError):
        while more := client.recv(65536):
            read += more
    return read


async def panel_is_closed(server: WxServer) -> int | None:
    """Connect as JupyterLab's panel to the only session that lives, and return the code with which it is closed."""
    headers = {"Authorization": f"token {server.token}"}
    [terminal] = httpx.get(f"{server.url}api/terminals", headers=headers, trust_env=False).json()
    connection = await connect(server, f"terminals/websocket/{terminal['name']}")
    await connection.write_message('["set_size", 24, 80]')
    while await connection.read_message() is not None:
        pass
    connection.close()
    return connection.close_code


async def connect_again(server: WxServer, path: str) -> None:
    """Connect and leave, as soon as a place is free."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            with contextlib.suppress(HTTPClientError):
                async with await Socket.connect(server, path):
                    return


def open_upload(server: WxServer, length: int) -> socket.socket:
    """Begin to upload a file of this length."""
    client = dial(server)
    host = server.url.partition("//")[2].rstrip("/")
    client.sendall(
        f"POST /{API}/imports HTTP/1.1\r\nHost: {host}\r\nAuthorization: token {server.token}\r\n"
        f"Content-Length: {length}\r\n\r\n".encode()
    )
    return client


def uploads(server: WxServer) -> int:
    """Return how many files the server keeps while they are uploaded: they have no name."""
    files = [path for path in open_files(server.pid) if not path.startswith("/memfd:")]
    return sum(path.endswith("(deleted)") for path in files)


def clients_of(api: Api, path: str) -> int:
    return int(api.json("GET", f"{path}/session")["clients"])


def texts_of(api: Api, path: str) -> list[str]:
    commands = api.json("GET", f"{path}/commands", params={"status": "queued"})["commands"]
    return [command["text"] for command in commands]
