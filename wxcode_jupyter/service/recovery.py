"""After a server's or a CLI's death: what became of the commands that were under way.

The spool of the dead session (hook events nobody has read) and the transcript decide. A command goes back to the
queue only when its prompt is provably not in the conversation; it is never marked as done because it might be.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from ..claude.hooks import HookEvent, HookSpool
from ..claude.prompts import same_prompt
from ..claude.transcript import find, load_all
from ..errors import StoreConflict
from ..models import Command, CommandStatus, LineageCause, MilestoneStatus, now
from ..store.base import Store
from .events import EventLog
from .lineage import Lineage, cause_of
from .turns import CUT

log = logging.getLogger(__name__)

_OPEN = {CommandStatus.DELIVERING, CommandStatus.ACCEPTED}
_ENDS = ("Stop", "StopFailure")


def resolve(command: Command, events: Sequence[HookEvent], taken: Callable[[str | None, str], bool]) -> dict[str, Any]:
    """Return the fields that an open command must have now that its process is dead.

    Args:
        command: One that is ``delivering`` or ``accepted``.
        events: The hook events of the dead session that were never processed, in order.
        taken: Whether the transcript of a conversation (None where it is not known) has a prompt id.
    """
    session_id, prompt_id = command.claude_session_id, command.prompt_id
    for event in events:
        asked = event.prompt_id if event.name == "UserPromptSubmit" else None
        if prompt_id is None and asked and same_prompt(str(event.data.get("prompt", "")), command.text):
            session_id, prompt_id = event.claude_session_id, asked
    ends = [event for event in events if prompt_id and event.prompt_id == prompt_id and event.name in _ENDS]
    # Not even a Stop proves it: a CLI that was told to end goes on for a moment, and writes nothing down any more.
    if command.status is CommandStatus.DELIVERING and (prompt_id is None or not taken(session_id, prompt_id)):
        return {"status": CommandStatus.QUEUED, "delivering_at": None, "prompt_id": None, "claude_session_id": None}
    found: dict[str, Any] = {
        "prompt_id": prompt_id,
        "claude_session_id": session_id,
        "accepted_at": command.accepted_at or now(),
        "completed_at": now(),
    }
    for event in ends:
        if event.name == "Stop":
            message = event.data.get("last_assistant_message")
            return found | {"status": CommandStatus.COMPLETED, "outcome": "finished", "last_message": message}
        return found | {"status": CommandStatus.FAILED, "error": str(event.data.get("error", "The turn failed."))}
    return found | {"status": CommandStatus.INTERRUPTED, "error": CUT}


class Recovery:
    """Reads what dead sessions of a project left behind. Only for whoever owns the project's workspace."""

    def __init__(self, store: Store, events: EventLog, sessions_folder: str, environment: dict[str, str]) -> None:
        self._store = store
        self._events = events
        self._sessions = Path(sessions_folder)
        self._environment = environment

    async def run(self, project_id: str, workspace: str) -> None:
        """Follow ids, settle commands, remove the folders. May be repeated after any failure."""
        folders = sorted(self._sessions.glob("*")) if self._sessions.is_dir() else []
        events: list[HookEvent] = []
        for folder in folders:
            events += HookSpool(str(folder)).load()
        await self._follow(project_id, [event for event in events if event.name == "SessionStart"])
        await self._settle(project_id, workspace, events)
        for folder in folders:
            remove_folder(str(folder))

    async def _follow(self, project_id: str, starts: Sequence[HookEvent]) -> None:
        """Make the ids that were reported the project's, one after another; those that are already are passed over."""
        starts = [next(group) for _, group in groupby(starts, lambda event: event.claude_session_id)]
        ids = [event.claude_session_id for event in starts]
        known = [entry.claude_session_id for entry in await self._store.load_lineage(project_id)]
        done = max(n for n in range(min(len(ids), len(known)) + 1) if known[len(known) - n :] == ids[:n])
        lineage = Lineage(self._store, project_id)
        try:
            for event in starts[done:]:
                cause = cause_of(str(event.data.get("source"))) if known else LineageCause.NEW
                await lineage.follow(event.claude_session_id, cause, transcript_path=event.transcript_path)
                known.append(event.claude_session_id)
        except StoreConflict as error:
            log.warning("Project %s: %s It is the one that counts.", project_id, error)
            await lineage.current()

    async def _settle(self, project_id: str, workspace: str, events: Sequence[HookEvent]) -> None:
        paths = {event.claude_session_id: str(event.data.get("transcript_path", "")) for event in events}
        for entry in await self._store.load_lineage(project_id):
            if entry.transcript_path:
                paths.setdefault(entry.claude_session_id, entry.transcript_path)

        def taken(session_id: str | None, prompt_id: str) -> bool:
            if session_id is None:
                return False
            path = find(self._environment, workspace, session_id, known=paths.get(session_id))
            return any(entry.kind == "prompt" and entry.prompt_id == prompt_id for entry in load_all(path))

        while True:
            page = await self._store.list_commands(project_id, statuses=_OPEN, limit=100)
            for command in page.items:
                changes = resolve(command, events, taken)
                await self._record(project_id, command, changes, paths.get(changes["claude_session_id"]) or None)
            if len(page.items) < 100:
                return

    async def _record(self, project_id: str, command: Command, changes: dict[str, Any], path: str | None) -> None:
        moved = await self._store.move_command(command.id, {command.status}, changes)
        if moved is None:
            return
        log.info("Project %s: command %s, left %s, is %s.", project_id, command.id, command.status, moved.status)
        kind = "command_requeued" if moved.status is CommandStatus.QUEUED else f"command_{moved.status.value}"
        await self._events.store_now(project_id, kind, {"command_id": command.id, "error": moved.error})
        if moved.status is CommandStatus.QUEUED:
            return
        if moved.claude_session_id in [entry.claude_session_id for entry in await self._store.load_lineage(project_id)]:
            await self._store.mark_born(project_id, str(moved.claude_session_id), path)
        if command.milestone_id:
            await self._begin_milestone(project_id, command.milestone_id)

    async def _begin_milestone(self, project_id: str, milestone_id: str) -> None:
        begun = MilestoneStatus.IN_PROGRESS
        if await self._store.move_milestone(milestone_id, {MilestoneStatus.PENDING}, begun) is not None:
            data = {"milestone_id": milestone_id, "status": begun.value}
            await self._events.store_now(project_id, "milestone_status", data, key=f"begun:{milestone_id}")


def remove_folder(folder: str) -> None:
    """Remove a session's folder; that it is gone, or that another server removes it just now, is no error."""
    shutil.rmtree(folder, onerror=_tolerate_absence)


def _tolerate_absence(_function: object, _path: str, failure: tuple[Any, BaseException, Any]) -> None:
    if not isinstance(failure[1], FileNotFoundError):
        raise failure[1]
