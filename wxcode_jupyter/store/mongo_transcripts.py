"""Transcripts, in MongoDB: a document per chunk, below the 16 MB that one may have."""

from __future__ import annotations

from pymongo.errors import DuplicateKeyError

from ..models import TranscriptChunk, TranscriptEnd
from .documents import Document, check_text
from .mongo_access import Database, MongoAccess, require
from .mongo_documents import from_mongo, object_id, to_mongo
from .mongo_fence import check

_LAST_FIRST = (("generation", -1), ("offset", -1))


class MongoTranscripts(MongoAccess):
    """The part of the store that keeps what was said."""

    async def append_transcript(self, chunk: TranscriptChunk) -> bool:
        """Insert the document when it follows the last one; of several that do, the unique index takes one."""
        document = to_mongo(chunk)
        conversation = {name: document[name] for name in ("output_project_id", "claude_session_id")}
        async with self._reach() as db:
            await require(db.output_projects, chunk.output_project_id, "output project", {"_id": True})
            if self.fence is not None:
                lease = await db.wx_leases.find_one({"_id": document["output_project_id"]}, {"fence": True})
                check(lease or {}, self.fence, chunk.output_project_id)
            if not chunk.follows(await _end(db, conversation)):
                return False
            try:
                await db.wx_transcripts.insert_one(document)
            except DuplicateKeyError:
                return False
            if chunk.offset == 0 and chunk.generation > 1:
                await db.wx_transcripts.delete_many({**conversation, "generation": {"$lt": chunk.generation - 1}})
        return True

    async def transcript_end(self, project_id: str, claude_session_id: str) -> TranscriptEnd | None:
        """Read the last document, its data left out."""
        async with self._reach() as db:
            await require(db.output_projects, project_id, "output project", {"_id": True})
            return await _end(db, _conversation(project_id, claude_session_id))

    async def load_transcript(
        self, project_id: str, claude_session_id: str, *, generation: int, offset: int
    ) -> TranscriptChunk | None:
        """Read one document."""
        query = _conversation(project_id, claude_session_id) | {"generation": generation, "offset": offset}
        async with self._reach() as db:
            await require(db.output_projects, project_id, "output project", {"_id": True})
            document = await db.wx_transcripts.find_one(query)
        return None if document is None else from_mongo(TranscriptChunk, document)


def _conversation(project_id: str, claude_session_id: str) -> Document:
    return {
        "output_project_id": object_id(project_id),
        "claude_session_id": check_text("claude_session_id", claude_session_id),
    }


async def _end(db: Database, conversation: Document) -> TranscriptEnd | None:
    last = await db.wx_transcripts.find_one(conversation, {"data": False}, sort=_LAST_FIRST)
    return None if last is None else from_mongo(TranscriptChunk, {**last, "data": b""}).end
