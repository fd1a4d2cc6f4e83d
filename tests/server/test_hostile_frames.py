"""Garbage in the frames of every terminal protocol: it is told, nothing comes of it, and nobody else notices."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.server.api import API, Api
from tests.server.conftest import make_server
from tests.server.sockets import TIMEOUT_S, Socket
from tests.support.garbage import VALUES, nested
from tests.support.server import WxServer
from wxcode_jupyter.errors import InvalidBody
from wxcode_jupyter.models import TermSize
from wxcode_jupyter.protocol import terminado, wxjson, wxterm
from wxcode_jupyter.protocol.frames import Input, Resize, Signal
from wxcode_jupyter.protocol.wxterm import Ack, Attach

Frame = str | bytes

FAR = 1 << 40  # an offset that no output has reached
_KINDS = st.sampled_from([*range(0x09), *range(0x10, 0x19), 0x7F, 0xFF]).map(lambda kind: bytes((kind,)))

_names = st.sampled_from(["type", "data", "rows", "cols", "signal", "$where", ""])
_objects = st.dictionaries(_names, VALUES | st.sampled_from(["input", "resize", "signal", "SIGTERM", "EOF", 40, 120]))
_json = (_objects | VALUES).map(json.dumps)
_lists = st.lists(VALUES | st.sampled_from(["stdin", "set_size", "setup", "disconnect", 40, True]), max_size=5)
_deep = st.sampled_from([nested(1500), b"[" * 5000, b'["stdin",' * 600, b"9" * 5000, b'{"type":' + b"1" * 5000])
_anything = st.text() | st.binary() | _deep

FRAMES: dict[str, st.SearchStrategy[Frame]] = {
    "json": _json | _json.map(str.encode) | _anything,
    "terminado": _lists.map(json.dumps) | _json | _anything,
    "wxterm": st.tuples(_KINDS, st.binary(max_size=20) | _json.map(str.encode)).map(b"".join)
    | st.sampled_from([wxterm.encode(Attach()), wxterm.encode(Ack(FAR))])
    | _anything,
}
#: What a driver does by them; as an observer sends it, nothing comes of it either.
EFFECTS: dict[str, list[Frame]] = {
    "json": [
        '{"type": "input", "data": "echo by-observer\\r"}',
        '{"type": "resize", "rows": 7, "cols": 7}',
        '{"type": "signal", "signal": "SIGTERM"}',
        '{"type": "signal", "signal": "EOF"}',
    ],
    "terminado": ['["stdin", "exit\\r"]', '["set_size", 7, 7]', '["stdin", "\\u0004"]'],
    "wxterm": [b"\x11exit\r", b"\x12\x00\x07\x00\x07", b"\x13SIGTERM", b"\x13EOF"],
}
DECODE: dict[str, Callable[[Frame], Any]] = {
    "json": wxjson.decode,
    "terminado": terminado.decode,
    "wxterm": wxterm.decode_client,
}


class Attacker:
    """A client that sends what it likes.

    Attributes:
        told: How many errors it was told.
    """

    def __init__(self) -> None:
        self.told = 0
        self.closed = False
        self._pong = asyncio.Event()
        self._connection: WebSocketClientConnection

    async def connect(self, server: WxServer, path: str, protocol: str, *, observer: bool) -> None:
        """Attach to a terminal."""
        url = f"{server.url.replace('http', 'ws', 1)}{path}{'?role=observer' if observer else ''}"
        request = HTTPRequest(url, headers={"Authorization": f"token {server.token}"})
        asked = [wxterm.NAME] if protocol == "wxterm" else None
        self._connection = await websocket_connect(request, on_message_callback=self._take, subprotocols=asked)
        self._connection.on_pong = self._take_pong  # type: ignore[method-assign]
        size = TermSize(7, 7) if observer else TermSize(40, 120)  # an observer's is nobody's business
        if protocol == "wxterm":
            await self.send(wxterm.encode(Attach(size=size)))
        if protocol == "terminado":
            await self.send(json.dumps(["set_size", size.rows, size.cols]))

    async def send(self, frame: Frame) -> None:
        """Send a frame."""
        await self._connection.write_message(frame, binary=isinstance(frame, bytes))

    async def settle(self) -> None:
        """Wait until the server has read all that was sent, and answered it."""
        self._pong.clear()
        self._connection.ping(b"settled")
        async with asyncio.timeout(TIMEOUT_S):
            await self._pong.wait()

    def close(self) -> None:
        """Leave."""
        self._connection.close()

    def _take(self, message: str | bytes | None) -> None:
        if message is None:
            self.closed = True
        elif isinstance(message, bytes):
            self.told += message[:1] == b"\x06"
        else:
            frame = json.loads(message)
            self.told += isinstance(frame, dict) and frame["type"] == "error"

    def _take_pong(self, data: bytes) -> None:
        self._pong.set()


class Victim:
    """Somebody who works in a terminal, and sees exactly what he types and what comes of it."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._lines = 0
        self._expected = "stand-in up: session-id\r\n"

    @classmethod
    async def connect(cls, server: WxServer, path: str) -> Victim:
        """Attach."""
        victim = cls(await Socket.connect(server, f"{path}/terminal"))
        await victim._socket.send(type="resize", rows=40, cols=120)
        await victim._socket.wait_text(victim._expected)
        return victim

    async def work(self) -> None:
        """Type a line and see it, what it prints, and nothing else."""
        self._lines += 1
        await self._socket.type(f"echo $(({self._lines}+{10**6}))\r")
        self._expected += f"echo $(({self._lines}+{10**6}))\r\n{self._lines + 10**6}\r\n"
        await self._socket.wait_text(f"\r\n{self._lines + 10**6}\r\n")
        assert self._socket.text == self._expected

    def close(self) -> None:
        """Leave."""
        self._socket.connection.close()


