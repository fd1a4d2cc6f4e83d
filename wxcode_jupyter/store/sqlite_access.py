"""What the parts of the embedded store have in common: its file, pages, numbered rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from enum import StrEnum

from ..models import Page, check_id
from .base import Store
from .documents import Document, M, check_count, decode, displaced
from .sqlite_file import SqliteFile
from .sqlite_rows import Query, count, find, insert, require, select

OLDEST_FIRST = "created_at, id"


class SqliteAccess(Store):
    """A store that has a file."""

    _file: SqliteFile

    async def _get(self, table: str, identifier: str, what: str) -> Document:
        """Return one row. Raises ``NotFound``."""
        check_id(identifier)
        return await self._file.read(lambda db: require(db, table, identifier, what))

    async def _page(
        self, kind: type[M], table: str, query: Query, order: str, skip: int, limit: int, project_id: str | None = None
    ) -> Page[M]:
        """Return a slice of the rows that match, and how many match; ``NotFound`` for a project that is not there."""
        skip, limit = check_count("skip", skip), check_count("limit", limit)

        def read(db: sqlite3.Connection) -> Page[M]:
            if project_id is not None:
                require(db, "output_projects", project_id, "output project")
            rows = select(db, table, query, order, skip, limit)
            return Page(tuple(decode(kind, row) for row in rows), count(db, table, query))

        return await self._file.read(read)

    def _check_fence(self, db: sqlite3.Connection, project_id: str) -> None:
        """Raise ``Displaced`` where somebody has taken the project's lease since; to be asked in the transaction."""
        lease = None if self.fence is None else find(db, "leases", {"output_project_id": project_id})
        if self.fence is not None and lease is not None and lease["fence"] > self.fence:
            raise displaced(project_id, self.fence)

    def _append(
        self,
        db: sqlite3.Connection,
        table: str,
        row: Document,
        *,
        known: Query | None = None,
        repeats: str | None = None,
    ) -> Document:
        """Insert ``row`` under the project's next ``seq``, or return the one that is there already.

        Args:
            db: The connection, in a transaction that writes.
            table: Where to.
            row: The row, its ``seq`` left to be set.
            known: A query for the row that makes this one a repetition.
            repeats: The column in which this one repeats the last one when both have the same value.
        """
        if known is not None and (stored := find(db, table, known)) is not None:
            return stored
        project = {"output_project_id": row["output_project_id"]}
        require(db, "output_projects", row["output_project_id"], "output project")
        self._check_fence(db, row["output_project_id"])
        last = find(db, table, project, "seq DESC") or {}
        if repeats is not None and last.get(repeats) == row[repeats]:
            return last
        numbered = row | {"seq": last.get("seq", 0) + 1}
        insert(db, table, numbered)
        return numbered


def among(statuses: Collection[StrEnum]) -> tuple[str, ...]:
    """Return the condition that a status is one of these."""
    return tuple(status.value for status in statuses)
