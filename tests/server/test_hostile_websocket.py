"""What breaks WebSocket's own rules (RFC 6455), on every socket: that connection ends, and nobody else notices."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.api import API, Api
from tests.server.conftest import make_server
from tests.server.sockets import TIMEOUT_S, Socket
from tests.support.server import WxServer
from wxcode_jupyter.protocol import wxterm

TEXT, BINARY, CONTINUATION, CLOSE, PING = 0x1, 0x2, 0x0, 0x8, 0x9
FIN = 0x80


def frame(first: int, payload: bytes = b"", *, masked: bool = True, length: int | None = None) -> bytes:
    """Return a frame with this first byte (FIN, reserved bits, opcode), as a client sends it, or as none may."""
    size = len(payload) if length is None else length
    short = size if size < 126 else 126 if size < 1 << 16 else 127
    header = bytes((first, short | (0x80 if masked else 0)))
    header += b"" if short < 126 else struct.pack(">H" if short == 126 else ">Q", size)
    return header + (b"\0\0\0\0" if masked else b"") + payload


#: By what is wrong with it; the server ends the connection.
BROKEN: dict[str, bytes] = {
    "reserved bit 1": frame(FIN | 0x40 | TEXT, b"{}"),
    "reserved bits": frame(FIN | 0x70 | TEXT, b"{}"),
    "compressed, which was not agreed": frame(FIN | 0x40 | BINARY, b"\xaa\x02\x00"),
    "reserved opcode": frame(FIN | 0x3, b"{}"),
    "reserved control opcode": frame(FIN | 0xB, b"{}"),
    "fragmented control frame": frame(PING, b"x"),
    "long control frame": frame(FIN | PING, b"x" * 126),
    "nothing to continue": frame(FIN | CONTINUATION, b"{}"),
    "a message within a message": frame(TEXT, b"{") + frame(FIN | TEXT, b"{}"),
    "no UTF-8": frame(FIN | TEXT, b"\xff\xfe"),
    "no UTF-8, cut": frame(TEXT, b"\xe2\x9c") + frame(FIN | CONTINUATION, b"{"),
    "longer than all memory": frame(FIN | TEXT, length=(1 << 63) - 1),
    "longer than is taken": frame(FIN | BINARY, length=64 << 20),
    "more parts than are taken": frame(BINARY, b"x" * (6 << 20)) + frame(CONTINUATION, b"x" * (6 << 20)),
    "close with half a code": frame(FIN | CLOSE, b"\x03"),
    "no HTTP, no frame": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + b"\xff" * 1000,
}

#: What is in order, or is taken for it: the connection ends because it says so.
CLOSING: dict[str, bytes] = {
    f"close {code}": frame(FIN | CLOSE, struct.pack(">H", code) + b"bye")
    for code in (0, 999, 1000, 1004, 1005, 1006, 1015, 1016, 2999, 3000, 4000, 4999, 5000, 65535)
} | {
    "close without a code": frame(FIN | CLOSE),
    "close whose reason is no UTF-8": frame(FIN | CLOSE, struct.pack(">H", 1000) + b"\xff"),
}


class Rig:
    """A server with two sessions: one is attacked at all its sockets, in both somebody works."""

    def __init__(self, server: WxServer, api: Api, runner: asyncio.Runner) -> None:
        self.server, self.api, self.runner = server, api, runner
        self.paths = [f"/output-projects/{api.create_project(name)['id']}" for name in ("attacked", "other")]
        self._before = [api.json("POST", f"{path}/session")["pid"] for path in self.paths]
        self._victims = [runner.run(Socket.connect(server, f"{path}/terminal")) for path in self.paths]
        for victim in self._victims:
            runner.run(victim.wait_text("stand-in up: session-id\r\n"))
        self._lines = 0
        self.routes = {
            "json": f"{API}{self.paths[0]}/terminal",
            "wxterm": f"{API}{self.paths[0]}/terminal",
            "terminado": f"terminals/websocket/attacked_{self.paths[0].rpartition('/')[2]}",
            "events": f"{API}{self.paths[0]}/events",
        }

    def connect(self, protocol: str) -> socket.socket:
        """Return a connection that has become a WebSocket."""
        host, _, port = self.server.url.partition("//")[2].rstrip("/").partition(":")
        client = socket.create_connection((host, int(port)), timeout=TIMEOUT_S)
        asked = f"Sec-WebSocket-Protocol: {wxterm.NAME}\r\n" if protocol == "wxterm" else ""
        request = (
            f"GET /{self.routes[protocol]} HTTP/1.1\r\nHost: {host}:{port}\r\n"
            f"Authorization: token {self.server.token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n{asked}"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n"
        )
        client.sendall(request.encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += client.recv(1)
        assert answer.startswith(b"HTTP/1.1 101"), answer
        assert b"permessage-deflate" not in answer  # nobody can send little that becomes much
        return client

    def check(self) -> None:
        """Those who work see exactly what comes of what they type, and their processes live."""
        self._lines += 1
        for victim in self._victims:
            seen = len(victim.text)
            self.runner.run(victim.type(f"echo $(({self._lines}+{10**6}))\r"))
            self.runner.run(victim.wait_text(f"\r\n{self._lines + 10**6}\r\n"))
            expected = f"echo $(({self._lines}+{10**6}))\r\n{self._lines + 10**6}\r\n"
            assert victim.text[seen:] == expected
        assert [self.api.json("GET", f"{path}/session")["pid"] for path in self.paths] == self._before

    def close(self) -> None:
        """Leave."""
        for victim in self._victims:
            victim.connection.close()
        for path in self.paths:
            self.api.json("DELETE", f"{path}/session")


@pytest.fixture(scope="module")
def rig(folder: Path) -> Iterator[Rig]:
    with make_server(folder / "broken") as server, Api(server) as api, asyncio.Runner() as runner:
        rig = Rig(server, api, runner)
        yield rig
        rig.close()
        log = server.log()
    assert "Traceback" not in log
    assert "Uncaught" not in log


def read_to_the_end(client: socket.socket) -> bytes:
    """Return what comes until the server ends the connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := client.recv(1 << 16):
            received += chunk
    return received


