"""Milestones: a context file and a command, in the project's one conversation."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

from ..claude import gsd
from ..errors import AlreadyStarted, Conflict, ContextTaken, InvalidBody, NotPending, ProjectNotInitialized
from ..models import Command, CommandStatus, Milestone, MilestoneStatus, OutputProject, check_id
from ..store.base import Store
from ..workspace import check_length, context_path, has_project, read_context, write_context
from .checkpoints import Checkpoints
from .commands import Commands
from .config import Config
from .events import EventLog
from .gsd import warn_of_clearing
from .projects import check_name
from .workspaces import workspace_for
from .written import Written

_CREATED = ("output_project_id", "element_name", "element_id", "context")  # what a repeated creation has in common
_OPEN = (CommandStatus.QUEUED, CommandStatus.DELIVERING, CommandStatus.ACCEPTED)


class Milestones:
    """Creates, prepares, starts and closes milestones."""

    def __init__(
        self, config: Config, store: Store, events: EventLog, commands: Commands, checkpoints: Checkpoints
    ) -> None:
        self._config = config
        self._store = store
        self._events = events
        self._commands = commands
        self._checkpoints = checkpoints
        self._written = Written(config.data_dir)
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def create(
        self,
        output_project_id: str,
        element_name: str,
        *,
        element_id: str | None = None,
        context: str | None = None,
        milestone_id: str | None = None,
    ) -> Milestone:
        """Create a pending milestone; its context is kept in the store until it is prepared, and after.

        Raises:
            NotFound: no such project.
            InvalidBody: a name that is none, or a context with more bytes than the configuration allows.
            Conflict: ``milestone_id`` is that of another milestone: of another project, name, element or context.
        """
        if context is not None:
            check_length(context, self._config.context_limit_bytes, field="context")
        milestone = Milestone(
            check_id(milestone_id) if milestone_id else self._store.new_id(),
            check_id(output_project_id),
            check_name(element_name, field="element_name"),
            element_id=check_id(element_id) if element_id else None,
            context=context,
        )
        await self._store.get_project(output_project_id)
        await self._store.create_milestone(milestone)
        stored = await self._store.get_milestone(milestone.id)
        if any(getattr(stored, name) != getattr(milestone, name) for name in _CREATED):
            raise Conflict(
                "Another milestone (another project, name, element or context) has this id; nothing was created. "
                "Choose another id, or give the same fields to repeat a call.",
                milestone_id=milestone.id,
            )
        return stored

    async def prepare(self, milestone_id: str) -> dict[str, Any]:
        """Write the context file; return ``context_path`` (relative to the workspace), ``milestone_id``, ``bytes``.

        A file that was changed since it was written stays as it is, and Claude reads that; so does one of a milestone
        without a context of its own, which another program has prepared (wxcode does). ``edited`` says so.

        Raises:
            InvalidPath: the workspace is gone, or is none.
            ContextTaken: a file with another text is there that was never ours; nothing was overwritten.
        """
        milestone = await self._store.get_milestone(milestone_id)
        project = await self._store.get_project(milestone.output_project_id)
        workspace = await workspace_for(self._config, self._store, project)
        text = milestone.context if milestone.context is not None else f"# {milestone.element_name}\n"
        edited, size = await asyncio.to_thread(self._write, workspace, milestone, text)
        path = context_path(milestone.id)
        return {"context_path": path, "milestone_id": milestone.id, "bytes": size, "edited": edited}

    async def start(self, milestone_id: str, *, command_id: str | None = None) -> Command:
        """Prepare, make a checkpoint of the workspace, see to a session, and queue the milestone's command.

        The milestone is ``in_progress`` once the command is accepted. A repeated call with the same ``command_id``
        returns the command.

        One that a rewind has taken back can be started again.

        Raises:
            AlreadyStarted: it was started before; ``command_id`` and ``status`` are in the details.
            GsdMissing, ProjectNotInitialized: nothing was queued or typed; the message says what to install or run.
            InvalidPath: the workspace is gone, or is none.
        """
        milestone = await self._store.get_milestone(milestone_id)
        async with self._locks[milestone.output_project_id]:
            milestone = await self._store.get_milestone(milestone_id)
            present = await self._started(milestone)
            if present is not None and present.id == command_id:
                return present
            if present is not None or milestone.status is not MilestoneStatus.PENDING:
                raise AlreadyStarted(
                    f"The milestone {milestone.element_name!r} was started before (it is {milestone.status}).",
                    command_id=present.id if present else None,
                    status=milestone.status.value,
                )
            project = await self._store.get_project(milestone.output_project_id)
            workspace = await workspace_for(self._config, self._store, project)
            prepared = await self.prepare(milestone_id)
            path = prepared["context_path"]
            texts = await asyncio.to_thread(self._texts, project, milestone, workspace, path)
            await self._checkpoints.make(milestone, workspace)
            warning = await asyncio.to_thread(warn_of_clearing, self._config, workspace, texts[-1])
            if warning is not None:
                data = {"milestone_id": milestone.id, **warning}
                await self._events.store_now(project.id, "phases_unarchived", data, key=f"unarchived:{milestone.id}")
            for text in texts[:-1]:
                if not await self._under_way(project.id, text):
                    await self._commands.enqueue(project.id, text)
            return await self._commands.enqueue(project.id, texts[-1], milestone_id=milestone.id, command_id=command_id)

    async def start_once(self, milestone_id: str) -> None:
        """Start it, unless it was started before."""
        try:
            await self.start(milestone_id)
        except AlreadyStarted:
            return

    async def close(self, milestone_id: str, status: MilestoneStatus) -> Milestone:
        """Mark a milestone ``completed`` or ``failed``: the user's word, whatever it was before."""
        if status not in (MilestoneStatus.COMPLETED, MilestoneStatus.FAILED):
            raise InvalidBody("A milestone can be set to completed or failed.", field="status")
        moved = await self._store.move_milestone(milestone_id, set(MilestoneStatus) - {status}, status)
        if moved is None:
            return await self._store.get_milestone(milestone_id)
        data = {"milestone_id": milestone_id, "status": status.value}
        await self._events.store_now(moved.output_project_id, "milestone_status", data)
        return moved

    async def delete(self, milestone_id: str) -> None:
        """Delete a pending milestone that was not started. Raises ``NotPending`` otherwise."""
        milestone = await self._store.get_milestone(milestone_id)
        async with self._locks[milestone.output_project_id]:
            if await self._started(milestone) is not None or not await self._store.delete_milestone(milestone_id):
                raise NotPending("Only a pending milestone can be deleted, and this one was started.")
            await asyncio.to_thread(self._written.forget, milestone_id)

    async def _started(self, milestone: Milestone) -> Command | None:
        """Return the milestone's command that is under way or was accepted, if there is one."""
        page = await self._store.list_commands(milestone.output_project_id, milestone_id=milestone.id, limit=1000)
        for command in reversed(page.items):
            if command.taken_back_at is None and (command.status in _OPEN or command.accepted_at is not None):
                return command
        return None

    def _write(self, workspace: str, milestone: Milestone, text: str) -> tuple[bool, int]:
        """Have a context file, and return whether it has another text than ours, and its size in bytes."""
        limit_bytes = self._config.context_limit_bytes
        try:
            write_context(workspace, milestone.id, text, limit_bytes)
        except ContextTaken:
            if milestone.context is not None and not self._written.has(milestone.id):
                raise
            return True, len((read_context(workspace, milestone.id, limit_bytes) or "").encode())
        self._written.note(milestone.id)
        return False, len(text.encode())

    async def _under_way(self, project_id: str, text: str) -> bool:
        """Whether the same slash command waits or runs already, for another milestone or from a start that failed."""
        page = await self._store.list_commands(project_id, statuses=_OPEN, limit=1000)
        return any(command.text.split()[0] == text.split()[0] for command in page.items)

    def _texts(self, project: OutputProject, milestone: Milestone, workspace: str, context_path: str) -> list[str]:
        """Return what must be sent, in order; raise before anything is typed when something is missing."""
        home = self._config.environment.get("HOME", "")
        config_dir = self._config.environment.get("CLAUDE_CONFIG_DIR")
        command = gsd.milestone_command(
            self._config.milestone_command or None,
            workspace,
            home,
            context_path=context_path,
            milestone_id=milestone.id,
            project_id=project.id,
            element_name=milestone.element_name,
            config_dir=config_dir,
        )
        if has_project(workspace) or self._config.milestone_command:
            return [command]
        if not self._config.new_project_command:
            by_hand = gsd.new_project_by_hand(workspace, home, config_dir=config_dir)
            raise ProjectNotInitialized(
                f"There is no .planning/PROJECT.md in {workspace} yet, which GSD's new-milestone needs. Make it once: "
                f"`%%wxmilestone init --wait`, or in a terminal of your own: {by_hand} (or set "
                "c.WxcodeApp.new_project_command).",
                workspace_path=workspace,
            )
        first = gsd.new_project_command(
            self._config.new_project_command,
            workspace,
            home,
            brief_path=context_path,
            project_id=project.id,
            project_name=project.name,
            config_dir=config_dir,
        )
        return [first, command]
