"""Unique names and folders in MongoDB, without transactions and beside a program that does not know of them.

``wx_projects`` holds one document per project: ``{_id, name, path, rev, pending_since?, deleting?, ...}`` with
unique indexes on ``name`` and ``path``. Writing two collections is not atomic, so it goes in three steps: `claim` (the
unique index decides; the reservation is *pending*), the write to ``output_projects``, `confirm`. A process may die
between any two of them, and wxcode may rename or delete a project behind our back; a reservation that stands in the
way is therefore looked at: what nobody has any more is freed, by compare-and-set on ``rev``, which every writer of a
reservation increments. A claimer that lost its reservation that way learns it from `confirm`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pymongo
from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from ..errors import Conflict, FolderTaken, NameTaken
from ..models import now
from .mongo_access import Database

#: A reservation that was not confirmed for this long belongs to a process that died on its way.
ABANDONED_AFTER_S = 60.0

#: A project may have many events to delete.
DELETE_TIMEOUT_S = 60.0

_PROJECT_FIELDS = {"name": "name", "path": "workspace_path"}
_OWN_COLLECTIONS = ("wx_milestones", "wx_commands", "wx_claude_sessions", "wx_events", "wx_transcripts")


async def claim(
    db: Database,
    project_id: ObjectId,
    wanted: Mapping[str, str],
    beside: Mapping[str, Any] | None = None,
) -> None:
    """Reserve ``name`` and/or ``path`` for a project, pending until `confirm`; may be repeated.

    Args:
        wanted: The texts to reserve, by field of the reservation.
        beside: Fields to set in the same update.

    Raises:
        NameTaken: Another project has the name, by a reservation or in a document of wxcode's.
        FolderTaken: The same for the path.
    """
    for field, text in wanted.items():
        other = await db.output_projects.find_one(
            {"_id": {"$ne": project_id}, _PROJECT_FIELDS[field]: text}, {"_id": True}
        )
        if other is not None:
            raise _taken(field, text, other["_id"])
    change = {"$set": {**wanted, **(beside or {}), "pending_since": now()}, "$inc": {"rev": 1}}
    while True:
        try:
            await db.wx_projects.update_one({"_id": project_id}, change, upsert=True)
        except DuplicateKeyError:
            await _make_way(db, project_id, wanted)
        else:
            return


async def confirm(db: Database, project_id: ObjectId, wanted: Mapping[str, str]) -> bool:
    """End the pending state; False when the reservation was taken for abandoned and is lost."""
    result = await db.wx_projects.update_one(
        {"_id": project_id, **wanted}, {"$unset": {"pending_since": True}, "$inc": {"rev": 1}}
    )
    return result.matched_count == 1


async def finish_deletion(db: Database, project_id: ObjectId) -> None:
    """Delete everything that hangs on a project whose own document is gone, its reservation last; may be repeated."""
    with pymongo.timeout(DELETE_TIMEOUT_S):
        await db.milestones.delete_many({"output_project_id": project_id})
        await _delete_own_documents(db, project_id)


def taken(wanted: Mapping[str, str]) -> Conflict:
    """Return the error for a reservation that was lost to another project, which is not known."""
    field, text = next(iter(wanted.items()))
    return _taken(field, text, None)


def _taken(field: str, text: str, holder: ObjectId | None) -> Conflict:
    details = {} if holder is None else {"project_id": str(holder)}
    if field == "name":
        return NameTaken(f"There is an output project named {text!r} already; choose another name.", **details)
    return FolderTaken(f"Another output project has the folder {text}; choose another folder.", **details)


async def _make_way(db: Database, project_id: ObjectId, wanted: Mapping[str, str]) -> None:
    """Free what stands in the way of ``wanted`` when nobody has it any more; raise when somebody has it."""
    for field, text in wanted.items():
        holder = await db.wx_projects.find_one({field: text, "_id": {"$ne": project_id}})
        if holder is not None and not await _free(db, field, holder):
            raise _taken(field, text, holder["_id"])


async def _free(db: Database, field: str, holder: Mapping[str, Any]) -> bool:
    since = holder.get("pending_since")
    if since is not None and (now() - since).total_seconds() < ABANDONED_AFTER_S:
        return False
    as_read = {"_id": holder["_id"], "rev": holder["rev"]}
    project = await db.output_projects.find_one({"_id": holder["_id"]}, {_PROJECT_FIELDS[field]: True})
    if project is None and holder.get("deleting"):
        await finish_deletion(db, holder["_id"])
    elif project is None:
        # Deleted by wxcode, whose milestones are not ours to delete, or never finished.
        if (await db.wx_projects.delete_one(as_read)).deleted_count:
            await _delete_own_documents(db, holder["_id"])
    elif project.get(_PROJECT_FIELDS[field]) == holder[field]:
        return False
    else:
        # Renamed by wxcode: its document protects the new name, the reservation may go.
        await db.wx_projects.update_one(as_read, {"$unset": {field: True, "pending_since": True}, "$inc": {"rev": 1}})
    return True


async def _delete_own_documents(db: Database, project_id: ObjectId) -> None:
    for collection in _OWN_COLLECTIONS:
        await db[collection].delete_many({"output_project_id": project_id})
    await db.wx_leases.delete_one({"_id": project_id})
    await db.wx_projects.delete_one({"_id": project_id})
