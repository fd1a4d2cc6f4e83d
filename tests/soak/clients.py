"""Many clients of ``wxterm.v1`` in one process, cheap: what comes is hashed in the pieces in which it comes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import random
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

from tests.soak.program import MARK

_ACK_BYTES = 128 << 10  # unacknowledged, at most, and
_ACK_S = 0.5  # for so long
_RETRY_S = (0.2, 1.0)
_SLOW_BYTES, _SLOW_S = 64 << 10, (0.05, 0.3)  # a slow one rests after so many bytes, for so long
_OFFSET = struct.Struct(">Q")
_PONG, _BINARY = 0x8A, 0x82


class Epochs:
    """What a client has read, epoch by epoch: how many bytes, and their digest."""

    def __init__(self) -> None:
        self.over: list[tuple[int, str]] = []
        self._held = b""  # what may become a mark
        self._begin()

    def take(self, data: bytes) -> None:
        """Take what follows."""
        data = self._held + data
        while (place := data.find(MARK)) >= 0:
            self._count(data[:place])
            self.end()
            data = data[place + len(MARK) :]
        escape = data.rfind(MARK[:1], max(len(data) - len(MARK) + 1, 0))
        held = escape if escape >= 0 and MARK.startswith(data[escape:]) else len(data)
        self._held = data[held:]
        self._count(data[:held])

    def end(self) -> None:
        """Note that the epoch is over."""
        self.over.append((self._bytes, self._digest.hexdigest()))
        self._begin()

    def _begin(self) -> None:
        self._bytes, self._digest = 0, hashlib.sha256()

    def _count(self, data: bytes) -> None:
        self._bytes += len(data)
        self._digest.update(data)


@dataclass
class Address:
    """Where the server is at present; its port is another one after each start."""

    url: str
    token: str


@dataclass
class Tally:
    """What all clients have seen."""

    wire_bytes: int = 0
    frames: int = 0
    connections: int = 0
    snapshots: int = 0
    faults: list[str] = field(default_factory=list)  # what must not be


class Client:
    """One client of a session, which comes back whenever it is cut off, until the program has ended.

    Args:
        address: Where the server is.
        tally: What is counted together.
        project_id: Whose terminal.
        kind: ``steady``, ``slow`` or ``returning``, who want every byte; ``observer``, who takes a screen for what it
            lacks.
        seed: Of its pauses.

    Attributes:
        epochs: What it has read.
        closed: Set once the program has ended and everything of it has come.
    """

    def __init__(self, address: Address, tally: Tally, project_id: str, kind: str, seed: int) -> None:
        self.kind = kind
        self.epochs = Epochs()
        self.closed = asyncio.Event()
        self.attached = asyncio.Event()
        self.whole = kind != "observer"
        self.name = f"{kind} of {project_id}"
        self._address = address
        self._tally = tally
        self._path = f"wxcode/api/v1/output-projects/{project_id}/terminal"
        self._random = random.Random(seed)
        self._stream: str | None = None
        self._offset: int | None = None
        self._wire: _Wire | None = None
        self._task = asyncio.create_task(self._run())

    def drop(self, *, reset: bool, away_s: float) -> None:
        """Be cut off, by a reset or in order, and come back after a while."""
        if self._wire is not None:
            self._away_s = away_s
            self._wire.drop(reset=reset)

    def stall(self, seconds: float) -> None:
        """Stop reading for a while."""
        if self._wire is not None:
            self._wire.rest(seconds)

    def resize(self, rows: int, cols: int) -> None:
        """Have another size."""
        if self._wire is not None and self.attached.is_set():
            self._wire.send(b"\x12" + struct.pack(">HH", rows, cols))

    async def leave(self) -> None:
        """Go for good."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        if self._wire is not None:
            self._wire.drop(reset=False)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while not self.closed.is_set():
            self._away_s = 0.0
            parts = urlsplit(self._address.url)
            assert parts.hostname
            assert parts.port
            wire = _Wire(self, self._request(f"{parts.path}{self._path}", parts.netloc))
            try:
                await loop.create_connection(partial(_given, wire), parts.hostname, parts.port)
            except OSError:  # the server is away
                await asyncio.sleep(self._random.uniform(*_RETRY_S))
                continue
            self._wire = wire
            self._tally.connections += 1
            await self._wire.lost.wait()
            self._wire = None
            self.attached.clear()
            if not self.closed.is_set():
                await asyncio.sleep(max(self._away_s, self._random.uniform(*_RETRY_S)))

    def _request(self, path: str, host: str) -> bytes:
        role = "" if self.whole else "?role=observer"
        key = base64.b64encode(os.urandom(16)).decode()
        return (
            f"GET {path}{role} HTTP/1.1\r\nHost: {host}\r\nAuthorization: token {self._address.token}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: wxterm.v1\r\n\r\n"
        ).encode()

    # -- what the wire hears --------------------------------------------------------------------------------------

    def attach_frame(self) -> bytes:
        """Return the first frame: what it has."""
        size = {"rows": 24, "cols": 80} if self.whole else {}
        window = {"window": 64 << 10} if self.kind == "slow" else {}
        has = {"stream": self._stream, "offset": self._offset}
        return b"\x10" + json.dumps({**has, **size, **window, "whole": self.whole}).encode()

    def take(self, frame: bytes) -> int | None:
        """Take a frame of the server's; return the offset up to which everything has come, where it is another one."""
        self._tally.frames += 1
        self._tally.wire_bytes += len(frame)
        match frame[0]:
            case 0x01:
                (offset,) = _OFFSET.unpack_from(frame, 1)
                if self._offset not in (None, offset):
                    self._tally.faults.append(f"{self.name}: bytes at {offset}, expected at {self._offset}")
                if self.whole:
                    self.epochs.take(frame[9:])
                self._offset = offset + len(frame) - 9
                return self._offset
            case 0x02:
                self._tally.snapshots += 1
                if self.whole:
                    self._tally.faults.append(f"{self.name}: a snapshot")
                (self._offset,) = _OFFSET.unpack_from(frame, 1)
                return self._offset
            case 0x04:
                self._take_state(json.loads(frame[1:]))
            case 0x06:
                error = json.loads(frame[1:])
                if error["code"] not in ("store_unavailable", "session_not_running"):
                    self._tally.faults.append(f"{self.name}: {error}")
            case 0x07:
                self.epochs.end()
                self.closed.set()
        return None

    def _take_state(self, state: dict[str, Any]) -> None:
        if state["connected"]:
            if self._stream not in (None, state["stream"]):
                self._tally.faults.append(f"{self.name}: another process")
            self._stream = state["stream"]
            self.attached.set()

    @property
    def rests_s(self) -> float:
        """How long a slow one rests."""
        return self._random.uniform(*_SLOW_S) if self.kind == "slow" else 0.0


