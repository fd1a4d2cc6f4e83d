"""Which conversation is the project's, and how it came to be.

The lineage (`wx_claude_sessions`) is the truth; `output_projects.claude_session_id` is what other programs read, and
they may overwrite it, so it is repaired from here. The first id wins by set-if-absent; a later one replaces exactly
the one before.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from ..errors import StoreConflict
from ..fault_points import FaultPoint, reach
from ..models import ClaudeSession, LineageCause, now
from ..store.base import Store

log = logging.getLogger(__name__)


class Lineage:
    """The conversation ids of one project."""

    def __init__(self, store: Store, project_id: str) -> None:
        self._store = store
        self._project_id = project_id

    async def current(self) -> ClaudeSession | None:
        """Return the project's conversation, None before its first, and repair the project's field from it.

        An id that only the project's document has (wxcode wrote it) is adopted: it counts as born, because whoever
        wrote it had a conversation.
        """
        project = await self._store.get_project(self._project_id)
        lineage = await self._store.load_lineage(self._project_id)
        if not lineage:
            if project.claude_session_id is None:
                return None
            return await self._store.append_lineage(
                ClaudeSession(self._project_id, project.claude_session_id, LineageCause.ADOPTED, born=True)
            )
        newest = lineage[-1]
        if project.claude_session_id != newest.claude_session_id:
            log.warning(
                "Project %s: its document says %s; its lineage, which decides, says %s. Repaired.",
                self._project_id,
                project.claude_session_id,
                newest.claude_session_id,
            )
            await self._write_field(project.claude_session_id, newest.claude_session_id)
        return newest

    async def follow(
        self,
        claude_session_id: str,
        cause: LineageCause,
        *,
        transcript_path: str | None = None,
        at: datetime | None = None,
    ) -> bool:
        """Make this id the project's conversation; True when it was not before. May be repeated.

        Args:
            claude_session_id: The id.
            cause: Why it is the project's now.
            transcript_path: Where the CLI says that it keeps the transcript: it cannot always be computed.
            at: When the CLI told of the id, which may be long ago; None for now.

        Raises:
            StoreConflict: another id got there in between: whoever asked must start again from ``current``.
        """
        lineage = await self._store.load_lineage(self._project_id)
        newest = lineage[-1].claude_session_id if lineage else None
        if newest == claude_session_id:
            await self._repair(claude_session_id)
            return False
        if newest is None and cause is not LineageCause.ADOPTED:
            project = await self._store.get_project(self._project_id)
            won = project.claude_session_id == claude_session_id or await self._store.set_first_session_id(
                self._project_id, claude_session_id
            )
            if not won:
                raise StoreConflict("Another conversation became this project's first in the meantime.")
            reach(FaultPoint.CONVERSATION_FIRST)
        entry = ClaudeSession(
            self._project_id,
            claude_session_id,
            cause,
            predecessor=newest,
            transcript_path=transcript_path,
            created_at=at or now(),
        )
        await self._store.append_lineage(entry)
        reach(FaultPoint.CONVERSATION_APPENDED)
        await self._repair(claude_session_id)
        return True

    async def _repair(self, claude_session_id: str) -> None:
        project = await self._store.get_project(self._project_id)
        if project.claude_session_id != claude_session_id:
            await self._write_field(project.claude_session_id, claude_session_id)

    async def _write_field(self, old: str | None, new: str) -> None:
        if old is None:
            await self._store.set_first_session_id(self._project_id, new)
        else:
            await self._store.replace_session_id(self._project_id, old, new)


def told_before(lineage: Sequence[ClaudeSession], claude_session_id: str, at: datetime | None) -> bool:
    """Tell whether the CLI has named this id before the project's present conversation began, and so names it again.

    A server that takes over hears once more of the conversation before, where the one before it died while it noted
    the present one.
    """
    if at is None or not lineage or at >= lineage[-1].created_at:
        return False
    return claude_session_id in [entry.claude_session_id for entry in lineage]


def cause_of(source: str) -> LineageCause:
    """Return why the CLI changed the id by itself; ``source`` is that of its ``SessionStart``."""
    return {"clear": LineageCause.CLEAR, "resume": LineageCause.RESUMED}.get(source, LineageCause.RESTART)
