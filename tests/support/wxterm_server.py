"""A server that speaks ``wxterm.v1`` and knows nothing else: no Jupyter, no project, no Claude."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketHandler

from wxcode_jupyter.models import TermSize
from wxcode_jupyter.protocol import wxterm
from wxcode_jupyter.protocol.frames import Input, Resize

SIZE = TermSize(24, 80)


class WxtermServer:
    """Runs in a thread, on one port for as long as the ``with`` block lasts; its connections come and go.

    Attributes:
        typed: All that was typed.
        sizes: The sizes that were asked for, at the attaching too.
        attaches: What clients had on their screens when they came.
        refusal: A close code and an error for those who come; None lets them in.
    """

    def __init__(self) -> None:
        self.typed = b""
        self.sizes: list[TermSize] = []
        self.attaches: list[wxterm.Attach] = []
        self.acknowledged = 0
        self.refusal: tuple[int, str] | None = None
        self.stream = "s1"
        self.output = b""
        self.on_input: Callable[[bytes], bytes] = lambda keys: keys
        self.clients: set[_Handler] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        [self._socket] = bind_sockets(0, "127.0.0.1")
        self.url = f"ws://127.0.0.1:{self._socket.getsockname()[1]}/terminal"

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._serve())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def print(self, data: bytes) -> None:
        """Have the program print."""
        self._do(self._print(data))

    def tell(self, *frames: wxterm.ServerFrame) -> None:
        """Send frames to all that are attached."""
        self._do(self._tell(frames))

    def cut(self, code: int = 1011) -> None:
        """End all connections."""
        self._do(self._cut(code))

    def start_again(self) -> None:
        """Have another program in place of the one before."""
        self.stream, self.output = self.stream + "'", b""

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(30)

    async def _serve(self) -> None:
        self._server = HTTPServer(Application([("/terminal", _Handler, {"server": self})]))
        self._server.add_socket(self._socket)

    async def _end(self) -> None:
        self._server.stop()
        await self._server.close_all_connections()

    async def _print(self, data: bytes) -> None:
        self.print_now(data)

    def print_now(self, data: bytes) -> None:
        """The same, in the server's thread."""
        frame = wxterm.Output(len(self.output), data)
        self.output += data
        self._tell_now((frame,))

    async def _tell(self, frames: tuple[wxterm.ServerFrame, ...]) -> None:
        self._tell_now(frames)

    def _tell_now(self, frames: tuple[wxterm.ServerFrame, ...]) -> None:
        for client in list(self.clients):
            for frame in frames:
                client.tell(frame)

    async def _cut(self, code: int) -> None:
        for client in list(self.clients):
            client.close(code)


class _Handler(WebSocketHandler):
    def initialize(self, server: WxtermServer) -> None:
        self.server = server
        self.role = self.get_query_argument("role", "driver")

    def check_origin(self, origin: str) -> bool:
        return True

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return wxterm.NAME if wxterm.NAME in subprotocols else None

    def tell(self, frame: wxterm.ServerFrame) -> None:
        self.write_message(wxterm.encode(frame), binary=True)

    def on_message(self, message: str | bytes) -> None:
        server = self.server
        match wxterm.decode_client(message):
            case wxterm.Attach() as attach:
                self._attach(attach)
            case Input(data):
                server.typed += data
                server.print_now(server.on_input(data))
            case Resize(size):
                server.sizes.append(size)
                self.tell(wxterm.Size(len(server.output), size))
            case wxterm.Ack(offset):
                server.acknowledged = offset
            case wxterm.Ping(data):
                self.tell(wxterm.Pong(data))

    def on_close(self) -> None:
        self.server.clients.discard(self)

    def _attach(self, attach: wxterm.Attach) -> None:
        server = self.server
        server.attaches.append(attach)
        if server.refusal is not None:
            code, message = server.refusal
            self.tell(wxterm.Failure("refused", message))
            self.close(code)
            return
        if attach.size is not None and self.role == "driver":
            server.sizes.append(attach.size)
        size = server.sizes[-1] if server.sizes else SIZE
        server.clients.add(self)
        self.tell(state(stream=server.stream))
        self.tell(wxterm.RoleIs(self.role))
        if attach.stream == server.stream and attach.offset is not None:
            self.tell(wxterm.Size(attach.offset, size))
            self.tell(wxterm.Output(attach.offset, server.output[attach.offset :]))
        else:
            self.tell(wxterm.Size(len(server.output), size))
            self.tell(wxterm.Snapshot(len(server.output), size, server.output))


def state(stream: str | None = "s1", **changes: Any) -> wxterm.State:
    """Return a state of a session that is idle."""
    known: dict[str, Any] = {
        "stream": stream,
        "connected": True,
        "state": "idle",
        "claude_session_id": "0f2ac6b8-47d9-4a1c-bef1-06270dffb98d",
        "project": {"id": "6" * 24, "name": "billing"},
        "message": "",
        "attention": None,
        "questions": 0,
        "clients": 1,
    }
    return wxterm.State(**{**known, **changes})
