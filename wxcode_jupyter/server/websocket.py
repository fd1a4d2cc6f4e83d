"""WebSockets: what they share, and a project's events, live. `terminal.py` has the terminals.

One task per client sends, each frame awaited: a client that stops reading stops nobody else, and costs what is on its
way to it. What a client sends is taken in order, one frame at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from jupyter_server.base.websocket import WebSocketMixin
from tornado.ioloop import PeriodicCallback
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from ..errors import WxcodeError
from ..protocol import wxjson
from .base import CLOSE_CODES, WxcodeHandler, endpoint, lookup, to_json

#: What the kernel keeps for a client that does not read: without these, megabytes.
_SEND_BUFFER_BYTES = 128 << 10
_NOT_SENT_BYTES = 64 << 10


class SocketHandler(WebSocketMixin, WebSocketHandler, WxcodeHandler):
    """A handler that speaks WebSocket, with one task that sends."""

    auth_resource = "wxcode:session"
    _task: asyncio.Task[None] | None = None
    _cancellable = True
    _left = False

    @property
    def asks_for_websocket(self) -> bool:
        """Whether the request is one that switches protocols, and no plain one."""
        headers = self.request.headers
        options = [option.strip().lower() for option in headers.get("Connection", "").split(",")]
        return headers.get("Upgrade", "").lower() == "websocket" and "upgrade" in options

    def open(self, *_arguments: str) -> None:
        """Bound what waits for the client in the kernel, and let it wait for nothing else."""
        super().open(*_arguments)
        self.set_nodelay(True)
        assert self.ws_connection is not None
        assert self.ws_connection.stream is not None
        if not self.ws_connection.stream.closed():  # else tornado notices next, and calls `on_close`
            bound(self.ws_connection.stream.socket)

    @property
    def max_message_size(self) -> int:
        """How many bytes of a message are held; tornado closes with 1009 where its head announces more."""
        return self.service.config.frame_limit_bytes

    def begin(self, send: Callable[[str], Awaitable[None]], identifier: str) -> None:
        """Start the task that sends. It may be cancelled before it has begun."""
        self._task = asyncio.create_task(self._send(send, identifier))

    async def _send(self, send: Callable[[str], Awaitable[None]], identifier: str) -> None:
        try:
            await send(identifier)
        except WebSocketClosedError:
            return
        except WxcodeError as error:
            await self.fail(error)

    async def fail(self, error: WxcodeError) -> None:
        """Tell the client what went wrong, and close."""
        if self.ws_connection is not None:
            try:
                await self.tell_error(error)
            except WebSocketClosedError:
                return
            self.close(lookup(CLOSE_CODES, error), error.code)

    async def tell_error(self, error: WxcodeError) -> None:
        """Send what went wrong."""
        await self.write_message(wxjson.error(error.message, error.code))

    def on_close(self) -> None:
        """End the task."""
        self._left = True
        if self._task is not None and self._cancellable:
            self._task.cancel()
        pings: PeriodicCallback | None = self.ping_callback  # Jupyter's: else they keep all this for half a minute
        if pings is not None:
            pings.stop()
        super().on_close()


class EventsHandler(SocketHandler):
    """``/output-projects/{id}/events``: a page over HTTP, or all that comes over a WebSocket."""

    def initialize(self, route: str = "") -> None:
        """Have no follower's place yet."""
        super().initialize(route)
        self._place = contextlib.ExitStack()

    @endpoint("read", "wxcode:session")
    async def get(self, project_id: str) -> None:
        """Return the events after a seq, or follow them."""
        await self.service.store.get_project(project_id)
        self._after = self.integer("after")
        if self.asks_for_websocket:
            self._place.enter_context(self.service.events.place(project_id))
            await WebSocketHandler.get(self, project_id)
            return
        events = await self.service.events.load(project_id, after=self._after, limit=self.integer("limit"))
        self.reply({"events": [event_json(event) for event in events], "last_seq": _last(events, self._after)})

    def on_close(self) -> None:
        """Give the place back."""
        self._place.close()
        super().on_close()

    def on_finish(self) -> None:
        """Give it back where the handshake was refused: one that was taken is finished, too."""
        if self.get_status() != 101:
            self._place.close()
        super().on_finish()

    def open(self, project_id: str) -> None:  # type: ignore[override]
        """Follow."""
        super().open(project_id)
        self.begin(self._follow, project_id)

    async def _follow(self, project_id: str) -> None:
        async for event in self.service.events.follow(project_id, after=self._after):
            await self.write_message(json.dumps(event_json(event)))

    def on_message(self, message: str | bytes) -> None:
        """Ignore what clients say: events go one way."""


def bound(connection: socket.socket) -> None:
    """Keep the kernel's buffer for a connection small."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _NOT_SENT_BYTES)


def event_json(event: Any) -> dict[str, Any]:
    """Return an event as it is sent."""
    data: dict[str, Any] = to_json(event)
    del data["output_project_id"]
    return data


def _last(events: Any, after: int) -> int:
    return int(events[-1].seq) if events else after
