"""Leases, in MongoDB: a document per project in ``wx_leases``, in which one update compares and sets."""

from __future__ import annotations

from typing import Any

from pymongo.errors import DuplicateKeyError

from ..models import Holder, Lease
from .documents import Document, decode_holder, encode_holder
from .mongo_access import MongoAccess, require
from .mongo_documents import object_id
from .mongo_fence import raise_fence

_AS_SEEN: Document = {
    "fence": True,
    "holder": True,
    "silent_ms": {"$subtract": ["$$NOW", "$renewed_at"]},  # by the server's clock, which has written renewed_at too
}


class MongoLeases(MongoAccess):
    """The part of the store that is about who holds a project."""

    async def get_lease(self, project_id: str) -> Lease | None:
        """Read the document."""
        async with self._reach() as db:
            await require(db.output_projects, project_id, "output project", {"_id": True})
            document = await db.wx_leases.find_one({"_id": object_id(project_id)}, _AS_SEEN)
        if document is None:
            return None
        held_by = document.get("holder")
        holder = None if held_by is None else decode_holder(held_by)
        return Lease(project_id, int(document["fence"]), holder, max(document["silent_ms"], 0) / 1000)

    async def take_lease(self, project_id: str, holder: Holder, *, over: int) -> Lease | None:
        """Update the document whose number is ``over``, then raise the number everywhere."""
        key, fence = {"_id": object_id(project_id)}, over + 1
        taken = {"fence": fence, "holder": {"$literal": encode_holder(holder)}, "renewed_at": "$$NOW"}
        as_read = {**key, "fence": over if over else {"$exists": False}}
        async with self._reach() as db:
            await require(db.output_projects, project_id, "output project", {"_id": True})
            try:
                result = await db.wx_leases.update_one(as_read, [{"$set": taken}], upsert=over == 0)
            except DuplicateKeyError:  # there is one by now
                return None
            if not result.matched_count and result.upserted_id is None:
                return None
            await raise_fence(db, key["_id"], fence)
        return Lease(project_id, fence, holder)

    async def renew_lease(self, lease: Lease) -> bool:
        """Update the document whose number is the lease's."""
        return await self._update(lease, {"renewed_at": "$$NOW"})

    async def release_lease(self, lease: Lease) -> bool:
        """Take the holder out of the document whose number is the lease's."""
        return await self._update(lease, {"holder": None})

    async def _update(self, lease: Lease, fields: dict[str, Any]) -> bool:
        query = {"_id": object_id(lease.project_id), "fence": lease.fence, "holder": {"$ne": None}}
        async with self._reach() as db:
            result = await db.wx_leases.update_one(query, [{"$set": fields}])
        return result.matched_count == 1
