"""A real embedded store with one project in it, and what stands around the use cases."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from wxcode_jupyter.errors import SessionAlive
from wxcode_jupyter.models import OutputProject, ProjectOptions
from wxcode_jupyter.service.config import Config
from wxcode_jupyter.service.events import EventLog
from wxcode_jupyter.service.sessions import Sessions
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


class StubSessions:
    """Stands in for `Sessions` where only the calls count: ``start``, ``enqueued``, ``find_live``, ``without``."""

    def __init__(self, store: Store) -> None:
        self.started: list[str] = []
        self.told: list[str] = []
        self.alive = False
        self.error: Exception | None = None
        self.variables: dict[str, str] = {}
        self._store = store

    async def start(self, project_id: str) -> None:
        self.started.append(project_id)
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error

    def enqueued(self, project_id: str) -> None:
        self.told.append(project_id)

    def find_live(self, project_id: str) -> object | None:
        return self if self.alive else None

    @contextlib.asynccontextmanager
    async def without(self, project: OutputProject) -> AsyncIterator[None]:
        if self.alive:
            raise SessionAlive("alive", project_id=project.id)
        yield

    @contextlib.asynccontextmanager
    async def settled(self, project: OutputProject) -> AsyncIterator[dict[str, str]]:
        async with self.without(project):
            yield self.variables

    def store_of(self, project_id: str) -> Store:
        return self._store

    def environment(self, workspace: str) -> dict[str, str]:
        return self.variables

    def typed(self) -> Sessions:
        return cast(Sessions, self)


@pytest.fixture
def sessions(store: Store) -> StubSessions:
    return StubSessions(store)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    home = tmp_path / "home"
    home.mkdir()
    return Config(
        data_dir=str(tmp_path / "data"),
        runtime_dir=str(tmp_path / "run"),
        workspace_root=str(tmp_path / "workspaces"),
        allowed_workspace_roots=(str(tmp_path),),
        keep_sessions=False,
        environment={"HOME": str(home), "PATH": "/usr/bin:/bin"},
    )
