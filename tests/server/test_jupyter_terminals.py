"""Sessions in Jupyter's own list of terminals, and in its terminal panel's protocol; with and without
jupyter_server_terminals."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from tornado.httpclient import HTTPClientError
from tornado.websocket import WebSocketClientConnection, WebSocketError

from tests.server.api import Api
from tests.server.conftest import make_server
from tests.server.sockets import TIMEOUT_S, Socket, connect, connect_and_never_read
from tests.support.server import WxServer
from tests.support.terminal import until

MAY_READ = {"X-Allow": "read wxcode:session"}


class Panel:
    """A client as JupyterLab's terminal panel."""

    def __init__(self, connection: WebSocketClientConnection) -> None:
        self.connection = connection
        self.frames: list[Any] = []
        self._ended = False

    @property
    def text(self) -> str:
        """All output."""
        return "".join(frame[1] for frame in self.frames if frame[0] == "stdout")

    async def send(self, *frame: Any) -> None:
        """Send a frame."""
        await self.connection.write_message(json.dumps(frame))

    async def next(self) -> Any:
        """Return the next frame, None at the end."""
        if self._ended:
            return None
        async with asyncio.timeout(TIMEOUT_S):
            message = await self.connection.read_message()
        if message is None:
            self._ended = True
            return None
        self.frames.append(json.loads(message))
        return self.frames[-1]

    async def wait_closed(self) -> int | None:
        """Read to the end; return the close code."""
        while await self.next():
            pass
        return self.connection.close_code

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.connection.close()
        await self.wait_closed()

    async def wait_text(self, text: str) -> None:
        """Read until the output has this text."""
        while text not in self.text:
            assert await self.next(), self.frames


@contextmanager
def session(server: WxServer, name: str) -> Iterator[tuple[Api, str, str]]:
    """Give a session: the API, its project's route, and the name of its terminal."""
    with Api(server) as api:
        path = f"/output-projects/{api.create_project(name)['id']}"
        api.json("POST", f"{path}/session")
        try:
            yield api, path, re.sub(r"\W+", "_", name) + "_" + path.rpartition("/")[2]
        finally:
            api.json("DELETE", f"{path}/session")


@contextmanager
def panel_server(folder: Path, *, terminals: bool, enabled: bool = True) -> Iterator[WxServer]:
    with make_server(folder, terminals=terminals, terminals_enabled=enabled) as server:
        yield server


@pytest.fixture(scope="module", params=["with jupyter_server_terminals", "without"])
def lab_server(request: pytest.FixtureRequest, folder: Path) -> Iterator[WxServer]:
    with panel_server(folder / request.param, terminals=request.param != "without") as server:
        yield server


def ask(server: WxServer, method: str, path: str, **headers: str) -> httpx.Response:
    """Ask Jupyter's own API."""
    headers = {"Authorization": f"token {server.token}", **headers}
    return httpx.request(method, f"{server.url}{path}", headers=headers, trust_env=False)


def names(server: WxServer, **headers: str) -> list[str]:
    """Return the names of Jupyter's terminals."""
    response = ask(server, "GET", "api/terminals", **headers)
    assert response.status_code == 200, response.text
    return [model["name"] for model in response.json()]


async def open_panel(server: WxServer, name: str, *, rows: int = 30, cols: int = 90, **headers: str) -> Panel:
    panel = Panel(await connect(server, f"terminals/websocket/{name}", headers=headers))
    assert await panel.next() == ["setup", {}]
    await panel.send("set_size", rows, cols, 400, 700)
    return panel


async def test_a_session_is_a_terminal_of_jupyters(lab_server: WxServer) -> None:
    with session(lab_server, "bills & more") as (api, path, name):
        assert names(lab_server) == [name]
        assert re.fullmatch(r"\w+", name)
        model = ask(lab_server, "GET", f"api/terminals/{name}").json()
        assert set(model) == {"name", "last_activity"}

        async with await open_panel(lab_server, name) as panel:
            await panel.wait_text("stand-in up: session-id")
            await panel.send("stdin", "stty size\r")
            await panel.wait_text("30 90\r\n")
            assert panel.frames[1][1].startswith("\x1bc")  # what a panel that returns shows already goes

            async with await open_panel(lab_server, name, rows=20, cols=100) as second:
                await second.wait_text("30 90")
                await second.send("stdin", "stty size\r")
                await panel.wait_text("20 90\r\n")

                assert ask(lab_server, "DELETE", f"api/terminals/{name}").status_code == 204
                for client in (panel, second):
                    assert await client.wait_closed() == 1000
                    assert client.frames[-1] == ["disconnect", 1]
        assert api.json("GET", f"{path}/session")["state"] == "starting"
        assert names(lab_server) == [name]

        async with await open_panel(lab_server, name) as third:
            await third.wait_text("20 90")
            await third.send("stdin", "exit\r")
            assert await third.wait_closed() == 1000
        assert third.frames[-1] == ["disconnect", 1]
        await until(lambda: names(lab_server) == [])
        assert ask(lab_server, "GET", f"api/terminals/{name}").status_code == 404


