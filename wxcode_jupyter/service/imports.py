"""A project out of a file that another machine, or another folder, has exported (`archive.py` has the format).

The conversations keep their ids, because the CLI knows them by nothing else, and their transcripts are put where the
CLI looks for those of the new folder, which they name instead of the old one. One conversation must not run twice, so
what this store has already, or the CLI in that folder, is refused; that it may also go on where it comes from cannot be
seen here.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import replace
from itertools import islice
from typing import IO, Any, TypeVar

from ..claude import transcript
from ..claude.fork import relocated
from ..errors import ConversationExists, InvalidBody, InvalidPath, NameTaken, NotFound, TooManyUploads
from ..evidence import Imported
from ..folders import make_private
from ..models import Command, CommandStatus, Event, Milestone, OutputProject, now
from ..store.base import Store
from ..workspace import slug
from .archive import PARTS, Archive, Part
from .config import Config
from .events import EventLog
from .projects import Projects, check_name, expand_home
from .sessions import Sessions

_BATCH = 500
_NOT_DONE = (
    "It was not done when the project was exported, and is not sent from here: send it again where it is needed."
)
#: What a file may set by itself; everything else could give Claude more rights than its reader has meant.
_HARMLESS_MODES = (None, "default", "plan")
#: The CLI shortens longer names of folders in ways of its own.
_FOLDER_LIMIT = 200
V = TypeVar("V")


class Imports:
    """Makes projects out of files."""

    def __init__(self, config: Config, store: Store, events: EventLog, sessions: Sessions, projects: Projects) -> None:
        self._config = config
        self._store = store
        self._events = events
        self._sessions = sessions
        self._projects = projects
        self._uploads = 0
        self._turn = asyncio.Lock()  # of the same file that is imported twice at once, the second is refused

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take an upload's place for as long as the block lasts. Raises ``TooManyUploads``; those under way go on."""
        if self._uploads >= self._config.max_uploads:
            raise TooManyUploads(
                f"{self._uploads} files are being uploaded already (c.WxcodeApp.max_uploads is "
                f"{self._config.max_uploads}); nothing of this one was kept. Try again when they are done.",
                limit=self._config.max_uploads,
            )
        self._uploads += 1
        try:
            yield
        finally:
            self._uploads -= 1

    async def load(self, file: IO[bytes], *, name: str | None = None, workspace_path: str | None = None) -> Imported:
        """Make a project of a file, under its own name, in a folder that may have the project's files already.

        Commands that were not done become ``interrupted``. Of the options those that give rights are left out.

        Raises:
            InvalidBody: the file is damaged, hostile, of another version, or none.
            ConversationExists: this store has one of its conversations, or the CLI has it in that folder.
            NameTaken, FolderTaken, InvalidPath: the name or the folder cannot be had.

        Whatever is raised, nothing is left behind.
        """
        archive = await asyncio.to_thread(Archive, file)
        await asyncio.to_thread(archive.check)
        async with self._turn, AsyncExitStack() as undo:
            await self._refuse_doubles(archive)
            project = await self._create(archive, name, workspace_path, undo)
            ids = await self._write_parts(archive, project)
            paths = await self._write_conversations(archive, project, undo)
            undo.pop_all()
        for path in paths:
            links = transcript.folder_of_links(self._config.data_dir, project.id)
            await asyncio.to_thread(transcript.keep, path, links)
        data = {"from": archive.project.workspace_path, "exported_at": archive.exported_at.isoformat()}
        await self._events.store_now(project.id, "imported", data)
        newest = archive.lineage[-1].claude_session_id if archive.lineage else None
        return Imported(
            project.id,
            project.name,
            project.workspace_path,
            newest,
            conversations=len(archive.conversations),
            milestones=ids[Milestone],
            commands=ids[Command],
            left_out=_left_out(archive.options),
        )

    async def _refuse_doubles(self, archive: Archive) -> None:
        ours = {entry.claude_session_id for entry in archive.lineage}
        skip = 0
        while items := (await self._store.list_projects(skip=skip, limit=_BATCH)).items:
            for project in items:
                known = {entry.claude_session_id for entry in await self._store.load_lineage(project.id)}
                if ours & (known | {project.claude_session_id}):
                    raise ConversationExists(
                        f"The project {project.name!r} of this store has the same conversation, and one conversation "
                        f"must not run twice. Go on in {project.workspace_path}; or delete that project here, which "
                        "keeps its files, and import again.",
                        project_id=project.id,
                    )
            skip += len(items)

    async def _create(
        self, archive: Archive, name: str | None, workspace_path: str | None, undo: AsyncExitStack
    ) -> OutputProject:
        told, options = archive.project, archive.options
        free = await _is_free(self._store.get_project(told.id))
        chosen = {key: options.get(key) for key in ("permission_mode", "model") if key not in _left_out(options)}
        if not isinstance(chosen["model"], str | None):
            raise InvalidBody("The file does not fit: the model is no text.", field="model")
        folder = workspace_path or os.path.join(self._config.workspace_root, slug(check_name(name or told.name)))
        missing = await asyncio.to_thread(_missing_folders, expand_home(folder, self._config))
        undo.push_async_callback(asyncio.to_thread, _remove_empty, missing)
        try:
            project = await self._projects.create(
                name or told.name,
                workspace_path=folder,
                kb_id=told.kb_id,
                stack_id=told.stack_id,
                configuration_id=told.configuration_id,
                options=chosen,
                project_id=told.id if free else None,
            )
        except NameTaken as error:
            raise NameTaken(
                f"There is an output project named {name or told.name!r} already; import it under another name "
                "(`--name NAME`).",
                **error.details,
            ) from error
        undo.push_async_callback(self._store.delete_project, project.id)
        return project

    async def _write_parts(self, archive: Archive, project: OutputProject) -> dict[type[Part], int]:
        """Write milestones, commands and events, in their order; ids that this store has already become new ones."""
        ids = {archive.project.id: project.id}
        counts: dict[type[Part], int] = {Milestone: 0, Command: 0, Event: 0}
        for name in PARTS:
            async for value in _each(archive.values(name)):
                counts[type(value)] += 1
                await self._write_part(value, project, ids)
        await self._store.update_project(project.id, {"status": archive.project.status})
        return counts

    async def _write_part(self, value: Part, project: OutputProject, ids: dict[str, str]) -> None:
        match value:
            case Milestone():
                ids[value.id] = await self._free_id(value.id, self._store.get_milestone)
                await self._store.create_milestone(replace(value, id=ids[value.id], output_project_id=project.id))
            case Command():
                ids[value.id] = await self._free_id(value.id, self._store.get_command)
                settled = value if value.status.final else _interrupted(value)
                milestone_id = ids.get(value.milestone_id, value.milestone_id) if value.milestone_id else None
                await self._store.append_command(
                    replace(settled, id=ids[value.id], output_project_id=project.id, milestone_id=milestone_id)
                )
            case Event():
                await self._store.append_event(
                    replace(value, output_project_id=project.id, data=_renamed(value.data, ids))
                )

    async def _free_id(self, identifier: str, get: Any) -> str:
        return identifier if await _is_free(get(identifier)) else self._store.new_id()

    async def _write_conversations(
        self, archive: Archive, project: OutputProject, undo: AsyncExitStack
    ) -> tuple[str, ...]:
        """Write transcripts, then the lineage; return where the transcripts are."""
        environment = self._sessions.environment(project.workspace_path)
        folder = os.path.basename(os.path.dirname(transcript.transcript_path(environment, project.workspace_path, "")))
        if archive.conversations and len(folder) > _FOLDER_LIMIT:
            raise InvalidPath(
                f"Where Claude Code keeps the conversations of a folder with so long a path is not known: choose one "
                f"of less than {_FOLDER_LIMIT} characters.",
                path=project.workspace_path,
            )
        paths: dict[str, str] = {}
        for session_id in archive.conversations:
            path = transcript.transcript_path(environment, project.workspace_path, session_id)
            await asyncio.to_thread(self._write_transcript, archive, session_id, path, project, undo)
            paths[session_id] = path
        for entry in archive.lineage:
            path = paths.get(entry.claude_session_id, "")
            await self._store.append_lineage(replace(entry, output_project_id=project.id, transcript_path=path or None))
        if archive.lineage:
            await self._store.set_first_session_id(project.id, archive.lineage[-1].claude_session_id)
        return tuple(paths.values())

    def _write_transcript(
        self, archive: Archive, session_id: str, path: str, project: OutputProject, undo: AsyncExitStack
    ) -> None:
        lines: Iterable[bytes] = archive.transcript(session_id)
        moves = (
            (archive.transcripts_folder, os.path.dirname(path)),
            (archive.project.workspace_path, project.workspace_path),
        )
        for old, new in moves:
            if old and old != new:
                lines = relocated(lines, old, new)
        make_private(os.path.dirname(path))
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise ConversationExists(
                f"Claude Code has this conversation on this machine already, in {path}, and it must not run twice. "
                "Where that is only a leftover, move it away, and import again."
            ) from None
        undo.push_async_callback(asyncio.to_thread, _unlink, path)
        with os.fdopen(fd, "wb") as file:
            file.writelines(lines)


