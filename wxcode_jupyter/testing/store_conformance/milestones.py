"""Milestones: their context, their status, their pages."""

# ruff: noqa: D102 (the names say what is promised)
from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from ...errors import InvalidBody, InvalidId, NotFound
from ...models import Milestone, MilestoneStatus
from ...store.base import Store
from .values import HOSTILE_TEXTS, OpenAnother, add_milestone, add_project, moment, session_id

PENDING, IN_PROGRESS = MilestoneStatus.PENDING, MilestoneStatus.IN_PROGRESS
COMPLETED, FAILED = MilestoneStatus.COMPLETED, MilestoneStatus.FAILED


class MilestonePromises:
    """A milestone is created once and moves by compare-and-set."""

    async def test_milestone_comes_back_as_it_went_in(self, store: Store) -> None:
        project = await add_project(store)
        milestone = Milestone(
            id=store.new_id(),
            output_project_id=project.id,
            element_name="PAGE_Login",
            element_id=store.new_id(),
            status=COMPLETED,
            wxcode_version="1.2.3",
            milestone_folder_name="01-login",
            context="# Login\n",
            created_at=moment(1),
            updated_at=moment(2),
            completed_at=moment(3),
        )
        await store.create_milestone(milestone)
        assert await store.get_milestone(milestone.id) == milestone

    async def test_creating_again_is_no_error_and_changes_nothing(self, store: Store) -> None:
        milestone = await add_milestone(store, await add_project(store), context="first")
        updated = await store.update_milestone(milestone.id, {"context": "second"})
        await store.create_milestone(milestone)
        assert await store.get_milestone(milestone.id) == updated
        assert (await store.list_milestones()).total == 1

    async def test_ids_are_checked(self, store: Store) -> None:
        project = await add_project(store)
        for milestone in (
            Milestone("x", project.id, "a"),
            Milestone(store.new_id(), "x", "a"),
            Milestone(store.new_id(), project.id, "a", element_id="PAGE_Login"),
        ):
            with pytest.raises(InvalidId):
                await store.create_milestone(milestone)

    async def test_milestones_unknown(self, store: Store) -> None:
        unknown = store.new_id()
        for call in (
            store.create_milestone(Milestone(store.new_id(), unknown, "a")),
            store.get_milestone(unknown),
            store.move_milestone(unknown, [PENDING], FAILED),
            store.update_milestone(unknown, {"context": "x"}),
            store.delete_milestone(unknown),
        ):
            with pytest.raises(NotFound) as caught:
                await call
            assert caught.value.identifier == unknown
        assert (await store.list_milestones(output_project_id=unknown)).total == 0

    async def test_list_is_oldest_first_in_pages_without_contexts(self, store: Store) -> None:
        project, other = await add_project(store), await add_project(store, "other")
        milestones = [
            Milestone(store.new_id(), project.id, f"m{number}", context="text", created_at=moment(-number))
            for number in range(4)
        ]
        for milestone in milestones:
            await store.create_milestone(milestone)
        foreign = await add_milestone(store, other)
        listed = tuple(replace(milestone, context=None) for milestone in reversed(milestones))
        page = await store.list_milestones(output_project_id=project.id)
        assert (page.items, page.total) == (listed, 4)
        page = await store.list_milestones(output_project_id=project.id, skip=1, limit=2)
        assert (page.items, page.total) == (listed[1:3], 4)
        await store.move_milestone(foreign.id, [PENDING], IN_PROGRESS)
        page = await store.list_milestones(status=IN_PROGRESS)
        assert [milestone.id for milestone in page.items] == [foreign.id]
        assert (await store.list_milestones(output_project_id=project.id, status=IN_PROGRESS)).total == 0
        assert (await store.list_milestones()).total == 5

    async def test_milestones_moving_compares_first(self, store: Store) -> None:
        milestone = await add_milestone(store, await add_project(store), context="text")
        assert await store.move_milestone(milestone.id, [IN_PROGRESS, FAILED], COMPLETED) is None
        assert await store.move_milestone(milestone.id, [], COMPLETED) is None
        assert await store.get_milestone(milestone.id) == milestone
        moved = await store.move_milestone(milestone.id, [FAILED, PENDING], IN_PROGRESS)
        assert moved is not None
        assert moved == replace(milestone, status=IN_PROGRESS, updated_at=moved.updated_at)
        assert moved.updated_at >= milestone.updated_at
        assert await store.get_milestone(milestone.id) == moved

    async def test_completed_at_is_of_completed_ones_only(self, store: Store) -> None:
        milestone = await add_milestone(store, await add_project(store))
        completed = await store.move_milestone(milestone.id, [PENDING], COMPLETED)
        assert completed is not None
        assert completed.completed_at == completed.updated_at
        failed = await store.move_milestone(milestone.id, [COMPLETED], FAILED)
        assert failed is not None
        assert failed.completed_at is None

    async def test_milestones_one_of_many_moves_wins(self, store: Store, open_another: OpenAnother) -> None:
        milestone = await add_milestone(store, await add_project(store))
        stores = [store, await open_another()]
        moved = await asyncio.gather(
            *(stores[i % 2].move_milestone(milestone.id, [PENDING], IN_PROGRESS) for i in range(10))
        )
        assert len([each for each in moved if each is not None]) == 1

    async def test_milestones_update(self, store: Store) -> None:
        milestone = await add_milestone(store, await add_project(store), context="first")
        version = session_id()
        updated = await store.update_milestone(
            milestone.id,
            {"context": "second", "element_name": "b", "wxcode_version": version, "milestone_folder_name": "01-b"},
        )
        assert updated == replace(
            milestone,
            context="second",
            element_name="b",
            wxcode_version=version,
            milestone_folder_name="01-b",
            updated_at=updated.updated_at,
        )
        assert await store.get_milestone(milestone.id) == updated
        assert (await store.update_milestone(milestone.id, {"context": None})).context is None

    @pytest.mark.parametrize(
        "changes", [{}, {"status": COMPLETED}, {"_id": "x"}, {"element_name": None}, {"context": {"$ne": 1}}]
    )
    async def test_milestones_changes_that_do_not_fit_are_refused(self, store: Store, changes: dict[str, Any]) -> None:
        milestone = await add_milestone(store, await add_project(store))
        with pytest.raises(InvalidBody):
            await store.update_milestone(milestone.id, changes)
        assert await store.get_milestone(milestone.id) == milestone

    async def test_only_pending_ones_are_deleted(self, store: Store) -> None:
        project = await add_project(store)
        milestone, started = await add_milestone(store, project), await add_milestone(store, project)
        await store.move_milestone(started.id, [PENDING], IN_PROGRESS)
        assert await store.delete_milestone(started.id) is False
        assert await store.delete_milestone(milestone.id) is True
        with pytest.raises(NotFound):
            await store.get_milestone(milestone.id)
        assert (await store.list_milestones()).total == 1

    async def test_milestones_text_is_data(self, store: Store) -> None:
        project = await add_project(store)
        for text in HOSTILE_TEXTS:
            milestone = Milestone(store.new_id(), project.id, text, context=text, wxcode_version=text)
            await store.create_milestone(milestone)
            assert await store.get_milestone(milestone.id) == milestone
            updated = await store.update_milestone(milestone.id, {"context": text, "milestone_folder_name": text})
            assert (updated.context, updated.milestone_folder_name) == (text, text)
