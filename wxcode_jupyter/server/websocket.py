"""WebSockets: the terminal in wxcode's JSON (`PROTOCOL.md`), and a project's events, live.

One task per client sends, each frame awaited, and reads the journal at its own pace: a client that stops reading stops
nobody else. What a client sends is taken in order, one frame at a time.
"""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Any

from jupyter_server.base.websocket import WebSocketMixin
from tornado import web
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from .. import protocol
from ..errors import InvalidBody, SessionNotRunning, TerminalClosed, WxcodeError
from ..models import MilestoneStatus, check_id
from ..service.live import LiveSession
from ..terminal.attachment import Attachment, Role
from .base import CLOSE_CODES, WxcodeHandler, endpoint, lookup, to_json
from .keyboard import Keyboard
from .messages import message

_SIGNALS = {"SIGINT": signal.SIGINT, "SIGTERM": signal.SIGTERM}
_EOF = b"\x04"
_TYPED_BEFORE_S = 0.2  # how long a signal waits for the keys before it, which a program that hangs never takes


class SocketHandler(WebSocketMixin, WebSocketHandler, WxcodeHandler):
    """A handler that speaks WebSocket, with one task that sends."""

    auth_resource = "wxcode:session"
    _task: asyncio.Task[None] | None = None
    _cancellable = True
    _left = False

    def begin(self, sending: Any) -> None:
        """Start the task that sends."""
        self._task = asyncio.create_task(self._send(sending))

    async def _send(self, sending: Any) -> None:
        try:
            await sending
        except WebSocketClosedError:
            return
        except WxcodeError as error:
            await self.fail(error)

    async def fail(self, error: WxcodeError) -> None:
        """Tell the client what went wrong, and close."""
        if self.ws_connection is not None:
            try:
                await self.write_message(protocol.error(error.message, error.code))
            except WebSocketClosedError:
                return
            self.close(lookup(CLOSE_CODES, error), error.code)

    def on_close(self) -> None:
        """End the task."""
        self._left = True
        if self._task is not None and self._cancellable:
            self._task.cancel()
        super().on_close()


class EventsHandler(SocketHandler):
    """``/output-projects/{id}/events``: a page over HTTP, or all that comes over a WebSocket."""

    @endpoint("read", "wxcode:session")
    async def get(self, project_id: str) -> None:
        """Return the events after a seq, or follow them."""
        await self.service.store.get_project(project_id)
        self._after = self.integer("after", 0, 0, 10**12)
        if self.request.headers.get("Upgrade", "").lower() == "websocket":
            await WebSocketHandler.get(self, project_id)
            return
        events = await self.service.events.load(
            project_id, after=self._after, limit=self.integer("limit", 1000, 1, 1000)
        )
        self.reply({"events": [event_json(event) for event in events], "last_seq": _last(events, self._after)})

    def open(self, project_id: str) -> None:
        """Follow."""
        super().open(project_id)
        self.begin(self._follow(project_id))

    async def _follow(self, project_id: str) -> None:
        async for event in self.service.events.follow(project_id, after=self._after):
            await self.write_message(json.dumps(event_json(event)))

    def on_message(self, message: str | bytes) -> None:
        """Ignore what clients say: events go one way."""


