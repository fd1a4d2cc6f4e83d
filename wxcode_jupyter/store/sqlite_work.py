"""Milestones, commands and events, in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from ..models import Command, CommandStatus, Event, Milestone, MilestoneStatus, Page, check_id, now
from .documents import (
    COMMAND_CHANGES,
    MILESTONE_CHANGES,
    Document,
    M,
    check_count,
    check_text,
    decode,
    encode,
    encode_changes,
)
from .sqlite_access import OLDEST_FIRST, SqliteAccess, among
from .sqlite_rows import delete_rows, find, insert, require, select, update_rows


class SqliteWork(SqliteAccess):
    """The part of the store that is about what is to be done, and what happened."""

    # -- milestones -----------------------------------------------------------------------------------------------

    async def create_milestone(self, milestone: Milestone) -> None:
        """Insert, unless the id is there."""
        row = encode(milestone)

        def create(db: sqlite3.Connection) -> None:
            require(db, "output_projects", milestone.output_project_id, "output project")
            if find(db, "milestones", {"id": milestone.id}) is None:
                insert(db, "milestones", row)

        await self._file.write(create)

    async def get_milestone(self, milestone_id: str) -> Milestone:
        """Read one row."""
        return decode(Milestone, await self._get("milestones", milestone_id, "milestone"))

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
            query["output_project_id"] = check_id(output_project_id)
        if status is not None:
            query["status"] = status.value
        page = await self._page(Milestone, "milestones", query, OLDEST_FIRST, skip, limit)
        return Page(tuple(replace(milestone, context=None) for milestone in page.items), page.total)

    async def move_milestone(
        self, milestone_id: str, expected: Collection[MilestoneStatus], status: MilestoneStatus
    ) -> Milestone | None:
        """Update the row when its status is among those expected."""
        fields = encode_changes(Milestone, {"status": status}, {"status"})
        moment = now()
        fields |= {"updated_at": moment, "completed_at": moment if status == MilestoneStatus.COMPLETED else None}
        return await self._move(Milestone, "milestones", milestone_id, expected, fields)

    async def update_milestone(self, milestone_id: str, changes: Mapping[str, Any]) -> Milestone:
        """Set the fields."""
        fields = encode_changes(Milestone, changes, MILESTONE_CHANGES) | {"updated_at": now()}
        key = {"id": check_id(milestone_id)}

        def update(db: sqlite3.Connection) -> Document:
            update_rows(db, "milestones", fields, key)
            return require(db, "milestones", milestone_id, "milestone")

        return decode(Milestone, await self._file.write(update))

    async def delete_milestone(self, milestone_id: str) -> bool:
        """Delete the row when its status is ``pending``."""
        query = {"id": check_id(milestone_id), "status": MilestoneStatus.PENDING.value}

        def delete(db: sqlite3.Connection) -> bool:
            require(db, "milestones", milestone_id, "milestone")
            return delete_rows(db, "milestones", query) == 1

        return await self._file.write(delete)

    # -- commands -------------------------------------------------------------------------------------------------

    async def append_command(self, command: Command) -> Command:
        """Insert under the next number, unless the id is there."""
        row = encode(command)
        known = {"id": command.id}
        return decode(Command, await self._file.write(lambda db: self._append(db, "commands", row, known=known)))

    async def get_command(self, command_id: str) -> Command:
        """Read one row."""
        return decode(Command, await self._get("commands", command_id, "command"))

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
        query: Document = {"output_project_id": check_id(project_id)}
        if statuses is not None:
            query["status"] = among(statuses)
        if milestone_id is not None:
            query["milestone_id"] = check_id(milestone_id)
        return await self._page(Command, "commands", query, "seq", skip, limit, project_id)

    async def move_command(
        self, command_id: str, expected: Collection[CommandStatus], changes: Mapping[str, Any]
    ) -> Command | None:
        """Update the row when its status is among those expected."""
        fields = encode_changes(Command, changes, COMMAND_CHANGES)
        return await self._move(Command, "commands", command_id, expected, fields)

    # -- events ---------------------------------------------------------------------------------------------------

    async def append_event(self, event: Event, *, key: str | None = None) -> Event:
        """Insert under the next number, unless the key is there."""
        row = encode(event)
        known = None
        if key is not None:
            row["idempotency_key"] = check_text("key", key)
            known = {name: row[name] for name in ("output_project_id", "idempotency_key")}
        return decode(Event, await self._file.write(lambda db: self._append(db, "events", row, known=known)))

    async def load_events(self, project_id: str, *, after: int = 0, limit: int = 1000) -> tuple[Event, ...]:
        """Read the events above a number."""
        query = {"output_project_id": check_id(project_id), "seq >": check_count("after", after)}
        limit = check_count("limit", limit)

        def read(db: sqlite3.Connection) -> list[Document]:
            require(db, "output_projects", project_id, "output project")
            return select(db, "events", query, "seq", 0, limit)

        return tuple(decode(Event, row) for row in await self._file.read(read))

    async def prune_events(self, project_id: str, *, keep: int) -> int:
        """Delete the rows, and note up to where."""
        query = {"output_project_id": check_id(project_id)}

        def prune(db: sqlite3.Connection) -> int:
            before = require(db, "output_projects", project_id, "output project")["events_pruned"] or 0
            last = select(db, "events", query, "seq DESC", keep, 1)
            if not last:
                return int(before)
            pruned = int(last[0]["seq"])
            delete_rows(db, "events", {**query, "seq <=": pruned})
            update_rows(db, "output_projects", {"events_pruned": pruned}, {"id": project_id})
            return pruned

        return await self._file.write(prune)

    async def events_pruned(self, project_id: str) -> int:
        """Read the column."""
        return int((await self._get("output_projects", project_id, "output project"))["events_pruned"] or 0)

    async def _move(
        self, kind: type[M], table: str, identifier: str, expected: Collection[StrEnum], fields: Document
    ) -> M | None:
        query = {"id": check_id(identifier), "status": among(expected)}

        def move(db: sqlite3.Connection) -> Document | None:
            before = require(db, table, identifier, kind.__name__.lower())
            self._check_fence(db, before["output_project_id"])
            if before["status"] not in query["status"]:
                return None
            update_rows(db, table, fields, query)
            return require(db, table, identifier, kind.__name__.lower())

        row = await self._file.write(move)
        return None if row is None else decode(kind, row)
