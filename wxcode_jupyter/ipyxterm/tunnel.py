"""Connections of the kernel for pages that cannot reach the server: ``wxterm.v1`` frames through the widget's comm.

Each view of a page opens links, one after the other, and each is a connection of its own (``kernel.ts`` is the other
side). Batches of frames are counted from 1, a frame is a buffer:

| from the page | |
| --- | --- |
| ``{"kind": "open", "link": str}`` | connect |
| ``{"kind": "frames", "link", "seq"}`` | repeated until they were taken; a second copy is dropped |
| ``{"kind": "close", "link"}`` | |

| to the page | |
| --- | --- |
| ``{"kind": "opened", "link"}`` | frames may be sent |
| ``{"kind": "taken", "link", "seq"}`` | those frames went out |
| ``{"kind": "frames", "link", "seq"}`` | when a number is missing the page connects again, and the server repeats |
| ``{"kind": "closed", "link", "code", "reason"}`` | the WebSocket's close code, 1006 where there is none |

All of it runs in a thread with a loop of its own: a cell that runs does not stop what comes down, only what goes up.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit, urlunsplit

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, WebSocketError, websocket_connect

PROTOCOL = "wxterm.v1"
BROKEN = 1006
#: Jupyter drops what a kernel sends beyond 1 MB/s (``iopub_data_rate_limit``), the output of cells with it.
RATE_BYTES_PER_S = 400_000
_BATCH_BYTES = 64 << 10
_AHEAD = 16
_CONNECT_TIMEOUT_S = 10.0
_PING_INTERVAL_S = 20.0
_FRAME_LIMIT_BYTES = 64 << 20  # a screen of 500 columns in true colour has megabytes


class Channel(Protocol):
    """One connection: frames in both directions, in order."""

    async def read(self) -> bytes | None:
        """Return the next frame; None at the end, from then on ``close_code`` and ``close_reason`` stand."""

    async def write(self, frame: bytes) -> None:
        """Send a frame, and return when the next may come; without effect after the end."""

    def close(self) -> None:
        """End it."""

    @property
    def close_code(self) -> int | None:
        """How it ended."""

    @property
    def close_reason(self) -> str | None:
        """Why it ended."""


Dial = Callable[[], Awaitable[Channel]]
Tell = Callable[[dict[str, Any], list[bytes]], None]


class DialFailed(Exception):
    """No connection came about; the message says why."""


class Tunnels:
    """The links of one widget.

    Args:
        dial: Makes a connection; raises ``DialFailed``.
        tell: Sends a message to the page; called in the loop's thread.
    """

    def __init__(self, dial: Dial, tell: Tell) -> None:
        self._dial = dial
        self._tell = tell
        self._links: dict[str, _Link] = {}

    def receive(self, message: Mapping[str, Any], buffers: list[bytes]) -> None:
        """Take a message of the page, in any thread."""
        loop().call_soon_threadsafe(self._take, message, buffers)

    def close(self) -> None:
        """End all connections; idempotent, in any thread."""
        if self._links:  # widgets are closed at the end of the process, too, when no thread can be started
            loop().call_soon_threadsafe(self._close)

    def _take(self, message: Mapping[str, Any], buffers: list[bytes]) -> None:
        name, kind = str(message.get("link")), message.get("kind")
        link = self._links.get(name)
        if link is None:
            if kind == "open":
                self._open(name)
        elif kind == "frames":
            link.take(int(message["seq"]), buffers)
        elif kind == "close":
            link.task.cancel()

    def _open(self, name: str) -> None:
        link = self._links[name] = _Link(name, self._dial, self._tell)
        link.task.add_done_callback(lambda task: self._forget(name, task))

    def _forget(self, name: str, task: asyncio.Task[None]) -> None:
        self._links.pop(name, None)
        if not task.cancelled():
            task.result()  # a defect of ours: the loop's handler reports it

    def _close(self) -> None:
        for link in self._links.values():
            link.task.cancel()


class _Link:
    """One link: a task that connects, and then carries frames until either side ends it."""

    def __init__(self, name: str, dial: Dial, tell: Tell) -> None:
        self._name = name
        self._dial = dial
        self._tell = tell
        self._expected = 1
        self._upward: asyncio.Queue[tuple[int, list[bytes]]] = asyncio.Queue()
        self._downward: asyncio.Queue[bytes | None] = asyncio.Queue(_AHEAD)
        self.task = asyncio.create_task(self._run())

    def take(self, seq: int, frames: list[bytes]) -> None:
        """Take a batch of the page's, once; it comes again only when it, or its receipt, was lost or is late."""
        if seq == self._expected:
            self._expected += 1
            self._upward.put_nowait((seq, frames))
        elif seq < self._expected and self._upward.empty():
            self._say("taken", seq=seq)

    async def _run(self) -> None:
        try:
            channel = await self._dial()
        except DialFailed as error:
            self._say("closed", code=BROKEN, reason=str(error))
            return
        self._say("opened")
        helpers = [asyncio.create_task(work) for work in (self._carry_up(channel), self._read(channel))]
        try:
            await self._carry_down()
        finally:
            for helper in helpers:
                helper.cancel()
            channel.close()
        self._say("closed", code=channel.close_code or BROKEN, reason=channel.close_reason or "")

    async def _carry_up(self, channel: Channel) -> None:
        while True:
            seq, frames = await self._upward.get()
            for frame in frames:
                await channel.write(frame)
            self._say("taken", seq=seq)

    async def _read(self, channel: Channel) -> None:
        frame: bytes | None = b""
        while frame is not None:
            frame = await channel.read()
            await self._downward.put(frame)

    async def _carry_down(self) -> None:
        seq = 0
        frame = await self._downward.get()
        while frame is not None:
            batch = [frame]
            size = len(frame)
            while size < _BATCH_BYTES and not self._downward.empty():
                frame = self._downward.get_nowait()
                if frame is None:
                    break
                batch.append(frame)
                size += len(frame)
            seq += 1
            self._say("frames", batch, seq=seq)
            await asyncio.sleep(size / RATE_BYTES_PER_S)
            if frame is not None:
                frame = await self._downward.get()

    def _say(self, kind: str, buffers: list[bytes] | None = None, **what: Any) -> None:
        self._tell({"kind": kind, "link": self._name, **what}, buffers or [])


