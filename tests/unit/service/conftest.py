"""A real embedded store with one project in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from wxcode_jupyter.models import OutputProject, ProjectOptions
from wxcode_jupyter.service.events import EventLog
from wxcode_jupyter.store.base import Store
from wxcode_jupyter.store.sqlite import SqliteStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = SqliteStore(tmp_path / "store" / "wxcode.sqlite3")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def project(store: Store, tmp_path: Path) -> OutputProject:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    project = OutputProject(store.new_id(), "billing", str(workspace))
    await store.create_project(project, ProjectOptions())
    return project


@pytest.fixture
def events(store: Store) -> EventLog:
    return EventLog(store)
