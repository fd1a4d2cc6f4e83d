"""Output projects: names, folders and options, checked as a whole before anything is changed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.service.conftest import StubSessions
from wxcode_jupyter.errors import (
    FolderTaken,
    InvalidBody,
    InvalidId,
    InvalidPath,
    NameTaken,
    NotFound,
    SessionAlive,
    WxcodeError,
)
from wxcode_jupyter.models import OutputProject, ProjectOptions, ProjectStatus
from wxcode_jupyter.service.config import Config
from wxcode_jupyter.service.projects import Projects
from wxcode_jupyter.store.base import Store


@pytest.fixture
def projects(store: Store, sessions: StubSessions, config: Config) -> Projects:
    return Projects(config, store, sessions.typed())


async def test_a_project_has_a_folder_of_its_name(store: Store, projects: Projects, config: Config) -> None:
    created = await projects.create("  Folha de Pagamento ")
    assert (created.name, created.status) == ("Folha de Pagamento", ProjectStatus.CREATED)
    assert Path(created.workspace_path).parent == Path(config.workspace_root)
    assert Path(created.workspace_path).is_dir()
    assert await store.get_project(created.id) == created
    assert await store.get_options(created.id) == ProjectOptions()


async def test_or_the_one_that_is_given(projects: Projects, config: Config, tmp_path: Path) -> None:
    assert (await projects.create("a", workspace_path=str(tmp_path / "x"))).workspace_path == str(tmp_path / "x")
    home = config.environment["HOME"]
    assert (await projects.create("b", workspace_path="~/code/b")).workspace_path == f"{home}/code/b"
    (tmp_path / "link").symlink_to(tmp_path / "x")
    with pytest.raises(FolderTaken):  # the same folder under another name
        await projects.create("c", workspace_path=str(tmp_path / "link"))


async def test_created_twice_with_one_id_it_is_one(store: Store, projects: Projects) -> None:
    identifier = store.new_id()
    for _ in range(2):
        await projects.create("billing", project_id=identifier)
    assert (await store.list_projects()).total == 1


async def test_of_many_with_one_name_one_wins(store: Store, projects: Projects) -> None:
    results = await asyncio.gather(*(projects.create("billing") for _ in range(8)), return_exceptions=True)
    assert [type(result) for result in results].count(OutputProject) == 1
    assert all(isinstance(result, (OutputProject, NameTaken, FolderTaken)) for result in results)


@pytest.mark.parametrize(
    ("arguments", "error", "field"),
    [
        ({"name": ""}, InvalidBody, "name"),
        ({"name": " \t"}, InvalidBody, "name"),
        ({"name": "x" * 201}, InvalidBody, "name"),
        ({"name": "a\x1bb"}, InvalidBody, "name"),
        ({"name": "x", "options": {"permission_mode": "yolo"}}, InvalidBody, "permission_mode"),
        ({"name": "x", "options": {"claude_args": ["--resume"]}}, InvalidBody, "claude_args"),
        ({"name": "x", "options": {"model": "--resume"}}, InvalidBody, "model"),
        ({"name": "x", "options": {"model": " "}}, InvalidBody, "model"),
        ({"name": "x", "kb_id": "x"}, InvalidId, None),
        ({"name": "x", "project_id": "x"}, InvalidId, None),
        ({"name": "x", "workspace_path": "/etc/x"}, InvalidPath, None),
        ({"name": "x", "workspace_path": "../x"}, InvalidPath, None),
    ],
)
async def test_what_does_not_fit_creates_nothing(
    store: Store,
    projects: Projects,
    config: Config,
    arguments: dict[str, Any],
    error: type[WxcodeError],
    field: str | None,
) -> None:
    with pytest.raises(error) as caught:
        await projects.create(**arguments)
    assert caught.value.details.get("field") == field
    assert (await store.list_projects()).total == 0


class TestChange:
    async def test_name_status_and_options(self, store: Store, project: OutputProject, projects: Projects) -> None:
        changes = {"name": "invoices", "status": "active", "permission_mode": "plan", "claude_args": ["--verbose"]}
        changed = await projects.change(project.id, changes)
        expected = replace(project, name="invoices", status=ProjectStatus.ACTIVE, updated_at=changed.updated_at)
        assert changed == expected
        assert await store.get_options(project.id) == ProjectOptions("plan", None, ("--verbose",))
        await projects.change(project.id, {"model": "opus", "trust": True})
        assert await store.get_options(project.id) == ProjectOptions("plan", "opus", ("--verbose",), True)
        await projects.change(project.id, {"permission_mode": None, "claude_args": None})
        assert await store.get_options(project.id) == ProjectOptions(None, "opus", (), True)

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"name": "", "model": "opus"}, InvalidBody),
            ({"name": "taken", "model": "opus"}, NameTaken),
            ({"name": "new", "permission_mode": "yolo"}, InvalidBody),
            ({"model": "opus", "claude_args": ["-p"]}, InvalidBody),
        ],
    )
    async def test_is_made_as_a_whole_or_not_at_all(
        self,
        store: Store,
        project: OutputProject,
        projects: Projects,
        changes: dict[str, Any],
        error: type[WxcodeError],
    ) -> None:
        await projects.create("taken")
        with pytest.raises(error):
            await projects.change(project.id, changes)
        assert await store.get_project(project.id) == project
        assert await store.get_options(project.id) == ProjectOptions()

    async def test_of_an_unknown_one(self, store: Store, projects: Projects) -> None:
        with pytest.raises(NotFound):
            await projects.change(store.new_id(), {"model": "opus"})


class TestDelete:
    async def test_removes_the_records_and_no_file(
        self, store: Store, project: OutputProject, projects: Projects
    ) -> None:
        await projects.delete(project.id)
        with pytest.raises(NotFound):
            await store.get_project(project.id)
        assert Path(project.workspace_path).is_dir()
        with pytest.raises(NotFound):
            await projects.delete(project.id)

    async def test_not_while_its_session_lives(
        self, store: Store, project: OutputProject, projects: Projects, sessions: StubSessions
    ) -> None:
        sessions.alive = True
        with pytest.raises(SessionAlive):
            await projects.delete(project.id)
        assert await store.get_project(project.id) == project