def bare(url: str) -> str:
    """Return a URL without what may be secret in it: a name, a password, a token."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def is_public(url: str) -> bool:
    """Whether a URL may stand in a saved notebook: nothing in it is secret, as far as this protocol knows its parts."""
    parts = urlsplit(url)
    return "@" not in parts.netloc and set(parse_qs(parts.query, keep_blank_values=True)) <= {"role"}


async def dial(url: str, headers: Mapping[str, str]) -> Channel:
    """Connect to a WebSocket that speaks ``wxterm.v1``. Raises ``DialFailed``."""
    request = HTTPRequest(url, headers=dict(headers), connect_timeout=_CONNECT_TIMEOUT_S)
    try:
        connection = await websocket_connect(
            request, subprotocols=[PROTOCOL], ping_interval=_PING_INTERVAL_S, max_message_size=_FRAME_LIMIT_BYTES
        )
    except (OSError, ValueError, HTTPClientError, WebSocketError, StreamClosedError) as error:
        raise DialFailed(f"The kernel cannot connect to {bare(url)}: {error or type(error).__name__}.") from error
    return _Socket(connection)


class _Socket:
    """A tornado WebSocket as a ``Channel``."""

    def __init__(self, connection: WebSocketClientConnection) -> None:
        self._connection = connection

    @property
    def close_code(self) -> int | None:
        return self._connection.close_code

    @property
    def close_reason(self) -> str | None:
        return self._connection.close_reason

    async def read(self) -> bytes | None:
        while isinstance(message := await self._connection.read_message(), str):
            pass  # wxterm.v1 has no texts, and receivers ignore what they do not know
        return message

    async def write(self, frame: bytes) -> None:
        with contextlib.suppress(WebSocketClosedError):  # reading tells
            await self._connection.write_message(frame, binary=True)

    def close(self) -> None:
        self._connection.close()


_first = threading.Lock()


def loop() -> asyncio.AbstractEventLoop:
    """Return the loop that all of this runs in, in a thread that ends with the process."""
    with _first:  # a cache alone would let two threads begin one each
        return _running_loop()


@functools.cache
def _running_loop() -> asyncio.AbstractEventLoop:
    ready: Future[asyncio.AbstractEventLoop] = Future()
    threading.Thread(target=lambda: asyncio.run(_stay(ready)), name="ipyxterm", daemon=True).start()
    return ready.result()


async def _stay(ready: Future[asyncio.AbstractEventLoop]) -> None:
    ready.set_result(asyncio.get_running_loop())
    await asyncio.Event().wait()
