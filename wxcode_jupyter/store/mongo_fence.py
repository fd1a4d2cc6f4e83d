"""Fencing in MongoDB, where nothing compares two documents in one step (a standalone server has no transactions).

So the number is compared in the very document that is written, or in the one before it:

- *Numbered collections* (commands, lineage, events): each document carries the greatest number that was known when it
  was appended, and whoever appends reads the one before it, under the unique ``seq`` after which it inserts.
  `raise_fence` appends a *barrier* that carries the new number and nothing else: whoever read before it loses the
  ``seq`` to it, and whoever reads after it sees the number. All that stands before the barrier is stamped with the
  number then, so that an update of it, which compares (`not_above`), does not match either.
- *Our document of the project* (``wx_projects``) is stamped the same way.
- *wxcode's documents* (``output_projects``, ``milestones``) carry no field of ours, since wxcode replaces them whole.
  There a fenced write reads the document, then the lease, then updates it if its ``updated_at`` is still as read
  (`update_shared`); `raise_fence`, after the lease was taken, moves ``updated_at`` by a millisecond. Whoever read
  before that does not match, and whoever reads after it finds the lease taken.

Of transcripts' copies only the lease is looked at before (`check_lease`): they are compared by their digest anyway.

Barriers stay: a ``seq`` that were free again could be had by somebody who read long ago.
"""

from __future__ import annotations

from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from .documents import Document, displaced
from .mongo_access import NEWEST_FIRST, Database, Documents

#: Of these, documents are changed after they were appended.
_STAMPED = ("wx_commands", "wx_claude_sessions")
_NUMBERED = (*_STAMPED, "wx_events")

_LATER: list[Document] = [
    {
        "$set": {
            "updated_at": {
                "$cond": [{"$eq": [{"$type": "$updated_at"}, "date"]}, {"$add": ["$updated_at", 1]}, "$$NOW"],
            }
        }
    }
]


def not_above(fence: int | None) -> Document:
    """Return the condition that a document carries no number above ours; a user's write (None) has none."""
    return {} if fence is None else {"fence": {"$not": {"$gt": fence}}}


def check(document: Document, fence: int | None, project_id: str) -> None:
    """Raise ``Displaced`` where a document, as read, carries a number above ours."""
    if fence is not None and document.get("fence", 0) > fence:
        raise displaced(project_id, fence)


async def check_lease(db: Database, project_id: ObjectId, fence: int | None) -> None:
    """Raise ``Displaced`` where somebody has taken the lease; what is written next may be too late all the same."""
    if fence is not None:
        check(await db.wx_leases.find_one({"_id": project_id}) or {}, fence, str(project_id))


async def raise_fence(db: Database, project_id: ObjectId, fence: int) -> None:
    """Keep everything out that carries a smaller number; the lease has this one already. May be repeated."""
    for name in _NUMBERED:
        seq = await _append_barrier(db[name], project_id, fence)
        if name in _STAMPED:
            before = {"output_project_id": project_id, "seq": {"$lt": seq}}
            await db[name].update_many(before, {"$max": {"fence": fence}})
    await _raise_single(db, project_id, fence)


async def update_shared(
    documents: Documents, key: Document, query: Document, fields: Document, fence: int | None
) -> Document | None:
    """Set fields of a document that wxcode shares, where it matches; return it as it is now, None where it does not.

    Raises:
        Displaced: Somebody has taken the project's lease since.
    """
    change = {"$set": fields}
    if fence is None:
        return await documents.find_one_and_update({**key, **query}, change, return_document=True)
    while (before := await documents.find_one(key)) is not None:
        project_id: Any = before.get("output_project_id", before["_id"])  # a milestone's, or the project's own
        await check_lease(documents.database, project_id, fence)
        as_read: dict[str, Any] = {"updated_at": before.get("updated_at")}
        found = {**key, **query, **as_read}
        if (after := await documents.find_one_and_update(found, change, return_document=True)) is not None:
            return after
        again = await documents.find_one(key)
        if again is None or again.get("updated_at") == before.get("updated_at"):
            return None
    return None


async def _append_barrier(documents: Documents, project_id: ObjectId, fence: int) -> int:
    """Append a barrier; return its ``seq``. Raises ``Displaced`` where a greater number stands there."""
    while True:
        last = await documents.find_one({"output_project_id": project_id}, sort=NEWEST_FIRST) or {}
        check(last, fence, str(project_id))
        barrier = {"output_project_id": project_id, "seq": last.get("seq", 0) + 1, "fence": fence, "barrier": True}
        try:
            await documents.insert_one(barrier)
        except DuplicateKeyError:
            continue
        return int(barrier["seq"])


async def _raise_single(db: Database, project_id: ObjectId, fence: int) -> None:
    """Keep smaller numbers out of the documents that are not numbered."""
    await db.wx_projects.update_one({"_id": project_id}, {"$max": {"fence": fence}}, upsert=True)
    await db.output_projects.update_one({"_id": project_id}, _LATER)
    pending = {"output_project_id": project_id, "status": {"$in": ["pending", None]}}
    await db.milestones.update_many(pending, _LATER)
