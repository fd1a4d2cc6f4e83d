"""Transcripts, in SQLite."""

from __future__ import annotations

import sqlite3

from ..models import TranscriptChunk, TranscriptEnd, check_id
from .documents import Document, check_text, decode, encode
from .sqlite_access import SqliteAccess
from .sqlite_rows import delete_rows, find, insert, require

_TABLE = "transcripts"


class SqliteTranscripts(SqliteAccess):
    """The part of the store that keeps what was said."""

    async def append_transcript(self, chunk: TranscriptChunk) -> bool:
        """Insert the row when it follows the last one; drop the generations before the last."""
        row = encode(chunk)
        conversation = {name: row[name] for name in ("output_project_id", "claude_session_id")}

        def append(db: sqlite3.Connection) -> bool:
            require(db, "output_projects", chunk.output_project_id, "output project")
            self._check_fence(db, chunk.output_project_id)
            if not chunk.follows(_end(db, conversation)):
                return False
            insert(db, _TABLE, row)
            if chunk.offset == 0:
                for generation in range(chunk.generation - 1):
                    delete_rows(db, _TABLE, {**conversation, "generation": generation})
            return True

        return await self._file.write(append)

    async def transcript_end(self, project_id: str, claude_session_id: str) -> TranscriptEnd | None:
        """Read the last row."""
        conversation = _conversation(project_id, claude_session_id)

        def read(db: sqlite3.Connection) -> TranscriptEnd | None:
            require(db, "output_projects", project_id, "output project")
            return _end(db, conversation)

        return await self._file.read(read)

    async def load_transcript(
        self, project_id: str, claude_session_id: str, *, generation: int, offset: int
    ) -> TranscriptChunk | None:
        """Read one row."""
        query = _conversation(project_id, claude_session_id) | {"generation": generation, "offset": offset}

        def read(db: sqlite3.Connection) -> Document | None:
            require(db, "output_projects", project_id, "output project")
            return find(db, _TABLE, query)

        row = await self._file.read(read)
        return None if row is None else decode(TranscriptChunk, row)


def _conversation(project_id: str, claude_session_id: str) -> Document:
    return {
        "output_project_id": check_id(project_id),
        "claude_session_id": check_text("claude_session_id", claude_session_id),
    }


def _end(db: sqlite3.Connection, conversation: Document) -> TranscriptEnd | None:
    row = find(db, _TABLE, conversation, "generation DESC, offset DESC")
    return None if row is None else decode(TranscriptChunk, row).end
