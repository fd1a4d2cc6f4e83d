"""Processes that die between two writes leave no name or folder taken, and nothing half deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from wxcode_jupyter.errors import FolderTaken, NameTaken, NotFound
from wxcode_jupyter.models import Event, Milestone, OutputProject, ProjectOptions, now
from wxcode_jupyter.store import mongo_reservations as reservations
from wxcode_jupyter.store.mongo import MongoStore
from wxcode_jupyter.store.mongo_reservations import ABANDONED_AFTER_S

pytestmark = pytest.mark.mongod

Database = AsyncDatabase[dict[str, Any]]
LONG_AGO = timedelta(seconds=ABANDONED_AFTER_S + 1)
BILLING = {"name": "billing", "path": "/projects/billing"}


@pytest.fixture
async def store(mongo_url: str) -> AsyncIterator[MongoStore]:
    store = MongoStore(mongo_url)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def db(mongo_url: str) -> AsyncIterator[Database]:
    async with AsyncMongoClient[dict[str, Any]](mongo_url, tz_aware=True) as client:
        yield client.get_default_database()


async def add_project(store: MongoStore, name: str = "billing", folder: str = "/projects/billing") -> OutputProject:
    project = OutputProject(store.new_id(), name, folder)
    await store.create_project(project, ProjectOptions())
    return project


async def age(db: Database, project_id: ObjectId) -> None:
    """Let the time pass after which a pending reservation counts as abandoned."""
    await db.wx_projects.update_one({"_id": project_id}, {"$set": {"pending_since": now() - LONG_AGO}})


async def test_creation_that_died_before_the_insertion_is_abandoned_after_a_while(
    store: MongoStore, db: Database
) -> None:
    dead = ObjectId()
    await reservations.claim(db, dead, BILLING)
    with pytest.raises(NameTaken):
        await add_project(store)
    with pytest.raises(FolderTaken):
        await add_project(store, "other")
    await age(db, dead)
    await add_project(store)
    assert await reservations.confirm(db, dead, BILLING) is False


async def test_creation_that_died_before_its_confirmation_is_done(store: MongoStore, db: Database) -> None:
    project = await add_project(store)
    await age(db, ObjectId(project.id))
    with pytest.raises(NameTaken):
        await add_project(store, folder="/elsewhere")
    with pytest.raises(FolderTaken):
        await add_project(store, "other")
    await store.create_project(project, ProjectOptions())
    stored = await db.wx_projects.find_one({"_id": ObjectId(project.id)})
    assert stored is not None
    assert "pending_since" not in stored


async def test_creation_that_lost_its_reservation_is_undone(
    store: MongoStore, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = reservations.claim

    async def claim_and_pause(*arguments: Any) -> None:
        """Stand still after the claim for longer than a reservation is kept, while another one comes."""
        monkeypatch.undo()
        await claim(*arguments)
        await age(db, arguments[1])
        await add_project(store, folder="/elsewhere")

    monkeypatch.setattr(reservations, "claim", claim_and_pause)
    with pytest.raises(NameTaken):
        await add_project(store)
    assert [project.workspace_path for project in (await store.list_projects()).items] == ["/elsewhere"]


async def test_renaming_that_died_keeps_the_old_name_and_gives_the_new_one_back(
    store: MongoStore, db: Database
) -> None:
    project = await add_project(store, "billing")
    await reservations.claim(db, ObjectId(project.id), {"name": "invoices"})
    with pytest.raises(NameTaken):
        await add_project(store, "invoices", "/elsewhere")
    with pytest.raises(NameTaken):
        await add_project(store, "billing", "/elsewhere")
    await age(db, ObjectId(project.id))
    await add_project(store, "invoices", "/elsewhere")
    with pytest.raises(NameTaken):
        await add_project(store, "billing", "/third")


@pytest.mark.parametrize("finished_by", ["repetition", "opening", "creation"])
async def test_deletion_that_died_is_finished(
    store: MongoStore, db: Database, mongo_url: str, finished_by: str
) -> None:
    project = await add_project(store)
    await store.create_milestone(Milestone(store.new_id(), project.id, "login", context="text"))
    await store.append_event(Event(project.id, "e", {}))
    key = {"_id": ObjectId(project.id)}
    await db.wx_projects.update_one(key, {"$set": {"deleting": True}})
    await db.output_projects.delete_one(key)

    if finished_by == "repetition":
        await store.delete_project(project.id)
    elif finished_by == "opening":
        another = MongoStore(mongo_url)
        await another.open()
        await another.close()
    else:
        await add_project(store)
        await store.delete_project((await store.list_projects()).items[0].id)
    for collection in await db.list_collection_names():
        assert await db[collection].count_documents({}) == 0, collection
    with pytest.raises(NotFound):
        await store.delete_project(project.id)
