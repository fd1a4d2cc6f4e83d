"""Transcripts in the store: copied while a session goes on, put back where the CLI has lost its own.

The CLI only appends to a transcript, over `/compact` and ``--resume`` too (seen with 2.1.197 and 2.1.330), so what has
come since the last copy is appended to the kept text, whole lines of it. Whether the file still begins with what is
kept is told by a digest; one that was replaced begins a new generation. One that is merely behind (an older copy on
another machine, or cut off by a crash) is brought up to date before it is resumed. What agents and tools leave in the
folder beside a transcript is not copied: ``--resume`` does without.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from functools import partial
from hashlib import sha256

from ..claude import transcript
from ..claude.transcript import end_of_lines, open_to_read
from ..errors import NotFound, StoreError
from ..folders import make_private
from ..models import ClaudeSession, TranscriptEnd
from ..store.base import Store
from .kept_text import CHUNK_BYTES, KeptText
from .outbox import Outbox

log = logging.getLogger(__name__)

_CLOSE_S = 3.0


class Keepsake:
    """Copies a project's transcripts behind what goes on: no turn and no command waits for it."""

    def __init__(self, store: Store, project_id: str) -> None:
        self._store = store
        self._project_id = project_id
        self._noted: dict[str, str] = {}
        self._due: set[str] = set()
        self._copies = Outbox()

    def note(self, claude_session_id: str, path: str) -> None:
        """Something may have been appended to a transcript: copy it soon, however long the store is away."""
        self._noted[claude_session_id] = path
        self.catch_up(claude_session_id, path)

    def catch_up(self, claude_session_id: str, path: str) -> None:
        """Copy, likewise, what an earlier session may have missed: nothing is expected to be appended to it."""
        if claude_session_id not in self._due:
            self._due.add(claude_session_id)
            self._copies.put(partial(self._copy, claude_session_id, path))

    async def close(self) -> None:
        """Copy a last time what was noted, within seconds; what is missed is copied at the next start."""
        for claude_session_id, path in list(self._noted.items()):
            self.note(claude_session_id, path)
        await self._copies.close(_CLOSE_S)

    async def _copy(self, claude_session_id: str, path: str) -> None:
        self._due.discard(claude_session_id)  # what is appended from now on is copied anew
        kept = KeptText(self._store, self._project_id, claude_session_id)
        try:
            await copy(kept, path)
        except NotFound:  # the project was deleted meanwhile, and what is kept with it
            log.debug("Project %s is gone; its transcripts are not copied.", self._project_id)
        except (OSError, ValueError) as error:  # ValueError: what the CLI has named is no path
            log.warning("Project %s: conversation %s is not copied: %s", self._project_id, claude_session_id, error)


async def copy(kept: KeptText, path: str) -> None:
    """Append to the kept text what a transcript has beyond it; may be repeated, and by several at once.

    A file that is not there, or is behind the kept text, changes nothing.

    Raises:
        OSError: The file cannot be read.
        StoreUnavailable: Some of it may be missing.
    """
    try:
        fd = await asyncio.to_thread(open_to_read, path)
    except FileNotFoundError:
        return
    try:
        size = await asyncio.to_thread(end_of_lines, fd)
        end = await kept.end()
        if end is not None and size < end.length and await kept.continues(end, fd, size):
            return
        hasher, generation, offset = sha256(), 0, 0
        if end is not None:
            await asyncio.to_thread(_feed, hasher.update, fd, min(end.length, size))
            generation, offset = end.generation, end.length
            if hasher.hexdigest() != end.digest:
                log.warning("Project %s: %s was replaced; what it was stays, too.", kept.project_id, path)
                hasher, generation, offset = sha256(), end.generation + 1, 0
        while offset < size:
            text = await asyncio.to_thread(os.pread, fd, min(CHUNK_BYTES, size - offset), offset)
            hasher.update(text)
            # Without text it was shortened, and if it is not taken somebody else copies: the next copy sees what is so.
            if not text or not await kept.append(generation, offset, text, hasher.hexdigest()):
                return
            offset += len(text)
    finally:
        os.close(fd)


async def restore(kept: KeptText, path: str) -> bool:
    """Make a transcript that is gone, or behind the kept text, what it was last; tell whether that was done.

    One that is gone appears whole or not at all, and one that is no earlier state of the kept text stays as it is.

    Raises:
        OSError: The file cannot be read or written.
        StoreError: The kept text cannot be read, or is damaged.
    """
    end = await kept.end()
    if end is None:
        return False
    try:
        fd = await asyncio.to_thread(open_to_read, path)
    except FileNotFoundError:
        return await _write(kept, end, path)
    try:
        size = os.fstat(fd).st_size
        behind = size < end.length and await kept.continues(end, fd, size)
    finally:
        os.close(fd)
    if behind:
        await _complete(kept, end, path, size)
    return behind


async def bring_back(
    store: Store, data_dir: str, entry: ClaudeSession, environment: Mapping[str, str], workspace: str
) -> str:
    """Put a transcript where the CLI looks for it as it was last, from our link, else from the store; return where.

    What cannot be brought back is logged: the CLI then says that it does not know the conversation.
    """
    project_id, session_id = entry.output_project_id, entry.claude_session_id
    path = transcript.looked_for(environment, workspace, session_id, known=entry.transcript_path)
    try:
        linked = transcript.restore(path, transcript.folder_of_links(data_dir, project_id))
    except OSError as error:  # another file system; what the store keeps does as well
        log.warning("Project %s: %s cannot be linked back: %s", project_id, path, error)
        linked = False
    try:
        restored = await restore(KeptText(store, project_id, session_id), path) or linked
    except (OSError, StoreError) as error:
        log.warning("Project %s: %s cannot be restored: %s", project_id, path, error)
    else:
        if restored:
            log.info("Project %s: %s was gone, or behind, and was restored from the copy.", project_id, path)
    return path


async def _write(kept: KeptText, end: TranscriptEnd, path: str) -> bool:
    await asyncio.to_thread(make_private, os.path.dirname(path))
    aside = f"{path}.{os.getpid()}.restoring"
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            async for text in kept.lines(end):
                await asyncio.to_thread(file.write, text)
            file.flush()
            await asyncio.to_thread(os.fsync, fd)
        os.link(aside, path)  # never over one that somebody has put there meanwhile
    except FileExistsError:
        return False
    finally:
        os.unlink(aside)
    return True


async def _complete(kept: KeptText, end: TranscriptEnd, path: str, size: int) -> None:
    """Append what a file lacks; where that is cut off it is still behind, and completed the next time."""
    offset = 0
    with await asyncio.to_thread(open, path, "ab") as file:
        async for text in kept.lines(end):
            await asyncio.to_thread(file.write, text[max(0, size - offset) :])
            offset += len(text)


def _feed(take: Callable[[bytes], None], fd: int, length: int) -> None:
    """Hand on the first bytes of a file."""
    offset = 0
    while offset < length and (text := os.pread(fd, min(CHUNK_BYTES, length - offset), offset)):
        take(text)
        offset += len(text)
