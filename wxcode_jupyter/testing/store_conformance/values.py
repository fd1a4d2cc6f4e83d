"""What the promises are tried with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from ...models import Command, Milestone, OutputProject, ProjectOptions
from ...store.base import Store

OpenAnother = Callable[[], Awaitable[Store]]

#: Texts that some database somewhere has taken for something else.
HOSTILE_TEXTS = (
    "$where",
    "$ne",
    "$$ROOT",
    "a.b.c",
    "{'$gt': ''}",
    '{"$gt": ""}',
    "'; DROP TABLE output_projects; --",
    "%_*?[a-z]",
    "null",
    "",
    " ",
    "\x00",
    "a\x00b",
    "zwölf Ünïcödé 項目 🜁",
    "line\r\nline\ttab\x1b[31m",
    "x" * 70_000,
)

_START = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


def moment(number: int) -> datetime:
    """Return a time in whole milliseconds, later for a greater number."""
    return _START + timedelta(milliseconds=number)


def session_id() -> str:
    """Return an id as the CLI makes them."""
    return str(uuid4())


async def add_project(store: Store, name: str = "billing", folder: str | None = None) -> OutputProject:
    """Create a project and return it."""
    project = OutputProject(store.new_id(), name, folder or f"/projects/{name}")
    await store.create_project(project, ProjectOptions())
    return project


async def add_milestone(store: Store, project: OutputProject, name: str = "login", context: str = "") -> Milestone:
    """Create a milestone and return it."""
    milestone = Milestone(store.new_id(), project.id, name, context=context)
    await store.create_milestone(milestone)
    return milestone


async def add_command(store: Store, project: OutputProject, text: str = "go", milestone: str | None = None) -> Command:
    """Append a command and return it as stored."""
    return await store.append_command(Command(store.new_id(), project.id, text, milestone_id=milestone))
