"""A second project as the first was before a milestone: files, `.planning/`, conversation. The first stays as it is."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict

from ..claude import transcript
from ..claude.fork import relocated
from ..errors import InvalidPath, NoCheckpoint
from ..evidence import Forked
from ..folders import make_private
from ..models import LineageCause, Milestone, OutputProject
from ..store.base import Store
from ..workspace import real_path, resolve_workspace, slug
from .checkpoints import Checkpoints
from .config import Config
from .cutting import Cut, cut_before
from .events import EventLog
from .lineage import Lineage
from .projects import OPTIONS, Projects, check_name
from .sessions import Sessions


class Forks:
    """Makes second projects."""

    def __init__(
        self,
        config: Config,
        store: Store,
        events: EventLog,
        sessions: Sessions,
        projects: Projects,
        checkpoints: Checkpoints,
    ) -> None:
        self._config = config
        self._store = store
        self._events = events
        self._sessions = sessions
        self._projects = projects
        self._checkpoints = checkpoints

    async def fork(self, milestone_id: str, name: str, *, workspace_path: str | None = None) -> Forked:
        """Make a project of this name as the milestone's project was at its latest checkpoint.

        Its folder is new or empty, by default one next to the first's; where that is a repository's root it becomes a
        clone, with the history up to the checkpoint. The milestone is there, pending. Options are taken over, but for
        the folder's trust. The first project may have a live session.

        Raises:
            NotFound: no such milestone.
            NoCheckpoint: there is nothing to go back to.
            NameTaken, FolderTaken, InvalidPath, InvalidBody: the name or the folder cannot be had.
            HeldElsewhere: another server has the first project's session.
            CliMissing, ConversationUnknown, GitUnavailable: the conversation or the files could not be made.

        Whatever is raised, nothing is left behind.
        """
        check_name(name)
        milestone = await self._store.get_milestone(milestone_id)
        first = await self._store.get_project(milestone.output_project_id)
        workspace = resolve_workspace(first.workspace_path, self._config.roots)
        checkpoint = await self._checkpoints.latest(milestone, workspace)
        if checkpoint is None:
            raise NoCheckpoint("There is no checkpoint of this milestone to go back to.", milestone_id=milestone_id)
        folder = resolve_workspace(
            workspace_path or os.path.join(os.path.dirname(workspace), slug(name)), self._config.roots
        )
        existed = await asyncio.to_thread(_check_empty, folder)
        options = {key: value for key, value in asdict(await self._store.get_options(first.id)).items() if key in _KEPT}
        async with AsyncExitStack() as undo:
            undo.push_async_callback(asyncio.to_thread, _restore, folder, existed=existed)
            second = await self._projects.create(
                name, workspace_path=folder, kb_id=first.kb_id, stack_id=first.stack_id, options=options
            )
            undo.push_async_callback(asyncio.to_thread, _remove, folder)
            undo.push_async_callback(self._store.delete_project, second.id)
            cut = await self._cut(first, milestone)
            if isinstance(cut, Cut) and cut.path:
                undo.push_async_callback(asyncio.to_thread, _unlink, cut.path)
            await self._checkpoints.copy(checkpoint, workspace, folder)
            copy = await self._copy(milestone, second)
            if isinstance(cut, Cut) and cut.path:
                await self._adopt(cut.claude_session_id, cut.path, workspace, second)
            undo.pop_all()
        told = {"milestone_id": milestone_id, "ref": checkpoint, "project_id": second.id, "name": second.name}
        await self._events.store_now(first.id, "forked", told)
        note = "" if isinstance(cut, Cut) else f"It begins a conversation of its own: of the first one, {cut}"
        known = cut.claude_session_id if isinstance(cut, Cut) and cut.path else None
        return Forked(milestone_id, checkpoint, second.id, second.name, folder, copy.id, known, note)

    async def _cut(self, first: OutputProject, milestone: Milestone) -> Cut | str:
        async with self._in_peace(first) as environment:
            page = await self._store.list_commands(first.id, milestone_id=milestone.id, limit=1000)
            commands = [command for command in page.items if command.taken_back_at is None]
            return await cut_before(self._config, self._store, first, commands, environment)

    @asynccontextmanager
    async def _in_peace(self, first: OutputProject) -> AsyncIterator[dict[str, str]]:
        """Give the CLI's environment once the store knows what became of the commands: a live session sees to that."""
        if self._sessions.find_live(first.id) is not None:
            yield self._sessions.environment(real_path(first.workspace_path))
            return
        async with self._sessions.settled(first) as environment:
            yield environment

    async def _adopt(self, claude_session_id: str, made: str, workspace: str, second: OutputProject) -> None:
        """Move a conversation to where the CLI looks for those of the second folder, and make it that project's."""
        environment = self._sessions.environment(second.workspace_path)
        path = transcript.transcript_path(environment, second.workspace_path, claude_session_id)
        await asyncio.to_thread(_move, made, path, workspace, second.workspace_path)
        try:
            await Lineage(self._store, second.id).follow(claude_session_id, LineageCause.FORK, transcript_path=path)
            await self._store.mark_born(second.id, claude_session_id, path)
        except BaseException:
            await asyncio.to_thread(_unlink, path)
            raise

    async def _copy(self, milestone: Milestone, second: OutputProject) -> Milestone:
        copy = Milestone(
            self._store.new_id(),
            second.id,
            milestone.element_name,
            element_id=milestone.element_id,
            context=milestone.context,
        )
        await self._store.create_milestone(copy)
        return copy


_KEPT = tuple(name for name in OPTIONS if name != "trust")  # that a folder is trusted is said for each


def _check_empty(folder: str) -> bool:
    """Return whether the folder exists. Raises ``InvalidPath`` for one that has something in it."""
    if not os.path.isdir(folder):
        return False
    if os.listdir(folder):
        raise InvalidPath(f"The folder {folder} is not empty; a fork needs a new one (--workspace DIR).", path=folder)
    return True


def _remove(folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=not os.path.isdir(folder))


def _restore(folder: str, *, existed: bool) -> None:
    """Make a folder what it was: new, or empty; one that became another project's meanwhile is left alone."""
    if existed:
        os.makedirs(folder, exist_ok=True)
        return
    with suppress(OSError):  # it was not made, or has something in it by now
        os.rmdir(folder)


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def _move(old: str, new: str, workspace: str, folder: str) -> None:
    make_private(os.path.dirname(new))
    with open(old, "rb") as source, open(new, "xb", opener=_private) as target:
        target.writelines(relocated(source, workspace, folder))
    os.unlink(old)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
