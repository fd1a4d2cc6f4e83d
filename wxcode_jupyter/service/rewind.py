"""Back to before a milestone: the workspace's files, and the conversation.

Nothing is lost by it: what the workspace was until then is kept as a checkpoint of its own, and the conversation goes
on under a new id, with the old one in the lineage.
"""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..claude import transcript
from ..claude.fork import BEGINNING, fork_line, message_before
from ..errors import ChangedSince, ConversationUnknown, NoCheckpoint
from ..evidence import Changes, Rewound
from ..models import Command, LineageCause, OutputProject
from ..store.base import Store
from ..workspace import resolve_workspace
from .checkpoints import Checkpoints
from .config import Config
from .events import EventLog
from .lineage import Lineage
from .sessions import Sessions

_FORK_TIMEOUT_S = 120.0
_CLOCKS = timedelta(seconds=1)  # a file system's clock may be coarse
_UNCUT = (
    "The conversation stays as it is: it cannot be cut before the milestone, because it was compacted there or its "
    "transcript is gone."
)


@dataclass(frozen=True, slots=True)
class _Conversation:
    """The conversation to go on with; ``path`` is None for one in which nothing was said yet."""

    claude_session_id: str
    path: str | None


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
        """Bring workspace and conversation back to the milestone's latest checkpoint; its record stays as it is.

        ``yes`` takes back, too, what was changed after the milestone's last command (deletions are not noticed).

        Raises:
            NotFound: no such milestone.
            SessionAlive, HeldElsewhere: a session lives.
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
            ended = [command.completed_at or command.created_at for command in page.items]
            if not yes:
                await asyncio.to_thread(_refuse_later, workspace, changes, max(ended, default=milestone.created_at))
            back, note = await self._conversation(project, page.items, workspace, environment)
            checkpoint, saved, counts = await self._checkpoints.go_back(milestone, workspace)
            if back is not None:
                await Lineage(self._store, project.id).follow(
                    back.claude_session_id, LineageCause.REWIND, transcript_path=back.path
                )
                if back.path is not None:
                    await self._store.mark_born(project.id, back.claude_session_id, back.path)
            told = {"milestone_id": milestone_id, "ref": checkpoint, "saved": saved}
            await self._events.store_now(project.id, "rewound", told)
        return Rewound(milestone_id, checkpoint, saved, *counts, back.claude_session_id if back else None, note)

    async def _conversation(
        self, project: OutputProject, commands: Sequence[Command], workspace: str, environment: Mapping[str, str]
    ) -> tuple[_Conversation | None, str]:
        """Make the conversation that ends before the milestone's first prompt, or say why there is none to make."""
        first = next((command for command in commands if command.prompt_id and command.claude_session_id), None)
        if first is None or first.prompt_id is None or first.claude_session_id is None:
            return None, "The conversation stays as it is: nothing of the milestone is in it."
        lineage = await self._store.load_lineage(project.id)
        told = [entry.transcript_path for entry in lineage if entry.claude_session_id == first.claude_session_id]
        old = transcript.find(environment, workspace, first.claude_session_id, known=next(filter(None, told), None))
        message = await asyncio.to_thread(_message_before, old, first.prompt_id)
        if message is None:
            return None, _UNCUT
        new = str(uuid.uuid4())
        if message == BEGINNING:
            return _Conversation(new, None), ""
        line = fork_line(self._config.claude_command, old=first.claude_session_id, new=new, message=message)
        code, said = await _run(line, workspace, environment)
        path = transcript.find(environment, workspace, new)
        if code != 0 or not os.path.exists(path):  # noqa: ASYNC240 - one look at a local file
            raise ConversationUnknown(
                f"Claude Code did not go back in the conversation {first.claude_session_id}; nothing was changed. It "
                f"said: {said[-400:] or 'nothing'}",
                claude_session_id=first.claude_session_id,
            )
        return _Conversation(new, path), ""


def _message_before(path: str, prompt_id: str) -> str | None:
    try:
        with open(path, "rb") as file:
            return message_before(file, prompt_id)
    except FileNotFoundError:
        return None


def _refuse_later(workspace: str, changes: Changes, ended: datetime) -> None:
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


async def _run(line: Sequence[str], workspace: str, environment: Mapping[str, str]) -> tuple[int | None, str]:
    """Run a command to its end, or for two minutes, and return its exit code (None: too late) and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *line,
        cwd=workspace,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_FORK_TIMEOUT_S):
            printed, _ = await process.communicate()
    except TimeoutError:
        return None, f"nothing, for {_FORK_TIMEOUT_S:g} s"
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return process.returncode, " ".join(printed.decode("utf-8", "replace").split())
