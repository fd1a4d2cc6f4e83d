"""Projects, their options and their conversation, in MongoDB."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from pymongo.errors import DuplicateKeyError

from ..errors import StoreConflict
from ..models import ClaudeSession, OutputProject, Page, ProjectOptions, now
from . import mongo_reservations as reservations
from .documents import (
    PROJECT_CHANGES,
    Document,
    check_moment,
    check_text,
    decode_moment,
    decode_options,
    displaced,
    encode_changes,
    encode_options,
    same_creation,
)
from .mongo_access import BY_SEQ, NO_BARRIER, OLDEST_FIRST, MongoAccess, page, raise_not_found, require
from .mongo_documents import from_mongo, object_id, to_mongo
from .mongo_fence import check, not_above, update_shared

_HAS_NO_SESSION_ID: Document = {
    "$expr": {
        "$or": [{"$ne": [{"$type": "$claude_session_id"}, "string"]}, {"$eq": ["$claude_session_id", ""]}],
    }
}


class MongoProjects(MongoAccess):
    """The part of the store that is about projects."""

    # -- output projects ------------------------------------------------------------------------------------------

    async def create_project(self, project: OutputProject, options: ProjectOptions) -> None:
        """Reserve name and folder, insert, confirm."""
        document = to_mongo(project)
        wanted = {"name": document["name"], "path": document["workspace_path"]}
        beside = {"options": encode_options(options)}
        key = {"_id": document["_id"]}
        async with self._reach() as db:
            if await db.output_projects.find_one(key, {"_id": True}) is None:
                await reservations.claim(db, document["_id"], wanted, beside)
                # A duplicate is this same call, made twice at once: compared below.
                with suppress(DuplicateKeyError):
                    await db.output_projects.insert_one({**document, "connections": []})
                if not await reservations.confirm(db, document["_id"], wanted):
                    await db.output_projects.delete_one(key)
                    raise reservations.taken(wanted)
            else:
                await reservations.confirm(db, document["_id"], wanted)
            stored = from_mongo(OutputProject, await require(db.output_projects, project.id, "output project"))
        if not same_creation(stored, project):
            raise StoreConflict(f"There is another output project with the id {project.id}.", project_id=project.id)

    async def get_project(self, project_id: str) -> OutputProject:
        """Read one document."""
        async with self._reach() as db:
            return from_mongo(OutputProject, await require(db.output_projects, project_id, "output project"))

    async def find_project(self, *, name: str | None = None, workspace_path: str | None = None) -> OutputProject | None:
        """Read the oldest document with this name or folder: wxcode may have made several."""
        if (name is None) == (workspace_path is None):
            raise TypeError("find_project() takes either a name or a workspace_path.")
        field, text = ("name", name) if workspace_path is None else ("workspace_path", workspace_path)
        async with self._reach() as db:
            document = await db.output_projects.find_one({field: check_text(field, text)}, sort=OLDEST_FIRST)
        return None if document is None else from_mongo(OutputProject, document)

    async def list_projects(self, *, skip: int = 0, limit: int = 100) -> Page[OutputProject]:
        """Read a slice."""
        async with self._reach() as db:
            return await page(OutputProject, db.output_projects, {}, OLDEST_FIRST, skip, limit)

    async def update_project(self, project_id: str, changes: Mapping[str, Any]) -> OutputProject:
        """Reserve a new name where there is one, set the fields, confirm."""
        fields = encode_changes(OutputProject, changes, PROJECT_CHANGES)
        key = {"_id": object_id(project_id)}
        async with self._reach() as db:
            before = await require(db.output_projects, project_id, "output project")
            wanted = {"name": fields["name"]} if fields.get("name", before.get("name")) != before.get("name") else {}
            if wanted:
                await reservations.claim(db, key["_id"], wanted)
            after = await update_shared(db.output_projects, key, {}, {**fields, "updated_at": now()}, self.fence)
            if after is None:
                raise_not_found("output project", project_id)
            if wanted and not await reservations.confirm(db, key["_id"], wanted):
                await db.output_projects.update_one({**key, **wanted}, {"$set": {"name": before.get("name")}})
                raise reservations.taken(wanted)
        return from_mongo(OutputProject, after)

    async def delete_project(self, project_id: str) -> None:
        """Mark, delete the project, then what hangs on it, the mark last: an interrupted deletion is finished later."""
        key = {"_id": object_id(project_id)}
        async with self._reach() as db:
            if await db.output_projects.find_one(key, {"_id": True}) is not None:
                mark = {"$set": {"deleting": True}, "$inc": {"rev": 1}}
                await db.wx_projects.update_one(key, mark, upsert=True)
                await db.output_projects.delete_one(key)
            elif await db.wx_projects.find_one({**key, "deleting": True}, {"_id": True}) is None:
                raise_not_found("output project", project_id)
            await reservations.finish_deletion(db, key["_id"])

    async def get_options(self, project_id: str) -> ProjectOptions:
        """Read the options beside the reservation."""
        async with self._reach() as db:
            await require(db.output_projects, project_id, "output project", {"_id": True})
            document = await db.wx_projects.find_one({"_id": object_id(project_id)}, {"options": True})
        return decode_options((document or {}).get("options") or {})

    async def set_options(self, project_id: str, options: ProjectOptions) -> None:
        """Write the options beside the reservation."""
        await self._set(project_id, {"options": encode_options(options)})

    async def get_limited_until(self, project_id: str) -> datetime | None:
        """Read it beside the options."""
        async with self._reach() as db:
            await require(db.output_projects, project_id, "output project", {"_id": True})
            document = await db.wx_projects.find_one({"_id": object_id(project_id)}, {"limited_until": True})
        moment = (document or {}).get("limited_until")
        return None if moment is None else decode_moment(moment)

    async def set_limited_until(self, project_id: str, moment: datetime | None) -> None:
        """Write it beside the options."""
        await self._set(project_id, {"limited_until": moment and check_moment("limited_until", moment)})

    async def _set(self, project_id: str, fields: Document) -> None:
        """Set fields of the project's document in our own collection."""
        async with self._reach() as db:
            await require(db.output_projects, project_id, "output project", {"_id": True})
            query = {"_id": object_id(project_id), **not_above(self.fence)}
            try:
                await db.wx_projects.update_one(query, {"$set": fields}, upsert=True)
            except DuplicateKeyError:
                if self.fence is None:
                    raise
                raise displaced(project_id, self.fence) from None

    # -- the conversation id --------------------------------------------------------------------------------------

    async def set_first_session_id(self, project_id: str, claude_session_id: str) -> bool:
        """Update the document whose id is null or missing, or as good as that: "", or no text."""
        return await self._swap_session_id(project_id, None, check_text("claude_session_id", claude_session_id))

    async def replace_session_id(self, project_id: str, old: str, new: str) -> bool:
        """Update the document whose id is ``old``."""
        old, new = check_text("old", old), check_text("new", new)
        return await self._swap_session_id(project_id, old, new)

    async def append_lineage(self, entry: ClaudeSession) -> ClaudeSession:
        """Insert under the next number, unless the last entry has the id; one that was born stays born."""
        document = to_mongo(entry)
        born = {name: document[name] for name in ("output_project_id", "claude_session_id")} | {"born": True}
        async with self._reach() as db:
            stored = await self._append(db.wx_claude_sessions, document, repeats="claude_session_id")
            # After the insertion, so that a mark_born() at the same time misses neither this entry nor the older one.
            older = None if stored["born"] else await db.wx_claude_sessions.find_one(born)
            if older is not None:
                inherited = {"born": True, "transcript_path": stored["transcript_path"] or older["transcript_path"]}
                await db.wx_claude_sessions.update_one(
                    {"_id": stored["_id"], **not_above(self.fence)}, {"$set": inherited}
                )
                stored = {**stored, **inherited}
        return from_mongo(ClaudeSession, stored)

    async def mark_born(self, project_id: str, claude_session_id: str, transcript_path: str | None) -> None:
        """Update the entries of this id."""
        query = {
            "output_project_id": object_id(project_id),
            "claude_session_id": check_text("claude_session_id", claude_session_id),
        }
        fields: Document = {"born": True}
        if transcript_path is not None:
            fields["transcript_path"] = check_text("transcript_path", transcript_path)
        async with self._reach() as db:
            at_ours = {**query, **not_above(self.fence)}
            if (await db.wx_claude_sessions.update_many(at_ours, {"$set": fields})).matched_count == 0:
                check(await db.wx_claude_sessions.find_one(query) or {}, self.fence, project_id)
                raise_not_found("conversation", claude_session_id)

    async def load_lineage(self, project_id: str) -> tuple[ClaudeSession, ...]:
        """Read the entries of a project."""
        async with self._reach() as db:
            await require(db.output_projects, project_id, "output project", {"_id": True})
            query = {"output_project_id": object_id(project_id), **NO_BARRIER}
            cursor = db.wx_claude_sessions.find(query, sort=BY_SEQ)
            return tuple(from_mongo(ClaudeSession, document) for document in await cursor.to_list())

    async def _swap_session_id(self, project_id: str, old: str | None, new: str) -> bool:
        """Set the id where it is ``old``; None matches whatever is read as None (`documents.py`)."""
        key = {"_id": object_id(project_id)}
        query = _HAS_NO_SESSION_ID if old is None else {"claude_session_id": old}
        async with self._reach() as db:
            fields = {"claude_session_id": new, "updated_at": now()}
            if await update_shared(db.output_projects, key, query, fields, self.fence) is not None:
                return True
            await require(db.output_projects, project_id, "output project", {"_id": True})
        return False
