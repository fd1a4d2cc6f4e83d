"""Which conversation is the project's: the lineage decides, and repairs the field that others may overwrite."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from wxcode_jupyter.errors import NotFound, StoreConflict
from wxcode_jupyter.models import LineageCause, OutputProject, ProjectOptions
from wxcode_jupyter.service.lineage import Lineage, cause_of
from wxcode_jupyter.store.base import Store


@pytest.fixture
def lineage(store: Store, project: OutputProject) -> Lineage:
    return Lineage(store, project.id)


async def field(store: Store, project: OutputProject) -> str | None:
    return (await store.get_project(project.id)).claude_session_id


async def entries(store: Store, project: OutputProject) -> list[tuple[str, str, str | None]]:
    loaded = await store.load_lineage(project.id)
    return [(entry.claude_session_id, entry.cause.value, entry.predecessor) for entry in loaded]


async def test_before_the_first_there_is_none(lineage: Lineage) -> None:
    assert await lineage.current() is None


async def test_the_first_id(store: Store, project: OutputProject, lineage: Lineage) -> None:
    assert await lineage.follow("a", LineageCause.NEW) is True
    assert await entries(store, project) == [("a", "new", None)]
    assert await field(store, project) == "a"
    current = await lineage.current()
    assert current is not None
    assert (current.claude_session_id, current.born) == ("a", False)


async def test_the_same_id_again_changes_nothing(store: Store, project: OutputProject, lineage: Lineage) -> None:
    await lineage.follow("a", LineageCause.NEW)
    assert await lineage.follow("a", LineageCause.RESUMED) is False
    assert await entries(store, project) == [("a", "new", None)]


async def test_clear_and_back_to_the_older_one(store: Store, project: OutputProject, lineage: Lineage) -> None:
    await lineage.follow("a", LineageCause.NEW)
    await store.mark_born(project.id, "a", "/t/a.jsonl")
    assert await lineage.follow("b", LineageCause.CLEAR) is True
    assert await field(store, project) == "b"
    assert await lineage.follow("a", LineageCause.RESUMED) is True
    assert await entries(store, project) == [("a", "new", None), ("b", "clear", "a"), ("a", "resumed", "b")]
    assert await field(store, project) == "a"
    current = await lineage.current()
    assert current is not None
    assert (current.claude_session_id, current.born, current.transcript_path) == ("a", True, "/t/a.jsonl")


@pytest.mark.parametrize("repair", ["current", "follow"])
async def test_what_wxcode_wrote_over_it_is_repaired(
    store: Store, project: OutputProject, lineage: Lineage, repair: str
) -> None:
    await lineage.follow("a", LineageCause.NEW)
    assert await store.replace_session_id(project.id, "a", "written by wxcode")
    if repair == "current":
        current = await lineage.current()
        assert current is not None
        assert current.claude_session_id == "a"
    else:
        assert await lineage.follow("a", LineageCause.RESUMED) is False
    assert await field(store, project) == "a"
    assert await entries(store, project) == [("a", "new", None)]


async def test_a_later_id_replaces_what_wxcode_wrote(store: Store, project: OutputProject, lineage: Lineage) -> None:
    await lineage.follow("a", LineageCause.NEW)
    await store.replace_session_id(project.id, "a", "written by wxcode")
    assert await lineage.follow("b", LineageCause.CLEAR) is True
    assert await field(store, project) == "b"


async def add_with_id(store: Store, project: OutputProject, claude_session_id: str) -> OutputProject:
    other = replace(project, id=store.new_id(), name="other", workspace_path="/w", claude_session_id=claude_session_id)
    await store.create_project(other, ProjectOptions())
    return other


async def test_an_id_that_wxcode_wrote_is_adopted_and_can_be_resumed(store: Store, project: OutputProject) -> None:
    other = await add_with_id(store, project, "theirs")
    for _ in range(2):
        current = await Lineage(store, other.id).current()
        assert current is not None
        assert (current.claude_session_id, current.cause, current.born) == ("theirs", LineageCause.ADOPTED, True)
    assert await entries(store, other) == [("theirs", "adopted", None)]


async def test_another_first_id_is_a_conflict(store: Store, project: OutputProject) -> None:
    other = await add_with_id(store, project, "theirs")
    with pytest.raises(StoreConflict):
        await Lineage(store, other.id).follow("ours", LineageCause.NEW)
    assert await entries(store, other) == []
    assert await field(store, other) == "theirs"


async def test_a_first_id_that_was_only_half_recorded_is_completed(store: Store, project: OutputProject) -> None:
    other = await add_with_id(store, project, "ours")
    assert await Lineage(store, other.id).follow("ours", LineageCause.NEW) is True
    assert await entries(store, other) == [("ours", "new", None)]


async def test_of_many_first_ids_one_wins(store: Store, project: OutputProject) -> None:
    results = await asyncio.gather(
        *(Lineage(store, project.id).follow(f"id {number}", LineageCause.NEW) for number in range(10)),
        return_exceptions=True,
    )
    winners = [number for number, result in enumerate(results) if result is True]
    assert await field(store, project) == f"id {winners[0]}"
    assert all(result is True or isinstance(result, StoreConflict) for result in results)


async def test_of_an_unknown_project(store: Store) -> None:
    with pytest.raises(NotFound):
        await Lineage(store, store.new_id()).current()


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("clear", LineageCause.CLEAR),
        ("resume", LineageCause.RESUMED),
        ("startup", LineageCause.RESTART),
        ("compact", LineageCause.RESTART),
    ],
)
def test_why_the_cli_changed_it(source: str, cause: LineageCause) -> None:
    assert cause_of(source) is cause
