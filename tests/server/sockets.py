"""WebSockets as these tests speak them."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any, Self

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.server.api import API
from tests.support.server import WxServer

TIMEOUT_S = 30.0


async def connect(
    server: WxServer, path: str, *, subprotocols: list[str] | None = None, headers: dict[str, str] | None = None
) -> WebSocketClientConnection:
    """Connect with the server's token. Raises ``HTTPClientError`` when the handshake is refused."""
    headers = {"Authorization": f"token {server.token}", **(headers or {})}
    request = HTTPRequest(f"{server.url.replace('http', 'ws', 1)}{path}", headers=headers, request_timeout=TIMEOUT_S)
    connection = await websocket_connect(request, subprotocols=subprotocols, max_message_size=64 << 20)
    assert connection.protocol
    connection.protocol.set_nodelay(True)  # as browsers do
    return connection


class Socket:
    """One client of a WebSocket route.

    ``frames`` are all that ``wait`` has read so far, in order.
    """

    def __init__(self, connection: WebSocketClientConnection) -> None:
        self.connection = connection
        self.frames: list[dict[str, Any]] = []
        self._closed = False

    @classmethod
    async def connect(cls, server: WxServer, path: str, **headers: str) -> Self:
        """Connect with the server's token. Raises ``HTTPClientError`` when the handshake is refused."""
        return cls(await connect(server, f"{API}{path}", headers=headers))

    async def send(self, **frame: Any) -> None:
        """Send a frame."""
        await self.connection.write_message(json.dumps(frame))

    async def type(self, keys: str) -> None:
        """Send keys."""
        await self.send(type="input", data=keys)

    async def next(self) -> dict[str, Any] | None:
        """Return the next frame, None when the socket is closed."""
        if self._closed:
            return None
        async with asyncio.timeout(TIMEOUT_S):
            message = await self.connection.read_message()
        if message is None:
            self._closed = True
            return None
        frame: dict[str, Any] = json.loads(message)
        self.frames.append(frame)
        return frame

    async def wait(self, kind: str) -> dict[str, Any]:
        """Return the next frame of this type; what comes before it is kept in ``frames``."""
        while frame := await self.next():
            if frame["type"] == kind:
                return frame
        raise AssertionError(f"closed with {self.code} before a {kind}: {self.frames[-5:]}")

    async def wait_connected(self) -> dict[str, Any]:
        """Return the status frame that says that keys will be taken."""
        while not (status := await self.wait("status"))["connected"]:
            pass
        return status

    async def wait_text(self, text: str) -> None:
        """Read until the output has this text."""
        seen = self.text
        while text not in seen:
            seen = seen[-len(text) :] + (await self.wait("output"))["data"]

    async def wait_closed(self) -> int | None:
        """Read until the end; return the close code."""
        while await self.next():
            pass
        return self.code

    @property
    def text(self) -> str:
        """All output that has been read."""
        return "".join(frame["data"] for frame in self.frames if frame["type"] == "output")

    @property
    def code(self) -> int | None:
        """The close code."""
        return self.connection.close_code

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the frames of this type."""
        return [frame for frame in self.frames if frame["type"] == kind]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.connection.close()
        await self.wait_closed()


def dial(server: WxServer) -> socket.socket:
    """Return a bare connection."""
    host, _, port = server.url.partition("//")[2].rstrip("/").partition(":")
    client = socket.socket()
    client.settimeout(TIMEOUT_S)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # later it would still take what was promised before
    client.connect((host, int(port)))
    return client


def handshake(server: WxServer, route: str, protocol: str = "") -> bytes:
    """Return the request that makes a connection a WebSocket."""
    asked = f"Sec-WebSocket-Protocol: {protocol}\r\n" if protocol else ""
    return (
        f"GET /{route} HTTP/1.1\r\nHost: {server.url.partition('//')[2].rstrip('/')}\r\n"
        f"Authorization: token {server.token}\r\n"
        f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n{asked}"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    ).encode()


def open_raw(server: WxServer, route: str, protocol: str = "") -> socket.socket:
    """Return a bare connection that has become a WebSocket, and of which nothing was read after that."""
    client = dial(server)
    client.sendall(handshake(server, route, protocol))
    assert client.recv(12) == b"HTTP/1.1 101"
    return client


def connect_and_never_read(server: WxServer, route: str, protocol: str = "") -> socket.socket:
    """Return a socket that has become a WebSocket, has attached, and from which nothing is read any more."""
    client = open_raw(server, route, protocol)
    if protocol:
        client.sendall(b"\x82\x83\0\0\0\0" + b"\x10{}")  # ATTACH, masked with zeros
    return client


async def refused(server: WxServer, path: str, **headers: str) -> int:
    """Return the HTTP status with which a handshake is refused."""
    try:
        async with await Socket.connect(server, path, **headers):
            raise AssertionError("the handshake was not refused")
    except HTTPClientError as error:
        return error.code
