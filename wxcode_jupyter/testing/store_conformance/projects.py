"""Output projects: unique names and folders, options, deletion."""

# ruff: noqa: D102 (the names say what is promised)
from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from ...errors import FolderTaken, InvalidBody, NameTaken, NotFound, StoreConflict
from ...models import ClaudeSession, Event, LineageCause, OutputProject, ProjectOptions, ProjectStatus
from ...store.base import Store
from .values import HOSTILE_TEXTS, OpenAnother, add_command, add_milestone, add_project, moment


class ProjectPromises:
    """A project is created once, under a name and in a folder of its own."""

    async def test_project_comes_back_as_it_went_in(self, store: Store) -> None:
        project = OutputProject(
            id=store.new_id(),
            name="billing",
            workspace_path="/projects/billing",
            status=ProjectStatus.ACTIVE,
            claude_session_id="5a2f6f0e-8a55-4e4d-9a52-f1a7b0a3b8f1",
            kb_id=store.new_id(),
            stack_id="fastapi-htmx",
            configuration_id="default",
            created_at=moment(1),
            updated_at=moment(2),
        )
        await store.create_project(project, ProjectOptions())
        assert await store.get_project(project.id) == project

    async def test_creating_again_is_no_error(self, store: Store) -> None:
        project = await add_project(store)
        await store.update_project(project.id, {"status": ProjectStatus.ACTIVE})
        await store.create_project(project, ProjectOptions(model="other"))
        assert (await store.get_project(project.id)).status is ProjectStatus.ACTIVE
        assert (await store.list_projects()).total == 1

    async def test_same_id_with_other_content_is_a_conflict(self, store: Store) -> None:
        project = await add_project(store)
        with pytest.raises(StoreConflict):
            await store.create_project(replace(project, name="other"), ProjectOptions())
        assert await store.get_project(project.id) == project

    async def test_name_is_unique(self, store: Store) -> None:
        project = await add_project(store, "billing")
        with pytest.raises(NameTaken) as caught:
            await add_project(store, "billing", "/elsewhere")
        assert caught.value.project_id == project.id
        assert "billing" in str(caught.value)

    async def test_folder_is_unique(self, store: Store) -> None:
        project = await add_project(store, "billing", "/projects/billing")
        with pytest.raises(FolderTaken) as caught:
            await add_project(store, "other", "/projects/billing")
        assert caught.value.project_id == project.id

    async def test_refused_creation_reserves_nothing(self, store: Store) -> None:
        await add_project(store, "billing", "/projects/billing")
        with pytest.raises(FolderTaken):
            await add_project(store, "other", "/projects/billing")
        with pytest.raises(NameTaken):
            await add_project(store, "billing", "/projects/other")
        await add_project(store, "other", "/projects/other")

    async def test_of_many_creations_at_once_one_wins(self, store: Store, open_another: OpenAnother) -> None:
        stores = [store, *[await open_another() for _ in range(3)]]
        results = await asyncio.gather(
            *(
                add_project(each, "billing", f"/projects/{number}-{turn}")
                for turn in range(3)
                for number, each in enumerate(stores)
            ),
            return_exceptions=True,
        )
        assert sum(isinstance(result, OutputProject) for result in results) == 1
        assert sum(isinstance(result, NameTaken) for result in results) == 11
        assert (await store.list_projects()).total == 1

    async def test_find(self, store: Store) -> None:
        project = await add_project(store, "billing", "/projects/billing")
        await add_project(store, "other")
        assert await store.find_project(name="billing") == project
        assert await store.find_project(workspace_path="/projects/billing") == project
        assert await store.find_project(name="bill") is None
        assert await store.find_project(workspace_path="/projects") is None

    async def test_find_takes_one_criterion(self, store: Store) -> None:
        with pytest.raises(TypeError):
            await store.find_project()
        with pytest.raises(TypeError):
            await store.find_project(name="a", workspace_path="/a")

    async def test_list_is_oldest_first_in_pages(self, store: Store) -> None:
        projects = [
            OutputProject(store.new_id(), f"p{number}", f"/projects/{number}", created_at=moment(-number))
            for number in range(5)
        ]
        for project in projects:
            await store.create_project(project, ProjectOptions())
        oldest_first = tuple(reversed(projects))
        assert (await store.list_projects()).items == oldest_first
        page = await store.list_projects(skip=1, limit=2)
        assert (page.items, page.total) == (oldest_first[1:3], 5)
        assert (await store.list_projects(skip=5)).items == ()
        nothing = await store.list_projects(limit=0)
        assert (nothing.items, nothing.total) == ((), 5)

    @pytest.mark.parametrize("arguments", [{"skip": -1}, {"limit": -1}, {"limit": "5"}, {"skip": True}])
    async def test_slice_that_makes_no_sense_is_refused(self, store: Store, arguments: dict[str, Any]) -> None:
        with pytest.raises(InvalidBody):
            await store.list_projects(**arguments)

    async def test_projects_update(self, store: Store) -> None:
        project = await add_project(store, "billing")
        updated = await store.update_project(project.id, {"name": "invoices", "status": ProjectStatus.INITIALIZED})
        assert updated == replace(
            project, name="invoices", status=ProjectStatus.INITIALIZED, updated_at=updated.updated_at
        )
        assert updated.updated_at >= project.updated_at
        assert await store.get_project(project.id) == updated

    async def test_renaming_frees_the_old_name_and_takes_the_new(self, store: Store) -> None:
        project = await add_project(store, "billing")
        await store.update_project(project.id, {"name": "invoices"})
        with pytest.raises(NameTaken):
            await add_project(store, "invoices", "/elsewhere")
        await add_project(store, "billing", "/elsewhere")

    async def test_renaming_to_a_taken_name_changes_nothing(self, store: Store) -> None:
        await add_project(store, "billing")
        project = await add_project(store, "other")
        with pytest.raises(NameTaken):
            await store.update_project(project.id, {"name": "billing", "status": ProjectStatus.ACTIVE})
        assert await store.get_project(project.id) == project
        with pytest.raises(NameTaken):
            await add_project(store, "other", "/elsewhere")

    async def test_renaming_to_its_own_name_is_no_conflict(self, store: Store) -> None:
        project = await add_project(store, "billing")
        assert (await store.update_project(project.id, {"name": "billing"})).name == "billing"

    @pytest.mark.parametrize(
        "changes",
        [{}, {"workspace_path": "/x"}, {"$set": "x"}, {"name": None}, {"name": {"$ne": ""}}, {"status": "gone"}],
    )
    async def test_projects_changes_that_do_not_fit_are_refused(self, store: Store, changes: dict[str, Any]) -> None:
        project = await add_project(store)
        with pytest.raises(InvalidBody):
            await store.update_project(project.id, changes)
        assert await store.get_project(project.id) == project

    async def test_options(self, store: Store) -> None:
        project = OutputProject(store.new_id(), "billing", "/projects/billing")
        options = ProjectOptions("acceptEdits", "opus", ("--add-dir", "$where", ""), trust=True)
        await store.create_project(project, options)
        assert await store.get_options(project.id) == options
        await store.set_options(project.id, ProjectOptions(model="sonnet"))
        assert await store.get_options(project.id) == ProjectOptions(model="sonnet")

    async def test_limited_until(self, store: Store) -> None:
        project = await add_project(store)
        assert await store.get_limited_until(project.id) is None
        await store.set_limited_until(project.id, moment(5))
        assert await store.get_limited_until(project.id) == moment(5)
        await store.set_options(project.id, ProjectOptions(model="opus"))
        assert await store.get_limited_until(project.id) == moment(5)
        assert await store.get_project(project.id) == project
        with pytest.raises(InvalidBody):
            await store.set_limited_until(project.id, datetime(2026, 1, 1))
        await store.set_limited_until(project.id, None)
        assert await store.get_limited_until(project.id) is None

    async def test_projects_unknown_project(self, store: Store) -> None:
        unknown = store.new_id()
        for call in (
            store.get_project(unknown),
            store.update_project(unknown, {"name": "x"}),
            store.delete_project(unknown),
            store.get_options(unknown),
            store.set_options(unknown, ProjectOptions()),
            store.get_limited_until(unknown),
            store.set_limited_until(unknown, None),
        ):
            with pytest.raises(NotFound) as caught:
                await call
            assert caught.value.identifier == unknown

    async def test_deleting_takes_everything_along_and_frees_name_and_folder(self, store: Store) -> None:
        project, other = await add_project(store, "billing", "/projects/billing"), await add_project(store, "other")
        milestone, kept = await add_milestone(store, project), await add_milestone(store, other)
        command = await add_command(store, project)
        await store.append_lineage(ClaudeSession(project.id, "x", LineageCause.NEW))
        await store.append_event(Event(project.id, "started", {}))
        await store.delete_project(project.id)
        for call in (
            store.get_project(project.id),
            store.get_milestone(milestone.id),
            store.get_command(command.id),
            store.load_lineage(project.id),
            store.load_events(project.id),
            store.delete_project(project.id),
        ):
            with pytest.raises(NotFound):
                await call
        assert [item.id for item in (await store.list_milestones()).items] == [kept.id]
        again = OutputProject(project.id, "billing", "/projects/billing")
        await store.create_project(again, ProjectOptions())
        assert (await store.load_events(project.id), await store.load_lineage(project.id)) == ((), ())

    async def test_projects_text_is_data(self, store: Store) -> None:
        projects = [OutputProject(store.new_id(), text, f"/projects/{text}", stack_id=text) for text in HOSTILE_TEXTS]
        for project in projects:
            await store.create_project(project, ProjectOptions(project.name, project.name, (project.name,)))
        for project in projects:
            assert await store.get_project(project.id) == project
            assert await store.find_project(name=project.name) == project
            assert await store.find_project(workspace_path=project.workspace_path) == project
            assert (await store.get_options(project.id)).claude_args == (project.name,)

    @pytest.mark.parametrize("name", [{"$ne": ""}, None, 5, ["a"], b"a", "lone surrogate \ud800"])
    async def test_projects_what_is_no_text_is_refused(self, store: Store, name: Any) -> None:
        with pytest.raises(InvalidBody) as caught:
            await add_project(store, name, "/projects/x")
        assert caught.value.field == "name"
        assert (await store.list_projects()).total == 0