def _given(wire: _Wire) -> _Wire:
    return wire


class _Wire(asyncio.Protocol):
    """One connection."""

    def __init__(self, client: Client, request: bytes) -> None:
        self.lost = asyncio.Event()
        self._client = client
        self._request = request
        self._buffer = bytearray()
        self._upgraded = False
        self._offset: int | None = None
        self._acknowledged = 0
        self._since_rest = 0
        self._loop = asyncio.get_running_loop()
        self._ack_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._ack_due is not None:
            self._ack_due.cancel()
        self.lost.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded and not self._upgrade():
            return
        for opcode, frame in self._frames():
            if opcode == 9:
                self._send_raw(_PONG, frame)
            elif opcode == 8:
                self._transport.close()
                return
            elif (offset := self._client.take(frame)) is not None:
                self._offset = offset
        self._acknowledge_soon()
        self._since_rest += len(data)
        if self._since_rest > _SLOW_BYTES and (seconds := self._client.rests_s):
            self._since_rest = 0
            self.rest(seconds)

    def send(self, frame: bytes) -> None:
        """Send a frame."""
        self._send_raw(_BINARY, frame)

    def rest(self, seconds: float) -> None:
        """Stop reading for a while."""
        if not self._transport.is_closing():
            self._transport.pause_reading()
        self._loop.call_later(seconds, self._read_on)

    def drop(self, *, reset: bool) -> None:
        """End the connection, unless it is ending."""
        if self._transport.is_closing():
            return
        if reset:
            peer = self._transport.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        else:
            self._transport.close()

    def _read_on(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _upgrade(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        if not self._buffer.startswith(b"HTTP/1.1 101"):
            self._transport.abort()  # a server that is just starting, or ending
            return False
        del self._buffer[: end + 4]
        self._upgraded = True
        self.send(self._client.attach_frame())
        return True

    def _frames(self) -> list[tuple[int, bytes]]:
        """Take the frames that are there whole."""
        frames, place, buffer = [], 0, self._buffer
        while len(buffer) - place >= 2:
            length, begin = buffer[place + 1], place + 2
            if length >= 126:
                wide = 2 if length == 126 else 8
                length, begin = int.from_bytes(buffer[begin : begin + wide], "big"), begin + wide
            if len(buffer) < begin + length:
                break
            frames.append((buffer[place] & 0x0F, bytes(buffer[begin : begin + length])))
            place = begin + length
        del buffer[:place]
        return frames

    def _acknowledge_soon(self) -> None:
        if self._offset is None or self._offset == self._acknowledged:
            return
        if self._offset - self._acknowledged >= _ACK_BYTES // (4 if self._client.kind == "slow" else 1):
            self._acknowledge()
        elif self._ack_due is None:
            self._ack_due = self._loop.call_later(_ACK_S, self._acknowledge)

    def _acknowledge(self) -> None:
        if self._ack_due is not None:
            self._ack_due.cancel()
            self._ack_due = None
        if self._offset is not None and not self._transport.is_closing():
            self._acknowledged = self._offset
            self.send(b"\x14" + _OFFSET.pack(self._offset))

    def _send_raw(self, head: int, frame: bytes) -> None:
        if self._transport.is_closing():
            return
        length = bytes((0x80 | len(frame),)) if len(frame) < 126 else b"\xfe" + struct.pack(">H", len(frame))
        self._transport.write(bytes((head,)) + length + b"\0\0\0\0" + frame)  # a mask of zeros leaves it as it is
