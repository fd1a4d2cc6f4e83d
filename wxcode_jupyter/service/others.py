"""A `claude` that somebody started by hand in a conversation of ours: two at once lose the turns of one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from ..claude.running import RunningCli, find_running
from ..errors import ConversationInUse
from .live import LiveSession


async def check_unused(environment: Mapping[str, str], claude_session_id: str) -> None:
    """Raise ``ConversationInUse`` where a CLI that is not ours has the conversation open; nothing of ours runs now."""
    others = await asyncio.to_thread(find_running, environment, claude_session_id)
    if not others:
        return
    raise ConversationInUse(
        f"Claude Code runs in this conversation already, started by hand or by another program: "
        f"{'; '.join(map(str, others))}. Nothing was started, because of two at once the turns of one are lost. End "
        "that one (`/exit` in its terminal), then resume; or begin a new conversation beside it with "
        "`%wxmilestone resume --fresh`.",
        claude_session_id=claude_session_id,
        pid=others[0].pid,
        processes=[{"pid": each.pid, "terminal": each.terminal, "started_at": each.started_at} for each in others],
    )


class Others:
    """Notices those that are started beside a live session; each is reported once as an event."""

    def __init__(self) -> None:
        self._told: set[tuple[str, int]] = set()

    async def look(self, session: LiveSession, environment: Mapping[str, str]) -> tuple[str, ...]:
        """Return a line for each CLI that has a live session's conversation open besides its own."""
        leader = session.terminal.pid
        found = await asyncio.to_thread(find_running, environment, session.claude_session_id)
        others = [each for each in found if leader not in (each.pid, each.session)]
        for each in others:
            self._tell(session, each)
        return tuple(map(str, others))

    def _tell(self, session: LiveSession, other: RunningCli) -> None:
        known = other.claude_session_id, other.pid
        if known not in self._told:
            self._told.add(known)
            data = {"claude_session_id": other.claude_session_id, "pid": other.pid, "terminal": other.terminal}
            session.recorder.emit("claude_beside", data)
