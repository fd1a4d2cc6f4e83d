"""A project as a file, to go on with on another machine or in another folder (`archive.py` has the format)."""

from __future__ import annotations

import asyncio
import os
import tempfile
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from hashlib import sha256
from typing import IO, Any

from ..claude import transcript
from ..errors import SessionAlive
from ..folders import make_private
from ..models import ClaudeSession, OutputProject, SessionState
from ..store.base import Store
from .archive import COMMANDS, EVENTS, MANIFEST, MILESTONES, manifest_of, to_json, transcript_name
from .config import Config
from .kept_text import CHUNK_BYTES, KeptText
from .sessions import Sessions

_PAGE = 500


class Exports:
    """Writes projects into files. The project stays as it is, and nothing of its workspace is read."""

    def __init__(self, config: Config, store: Store, sessions: Sessions) -> None:
        self._config = config
        self._store = store
        self._sessions = sessions

    @asynccontextmanager
    async def open(self, project_id: str) -> AsyncIterator[IO[bytes]]:
        """Give the file, at its beginning; it is gone with the block.

        Raises:
            NotFound: there is no such project.
            SessionAlive: Claude works; an idle session may live on.
            HeldElsewhere: another server has its session.
            StoreError: something that is kept cannot be read.
        """
        project = await self._store.get_project(project_id)
        await asyncio.to_thread(make_private, self._config.data_dir)
        with tempfile.TemporaryFile(dir=self._config.data_dir) as file:
            async with self._in_peace(project) as environment:
                with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                    await self._write(archive, project, environment)
            file.seek(0)
            yield file

    @asynccontextmanager
    async def _in_peace(self, project: OutputProject) -> AsyncIterator[dict[str, str]]:
        """Give the CLI's environment while nothing is asked: what became of every command is in the store."""
        session = self._sessions.find_live(project.id)
        if session is None:
            async with self._sessions.settled(project) as environment:
                yield environment
            return
        if session.state is not SessionState.IDLE:
            raise SessionAlive(
                f"The session is {session.state}: wait until Claude is idle, or end it (`%wxmilestone stop`), and then "
                "export the project.",
                project_id=project.id,
            )
        await self._sessions.outbox(project.id).flush()
        yield self._sessions.environment(project.workspace_path)

    async def _write(self, archive: zipfile.ZipFile, project: OutputProject, environment: dict[str, str]) -> None:
        lineage = await self._store.load_lineage(project.id)
        told: dict[str, Any] = {}
        for entry in lineage:
            name, texts = transcript_name(entry.claude_session_id), await self._texts(project, entry, environment)
            if name is not None and texts is not None and entry.claude_session_id not in told:
                told[entry.claude_session_id] = await _write_transcript(archive, name, texts)
        for name, values in (
            (MILESTONES, self._milestones(project.id)),
            (COMMANDS, self._commands(project.id)),
            (EVENTS, self._events(project.id)),
        ):
            with archive.open(name, "w", force_zip64=True) as part:
                async for page in values:
                    await asyncio.to_thread(part.write, "".join(f"{to_json(value)}\n" for value in page).encode())
        options = asdict(await self._store.get_options(project.id))
        folder = os.path.dirname(transcript.transcript_path(environment, project.workspace_path, "any"))
        archive.writestr(MANIFEST, manifest_of(project, options, lineage, folder, told))

    async def _texts(
        self, project: OutputProject, entry: ClaudeSession, environment: dict[str, str]
    ) -> AsyncIterator[bytes] | None:
        """Return what was said in a conversation: the CLI's file, our link to it, or what the store keeps."""
        own = transcript.find(environment, project.workspace_path, entry.claude_session_id, known=entry.transcript_path)
        links = transcript.folder_of_links(self._config.data_dir, project.id)
        for path in (own, transcript.kept_at(links, entry.claude_session_id)):
            if await asyncio.to_thread(os.path.isfile, path):
                return _read(path)
        kept = KeptText(self._store, project.id, entry.claude_session_id)
        end = await kept.end()
        return None if end is None else kept.lines(end)

    async def _milestones(self, project_id: str) -> AsyncIterator[list[Any]]:
        skip = 0
        while items := (await self._store.list_milestones(output_project_id=project_id, skip=skip, limit=_PAGE)).items:
            yield [await self._store.get_milestone(item.id) for item in items]
            skip += len(items)

    async def _commands(self, project_id: str) -> AsyncIterator[list[Any]]:
        skip = 0
        while items := (await self._store.list_commands(project_id, skip=skip, limit=_PAGE)).items:
            yield list(items)
            skip += len(items)

    async def _events(self, project_id: str) -> AsyncIterator[list[Any]]:
        after = 0
        while items := await self._store.load_events(project_id, after=after, limit=_PAGE):
            yield [replace(item, data=dict(item.data)) for item in items]
            after = items[-1].seq


async def _write_transcript(archive: zipfile.ZipFile, name: str, texts: AsyncIterator[bytes]) -> dict[str, Any]:
    """Write one into the zip, and return what the manifest says of it."""
    hasher, length = sha256(), 0
    with archive.open(name, "w", force_zip64=True) as part:
        async for text in texts:
            hasher.update(text)
            length += len(text)
            await asyncio.to_thread(part.write, text)
    return {"bytes": length, "sha256": hasher.hexdigest()}


async def _read(path: str) -> AsyncIterator[bytes]:
    """Yield the whole lines of a file, as far as it goes now."""
    fd = await asyncio.to_thread(transcript.open_to_read, path)
    try:
        size, offset = await asyncio.to_thread(transcript.end_of_lines, fd), 0
        while offset < size and (
            text := await asyncio.to_thread(os.pread, fd, min(CHUNK_BYTES, size - offset), offset)
        ):
            yield text
            offset += len(text)
    finally:
        os.close(fd)