class Rig:
    """A server, and two sessions in which somebody works; the first is attacked."""

    def __init__(self, server: WxServer, api: Api, runner: asyncio.Runner) -> None:
        self.server, self.api, self._runner = server, api, runner
        self.paths = [f"/output-projects/{api.create_project(name)['id']}" for name in ("attacked", "other")]
        self._before = [api.json("POST", f"{path}/session")["pid"] for path in self.paths]
        self.victims = [self.run(Victim.connect(server, path)) for path in self.paths]

    def run(self, work: Awaitable[Any]) -> Any:
        """Run something on the one loop of all clients."""
        return self._runner.run(_awaited(work))

    def path(self, protocol: str) -> str:
        """Return where the attacked session speaks a protocol."""
        if protocol == "terminado":
            return f"terminals/websocket/attacked_{self.paths[0].rpartition('/')[2]}"
        return f"{API}{self.paths[0]}/terminal"

    def check(self) -> None:
        """The same processes live, in terminals of the same size."""
        now = [self.api.json("GET", f"{path}/session") for path in self.paths]
        assert [session["pid"] for session in now] == self._before
        assert {(session["rows"], session["cols"]) for session in now} == {(40, 120)}


async def _awaited(work: Awaitable[Any]) -> Any:
    return await work


@pytest.fixture(scope="module")
def rig(folder: Path) -> Iterator[Rig]:
    with make_server(folder / "attacked") as server, Api(server) as api, asyncio.Runner() as runner:
        rig = Rig(server, api, runner)
        yield rig
        for victim in rig.victims:
            victim.close()
        for path in rig.paths:
            api.json("DELETE", f"{path}/session")
        log = server.log()
    assert "Traceback" not in log
    assert "Uncaught" not in log
    assert " 500 " not in log


def has_effect(protocol: str, frame: Frame) -> bool | None:
    """Whether a driver's frame would do something; None for one that is to be told as garbage."""
    try:
        request = DECODE[protocol](frame)
    except InvalidBody:
        return None
    if isinstance(request, Attach) or (isinstance(request, Ack) and request.offset >= FAR):
        return None
    return isinstance(request, Input | Resize | Signal)


some = settings(
    max_examples=25 if settings().derandomize else 300, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("observer", [False, True], ids=["driver", "observer"])
@pytest.mark.parametrize("protocol", sorted(FRAMES))
def test_garbage_is_told_and_nobody_else_notices(protocol: str, observer: bool, rig: Rig) -> None:
    attacker = Attacker()
    rig.run(attacker.connect(rig.server, rig.path(protocol), protocol, observer=observer))
    rig.run(attacker.settle())
    frames = FRAMES[protocol]
    if observer:
        frames |= st.sampled_from(EFFECTS[protocol])
    else:
        frames = frames.filter(lambda frame: not has_effect(protocol, frame))

    async def attack(garbage: list[Frame]) -> None:
        for frame in garbage:
            await attacker.send(frame)
        await attacker.settle()
        for victim in rig.victims:
            await victim.work()

    @some
    @given(st.lists(frames, max_size=8))
    def run(garbage: list[Frame]) -> None:
        told = attacker.told
        rig.run(attack(garbage))
        assert not attacker.closed
        if protocol != "terminado":  # which has no frame for it: the log has it
            effects = [has_effect(protocol, frame) for frame in garbage]
            assert attacker.told - told == effects.count(None) + effects.count(True)

    run()
    rig.check()  # while it is attached: its size counts as long
    attacker.close()
