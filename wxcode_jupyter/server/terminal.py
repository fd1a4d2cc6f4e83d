"""Terminals over WebSocket: who may, which session, and what a client asks of it. How it is told is its dialect's."""

from __future__ import annotations

import asyncio
import signal

from tornado import web

from ..errors import InvalidBody, SessionNotRunning, TerminalClosed, TooLarge, TooSlow, WxcodeError
from ..models import MilestoneStatus, OutputProject, check_id
from ..protocol import wxterm
from ..protocol.frames import Input, Request, Resize, Signal
from ..service.live import LiveSession
from ..terminal.attachment import Attachment, Role
from .dialect import Dialect, JsonDialect, Progress
from .dialect_wxterm import WxtermDialect
from .keyboard import Keyboard
from .messages import message
from .websocket import SocketHandler

_SIGNALS = {"SIGINT": signal.SIGINT, "SIGTERM": signal.SIGTERM}
_EOF = b"\x04"
_GOING_AWAY = 1001  # whoever follows comes back to the server that is started next
_OBSERVER_BYTES = 64 << 10  # of one frame
_TYPED_BEFORE_S = 0.2  # how long a signal waits for the keys before it, which a program that hangs never takes


class TerminalHandler(SocketHandler):
    """The terminal of a session, in the dialect that the client asks for; wxcode's JSON where it asks for none."""

    _dialect: Dialect
    _live: LiveSession | None = None
    _attachment: Attachment | None = None
    _keyboard: Keyboard | None = None

    async def get(self, identifier: str) -> None:
        """Ask who it is before the protocol is switched; what the id is worth is told afterwards, as a close code."""
        may_drive = await self.may("execute", "wxcode:session")
        if not may_drive and not await self.may("read", "wxcode:session"):
            raise web.HTTPError(403)
        self._role = Role.DRIVER if may_drive else Role.OBSERVER
        if self.get_query_argument("role", "") == "observer":
            self._role = Role.OBSERVER
        try:
            self.check_request()
        except WxcodeError as error:
            self.reply_error(error)
            return
        if not self.asks_for_websocket:
            self.set_header("Upgrade", "websocket")
            raise web.HTTPError(426, "A terminal is a WebSocket: connect with a client that speaks it.")
        await super().get(identifier)

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Speak ``wxterm.v1`` where the client can."""
        return wxterm.NAME if wxterm.NAME in subprotocols else None

    def open(self, identifier: str) -> None:  # type: ignore[override]
        """Attach."""
        super().open(identifier)
        self._dialect = self.make_dialect()
        self.begin(self._attach_and_show, identifier)

    async def on_message(self, message: str | bytes) -> None:
        """Take a frame; a bad one is answered with an error and changes nothing."""
        try:
            if (
                self._role is Role.OBSERVER and len(message) > _OBSERVER_BYTES
            ):  # not worth reading: it is refused anyway
                raise InvalidBody("An observer has nothing so long to say.", field="type")
            request = await self._dialect.hear(message)
            if request is not None:
                await self._take(request)
        except TerminalClosed:
            return  # whoever shows the output tells
        except WxcodeError as error:
            await self.tell_error(error)

    def on_close(self) -> None:
        """Detach; the session lives on."""
        if self._attachment is not None:
            self._attachment.detach()
        if self._keyboard is not None:
            self._keyboard.leave()
        super().on_close()

    async def tell_error(self, error: WxcodeError) -> None:
        """Send what went wrong."""
        await self._dialect.tell_error(error)

    def make_dialect(self) -> Dialect:
        """Return the dialect of this connection."""
        language = self.service.config.language
        if self.selected_subprotocol == wxterm.NAME:
            return WxtermDialect(self._send_frame, language)
        return JsonDialect(self._send_frame, language)

    async def find_project(self, identifier: str) -> OutputProject:
        """Return the project whose terminal is asked for."""
        raise NotImplementedError

    async def _send_frame(self, frame: str | bytes) -> None:
        await self.write_message(frame, binary=isinstance(frame, bytes))

    async def _take(self, request: Request) -> None:
        if self._role is Role.OBSERVER:
            raise InvalidBody("An observer can neither type, resize nor signal.", field="type")
        if self._live is None or self._attachment is None or self._keyboard is None:
            raise SessionNotRunning("The session is not up yet; wait for the status that says so.")
        match request:
            case Input(data):
                self._check_length(data)
                await self._keyboard.type(data)
            case Resize(size):
                self._attachment.set_size(size)
            case Signal("EOF"):
                await self._keyboard.type(_EOF)
            case Signal(name):
                await self._keyboard.settle(_TYPED_BEFORE_S)
                await self._live.terminal.signal(_SIGNALS[name])

    async def _attach_and_show(self, identifier: str) -> None:
        await self._tell_progress("connecting")
        self._cancellable = False  # what was begun to be started is started, whoever leaves
        self._live = live = await self.find_or_start(identifier)
        self._cancellable = True
        if self._left:
            return
        self._attachment = await self._attach(live)
        if self._role is Role.DRIVER:
            self._keyboard = Keyboard(live.write_from_client, live.write_now, live.backlog)
        await self._dialect.show(live, self._attachment)
        await live.closed.wait()
        if self.service.sessions.closing and self.selected_subprotocol:
            self.close(_GOING_AWAY)
            return
        await self._dialect.tell_closed(live.terminal.exit_code)
        self.close(1000)

    async def _attach(self, live: LiveSession) -> Attachment:
        limit_s = self.service.config.attach_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                return await self._dialect.attach(live, self._role)
        except TimeoutError:
            raise TooSlow(
                f"Nothing was attached within {limit_s:g} s (c.WxcodeApp.attach_timeout_s): connect again, and send "
                "ATTACH as the first frame.",
                limit_s=limit_s,
            ) from None

    def _check_length(self, data: bytes) -> None:
        limit_bytes = self.service.config.input_limit_bytes
        if len(data) > limit_bytes:
            raise TooLarge(
                f"A frame has at most {limit_bytes} bytes of input (c.WxcodeApp.input_limit_bytes); nothing of this "
                "one was typed. Send it in parts.",
                field="data",
                limit_bytes=limit_bytes,
            )

    async def find_or_start(self, identifier: str) -> LiveSession:
        """Return the live session that is asked for, started where there is none."""
        project = await self.find_project(check_id(identifier))
        sessions = self.service.sessions
        if present := sessions.find_live(project.id):
            await self._tell_progress(
                "reconnecting", project=project, live=present, claude_session_id=present.claude_session_id
            )
        elif self._role is Role.OBSERVER:
            raise SessionNotRunning("The project has no live session, and an observer cannot start one.")
        else:
            session_id = (await sessions.info(project.id)).claude_session_id
            known = "resuming" if session_id else "preparing"
            await self._tell_progress(known, project=project, claude_session_id=session_id)
            await sessions.start(project.id)
        return sessions.live(project.id)

    async def _tell_progress(
        self,
        name: str,
        *,
        project: OutputProject | None = None,
        live: LiveSession | None = None,
        claude_session_id: str | None = None,
    ) -> None:
        text = message(name, self.service.config.language)
        await self._dialect.tell_progress(Progress(text, project, live, claude_session_id))


class ProjectTerminalHandler(TerminalHandler):
    """``/output-projects/{id}/terminal``."""

    async def find_project(self, identifier: str) -> OutputProject:
        """Return the project; a live session needs no store to say so."""
        live = self.service.sessions.find_live(identifier)
        return live.project if live else await self.service.store.get_project(identifier)


class MilestoneTerminalHandler(TerminalHandler):
    """``/milestones/{id}/terminal``: starts the milestone when it is pending, was not started, and the user may."""

    async def find_project(self, identifier: str) -> OutputProject:
        """Return the milestone's project."""
        milestone = await self.service.store.get_milestone(identifier)
        drives = self._role is Role.DRIVER and await self.may("execute", "wxcode:milestone")
        if drives and milestone.status is MilestoneStatus.PENDING:
            await self.service.milestones.start_once(identifier)
        return await self.service.store.get_project(milestone.output_project_id)
