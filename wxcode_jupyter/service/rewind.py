"""Back to before a milestone: the workspace's files, and the conversation.

Nothing is lost by it: what the workspace was until then is kept as a checkpoint of its own, and the conversation goes
on under a new id, with the old one in the lineage.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from ..errors import ChangedSince, NoCheckpoint
from ..evidence import Changes, Rewound
from ..models import Command, LineageCause, Milestone, MilestoneStatus, now
from ..store.base import Store
from ..workspace import resolve_workspace
from .checkpoints import Checkpoints
from .config import Config
from .cutting import Cut, cut_before
from .events import EventLog
from .lineage import Lineage
from .sessions import Sessions

_PENDING = MilestoneStatus.PENDING
_PAGE = 500
_CLOCKS = timedelta(seconds=1)  # a file system's clock may be coarse


class Rewinds:
    """Takes projects back to before a milestone."""

    def __init__(
        self, config: Config, store: Store, events: EventLog, sessions: Sessions, checkpoints: Checkpoints
    ) -> None:
        self._config = config
        self._store = store
        self._events = events
        self._sessions = sessions
        self._checkpoints = checkpoints

    async def rewind(self, milestone_id: str, *, yes: bool = False) -> Rewound:
        """Bring workspace and conversation back to the milestone's latest checkpoint.

        It is pending then, and can be started again; so are the milestones that were started after it, because
        their work is gone with it. Their commands stay, as ``taken_back_at``. What is queued stays in the queue.
        ``yes`` takes back, too, what was changed after the milestone's last command (deletions are not noticed).

        Raises:
            NotFound: no such milestone.
            SessionAlive, HeldElsewhere: a session lives.
            Displaced: another server took the project by force in the middle of it.
            CliMissing: Claude Code cannot be executed.
            NoCheckpoint: there is nothing to go back to.
            ChangedSince: without ``yes``; ``files`` names some of them. Nothing has changed.
            ConversationUnknown: the CLI did not go back. Nothing has changed.
            GitUnavailable: git failed; what the workspace was is kept, if it has changed at all.
        """
        milestone = await self._store.get_milestone(milestone_id)
        project = await self._store.get_project(milestone.output_project_id)
        workspace = resolve_workspace(project.workspace_path, self._config.roots)
        async with self._sessions.settled(project) as environment:
            changes = await self._checkpoints.changes(milestone_id)
            if changes.checkpoint is None:
                raise NoCheckpoint(f"There is nothing to go back to. {changes.reason}", milestone_id=milestone_id)
            page = await self._store.list_commands(project.id, milestone_id=milestone_id, limit=1000)
            commands = [command for command in page.items if command.taken_back_at is None]
            ended = [command.completed_at or command.created_at for command in commands]
            check = None if yes else partial(_refuse_later, workspace, max(ended, default=milestone.created_at))
            if check is not None:
                await asyncio.to_thread(check, changes)
            cut = await cut_before(self._config, self._store, project, commands, environment)
            back, note = (cut, "") if isinstance(cut, Cut) else (None, f"The conversation stays as it is: {cut}")
            try:
                # Checked again: the CLI may have taken its time over the conversation, and the user gone on working.
                checkpoint, saved, counts = await self._checkpoints.go_back(milestone, workspace, check=check)
            except BaseException:
                if back is not None and back.path is not None:
                    await asyncio.to_thread(Path(back.path).unlink, missing_ok=True)
                raise
            store = self._sessions.store_of(project.id)
            if back is not None:
                await Lineage(store, project.id).follow(
                    back.claude_session_id, LineageCause.REWIND, transcript_path=back.path
                )
                if back.path is not None:
                    await store.mark_born(project.id, back.claude_session_id, back.path)
            later = await self._take_back(milestone, store)
            told = {"milestone_id": milestone_id, "ref": checkpoint, "saved": saved, "taken_back": list(later)}
            await self._events.through(store).store_now(project.id, "rewound", told)
        return Rewound(milestone_id, checkpoint, saved, *counts, back.claude_session_id if back else None, note, later)

    async def _take_back(self, milestone: Milestone, store: Store) -> tuple[str, ...]:
        """Note that what was begun since the milestone's start is undone; return the names of the later milestones."""
        project_id = milestone.output_project_id
        present = [command async for command in self._accepted(project_id)]
        begun: dict[str, int] = {}  # milestone -> where in the order of commands it began
        for command in present:
            if command.milestone_id is not None:
                begun.setdefault(command.milestone_id, command.seq)
        start = begun.setdefault(milestone.id, 2**62)
        moment = now()
        for command in present:
            if command.seq >= start:
                await store.move_command(command.id, {command.status}, {"taken_back_at": moment})
        undone = [await self._store.get_milestone(known) for known, seq in begun.items() if seq >= start]
        for each in undone:
            if await store.move_milestone(each.id, set(MilestoneStatus) - {_PENDING}, _PENDING) is not None:
                data = {"milestone_id": each.id, "status": _PENDING.value}
                await self._events.through(store).store_now(project_id, "milestone_status", data)
        return tuple(each.element_name for each in undone if each.id != milestone.id)

    async def _accepted(self, project_id: str) -> AsyncIterator[Command]:
        """Yield the commands that Claude was given and that were not taken back, in their order."""
        skip = 0
        while (page := await self._store.list_commands(project_id, skip=skip, limit=_PAGE)).items:
            skip += len(page.items)
            for command in page.items:
                if command.accepted_at is not None and command.taken_back_at is None:
                    yield command


def _refuse_later(workspace: str, ended: datetime, changes: Changes) -> None:
    if len(changes.files) < changes.added + changes.changed + changes.deleted:
        raise ChangedSince(
            "So many files have changed that it cannot be told which were changed after the milestone's last command. "
            "`--yes` takes them all back; a checkpoint of the workspace as it is now is made in any case.",
            files=[],
        )
    later = []
    for change in changes.files:
        with suppress(FileNotFoundError):
            if os.lstat(os.path.join(workspace, change.path)).st_mtime > (ended + _CLOCKS).timestamp():
                later.append(change.path)
    if later:
        shown = ", ".join(later[:5]) + ("…" if len(later) > 5 else "")
        raise ChangedSince(
            f"Files were changed after the milestone's last command: {shown}. `--yes` takes that back, too; a "
            "checkpoint of the workspace as it is now is made in any case.",
            files=later[:100],
        )