@pytest.mark.parametrize("protocol", ["json", "wxterm", "terminado", "events"])
def test_who_breaks_the_rules_is_disconnected(protocol: str, rig: Rig) -> None:
    for name, garbage in {**BROKEN, **CLOSING}.items():
        with rig.connect(protocol) as client:
            try:
                client.sendall(garbage)
                read_to_the_end(client)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it ended before everything was sent
            except TimeoutError:
                pytest.fail(f"{protocol}: {name}: still connected after {TIMEOUT_S} s")
    rig.check()
    assert rig.api.json("GET", f"{rig.paths[0]}/session")["clients"] == 1


@pytest.mark.parametrize("protocol", ["json", "wxterm", "terminado", "events"])
def test_a_flood_of_pings_is_answered_and_slows_nobody(protocol: str, rig: Rig) -> None:
    """Pings, and messages in parts of one byte each, are in order, however many."""
    with rig.connect(protocol) as client:
        client.settimeout(TIMEOUT_S)
        for _each in range(20):
            client.sendall(frame(FIN | PING, b"ping") * 100)
            client.sendall(frame(TEXT, b"[") + frame(CONTINUATION, b"") * 100 + frame(FIN | CONTINUATION, b"]"))
        rig.check()
        client.sendall(frame(FIN | PING, b"the last") + frame(FIN | CLOSE, struct.pack(">H", 1000)))
        received = read_to_the_end(client)
    assert received.count(b"\x8a\x04ping") == 2000
    assert b"\x8a\x08the last" in received


@pytest.mark.parametrize("protocol", ["json", "wxterm", "terminado", "events"])
def test_half_a_frame_waits_and_keeps_nobody_waiting(protocol: str, rig: Rig) -> None:
    halves = [frame(FIN | TEXT, b"x" * 1000)[:500], frame(TEXT, json.dumps({"type": "input"}).encode()), b"\x81"]
    clients = [rig.connect(protocol) for _each in halves]
    for client, half in zip(clients, halves, strict=True):
        client.sendall(half)
    rig.check()
    for client in clients:
        client.close()


@pytest.mark.parametrize("protocol", ["json", "wxterm", "terminado"])
def test_a_message_in_parts_is_the_message(protocol: str, rig: Rig) -> None:
    """As some proxies send it."""
    keys = {"json": b'{"type":"input","data":""}', "wxterm": b"\x11", "terminado": b'["stdin",""]'}[protocol]
    kind = BINARY if protocol == "wxterm" else TEXT
    with rig.connect(protocol) as client:
        parts = [frame(kind, keys[:1]), *(frame(CONTINUATION, bytes((byte,))) for byte in keys[1:])]
        client.sendall(b"".join(parts) + frame(FIN | CONTINUATION, b"") + frame(FIN | PING, b"the last"))
        received = b""
        while b"\x8a\x08the last" not in received:
            received += client.recv(1 << 16)
        assert b"invalid_body" not in received
    rig.check()