def _left_out(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a file that somebody has to give again, because they give Claude rights."""
    left = {name: options.get(name) for name in ("claude_args", "trust") if options.get(name)}
    mode = options.get("permission_mode")
    return {**left, "permission_mode": mode} if mode not in _HARMLESS_MODES else left


def _interrupted(command: Command) -> Command:
    return replace(command, status=CommandStatus.INTERRUPTED, error=_NOT_DONE, completed_at=now())


def _renamed(value: Any, ids: Mapping[str, str]) -> Any:
    """Return an event's data with ids replaced by those of this store."""
    if isinstance(value, str):
        return ids.get(value, value)
    if isinstance(value, list):
        return [_renamed(item, ids) for item in value]
    if isinstance(value, Mapping):
        return {key: _renamed(item, ids) for key, item in value.items()}
    return value


async def _is_free(getting: Any) -> bool:
    try:
        await getting
    except NotFound:
        return True
    return False


async def _each(values: Iterator[V]) -> Any:
    """Yield what is read from a file, a batch at a time in a thread."""
    while batch := await asyncio.to_thread(lambda: list(islice(values, _BATCH))):
        for value in batch:
            yield value


def _missing_folders(path: str) -> tuple[str, ...]:
    """Return the folders on the way to one that are not there, the innermost first."""
    missing = []
    while path and not os.path.lexists(path):
        missing.append(path)
        path = os.path.dirname(path)
    return tuple(missing)


def _remove_empty(folders: tuple[str, ...]) -> None:
    with suppress(OSError):  # not made, or somebody has put something into it meanwhile
        for folder in folders:
            os.rmdir(folder)


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
