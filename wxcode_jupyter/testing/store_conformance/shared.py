"""What must hold when the wxcode application writes into the same collections."""

# ruff: noqa: D102 (the names say what is promised)
from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

import pytest
from bson import ObjectId
from bson.datetime_ms import DatetimeMS

from ...errors import FolderTaken, NameTaken, NotFound
from ...models import ClaudeSession, Event, LineageCause, Milestone, MilestoneStatus, ProjectOptions, ProjectStatus
from ...store.base import Store
from .values import add_milestone, add_project, moment

PENDING, IN_PROGRESS = MilestoneStatus.PENDING, MilestoneStatus.IN_PROGRESS


class SharedCollections(Protocol):
    """The shared collections as wxcode sees them: raw documents, ObjectIds in them."""

    async def insert(self, collection: str, document: Mapping[str, Any]) -> None:
        """Insert a document."""

    async def load(self, collection: str, identifier: str) -> dict[str, Any]:
        """Return a document."""
        ...

    async def replace(self, collection: str, identifier: str, document: Mapping[str, Any]) -> None:
        """Replace a whole document, as wxcode's object mapper does."""

    async def delete(self, collection: str, identifier: str) -> None:
        """Delete a document."""


def project_document(**fields: Any) -> dict[str, Any]:
    """Return an output project as wxcode writes it, with fields that this project does not know."""
    return {
        "_id": ObjectId(),
        "kb_id": ObjectId(),
        "name": "legacy",
        "stack_id": "fastapi-htmx",
        "configuration_id": None,
        "workspace_path": "/projects/legacy",
        "status": "active",
        "claude_session_id": None,
        "connections": [{"host": "db", "port": 5432}],
        "created_at": moment(0),
        "updated_at": moment(1),
        "revision_id": "r1",
        "extra": {"$odd": [1, {"a.b": 2}]},
        **fields,
    }