class TerminalHandler(SocketHandler):
    """The terminal of a session in wxcode's JSON."""

    _live: LiveSession | None = None
    _attachment: Attachment | None = None
    _keyboard: Keyboard | None = None

    async def get(self, identifier: str) -> None:
        """Ask who it is before the protocol is switched; what the id is worth is told afterwards, as a close code."""
        if not self.current_user:
            raise web.HTTPError(403)
        may_drive = await self.may("execute", "wxcode:session")
        if not may_drive and not await self.may("read", "wxcode:session"):
            raise web.HTTPError(403)
        self._role = Role.DRIVER if may_drive else Role.OBSERVER
        if self.get_query_argument("role", "") == "observer":
            self._role = Role.OBSERVER
        await super().get(identifier)

    def open(self, identifier: str) -> None:
        """Attach."""
        super().open(identifier)
        self.set_nodelay(True)
        self.begin(self._attach_and_pump(identifier))

    async def on_message(self, message: str | bytes) -> None:
        """Take a frame; a bad one is answered with an error and changes nothing."""
        try:
            frame = protocol.decode(message)
            if frame is not None:
                await self._take(frame)
        except TerminalClosed:
            return  # the pump tells
        except WxcodeError as error:
            await self.write_message(protocol.error(error.message, error.code))

    def on_close(self) -> None:
        """Detach; the session lives on."""
        if self._attachment is not None:
            self._attachment.detach()
        if self._keyboard is not None:
            self._keyboard.leave()
        super().on_close()

    async def find_project(self, identifier: str) -> str:
        """Return the id of the project whose terminal is asked for."""
        raise NotImplementedError

    async def _take(self, frame: protocol.ClientFrame) -> None:
        if self._role is Role.OBSERVER:
            raise InvalidBody("An observer can neither type, resize nor signal.", field="type")
        if self._live is None or self._attachment is None or self._keyboard is None:
            raise SessionNotRunning("The session is not up yet; wait for the status that says so.")
        match frame:
            case protocol.Input(data):
                await self._keyboard.type(data.encode("utf-8", "surrogatepass"))
            case protocol.Resize(size):
                self._attachment.set_size(size)
            case protocol.Signal("EOF"):
                await self._keyboard.type(_EOF)
            case protocol.Signal(name):
                await self._keyboard.settle(_TYPED_BEFORE_S)
                await self._live.terminal.signal(_SIGNALS[name])

    async def _attach_and_pump(self, identifier: str) -> None:
        await self._say("connecting", connected=False)
        self._cancellable = False  # what was begun to be started is started, whoever leaves
        self._live = live = await self._find_or_start(identifier)
        self._cancellable = True
        if self._left:
            return
        self._attachment = live.terminal.attach(self._role)
        if self._role is Role.DRIVER:
            self._keyboard = Keyboard(live.write_from_client)
        await self._say("connected", connected=True, session_id=live.claude_session_id)
        await self._pump(live, self._attachment)
        await live.closed.wait()
        await self.write_message(protocol.closed(live.terminal.exit_code))
        self.close(1000)

    async def _find_or_start(self, identifier: str) -> LiveSession:
        project_id = await self.find_project(check_id(identifier))
        sessions = self.service.sessions
        if present := sessions.find_live(project_id):
            await self._say("reconnecting", connected=False, session_id=present.claude_session_id)
        elif self._role is Role.OBSERVER:
            raise SessionNotRunning("The project has no live session, and an observer cannot start one.")
        else:
            session_id = (await sessions.info(project_id)).claude_session_id
            known = "resuming" if session_id else "preparing"
            await self._say(known, connected=False, session_id=session_id)
            await sessions.start(project_id)
        return sessions.live(project_id)

    async def _pump(self, live: LiveSession, attachment: Attachment) -> None:
        """Send the output until its end; say so where the journal no longer has what comes next."""
        encoder, sent = protocol.OutputEncoder(), 0
        async for chunk in attachment:
            if chunk.offset > sent:
                await self._send_output(encoder.finish())
                await self._say("lost", connected=True, session_id=live.claude_session_id, count=chunk.offset - sent)
            await self._send_output(encoder.encode(chunk.data))
            sent = chunk.end
        await self._send_output(encoder.finish())

    async def _send_output(self, frame: str | None) -> None:
        if frame is not None:
            await self.write_message(frame)

    async def _say(self, name: str, *, connected: bool, session_id: str | None = None, count: int = 0) -> None:
        text = message(name, self.service.config.language, count=count)
        await self.write_message(protocol.status(connected=connected, session_id=session_id, message=text))


class ProjectTerminalHandler(TerminalHandler):
    """``/output-projects/{id}/terminal``."""

    async def find_project(self, identifier: str) -> str:
        """Return the id itself, when there is such a project; a live session needs no store to say so."""
        if self.service.sessions.find_live(identifier):
            return identifier
        return (await self.service.store.get_project(identifier)).id


class MilestoneTerminalHandler(TerminalHandler):
    """``/milestones/{id}/terminal``: starts the milestone when it is pending, was not started, and the user may."""

    async def find_project(self, identifier: str) -> str:
        """Return the milestone's project."""
        milestone = await self.service.store.get_milestone(identifier)
        drives = self._role is Role.DRIVER and await self.may("execute", "wxcode:milestone")
        if drives and milestone.status is MilestoneStatus.PENDING:
            await self.service.milestones.start_once(identifier)
        return milestone.output_project_id


def event_json(event: Any) -> dict[str, Any]:
    """Return an event as it is sent."""
    data: dict[str, Any] = to_json(event)
    del data["output_project_id"]
    return data


def _last(events: Any, after: int) -> int:
    return int(events[-1].seq) if events else after
