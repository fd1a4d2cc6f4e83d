"""Ending sessions that nobody uses (``c.WxcodeApp.idle_timeout_s``)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ..errors import StoreUnavailable
from ..models import SessionState
from .live import LiveSession

log = logging.getLogger(__name__)

_LOOKS = 10  # per timeout: an end comes up to two of them late, and never early
_GRACE_S = 5.0


class IdleTimeout:
    """Ends a session once it has been unused for a time without a break.

    Unused is: idle, with no client attached, no command queued, and nobody having asked for it. A session that is
    starting, busy, waiting or needs somebody is never ended.

    Args:
        timeout_s: That time, in seconds; 0 for never.
        queued: How many commands of a project wait.
    """

    def __init__(self, timeout_s: float, queued: Callable[[str], Awaitable[int]]) -> None:
        self._timeout_s = timeout_s
        self._queued = queued
        self._unused_since: dict[str, float] = {}  # when a look found it unused first
        self._ending: set[str] = set()

    def touch(self, project_id: str) -> None:
        """Somebody asked for the session: the time begins anew."""
        self._unused_since.pop(project_id, None)

    def ends(self, project_id: str) -> bool:
        """Whether the project's session is being ended here: too late to use it."""
        return project_id in self._ending

    async def watch(self, session: LiveSession) -> None:
        """End the session when its time has come; return when it has ended, by whatever cause (at once for never)."""
        self.touch(session.project.id)
        while self._timeout_s and not await self._closes(session, self._timeout_s / _LOOKS):
            if self._is_unused(session) and not await self._has_queued(session) and self._is_unused(session):
                await self._end(session)

    def _is_unused(self, session: LiveSession) -> bool:
        project_id = session.project.id
        if session.state is not SessionState.IDLE or session.terminal.clients:
            self.touch(project_id)
            return False
        now = asyncio.get_running_loop().time()
        return now - self._unused_since.setdefault(project_id, now) >= self._timeout_s

    async def _has_queued(self, session: LiveSession) -> bool:
        try:
            return await self._queued(session.project.id) > 0
        except StoreUnavailable:
            return True  # nobody knows

    async def _end(self, session: LiveSession) -> None:
        project_id = session.project.id
        log.info("Project %s: nobody has used the session for %g s; it is ended.", project_id, self._timeout_s)
        session.recorder.emit("session_idle_timeout", {"idle_timeout_s": self._timeout_s})
        self._ending.add(project_id)
        try:
            await session.end(_GRACE_S)
        finally:
            self._ending.discard(project_id)

    async def _closes(self, session: LiveSession, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                await session.closed.wait()
        except TimeoutError:
            return False
        return True
