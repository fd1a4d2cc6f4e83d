"""A client of ``wxterm.v1``, as tests and benchmarks speak it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from typing import Any, Self, TypeVar

from tornado.websocket import WebSocketClientConnection, WebSocketClosedError

from tests.server.api import API
from tests.server.sockets import TIMEOUT_S, connect
from tests.support.server import WxServer
from wxcode_jupyter.protocol import wxterm
from wxcode_jupyter.protocol.frames import Input
from wxcode_jupyter.protocol.wxterm import Ack, Attach, ClientFrame, Output, ServerFrame, Snapshot, State

Frame = TypeVar("Frame")


class WxtermSocket:
    """One client; checks that no byte comes twice and none is missing, and acknowledges what it has read.

    Attributes:
        frames: All frames that were read, in order, but for the bytes of OUTPUT.
        output: What a terminal was given: the bytes of the last SNAPSHOT and those since, where they are kept.
        offset: Up to where everything has been read, and up to where it has been acknowledged, unless ``silent``.
        digest: Of the bytes of all OUTPUT.
        wire_bytes: How many bytes of frames have come.
        silent: Whether it acknowledges nothing.
    """

    def __init__(self, connection: WebSocketClientConnection, *, keep: bool = True) -> None:
        self.connection = connection
        self.frames: list[ServerFrame] = []
        self.output = bytearray()
        self.offset: int | None = None
        self.digest = hashlib.sha256()
        self.wire_bytes = 0
        self.silent = False
        self._keep = keep
        self._ended = False

    @classmethod
    async def connect(
        cls,
        server: WxServer,
        path: str,
        attach: Attach | None = None,
        *,
        keep: bool = True,
        headers: dict[str, str] | None = None,
    ) -> Self:
        """Connect, and attach (by default as one who has nothing yet)."""
        connection = await connect(server, f"{API}{path}", subprotocols=[wxterm.NAME], headers=headers)
        assert connection.selected_subprotocol == wxterm.NAME
        client = cls(connection, keep=keep)
        await client.send(attach or Attach())
        return client

    async def send(self, frame: ClientFrame) -> None:
        """Send a frame."""
        await self.connection.write_message(wxterm.encode(frame), binary=True)

    async def type_keys(self, keys: str) -> None:
        """Send keys."""
        await self.send(Input(keys.encode()))

    async def next(self) -> ServerFrame | None:
        """Return the next frame, None when the socket is closed."""
        if self._ended:
            return None
        async with asyncio.timeout(TIMEOUT_S):
            message = await self.connection.read_message()
        if message is None:
            self._ended = True
            return None
        assert isinstance(message, bytes)
        self.wire_bytes += len(message)
        frame = wxterm.decode_server(message)
        assert frame is not None
        await self._take(frame)
        return frame

    async def wait(self, kind: type[Frame], **members: Any) -> Frame:
        """Return the next frame of this type with these members."""
        while frame := await self.next():
            if isinstance(frame, kind) and all(getattr(frame, name) == value for name, value in members.items()):
                return frame
        raise AssertionError(f"closed with {self.code} before {kind.__name__} {members}: {self.frames[-5:]}")

    async def wait_text(self, text: str) -> None:
        """Read until the output has this text."""
        while text.encode() not in self.output:
            assert await self.next(), f"closed with {self.code} before {text!r}: {self.output[-500:]!r}"

    async def wait_connected(self) -> State:
        """Return the state that says that keys will be taken."""
        return await self.wait(State, connected=True)

    async def wait_closed(self) -> int | None:
        """Read until the end; return the close code."""
        while await self.next():
            pass
        return self.code

    @property
    def code(self) -> int | None:
        """The close code."""
        return self.connection.close_code

    def of(self, kind: type[Frame]) -> list[Frame]:
        """Return the frames of this type."""
        return [frame for frame in self.frames if isinstance(frame, kind)]

    async def _take(self, frame: ServerFrame) -> None:
        match frame:
            case Output(offset, data):
                assert offset == self.offset or self.offset is None, (offset, self.offset)
                self.offset = offset + len(data)
                self.digest.update(data)
                if self._keep:
                    self.output += data
                self.frames.append(Output(offset, b""))
            case Snapshot(offset, _size, data):
                self.offset = offset
                self.output[:] = data
                self.frames.append(frame)
            case _:
                self.frames.append(frame)
                return
        if not self.silent:
            with contextlib.suppress(WebSocketClosedError):  # what came before the close is still read
                await self.send(Ack(self.offset))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.connection.close()
        await self.wait_closed()
