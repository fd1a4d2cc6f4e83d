"""Clients of both protocols for benchmarks: a bare WebSocket over a blocking socket, so that little of what is measured
is the client's. Run as a program it attaches, says so, and reads until the end of a flood."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import sys
import time
from urllib.parse import urlsplit

_OFFSET = struct.Struct(">Q")
END = b"\x04one"
_JSON_END = json.dumps(END.decode())[1:-1].encode()


class Wire:
    """One client of ``wxterm.v1``, or of terminado.

    Attributes:
        wire_bytes: How many bytes have come.
        shown: What a terminal would have been given.
    """

    def __init__(self, url: str, token: str, *, binary: bool, attach: bytes = b"{}", buffer_bytes: int = 0) -> None:
        parts = urlsplit(url)
        self.binary = binary
        self.wire_bytes = 0
        self.shown = bytearray()
        self._socket = socket.socket()
        if buffer_bytes:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self._socket.connect((parts.hostname, parts.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        asked = "Sec-WebSocket-Protocol: wxterm.v1\r\n" if binary else ""
        self._socket.sendall(
            f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: token {token}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n{asked}\r\n".encode()
        )
        self._stream = self._socket.makefile("rb", 1 << 18)
        status = self._stream.readline()
        assert b" 101 " in status, status
        while self._stream.readline() != b"\r\n":
            pass
        if binary:
            self._send(b"\x10" + attach)
        else:
            self._send(b'["set_size", 24, 80, 0, 0]')

    def patience(self, seconds: float) -> None:
        """Raise ``TimeoutError`` where nothing comes for so long; the connection is of no use then."""
        self._socket.settimeout(seconds)

    def type(self, keys: bytes) -> None:
        """Send keys."""
        self._send(b"\x11" + keys if self.binary else json.dumps(["stdin", keys.decode()]).encode())

    def read(self) -> bytes:
        """Return the next output, acknowledged; other frames are empty output."""
        header = self._stream.read(2)
        assert header[0] & 0x0F in (1, 2, 9), f"the connection (binary: {self.binary}) was closed: {header!r}"
        length = header[1] & 0x7F
        if length >= 126:
            length = int.from_bytes(self._stream.read(2 if length == 126 else 8), "big")
        frame = self._stream.read(length)
        self.wire_bytes += length
        if header[0] & 0x0F == 9:
            self._send(frame, kind=0x8A)
            return b""
        return self._read_binary(frame) if self.binary else frame

    def read_screen(self) -> None:
        """Read the first output: from now on keys are taken."""
        while not self.read().strip(b'["setup", {}]'):
            pass

    def read_until(self, text: bytes) -> bytes:
        """Read until the output, as it comes, has this text, which may be cut once."""
        before = b""
        while text not in before[-len(text) :] + (now := self.read()):
            before = now or before
        return now

    def text(self, frame: bytes) -> bytes:
        """Return the terminal's bytes in what ``read`` gave."""
        if self.binary:
            return frame
        name, *rest = json.loads(frame)
        return rest[0].encode() if name == "stdout" else b""

    def close(self) -> None:
        """Leave without a word."""
        self._stream.close()
        self._socket.close()

    def _read_binary(self, frame: bytes) -> bytes:
        kind = frame[0]
        if kind not in (1, 2):
            return b""
        offset = _OFFSET.unpack_from(frame, 1)[0]
        data = frame[9:] if kind == 1 else frame[13:]
        self._send(b"\x14" + _OFFSET.pack(offset + (len(data) if kind == 1 else 0)))
        return data

    def _send(self, frame: bytes, *, kind: int = 0) -> None:
        kind = kind or (0x82 if self.binary else 0x81)
        length = bytes((0x80 | len(frame),)) if len(frame) < 126 else b"\xfe" + struct.pack(">H", len(frame))
        self._socket.sendall(bytes((kind,)) + length + b"\0\0\0\0" + frame)  # a mask of zeros leaves it as it is


def end_mark(binary: bool) -> bytes:
    """Return how the end of a flood looks in the frames."""
    return END if binary else _JSON_END


if __name__ == "__main__":
    _url, _token, _binary = sys.argv[1:4]
    client = Wire(_url, _token, binary=_binary == "binary", attach=b'{"whole": true}')
    client.read_until(b"ready")
    print("attached", flush=True)
    client.read_until(end_mark(client.binary))
    print(time.monotonic(), client.wire_bytes, flush=True)