async def test_a_panel_that_never_reads_is_let_go_all_the_same(lab_server: WxServer) -> None:
    with session(lab_server, "stuck") as (api, path, name):
        async with (
            await Socket.connect(lab_server, f"{path}/terminal") as driver,
            await open_panel(lab_server, name, rows=24, cols=80) as reads,
        ):
            with connect_and_never_read(lab_server, f"terminals/websocket/{name}") as stuck:
                shown = b""
                while b"stand-in up" not in shown:  # what follows the screen is what it never reads
                    shown += stuck.recv(4096)
                await driver.type("head -c 20000000 /dev/zero | tr '\\0' x; echo do''ne\r")
                await driver.wait_text("done\r\n")
                await reads.wait_text("done\r\n")  # the other one is megabytes behind now

                assert ask(lab_server, "DELETE", f"api/terminals/{name}").status_code == 204
                assert await reads.wait_closed() == 1000
                await until(lambda: api.json("GET", f"{path}/session")["clients"] == 1)
            await driver.type("echo still th''ere\r")
            await driver.wait_text("still there")


async def test_it_asks_for_our_resource(lab_server: WxServer) -> None:
    with session(lab_server, "guarded") as (api, path, name):
        assert names(lab_server, **MAY_READ) == [name]
        assert ask(lab_server, "GET", "api/terminals", **{"X-Allow": "nothing"}).status_code == 403
        for method in ("GET", "DELETE"):
            refused = ask(lab_server, method, f"api/terminals/{name}", **{"X-Allow": "read terminals"})
            assert refused.status_code == 403
        assert ask(lab_server, "DELETE", f"api/terminals/{name}", **MAY_READ).status_code == 403
        for headers, status in (({"X-Allow": "execute terminals"}, 403), ({"Authorization": "token wrong"}, 403)):
            with pytest.raises(HTTPClientError) as raised:
                await connect(lab_server, f"terminals/websocket/{name}", headers=headers)
            assert raised.value.code == status

        async with await open_panel(lab_server, name, rows=5, cols=5, **MAY_READ) as observer:
            await observer.wait_text("stand-in up")
            await observer.send("stdin", "echo obser''ved\r")
            async with await open_panel(lab_server, name, rows=33, cols=77) as driver:
                await driver.send("stdin", "stty size\r")
                await driver.wait_text("33 77")
                await observer.wait_text("33 77")
                assert "observed" not in observer.text + driver.text
        await until(lambda: api.json("GET", f"{path}/session")["clients"] == 0)


async def test_jupyters_own_terminals_are_as_they_were(folder: Path) -> None:
    with panel_server(folder / "both", terminals=True) as server, session(server, "ours") as (_api, _path, name):
        xsrf = {"Content-Type": "application/json"}
        theirs = ask(server, "POST", "api/terminals", **xsrf).json()["name"]
        assert names(server) == [theirs, name]
        assert names(server, **{"X-Allow": "read terminals"}) == [theirs]
        assert names(server, **MAY_READ) == [name]

        async with Panel(await connect(server, f"terminals/websocket/{theirs}")) as panel:
            await panel.send("stdin", "echo the''irs\r")
            await panel.wait_text("theirs\r\n")
            assert ask(server, "DELETE", f"api/terminals/{theirs}").status_code == 204
        assert names(server) == [name]


@pytest.mark.parametrize("terminals", [True, False])
async def test_terminals_that_are_switched_off_stay_off(terminals: bool, tmp_path: Path) -> None:
    with (
        panel_server(tmp_path, terminals=terminals, enabled=False) as server,
        session(server, "hidden") as (_api, _path, name),
    ):
        assert ask(server, "GET", "api/terminals").status_code == 404
        assert ask(server, "GET", f"api/terminals/{name}").status_code == 404
        with pytest.raises((HTTPClientError, WebSocketError), match=r"404|Non-websocket"):  # Notebook has a page there
            await connect(server, f"terminals/websocket/{name}")
