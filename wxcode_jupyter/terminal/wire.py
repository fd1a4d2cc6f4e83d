"""Frames between our processes: a 4-byte big-endian length, then one JSON object in UTF-8.

The keeper's socket and the emulator's pipe both speak it. Descriptors ride as ``SCM_RIGHTS`` on the first byte of the
frame that announces them (``"fds": n``); the kernel never merges two such frames into one read, so their order is the
order of the frames. Receivers ignore members that they do not know.
"""

from __future__ import annotations

import array
import json
import os
import socket
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

PROTOCOL_VERSION = 4
MAX_FRAME_BYTES = 8 << 20

_READ_BYTES = 1 << 16
_FD_BYTES = array.array("i").itemsize
_ANCILLARY_BYTES = socket.CMSG_SPACE(16 * _FD_BYTES)


class FrameError(Exception):
    """The peer sent what is no frame: the connection cannot be used any further."""


def encode(message: dict[str, Any]) -> bytes:
    """Return the frame of one message; raise ``FrameError`` when it is larger than ``MAX_FRAME_BYTES``."""
    body = json.dumps(message, separators=(",", ":")).encode()
    if len(body) > MAX_FRAME_BYTES:
        raise FrameError(f"a message of {len(body)} bytes is larger than {MAX_FRAME_BYTES}")
    return len(body).to_bytes(4, "big") + body


class Decoder:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Take more bytes and return the messages that are complete now, in order."""
        self._buffer += data
        messages: list[dict[str, Any]] = []
        while len(self._buffer) >= 4:
            length = int.from_bytes(self._buffer[:4], "big")
            if length > MAX_FRAME_BYTES:
                raise FrameError(f"a frame of {length} bytes is announced")
            if len(self._buffer) < 4 + length:
                break
            try:
                message = json.loads(self._buffer[4 : 4 + length])
            except ValueError as error:
                raise FrameError("a frame that is not JSON") from error
            if not isinstance(message, dict):
                raise FrameError("a frame that is no object")
            del self._buffer[: 4 + length]
            messages.append(message)
        return messages


class Channel:
    """One end of a non-blocking stream socket that carries frames; the caller does the waiting.

    ``receive`` and ``flush`` are called when the socket is readable or writable. Descriptors that were received wait in
    ``take_fds`` until the message that announces them is handled; ``close`` closes those that nobody took.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self._decoder = Decoder()
        self._received: deque[int] = deque()
        self._outgoing: deque[tuple[memoryview, tuple[int, ...]]] = deque()

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self.sock.fileno()

    @property
    def backlog(self) -> int:
        """Bytes that the peer has not taken yet."""
        return sum(len(view) for view, _ in self._outgoing)

    def receive(self) -> list[dict[str, Any]] | None:
        """Return the messages of one read (may be none), or ``None`` when the peer is gone."""
        try:
            # Not socket.recv_fds: it drops its flags, and the descriptors would leak into every child.
            data, ancillary, _flags, _address = self.sock.recvmsg(
                _READ_BYTES, _ANCILLARY_BYTES, socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return []
        except ConnectionError:
            return None
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                self._received.extend(array.array("i", payload[: len(payload) // _FD_BYTES * _FD_BYTES]))
        return self._decoder.feed(data) if data else None

    def take_fds(self, count: int) -> list[int]:
        """Return the next ``count`` descriptors, which are the caller's from now on."""
        if count > len(self._received):
            raise FrameError(f"{count} descriptors were announced, {len(self._received)} came")
        return [self._received.popleft() for _ in range(count)]

    def send(self, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
        """Send a message, or queue what the socket does not take; the descriptors stay the caller's.

        Raises:
            FrameError: The message is too large.
            OSError: It has to be queued, and there are no descriptors left to duplicate ``fds``.
        """
        if fds:
            message = {**message, "fds": len(fds)}
        view = memoryview(encode(message))
        sent = 0 if self._outgoing else self._transmit(view, fds)
        if sent < len(view):
            self._outgoing.append((view[sent:], () if sent else _duplicate(fds)))

    def flush(self) -> bool:
        """Send what the socket takes and return whether nothing is left; a peer that is gone shows at ``receive``."""
        while self._outgoing:
            view, fds = self._outgoing[0]
            sent = self._transmit(view, fds)
            if not sent:
                return False
            for fd in fds:
                os.close(fd)
            if sent < len(view):
                self._outgoing[0] = (view[sent:], ())
            else:
                self._outgoing.popleft()
        return True

    def _transmit(self, view: memoryview, fds: Sequence[int]) -> int:
        """Return how many bytes the socket takes; the descriptors go with the first."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            return self.sock.sendmsg([view], rights, socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return 0
        except ConnectionError:
            return len(view)

    def close(self) -> None:
        """Close the socket and every descriptor that is still in transit."""
        while self._outgoing:
            for fd in self._outgoing.popleft()[1]:
                os.close(fd)
        while self._received:
            os.close(self._received.popleft())
        self.sock.close()


def _duplicate(fds: Sequence[int]) -> tuple[int, ...]:
    duplicates: list[int] = []
    with ExitStack() as undo:
        for fd in fds:
            duplicates.append(os.dup(fd))
            undo.callback(os.close, duplicates[-1])
        undo.pop_all()
    return tuple(duplicates)
