"""Of any number of callers, in any number of threads and processes, exactly one wins: on both backends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.races import Attempt, Race, create_folder, create_name, replace, set_first
from wxcode_jupyter.models import OutputProject, ProjectOptions
from wxcode_jupyter.store import Store, open_store

ROUNDS = 1000
CREATIONS = 100


@pytest.fixture(params=["sqlite", pytest.param("mongodb", marks=pytest.mark.mongod)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite://{tmp_path}/wxcode.sqlite3"
    return str(request.getfixturevalue("mongo_url"))


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    store = open_store(store_url, "")
    await store.open()
    yield store
    await store.close()


async def stored_ids(store: Store) -> dict[str, str | None]:
    return {project.id: project.claude_session_id for project in (await store.list_projects(limit=ROUNDS)).items}


@pytest.mark.timeout(180)
async def test_one_winner_per_conversation_id(store: Store, store_url: str) -> None:
    projects = [OutputProject(store.new_id(), str(number), f"/projects/{number}") for number in range(ROUNDS)]
    for project in projects:
        await store.create_project(project, ProjectOptions())

    first = Race(store_url, set_first, [project.id for project in projects]).run()
    assert first.winners_per_target == {1: ROUNDS}
    assert len(first.winning_processes) > 1
    ids = await stored_ids(store)
    assert ids == {target: f"first-{racer}" for target, (racer,) in first.winners.items()}

    later = Race(store_url, replace, [f"{project_id} {old}" for project_id, old in ids.items()]).run()
    assert later.winners_per_target == {1: ROUNDS}
    assert len(later.winning_processes) > 1
    assert await stored_ids(store) == {
        target.split()[0]: f"later-{racer}" for target, (racer,) in later.winners.items()
    }


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("attempt", "prefix"), [(create_name, "name-"), (create_folder, "/projects/folder-")])
async def test_one_winner_per_name_and_folder(store: Store, store_url: str, attempt: Attempt, prefix: str) -> None:
    targets = [f"{prefix}{number}" for number in range(CREATIONS)]
    outcome = Race(store_url, attempt, targets, batch_size=5).run()
    assert outcome.winners_per_target == {1: CREATIONS}
    assert (await store.list_projects()).total == CREATIONS
