"""What became of a command: put together when it is asked for, from the store and the CLI's transcript."""

from __future__ import annotations

import asyncio
import os

from ..claude import transcript
from ..claude.usage import TurnRecord, load_cost, load_turn
from ..evidence import CommandSummary, PlanningChange
from ..models import Command, OutputProject
from ..store.base import Store
from ..workspace import real_path
from .checkpoints import Checkpoints
from .config import Config
from .pictures import Pictures


class Summaries:
    """Summarizes commands."""

    def __init__(self, config: Config, store: Store, checkpoints: Checkpoints) -> None:
        self._config = config
        self._store = store
        self._checkpoints = checkpoints

    async def summarize(self, command_id: str) -> CommandSummary:
        """Return what the command used and asked so far, and what went wrong beside it. Raises ``NotFound``."""
        command = await self._store.get_command(command_id)
        turn, cost_usd = await self._read_transcript(command)
        project = await self._store.get_project(command.output_project_id)
        planning, missing_still = await asyncio.to_thread(self._compare, project, command)
        warning = self._checkpoints.warning(command.milestone_id) if command.milestone_id else ""
        return CommandSummary(
            command,
            turn.usage if turn.found else None,
            turn.asked,
            tuple(filter(None, (warning,))),
            planning,
            missing_still,
            cost_usd,
        )

    def _compare(self, project: OutputProject, command: Command) -> tuple[PlanningChange | None, str | None]:
        pictures = Pictures(self._config.data_dir, project.id, real_path(project.workspace_path))
        return pictures.change(command), pictures.missing_still(command)

    async def _read_transcript(self, command: Command) -> tuple[TurnRecord, float | None]:
        """Return the command's turn, and what its conversation has cost."""
        if command.prompt_id is None or command.claude_session_id is None:
            return TurnRecord(), None
        project = await self._store.get_project(command.output_project_id)
        lineage = await self._store.load_lineage(project.id)
        told = [entry.transcript_path for entry in lineage if entry.claude_session_id == command.claude_session_id]
        known = next(filter(None, told), None)
        return await asyncio.to_thread(self._load, project, command.claude_session_id, known, command.prompt_id)

    def _load(
        self, project: OutputProject, claude_session_id: str, known: str | None, prompt_id: str
    ) -> tuple[TurnRecord, float | None]:
        """Read the CLI's own transcript, or where it has deleted that, the link that we keep."""
        workspace = real_path(project.workspace_path)
        path = transcript.find(self._config.environment, workspace, claude_session_id, known=known)
        if not os.path.exists(path):
            folder = transcript.folder_of_links(self._config.data_dir, project.id)
            path = transcript.kept_at(folder, claude_session_id)
        return load_turn(path, prompt_id), load_cost(path)
