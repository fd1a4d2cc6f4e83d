"""A project's history: its conversations, in the order in which they became its own, and what was asked in them."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import defaultdict

from ..claude import transcript
from ..errors import NotFound, StoreError, StoreUnavailable
from ..models import ClaudeSession, Conversation, OutputProject
from ..store.base import Store
from ..workspace import real_path
from .config import Config
from .kept_text import KeptText

log = logging.getLogger(__name__)

_PAGE = 1000


class History:
    """Reads it from lineage, commands and transcripts."""

    def __init__(self, config: Config, store: Store) -> None:
        self._config = config
        self._store = store

    async def load(self, project_id: str) -> list[Conversation]:
        """Return the project's conversations, the oldest first. Raises ``NotFound`` where there is no such project."""
        project = await self._store.get_project(project_id)
        lineage = await self._store.load_lineage(project_id)
        milestones = await self._milestones(project_id)
        found = []
        for entry in lineage:
            kept, prompt = await self._read(project, entry)
            found.append(
                Conversation(
                    entry.claude_session_id,
                    entry.cause,
                    entry.created_at,
                    current=entry is lineage[-1],
                    born=entry.born,
                    kept=kept,
                    milestones=tuple(milestones[entry.claude_session_id]),
                    first_prompt=prompt,
                )
            )
        return found

    async def _read(self, project: OutputProject, entry: ClaudeSession) -> tuple[bool, str | None]:
        """Say whether a transcript can be resumed, and what was asked first in it."""
        if path := await asyncio.to_thread(self._find, project, entry):
            return True, await asyncio.to_thread(transcript.first_prompt, path)
        kept = KeptText(self._store, project.id, entry.claude_session_id)
        if (end := await kept.end()) is None:
            return False, None
        try:
            async for text in kept.lines(end):
                for line in text.splitlines():
                    if (said := transcript.parse(line)) is not None and said.kind == "prompt":
                        return True, said.text
        except StoreUnavailable:
            raise
        except StoreError as error:
            log.warning("Project %s: %s", project.id, error)
            return False, None
        return True, None

    def _find(self, project: OutputProject, entry: ClaudeSession) -> str | None:
        workspace = real_path(project.workspace_path)
        own = transcript.find(self._config.environment, workspace, entry.claude_session_id, known=entry.transcript_path)
        folder = transcript.folder_of_links(self._config.data_dir, project.id)
        paths = (own, transcript.kept_at(folder, entry.claude_session_id))
        return next((path for path in paths if os.path.exists(path)), None)

    async def _milestones(self, project_id: str) -> dict[str, list[str]]:
        """Return the names of the milestones by the conversation that their commands went into."""
        found: dict[str, dict[str, None]] = defaultdict(dict)
        skip = 0
        while True:
            page = await self._store.list_commands(project_id, skip=skip, limit=_PAGE)
            for command in page.items:
                if command.milestone_id is not None and command.claude_session_id is not None:
                    found[command.claude_session_id][command.milestone_id] = None
            skip += len(page.items)
            if len(page.items) < _PAGE:
                break
        names = {of: [await self._name(identifier) for identifier in each] for of, each in found.items()}
        return defaultdict(list, names)

    async def _name(self, milestone_id: str) -> str:
        try:
            return (await self._store.get_milestone(milestone_id)).element_name
        except NotFound:  # another program has deleted it
            return milestone_id
