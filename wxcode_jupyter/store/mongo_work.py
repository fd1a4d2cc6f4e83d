"""Milestones, commands and events, in MongoDB."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from ..models import Command, CommandStatus, Event, Milestone, MilestoneStatus, Page, now
from .documents import COMMAND_CHANGES, MILESTONE_CHANGES, Document, check_count, check_text, encode_changes
from .mongo_access import (
    BY_SEQ,
    NEWEST_FIRST,
    NO_BARRIER,
    OLDEST_FIRST,
    Database,
    MongoAccess,
    page,
    raise_not_found,
    require,
    take,
)
from .mongo_documents import among, from_mongo, object_id, to_mongo
from .mongo_fence import check, not_above, update_shared


class MongoWork(MongoAccess):
    """The part of the store that is about what is to be done, and what happened."""

    # -- milestones -----------------------------------------------------------------------------------------------

    async def create_milestone(self, milestone: Milestone) -> None:
        """Write the context's text, then the document that makes the milestone visible."""
        document = to_mongo(milestone)
        context = document.pop("context")
        key = {"_id": document["_id"]}
        project_key = {"_id": document["output_project_id"]}
        async with self._reach() as db:
            await require(db.output_projects, milestone.output_project_id, "output project", {"_id": True})
            owner = {"output_project_id": document["output_project_id"]}
            await finish_milestone(db, document["_id"])
            await db.wx_milestones.update_one(key, {"$setOnInsert": {**owner, "context": context}}, upsert=True)
            try:
                await db.milestones.insert_one(document)
            except DuplicateKeyError:
                return
            if await db.output_projects.find_one(project_key, {"_id": True}) is None:
                # Deleted meanwhile, by somebody who may have looked for milestones before this one was there.
                await db.milestones.delete_one(key)
                await db.wx_milestones.delete_one(key)
                raise_not_found("output project", milestone.output_project_id)

    async def get_milestone(self, milestone_id: str) -> Milestone:
        """Read the document and its context."""
        async with self._reach() as db:
            document = await require(db.milestones, milestone_id, "milestone")
            return await self._with_context(db, document)

    async def list_milestones(
        self,
        *,
        output_project_id: str | None = None,
        status: MilestoneStatus | None = None,
        skip: int = 0,
        limit: int = 100,
    ) -> Page[Milestone]:
        """Read a slice."""
        query: Document = {}
        if output_project_id is not None:
            query["output_project_id"] = object_id(output_project_id)
        if status is not None:
            query["status"] = among([status], MilestoneStatus.PENDING)
        async with self._reach() as db:
            return await page(Milestone, db.milestones, query, OLDEST_FIRST, skip, limit, {"context": False})

    async def move_milestone(
        self, milestone_id: str, expected: Collection[MilestoneStatus], status: MilestoneStatus
    ) -> Milestone | None:
        """Update the document whose status is among those expected."""
        fields = encode_changes(Milestone, {"status": status}, {"status"})
        moment = now()
        fields |= {"updated_at": moment, "completed_at": moment if status == MilestoneStatus.COMPLETED else None}
        key = {"_id": object_id(milestone_id)}
        query = {"status": among(expected, MilestoneStatus.PENDING)}
        async with self._reach() as db:
            document = await update_shared(db.milestones, key, query, fields, self.fence)
            if document is None:
                await require(db.milestones, milestone_id, "milestone", {"_id": True})
                return None
            return await self._with_context(db, document)

    async def update_milestone(self, milestone_id: str, changes: Mapping[str, Any]) -> Milestone:
        """Update the document, then its context."""
        fields = encode_changes(Milestone, changes, MILESTONE_CHANGES)
        key = {"_id": object_id(milestone_id)}
        context = {name: fields.pop(name) for name in ("context",) if name in fields}
        async with self._reach() as db:
            document = await db.milestones.find_one_and_update(
                key, {"$set": {**fields, "updated_at": now()}}, return_document=ReturnDocument.AFTER
            )
            if document is None:
                raise_not_found("milestone", milestone_id)
            if context:
                owner = {"output_project_id": document.get("output_project_id")}
                await db.wx_milestones.update_one(key, {"$set": {**owner, **context}}, upsert=True)
            return await self._with_context(db, document)

    async def delete_milestone(self, milestone_id: str) -> bool:
        """Mark the context, delete the document whose status is ``pending``, then what is marked."""
        key = {"_id": object_id(milestone_id)}
        pending = among([MilestoneStatus.PENDING], MilestoneStatus.PENDING)
        async with self._reach() as db:
            await db.wx_milestones.update_one(key, {"$set": {"deleting": True}})
            result = await db.milestones.delete_one({**key, "status": pending})
            await finish_milestone(db, key["_id"])
            if result.deleted_count == 0:
                await require(db.milestones, milestone_id, "milestone", {"_id": True})
                return False
        return True

    # -- commands -------------------------------------------------------------------------------------------------

    async def append_command(self, command: Command) -> Command:
        """Insert under the next number, unless the id is there."""
        document = to_mongo(command)
        async with self._reach() as db:
            stored = await self._append(db.wx_commands, document, known={"_id": document["_id"]})
        return from_mongo(Command, stored)

    async def get_command(self, command_id: str) -> Command:
        """Read one document."""
        async with self._reach() as db:
            return from_mongo(Command, await require(db.wx_commands, command_id, "command"))

    async def list_commands(
        self,
        project_id: str,
        *,
        statuses: Collection[CommandStatus] | None = None,
        milestone_id: str | None = None,
        skip: int = 0,
        limit: int = 100,
    ) -> Page[Command]:
        """Read a slice."""
        query: Document = {"output_project_id": object_id(project_id), **NO_BARRIER}
        if statuses is not None:
            query["status"] = among(statuses)
        if milestone_id is not None:
            query["milestone_id"] = object_id(milestone_id)
        async with self._reach() as db:
            await require(db.output_projects, project_id, "output project", {"_id": True})
            return await page(Command, db.wx_commands, query, BY_SEQ, skip, limit)

    async def move_command(
        self, command_id: str, expected: Collection[CommandStatus], changes: Mapping[str, Any]
    ) -> Command | None:
        """Update the document whose status is among those expected."""
        fields = encode_changes(Command, changes, COMMAND_CHANGES)
        key = {"_id": object_id(command_id)}
        query = {**key, "status": among(expected), **not_above(self.fence)}
        async with self._reach() as db:
            document = await db.wx_commands.find_one_and_update(
                query, {"$set": fields}, return_document=ReturnDocument.AFTER
            )
            if document is None:
                found = await require(db.wx_commands, command_id, "command")
                check(found, self.fence, str(found["output_project_id"]))
                return None
        return from_mongo(Command, document)

    # -- events ---------------------------------------------------------------------------------------------------

    async def append_event(self, event: Event, *, key: str | None = None) -> Event:
        """Insert under the next number, unless the key is there."""
        document = to_mongo(event)
        known = None
        if key is not None:
            document["key"] = check_text("key", key)
            known = {name: document[name] for name in ("output_project_id", "key")}
        async with self._reach() as db:
            return from_mongo(Event, await self._append(db.wx_events, document, known=known))

    async def load_events(self, project_id: str, *, after: int = 0, limit: int = 1000) -> tuple[Event, ...]:
        """Read the events above a number, and above what was deleted: somebody who read long ago may write there."""
        project, after = object_id(project_id), check_count("after", after)
        async with self._reach() as db:
            await require(db.output_projects, project_id, "output project", {"_id": True})
            above = max(after, await _pruned(db, project))
            query = {"output_project_id": project, "seq": {"$gt": above}, **NO_BARRIER}
            documents = await take(db.wx_events, query, BY_SEQ, 0, limit)
        return tuple(from_mongo(Event, document) for document in documents)

    async def prune_events(self, project_id: str, *, keep: int) -> int:
        """Note up to where, then delete: what is cut off in between is hidden already, and deleted the next time."""
        project = object_id(project_id)
        events = {"output_project_id": project, **NO_BARRIER}
        async with self._reach() as db:
            await require(db.output_projects, project_id, "output project", {"_id": True})
            kept = await db.wx_events.find(events, {"seq": True}, sort=NEWEST_FIRST, limit=keep + 1).to_list()
            if len(kept) > keep:
                noted = {"$max": {"events_pruned": kept[-1]["seq"]}}
                await db.wx_projects.update_one({"_id": project}, noted, upsert=True)
            pruned = await _pruned(db, project)
            await db.wx_events.delete_many({**events, "seq": {"$lte": pruned}})
            return pruned

    async def events_pruned(self, project_id: str) -> int:
        """Read it beside the options."""
        async with self._reach() as db:
            await require(db.output_projects, project_id, "output project", {"_id": True})
            return await _pruned(db, object_id(project_id))

    async def _with_context(self, db: Database, document: Document) -> Milestone:
        own = await db.wx_milestones.find_one({"_id": document["_id"]}, {"context": True})
        return from_mongo(Milestone, {**document, "context": (own or {}).get("context")})


async def _pruned(db: Database, project: ObjectId) -> int:
    document = await db.wx_projects.find_one({"_id": project}, {"events_pruned": True})
    return int((document or {}).get("events_pruned", 0))


async def finish_milestone(db: Database, milestone_id: ObjectId) -> None:
    """Delete a context whose milestone was deleted, where that was cut off between the two; may be repeated.

    Else a milestone that is made under the same id once more would have the text of the one before. The mark of a
    deletion that was refused does no harm: it counts only where the document is gone.
    """
    marked = {"_id": milestone_id, "deleting": True}
    if await db.wx_milestones.find_one(marked, {"_id": True}) is None:
        return
    if await db.milestones.find_one({"_id": milestone_id}, {"_id": True}) is None:
        await db.wx_milestones.delete_one(marked)
