"""What a terminal's protocol has to do, and wxcode's JSON, which does the least."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from ..errors import WxcodeError
from ..models import OutputProject
from ..protocol import wxjson
from ..protocol.frames import Request
from ..service.live import LiveSession
from ..terminal.attachment import Attachment, Role
from ..terminal.screen import Snapshot
from ..terminal.session import TerminalSession
from .messages import message

Send = Callable[[str | bytes], Awaitable[None]]

HISTORY_ROWS = (1000, 100, 0)  # the most that is sent, and what is tried where that is too large
SNAPSHOT_BYTES = 1 << 20

_CHUNK_BYTES = 64 << 10  # JSON makes up to six times as much of it


@dataclass(frozen=True, slots=True)
class Progress:
    """How a connection comes about: what is known so far, and what to tell the user."""

    message: str = ""
    project: OutputProject | None = None
    live: LiveSession | None = None
    claude_session_id: str | None = None


async def screen_for_all(terminal: TerminalSession) -> Snapshot:
    """Return the screen with as much history as fits into what one client may cost."""
    for rows in HISTORY_ROWS:
        snapshot = await terminal.snapshot(rows)
        if len(snapshot.data) <= SNAPSHOT_BYTES:
            break
    return snapshot


class Dialect(Protocol):
    """One client's protocol: made for one connection, with what sends a frame and returns when it may send another."""

    async def hear(self, frame: str | bytes) -> Request | None:
        """Read a client's frame, and return what it asks of the session. Raises ``InvalidBody``."""

    async def tell_progress(self, progress: Progress) -> None:
        """Tell how the connection comes about."""

    async def tell_error(self, error: WxcodeError) -> None:
        """Tell what went wrong."""

    async def tell_closed(self, exit_code: int | None) -> None:
        """Tell that the program has ended; the last frame."""

    async def attach(self, live: LiveSession, role: Role) -> Attachment:
        """Attach to a session, as soon as the client is ready for it."""

    async def show(self, live: LiveSession, attachment: Attachment) -> None:
        """Send all that there is to see, until the session ends or the client is detached."""


class JsonDialect:
    """wxcode's JSON: everything that is kept, and what comes.

    Args:
        send: Sends a frame.
        language: Of the messages.
    """

    def __init__(self, send: Send, language: str) -> None:
        self._send = send
        self._language = language

    async def hear(self, frame: str | bytes) -> Request | None:
        """Read a client's frame."""
        return wxjson.decode(frame)

    async def tell_progress(self, progress: Progress) -> None:
        """Send a status frame."""
        await self._tell(False, progress.claude_session_id, progress.message)

    async def tell_error(self, error: WxcodeError) -> None:
        """Send an error frame."""
        await self._send(wxjson.error(error.message, error.code))

    async def tell_closed(self, exit_code: int | None) -> None:
        """Send the last frame."""
        await self._send(wxjson.closed(exit_code))

    async def attach(self, live: LiveSession, role: Role) -> Attachment:
        """Attach at the oldest byte that is kept."""
        return live.attach(role)

    async def show(self, live: LiveSession, attachment: Attachment) -> None:
        """Send the output until its end; say so where the journal no longer has what comes next."""
        await self._tell(True, live.claude_session_id, message("connected", self._language))
        encoder, sent = wxjson.OutputEncoder(), 0
        while (chunk := await attachment.read(_CHUNK_BYTES)).data:
            if chunk.offset > sent:
                await self._send_output(encoder.finish())
                lost = message("lost", self._language, count=chunk.offset - sent)
                await self._tell(True, live.claude_session_id, lost)
            await self._send_output(encoder.encode(chunk.data))
            sent = chunk.end
        await self._send_output(encoder.finish())

    async def _tell(self, connected: bool, session_id: str | None, text: str) -> None:
        await self._send(wxjson.status(connected=connected, session_id=session_id, message=text))

    async def _send_output(self, frame: str | None) -> None:
        if frame is not None:
            await self._send(frame)
