"""Leases, in SQLite: a row per project, compared and set in one transaction."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime

from ..models import Holder, Lease, check_id, now
from .documents import Document, decode_holder, decode_moment, encode_holder
from .sqlite_access import SqliteAccess
from .sqlite_rows import find, insert, require, update_rows


class SqliteLeases(SqliteAccess):
    """The part of the store that is about who holds a project.

    The file is on one machine's disk, so that machine's clock is the store's.
    """

    async def get_lease(self, project_id: str) -> Lease | None:
        """Read the row."""
        key = {"output_project_id": check_id(project_id)}

        def read(db: sqlite3.Connection) -> Document | None:
            require(db, "output_projects", project_id, "output project")
            return find(db, "leases", key)

        row = await self._file.read(read)
        return None if row is None else _lease(row, now())

    async def take_lease(self, project_id: str, holder: Holder, *, over: int) -> Lease | None:
        """Insert the row, or update it when its number is ``over``."""
        key = {"output_project_id": check_id(project_id)}
        moment = now()
        taken = {"fence": over + 1, "holder": json.dumps(encode_holder(holder)), "renewed_at": moment}

        def take(db: sqlite3.Connection) -> bool:
            require(db, "output_projects", project_id, "output project")
            if over > 0:
                return update_rows(db, "leases", taken, {**key, "fence": over}) == 1
            if find(db, "leases", key) is not None:
                return False
            insert(db, "leases", key | taken)
            return True

        return Lease(project_id, over + 1, holder) if await self._file.write(take) else None

    async def renew_lease(self, lease: Lease) -> bool:
        """Update the row when its number is the lease's."""
        return await self._update(lease, {"renewed_at": now()})

    async def release_lease(self, lease: Lease) -> bool:
        """Take the holder out of the row when its number is the lease's."""
        return await self._update(lease, {"holder": None})

    async def _update(self, lease: Lease, fields: Document) -> bool:
        key = {"output_project_id": check_id(lease.project_id), "fence": lease.fence}

        def update(db: sqlite3.Connection) -> bool:
            row = find(db, "leases", key)
            return row is not None and row["holder"] is not None and update_rows(db, "leases", fields, key) == 1

        return await self._file.write(update)


def _lease(row: Document, moment: datetime) -> Lease:
    silent_s = (moment - decode_moment(row["renewed_at"])).total_seconds()
    holder = None if row["holder"] is None else decode_holder(json.loads(row["holder"]))
    return Lease(row["output_project_id"], row["fence"], holder, max(silent_s, 0.0))
