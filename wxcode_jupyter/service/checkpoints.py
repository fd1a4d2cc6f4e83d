"""What a workspace was like before a milestone: kept in its own git repository, where it has one.

A checkpoint is a commit under ``refs/wxcode/<milestone id>/<n>`` with the files of the workspace, and `.planning/` even
where git ignores it. See `git.py` for what the user's git notices of it: nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from ..errors import GitUnavailable, NoCheckpoint
from ..evidence import Changes
from ..git import Repository
from ..models import Milestone
from ..store.base import Store
from ..workspace import resolve_workspace
from .config import Config
from .events import EventLog

log = logging.getLogger(__name__)

_ALSO = (".planning",)
_NEVER = (".milestones/.holder.json",)  # says which server has the session (`terminal/ownership.py`)
_FILES = 1000
_ATTEMPTS = 5


class Checkpoints:
    """Makes checkpoints, and tells what has changed since."""

    def __init__(self, config: Config, store: Store, events: EventLog) -> None:
        self._config = config
        self._store = store
        self._events = events
        # git runs what the repository's configuration names (filters), and Claude may write that.
        self._environment = config.cli_environment()
        self._warnings: dict[str, str] = {}  # of milestones whose checkpoint failed or lacks files, by this server

    async def make(self, milestone: Milestone, workspace: str) -> str | None:
        """Keep the workspace as it is now, and return the reference; None where that is not possible.

        No milestone fails for want of a checkpoint: what went wrong becomes the event ``checkpoint_failed``. A
        workspace in no repository is no failure, and no event.
        """
        project_id = milestone.output_project_id
        try:
            repository = await Repository.open(workspace, self._environment)
            if repository is None:
                return None
            picture = await repository.picture(also=_ALSO, never=_NEVER)
            reference = await _keep(repository, milestone, picture.tree)
        except (GitUnavailable, OSError) as error:
            log.warning("Project %s: no checkpoint could be made: %s", project_id, error)
            self._warnings[milestone.id] = f"No checkpoint was made before this milestone: {error}"
            failed = {"milestone_id": milestone.id, "message": self._warnings[milestone.id]}
            await self._events.store_now(project_id, "checkpoint_failed", failed)
            return None
        self._warnings[milestone.id] = _lacking(picture.left_out)
        made = {"milestone_id": milestone.id, "ref": reference, "left_out": list(picture.left_out[:20])}
        await self._events.store_now(project_id, "checkpoint_made", made)
        return reference

    def warning(self, milestone_id: str) -> str:
        """Return why the milestone has no checkpoint, or what is not in it; "" where this server knows of nothing."""
        return self._warnings.get(milestone_id, "")

    async def changes(self, milestone_id: str) -> Changes:
        """Return in what the workspace differs now from the milestone's latest checkpoint.

        Raises:
            NotFound, InvalidPath: no such milestone, or its workspace cannot be used.
            GitUnavailable: git does not do it.
        """
        milestone = await self._store.get_milestone(milestone_id)
        project = await self._store.get_project(milestone.output_project_id)
        workspace = resolve_workspace(project.workspace_path, self._config.roots)
        repository = await Repository.open(workspace, self._environment)
        if repository is None:
            return Changes(milestone_id, reason="The workspace is in no git repository.")
        numbers = await _numbers(repository, milestone_id)
        if not numbers:
            return Changes(milestone_id, reason=self.warning(milestone_id) or "The milestone has no checkpoint.")
        reference = _reference(milestone_id, max(numbers))
        files = await repository.changes(reference, also=_ALSO, never=_NEVER)
        kinds = [change.kind for change in files]
        return Changes(
            milestone_id,
            reference,
            files=files[:_FILES],
            added=kinds.count("added"),
            changed=kinds.count("changed"),
            deleted=kinds.count("deleted"),
            added_lines=sum(change.added_lines or 0 for change in files),
            deleted_lines=sum(change.deleted_lines or 0 for change in files),
        )

    async def latest(self, milestone: Milestone, workspace: str) -> str | None:
        """Return the milestone's latest checkpoint, None where it has none. Raises ``GitUnavailable``."""
        repository = await Repository.open(workspace, self._environment)
        numbers = await _numbers(repository, milestone.id) if repository else []
        return _reference(milestone.id, max(numbers)) if numbers else None

    async def copy(self, checkpoint: str, workspace: str, folder: str) -> None:
        """Make an empty folder what the workspace was at a checkpoint. Raises ``GitUnavailable``."""
        repository = await Repository.open(workspace, self._environment)
        if repository is None:
            raise GitUnavailable(f"The workspace {workspace} is in no git repository any more.")
        await repository.copy(checkpoint, folder)

    async def go_back(
        self, milestone: Milestone, workspace: str, *, check: Callable[[Changes], None] | None = None
    ) -> tuple[str, str, tuple[int, int]]:
        """Bring the files back to the milestone's latest checkpoint, after a checkpoint of what they are now.

        Args:
            milestone: The milestone.
            workspace: Its project's folder.
            check: Is told, in a thread, what is about to be taken back. When it raises, nothing has changed.

        Returns:
            The checkpoint's reference; that of what the workspace was until now (``.../rewind-<n>``); how many files
            were written and deleted.

        Raises:
            NoCheckpoint, GitUnavailable: nothing has changed, or git has failed on the way.
        """
        repository = await Repository.open(workspace, self._environment)
        numbers = await _numbers(repository, milestone.id) if repository else []
        if repository is None or not numbers:
            raise NoCheckpoint("There is no checkpoint of this milestone to go back to.", milestone_id=milestone.id)
        reference = _reference(milestone.id, max(numbers))
        present = await repository.picture(also=_ALSO, never=_NEVER)
        if check is not None:  # after the picture: it sees all that is in it, and what has come since
            await asyncio.to_thread(check, await self.changes(milestone.id))
        saved = await _keep(repository, milestone, present.tree, kind="rewind")
        return reference, saved, await repository.restore(reference, present)


def _lacking(left_out: Sequence[str]) -> str:
    shown = ", ".join(left_out[:5]) + ("…" if len(left_out) > 5 else "")
    return f"Not in the checkpoint, because too large or not readable: {shown}" if left_out else ""


async def _keep(repository: Repository, milestone: Milestone, tree: str, *, kind: str = "") -> str:
    message = f"Before the {kind or 'milestone'} {milestone.element_name!r} ({milestone.id})"
    for _ in range(_ATTEMPTS):  # another server may have taken the number
        number = max(await _numbers(repository, milestone.id, kind=kind), default=0) + 1
        reference = _reference(milestone.id, number, kind=kind)
        if await repository.keep(reference, tree, message) is not None:
            return reference
    raise GitUnavailable("git does not give a checkpoint a reference: others take each of them first.")


async def _numbers(repository: Repository, milestone_id: str, *, kind: str = "") -> list[int]:
    names = await repository.kept(f"refs/wxcode/{milestone_id}")
    numbers = [name.removeprefix(_reference(milestone_id, "", kind=kind)) for name in names]
    return [int(number) for number in numbers if number.isdecimal()]


def _reference(milestone_id: str, number: int | str, *, kind: str = "") -> str:
    return f"refs/wxcode/{milestone_id}/{kind and f'{kind}-'}{number}"
