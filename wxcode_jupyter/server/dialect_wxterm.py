"""``wxterm.v1``: the screen as it is, then what comes, as fast as the client acknowledges it.

Nothing is queued for a client: what it lacks stands in the journal, and is read when the client has room for it. One
that lags too far gets the screen as it is now instead.
"""

from __future__ import annotations

import asyncio

from tornado.websocket import WebSocketClosedError

from ..errors import InvalidBody, TerminalClosed, WxcodeError
from ..models import SessionState
from ..protocol import wxterm
from ..protocol.frames import Request
from ..protocol.wxterm import Ack, Attach, Ping
from ..service.live import LiveSession
from ..terminal.attachment import Attachment, Role
from ..terminal.journal import SizeChange
from ..terminal.screen import Snapshot
from ..terminal.session import TerminalSession
from .dialect import Progress, Send, screen_for_all
from .messages import message

LAG_BYTES = 1 << 20

_FRAME_BYTES = 64 << 10
_REST_S = 0.1  # between two snapshots for a client that lags, at least, and
_REST_PART = 3  # so many times as long as the last one took


class WxtermDialect:
    """One client of ``wxterm.v1``.

    Args:
        send: Sends a frame.
        language: Of the messages.
    """

    def __init__(self, send: Send, language: str) -> None:
        self._send = send
        self._language = language
        self._wish: asyncio.Future[Attach] = asyncio.get_running_loop().create_future()
        self._state: wxterm.State | None = None
        self._terminal: TerminalSession | None = None
        self._begun = False  # whether there was anything to see
        self._sent = 0  # offset up to which the client has been sent everything, and
        self._consumed = 0  # up to which it says that it has consumed it
        self._acknowledged = asyncio.Event()
        self._rests_until = 0.0  # loop time before which a client that lags gets no other snapshot

    async def hear(self, frame: str | bytes) -> Request | None:
        """Read a client's frame; what concerns this connection only is done here."""
        match wxterm.decode_client(frame):
            case Attach() as wish:
                if self._wish.done():
                    raise InvalidBody("ATTACH is the first frame, and comes once.", field="")
                self._wish.set_result(wish)
            case Ack(offset):
                if offset > (furthest := self._furthest()):
                    raise InvalidBody(f"Nothing beyond offset {furthest} has been sent.", field="offset")
                if self._begun:
                    self._consumed = max(self._consumed, offset)
                    self._acknowledged.set()
            case Ping(data):
                await self._tell(wxterm.Pong(data))
            case request:
                return request
        return None

    async def tell_progress(self, progress: Progress) -> None:
        """Send a STATE."""
        project, live = progress.project, progress.live
        state = live.state if live else SessionState.STARTING if project else SessionState.STOPPED
        named = {"id": project.id, "name": project.name} if project else None
        known = progress.claude_session_id
        await self._tell(wxterm.State(None, False, state.value, known, named, progress.message, None, 0, 0))

    async def tell_error(self, error: WxcodeError) -> None:
        """Send an ERROR."""
        await self._tell(wxterm.Failure(error.code, error.message))

    async def tell_closed(self, exit_code: int | None) -> None:
        """Send CLOSED."""
        await self._tell(wxterm.Closed(exit_code))

    async def attach(self, live: LiveSession, role: Role) -> Attachment:
        """Attach once the client has said what it has."""
        size = (await self._wish).size
        self._terminal = live.terminal
        return live.attach(role, size)

    async def show(self, live: LiveSession, attachment: Attachment) -> None:
        """Send the session's state whenever it changes, and its output."""
        await self._tell_state(live)
        await self._tell(wxterm.RoleIs(attachment.role.value))
        following = asyncio.create_task(self._follow_state(live))
        try:
            await self._show_output(live, attachment)
            await live.closed.wait()
        except TerminalClosed:
            return  # it was over before there was anything to show
        finally:
            following.cancel()
            await asyncio.wait([following])
        await self._tell_state(live)

    # -- output ---------------------------------------------------------------------------------------------------

    async def _show_output(self, live: LiveSession, attachment: Attachment) -> None:
        wish = self._wish.result()
        await self._begin(live, attachment, wish)
        while attachment.attached:
            if (room := self._sent_limit(wish) - self._sent) <= 0:
                await self._acknowledged.wait()
                self._acknowledged.clear()
                if live.terminal.head - self._sent > LAG_BYTES and not wish.whole:
                    await self._catch_up(live, attachment)
                continue
            piece = await attachment.next(min(room, _FRAME_BYTES))
            if isinstance(piece, SizeChange):
                await self._tell(wxterm.Size(piece.offset, live.terminal.size_at(piece.offset)))
            elif piece.data:
                lost = piece.offset > self._sent
                if lost and not wish.whole and await self._catch_up(live, attachment):
                    continue
                self._sent = piece.end
                await self._tell(wxterm.Output(piece.offset, piece.data))
            else:
                return

    async def _begin(self, live: LiveSession, attachment: Attachment, wish: Attach) -> None:
        """Go on where the client stopped, where that is known, kept and near; else begin with the screen."""
        terminal = live.terminal
        known = wish.offset if wish.stream == terminal.stream else None
        kept = known is not None and terminal.oldest <= known <= terminal.head
        if kept and known is not None and (wish.whole or terminal.head - known <= LAG_BYTES):
            attachment.offset = known
            self._begin_at(known)
        elif wish.whole:
            self._begin_at(attachment.offset)
        else:
            await self._restart(attachment, await screen_for_all(terminal))

    async def _catch_up(self, live: LiveSession, attachment: Attachment) -> bool:
        """Send the screen as it is now instead of what is missed, where that is nearer, and the session not over.

        A client that lags all the time keeps the emulator, which is everybody's, busy for a part of the time only.
        """
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._rests_until - loop.time())
        began = loop.time()
        try:
            snapshot = await screen_for_all(live.terminal)
        except TerminalClosed:
            return False
        self._rests_until = loop.time() + max(_REST_S, _REST_PART * (loop.time() - began))
        if snapshot.offset <= self._sent:
            return False  # no emulator knows the screen
        await self._restart(attachment, snapshot)
        return True

    async def _restart(self, attachment: Attachment, snapshot: Snapshot) -> None:
        attachment.seek(snapshot.offset, snapshot.size)
        self._begin_at(snapshot.offset)
        await self._tell(wxterm.Size(snapshot.offset, snapshot.size))
        await self._tell(wxterm.Snapshot(snapshot.offset, snapshot.size, snapshot.data))

    def _begin_at(self, offset: int) -> None:
        self._begun = True
        self._sent = self._consumed = offset

    def _furthest(self) -> int:
        """Return the largest offset that the client can have consumed; until it is shown anything, from an earlier
        connection: that is no mistake, and tells nothing that ATTACH has not told."""
        if self._begun:
            return self._sent
        if self._terminal is not None:
            return self._terminal.head
        return (self._wish.result().offset or 0) if self._wish.done() else 0

    def _sent_limit(self, wish: Attach) -> int:
        return self._consumed + wish.window

    # -- state ----------------------------------------------------------------------------------------------------

    async def _follow_state(self, live: LiveSession) -> None:
        changed = asyncio.Event()
        unsubscribe = live.subscribe(changed.set)
        try:
            while True:
                await self._tell_state(live)
                await changed.wait()
                changed.clear()
        except WebSocketClosedError:
            return
        finally:
            unsubscribe()

    async def _tell_state(self, live: LiveSession) -> None:
        info, project = live.info(), live.project
        state = wxterm.State(
            stream=live.terminal.stream,
            connected=True,
            state=info.state.value,
            claude_session_id=info.claude_session_id,
            project={"id": project.id, "name": project.name},
            message=info.message or message("connected", self._language),
            attention=info.attention.message if info.attention else None,
            questions=sum(question.open for question in live.questions.all()),
            clients=info.clients,
        )
        if state != self._state:
            self._state = state
            await self._tell(state)

    async def _tell(self, frame: wxterm.ServerFrame) -> None:
        await self._send(wxterm.encode(frame))