def milestone_document(project: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a milestone as wxcode writes it."""
    return {
        "_id": ObjectId(),
        "output_project_id": project["_id"],
        "element_id": ObjectId(),
        "element_name": "PAGE_Login",
        "status": "pending",
        "wxcode_version": None,
        "milestone_folder_name": None,
        "created_at": moment(2),
        "updated_at": moment(2),
        "completed_at": None,
        "score": 7,
        **fields,
    }


class SharedDocumentsConformance:
    """Documents that wxcode wrote are read, and keep what is not ours; ours survive what wxcode does."""

    async def test_our_documents_have_the_fields_that_wxcode_expects(
        self, store: Store, wxcode: SharedCollections
    ) -> None:
        project = await add_project(store)
        milestone = Milestone(store.new_id(), project.id, "login", element_id=store.new_id(), context="text")
        await store.create_milestone(milestone)
        assert milestone.element_id is not None
        assert await wxcode.load("output_projects", project.id) == {
            "_id": ObjectId(project.id),
            "kb_id": None,
            "name": "billing",
            "stack_id": None,
            "configuration_id": None,
            "workspace_path": "/projects/billing",
            "status": "created",
            "claude_session_id": None,
            "connections": [],
            "created_at": project.created_at,
            "updated_at": project.updated_at,
        }
        assert await wxcode.load("milestones", milestone.id) == {
            "_id": ObjectId(milestone.id),
            "output_project_id": ObjectId(project.id),
            "element_id": ObjectId(milestone.element_id),
            "element_name": "login",
            "status": "pending",
            "wxcode_version": None,
            "milestone_folder_name": None,
            "created_at": milestone.created_at,
            "updated_at": milestone.updated_at,
            "completed_at": None,
        }

    async def test_every_write_keeps_foreign_fields(self, store: Store, wxcode: SharedCollections) -> None:
        raw = project_document()
        identifier = str(raw["_id"])
        await wxcode.insert("output_projects", raw)
        await store.update_project(identifier, {"name": "renamed", "status": ProjectStatus.INITIALIZED})
        await store.set_options(identifier, ProjectOptions(model="opus"))
        assert await store.set_first_session_id(identifier, "a")
        assert await store.replace_session_id(identifier, "a", "b")
        await store.append_lineage(ClaudeSession(identifier, "b", LineageCause.ADOPTED))
        await store.append_event(Event(identifier, "e", {}))
        stored = await wxcode.load("output_projects", identifier)
        changed = {"name": "renamed", "status": "initialized", "claude_session_id": "b"}
        assert stored == raw | changed | {"updated_at": stored["updated_at"]}
        assert list(stored) == list(raw)
        assert await store.get_options(identifier) == ProjectOptions(model="opus")

        milestone = milestone_document(raw)
        await wxcode.insert("milestones", milestone)
        milestone_id = str(milestone["_id"])
        await store.update_milestone(milestone_id, {"context": "text", "wxcode_version": "2"})
        await store.move_milestone(milestone_id, [PENDING], MilestoneStatus.FAILED)
        stored = await wxcode.load("milestones", milestone_id)
        changed = {"wxcode_version": "2", "status": "failed"}
        assert stored == milestone | changed | {"updated_at": stored["updated_at"]}

    async def test_documents_that_lack_fields_are_read(self, store: Store, wxcode: SharedCollections) -> None:
        project = {"_id": ObjectId(), "name": "bare", "workspace_path": "/projects/bare"}
        milestone = {"_id": ObjectId(), "output_project_id": project["_id"], "element_name": "m"}
        await wxcode.insert("output_projects", project)
        await wxcode.insert("milestones", milestone)
        read = await store.get_project(str(project["_id"]))
        assert (read.name, read.status, read.claude_session_id) == ("bare", ProjectStatus.CREATED, None)
        assert read == await store.get_project(str(project["_id"]))
        assert abs(read.created_at - ObjectId(read.id).generation_time) < timedelta(seconds=1)
        assert (await store.list_projects()).items == (read,)
        assert await store.find_project(name="bare") == read
        assert await store.get_options(read.id) == ProjectOptions()
        assert await store.load_lineage(read.id) == ()
        assert await store.set_first_session_id(read.id, "first") is True
        assert await store.set_first_session_id(read.id, "second") is False

        assert (await store.get_milestone(str(milestone["_id"]))).status is PENDING
        assert (await store.list_milestones(status=PENDING)).total == 1
        moved = await store.move_milestone(str(milestone["_id"]), [PENDING], IN_PROGRESS)
        assert moved is not None
        assert moved.status is IN_PROGRESS

    async def test_null_fields_and_an_unknown_status_are_read(self, store: Store, wxcode: SharedCollections) -> None:
        raw = project_document(status="archived", created_at=None, updated_at=None, kb_id=None, connections=None)
        await wxcode.insert("output_projects", raw)
        (read,) = (await store.list_projects()).items
        assert (read.status, read.kb_id) == (ProjectStatus.CREATED, None)
        assert (await wxcode.load("output_projects", read.id))["status"] == "archived"

    @pytest.mark.parametrize("foreign", ["2026-01-01", 1.5, float("nan"), ["x"], {"a": 1}, True, 2**62, b"x"])
    async def test_a_field_that_is_none_of_its_kind_has_its_default(
        self, store: Store, wxcode: SharedCollections, foreign: Any
    ) -> None:
        times = {"created_at": foreign, "updated_at": foreign}
        raw = project_document(status=foreign, configuration_id=foreign, stack_id=foreign, **times)
        milestone = milestone_document(
            raw, status=foreign, completed_at=foreign, element_name=foreign, milestone_folder_name=foreign, **times
        )
        await wxcode.insert("output_projects", raw)
        await wxcode.insert("milestones", milestone)
        (read,) = (await store.list_projects()).items
        assert read == await store.get_project(str(raw["_id"]))
        assert (read.name, read.status) == ("legacy", ProjectStatus.CREATED)
        (listed,) = (await store.list_milestones()).items
        assert listed == await store.get_milestone(str(milestone["_id"]))
        assert (listed.output_project_id, listed.status) == (str(raw["_id"]), PENDING)
        assert all(value.created_at.tzinfo is not None for value in (read, listed))
        assert await wxcode.load("output_projects", str(raw["_id"])) is not None

    async def test_a_time_that_no_datetime_can_hold_is_none(self, store: Store, wxcode: SharedCollections) -> None:
        far = DatetimeMS(2**60)
        raw = project_document(created_at=far, updated_at=far)
        await wxcode.insert("output_projects", raw)
        await wxcode.insert("milestones", milestone_document(raw, completed_at=far))
        (read,) = (await store.list_projects()).items
        assert read.created_at == ObjectId(read.id).generation_time
        assert (await store.list_milestones()).items[0].completed_at is None

    @pytest.mark.parametrize("nothing", ["", ["a"], [""], {"a": "b"}, 7, True])
    async def test_a_conversation_id_that_is_none_counts_as_null(
        self, store: Store, wxcode: SharedCollections, nothing: Any
    ) -> None:
        raw = project_document(claude_session_id=nothing)
        await wxcode.insert("output_projects", raw)
        identifier = str(raw["_id"])
        assert (await store.get_project(identifier)).claude_session_id is None
        assert (await store.list_projects()).items[0].claude_session_id is None
        assert await store.set_first_session_id(identifier, "first") is True
        assert await store.set_first_session_id(identifier, "second") is False
        assert (await store.get_project(identifier)).claude_session_id == "first"

    async def test_milestone_without_a_status_is_pending_and_can_be_deleted(
        self, store: Store, wxcode: SharedCollections
    ) -> None:
        project = project_document()
        milestone = milestone_document(project)
        del milestone["status"]
        await wxcode.insert("output_projects", project)
        await wxcode.insert("milestones", milestone)
        assert await store.delete_milestone(str(milestone["_id"])) is True

    async def test_names_and_folders_of_wxcode_are_taken(self, store: Store, wxcode: SharedCollections) -> None:
        raw = project_document()
        await wxcode.insert("output_projects", raw)
        with pytest.raises(NameTaken) as name_taken:
            await add_project(store, "legacy", "/elsewhere")
        with pytest.raises(FolderTaken) as folder_taken:
            await add_project(store, "other", "/projects/legacy")
        assert name_taken.value.project_id == folder_taken.value.project_id == str(raw["_id"])
        project = await add_project(store, "other", "/elsewhere")
        with pytest.raises(NameTaken):
            await store.update_project(project.id, {"name": "legacy"})

    async def test_duplicates_that_wxcode_made_are_all_listed(self, store: Store, wxcode: SharedCollections) -> None:
        later, earlier = project_document(created_at=moment(9)), project_document(created_at=moment(3))
        await wxcode.insert("output_projects", later)
        await wxcode.insert("output_projects", earlier)
        assert (await store.list_projects()).total == 2
        found = await store.find_project(name="legacy")
        assert found is not None
        assert found.id == str(earlier["_id"])

    async def test_what_is_ours_survives_replaced_documents(self, store: Store, wxcode: SharedCollections) -> None:
        project = await add_project(store, "billing")
        milestone = await add_milestone(store, project, context="text")
        await store.set_options(project.id, ProjectOptions(trust=True))
        await store.append_lineage(ClaudeSession(project.id, "a", LineageCause.NEW))
        event = await store.append_event(Event(project.id, "e", {}), key="k")
        raw = project_document(_id=ObjectId(project.id), name="billing", workspace_path="/projects/billing")
        await wxcode.replace("output_projects", project.id, raw)
        await wxcode.replace("milestones", milestone.id, milestone_document(raw, _id=ObjectId(milestone.id)))
        assert (await store.get_milestone(milestone.id)).context == "text"
        assert await store.get_options(project.id) == ProjectOptions(trust=True)
        assert [entry.claude_session_id for entry in await store.load_lineage(project.id)] == ["a"]
        assert await store.append_event(Event(project.id, "e", {}), key="k") == event
        with pytest.raises(NameTaken):
            await add_project(store, "billing", "/elsewhere")

    async def test_project_renamed_by_wxcode_frees_its_old_name(self, store: Store, wxcode: SharedCollections) -> None:
        project = await add_project(store, "billing")
        raw = await wxcode.load("output_projects", project.id)
        await wxcode.replace("output_projects", project.id, raw | {"name": "renamed"})
        with pytest.raises(NameTaken):
            await add_project(store, "renamed", "/elsewhere")
        await add_project(store, "billing", "/elsewhere")
        assert (await store.get_project(project.id)).name == "renamed"

    async def test_project_deleted_by_wxcode_frees_name_and_folder(
        self, store: Store, wxcode: SharedCollections
    ) -> None:
        project = await add_project(store, "billing", "/projects/billing")
        await store.append_event(Event(project.id, "e", {}))
        await wxcode.delete("output_projects", project.id)
        with pytest.raises(NotFound):
            await store.load_events(project.id)
        await add_project(store, "other", "/projects/billing")
        await add_project(store, "billing", "/elsewhere")

    async def test_project_of_wxcode_is_deleted_with_its_milestones(
        self, store: Store, wxcode: SharedCollections
    ) -> None:
        raw = project_document()
        await wxcode.insert("output_projects", raw)
        await wxcode.insert("milestones", milestone_document(raw))
        await store.delete_project(str(raw["_id"]))
        assert ((await store.list_projects()).total, (await store.list_milestones()).total) == (0, 0)
        await add_project(store, "legacy", "/projects/legacy")
