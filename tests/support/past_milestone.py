"""A milestone whose turn is over: its checkpoint, its command, its conversation, and a `claude` that is a script."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from tests.support.repositories import Work
from wxcode_jupyter.models import ClaudeSession, Command, CommandStatus, LineageCause, Milestone, OutputProject, now
from wxcode_jupyter.service.checkpoints import Checkpoints
from wxcode_jupyter.service.config import Config
from wxcode_jupyter.service.events import EventLog
from wxcode_jupyter.store.base import Store

OLD = "7f2ac6b8-47d9-4a1c-bef1-06270dffb98d"
#: What the conversation has from before the milestone.
BEFORE: list[dict[str, object]] = [
    {"type": "user", "uuid": "a", "parentUuid": None, "promptId": "p0"},
    {"type": "assistant", "uuid": "b", "parentUuid": "a"},
]


class PastMilestone:
    """A project's only milestone; its workspace becomes a git repository.

    Args:
        config: Of a service; ``self.config`` is the same with the script for the CLI.
        store: Where the project is.
        events: The log.
        project: Its workspace is an empty folder.
        folder: A test's ``tmp_path``.
        script: What `claude` does, in words of the shell.
    """

    def __init__(
        self, config: Config, store: Store, events: EventLog, project: OutputProject, folder: Path, script: str
    ) -> None:
        Path(project.workspace_path).rmdir()
        self.work = Work(Path(project.workspace_path), folder / "home-of-ada")
        claude = folder / "claude.sh"
        claude.write_text(script)
        self.config = replace(config, claude_command=("/bin/sh", str(claude)))
        self.store, self.project, self.folder = store, project, folder
        self.checkpoints = Checkpoints(self.config, store, events)
        self.milestone = Milestone(store.new_id(), project.id, "login", context="# Login\n")

    async def begin(self) -> None:
        """Store the milestone, and make its checkpoint of the files as they are."""
        await self.store.create_milestone(self.milestone)
        await self.checkpoints.make(self.milestone, self.project.workspace_path)

    async def asked(self, transcript: list[dict[str, object]], prompt_id: str | None = "p1") -> Command:
        """Note that the milestone's command was completed, after what the transcript has."""
        path = self.folder / "old.jsonl"
        prompt = {"type": "user", "uuid": "z", "parentUuid": "b", "promptId": "p1"}
        path.write_text("".join(json.dumps(entry) + "\n" for entry in [*transcript, prompt]))
        await self.store.append_lineage(
            ClaudeSession(self.project.id, OLD, LineageCause.NEW, born=True, transcript_path=str(path))
        )
        await self.store.set_first_session_id(self.project.id, OLD)
        command = Command(
            self.store.new_id(),
            self.project.id,
            "go",
            milestone_id=self.milestone.id,
            status=CommandStatus.COMPLETED,
            prompt_id=prompt_id,
            claude_session_id=OLD if prompt_id else None,
            accepted_at=now(),
            completed_at=now(),
        )
        return await self.store.append_command(command)
