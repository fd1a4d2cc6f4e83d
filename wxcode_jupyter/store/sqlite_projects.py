"""Projects, their options and their conversation, in SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..errors import FolderTaken, NameTaken, StoreConflict
from ..models import ClaudeSession, OutputProject, Page, ProjectOptions, check_id, now
from .documents import (
    PROJECT_CHANGES,
    Document,
    check_moment,
    check_text,
    decode,
    decode_moment,
    decode_options,
    encode,
    encode_changes,
    encode_options,
    same_creation,
)
from .sqlite_access import OLDEST_FIRST, SqliteAccess
from .sqlite_rows import delete_rows, find, insert, raise_not_found, require, select, update_rows


class SqliteProjects(SqliteAccess):
    """The part of the store that is about projects."""

    # -- output projects ------------------------------------------------------------------------------------------

    async def create_project(self, project: OutputProject, options: ProjectOptions) -> None:
        """Check name and folder, and insert."""
        row = encode(project) | {"options": json.dumps(encode_options(options))}

        def create(db: sqlite3.Connection) -> None:
            stored = find(db, "output_projects", {"id": project.id})
            if stored is not None:
                if not same_creation(decode(OutputProject, stored), project):
                    raise StoreConflict(
                        f"There is another output project with the id {project.id}.", project_id=project.id
                    )
                return
            _check_name_free(db, project.name)
            holder = find(db, "output_projects", {"workspace_path": project.workspace_path})
            if holder is not None:
                raise FolderTaken(
                    f"Another output project has the folder {project.workspace_path}; choose another folder.",
                    project_id=holder["id"],
                )
            insert(db, "output_projects", row)

        await self._file.write(create)

    async def get_project(self, project_id: str) -> OutputProject:
        """Read one row."""
        return decode(OutputProject, await self._get("output_projects", project_id, "output project"))

    async def find_project(self, *, name: str | None = None, workspace_path: str | None = None) -> OutputProject | None:
        """Read the row with this name or folder."""
        if (name is None) == (workspace_path is None):
            raise TypeError("find_project() takes either a name or a workspace_path.")
        field, text = ("name", name) if workspace_path is None else ("workspace_path", workspace_path)
        given = {field: check_text(field, text)}
        row = await self._file.read(lambda db: find(db, "output_projects", given))
        return None if row is None else decode(OutputProject, row)

    async def list_projects(self, *, skip: int = 0, limit: int = 100) -> Page[OutputProject]:
        """Read a slice."""
        return await self._page(OutputProject, "output_projects", {}, OLDEST_FIRST, skip, limit)

    async def update_project(self, project_id: str, changes: Mapping[str, Any]) -> OutputProject:
        """Check the name, and set the fields."""
        fields = encode_changes(OutputProject, changes, PROJECT_CHANGES) | {"updated_at": now()}
        key = {"id": check_id(project_id)}

        def update(db: sqlite3.Connection) -> Document:
            stored = require(db, "output_projects", project_id, "output project")
            self._check_fence(db, project_id)
            if fields.get("name", stored["name"]) != stored["name"]:
                _check_name_free(db, fields["name"])
            update_rows(db, "output_projects", fields, key)
            return require(db, "output_projects", project_id, "output project")

        return decode(OutputProject, await self._file.write(update))

    async def delete_project(self, project_id: str) -> None:
        """Delete the row; what refers to it goes with it."""
        key = {"id": check_id(project_id)}

        def delete(db: sqlite3.Connection) -> None:
            if delete_rows(db, "output_projects", key) == 0:
                raise_not_found("output project", project_id)

        await self._file.write(delete)

    async def get_options(self, project_id: str) -> ProjectOptions:
        """Read the column."""
        row = await self._get("output_projects", project_id, "output project")
        return decode_options(json.loads(row["options"]))

    async def set_options(self, project_id: str, options: ProjectOptions) -> None:
        """Write the column."""
        await self._set(project_id, {"options": json.dumps(encode_options(options))})

    async def get_limited_until(self, project_id: str) -> datetime | None:
        """Read the column."""
        moment = (await self._get("output_projects", project_id, "output project"))["limited_until"]
        return None if moment is None else decode_moment(moment)

    async def set_limited_until(self, project_id: str, moment: datetime | None) -> None:
        """Write the column."""
        await self._set(project_id, {"limited_until": moment and check_moment("limited_until", moment)})

    async def _set(self, project_id: str, fields: Document) -> None:
        key = {"id": check_id(project_id)}

        def update(db: sqlite3.Connection) -> None:
            self._check_fence(db, project_id)
            if update_rows(db, "output_projects", fields, key) == 0:
                raise_not_found("output project", project_id)

        await self._file.write(update)

    # -- the conversation id --------------------------------------------------------------------------------------

    async def set_first_session_id(self, project_id: str, claude_session_id: str) -> bool:
        """Update the row whose id is null."""
        return await self._swap_session_id(project_id, None, check_text("claude_session_id", claude_session_id))

    async def replace_session_id(self, project_id: str, old: str, new: str) -> bool:
        """Update the row whose id is ``old``."""
        old, new = check_text("old", old), check_text("new", new)
        return await self._swap_session_id(project_id, old, new)

    async def append_lineage(self, entry: ClaudeSession) -> ClaudeSession:
        """Insert under the next number, unless the last entry has the id; one that was born stays born."""
        row = encode(entry)
        born = {name: row[name] for name in ("output_project_id", "claude_session_id")} | {"born": True}

        def append_born(db: sqlite3.Connection) -> Document:
            older = find(db, "claude_sessions", born)
            inherited = {}
            if older is not None:
                inherited = {"born": True, "transcript_path": row["transcript_path"] or older["transcript_path"]}
            return self._append(db, "claude_sessions", row | inherited, repeats="claude_session_id")

        return decode(ClaudeSession, await self._file.write(append_born))

    async def mark_born(self, project_id: str, claude_session_id: str, transcript_path: str | None) -> None:
        """Update the entry."""
        key = {
            "output_project_id": check_id(project_id),
            "claude_session_id": check_text("claude_session_id", claude_session_id),
        }
        fields: Document = {"born": True}
        if transcript_path is not None:
            fields["transcript_path"] = check_text("transcript_path", transcript_path)

        def update(db: sqlite3.Connection) -> None:
            self._check_fence(db, project_id)
            if update_rows(db, "claude_sessions", fields, key) == 0:
                raise_not_found("conversation", claude_session_id)

        await self._file.write(update)

    async def load_lineage(self, project_id: str) -> tuple[ClaudeSession, ...]:
        """Read the entries of a project."""
        query = {"output_project_id": check_id(project_id)}

        def read(db: sqlite3.Connection) -> list[Document]:
            require(db, "output_projects", project_id, "output project")
            return select(db, "claude_sessions", query, "seq")

        return tuple(decode(ClaudeSession, row) for row in await self._file.read(read))

    async def _swap_session_id(self, project_id: str, old: str | None, new: str) -> bool:
        fields = {"claude_session_id": new, "updated_at": now()}
        query = {"id": check_id(project_id), "claude_session_id": old}

        def swap(db: sqlite3.Connection) -> bool:
            require(db, "output_projects", project_id, "output project")
            self._check_fence(db, project_id)
            return update_rows(db, "output_projects", fields, query) == 1

        return await self._file.write(swap)


def _check_name_free(db: sqlite3.Connection, name: str) -> None:
    holder = find(db, "output_projects", {"name": name})
    if holder is not None:
        raise NameTaken(
            f"There is an output project named {name!r} already; choose another name.", project_id=holder["id"]
        )
