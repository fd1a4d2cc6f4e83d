"""The conversation id and its lineage."""

# ruff: noqa: D102 (the names say what is promised)
from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from ...errors import InvalidBody, NotFound
from ...models import ClaudeSession, LineageCause, OutputProject, ProjectOptions
from ...store.base import Store
from .values import HOSTILE_TEXTS, OpenAnother, add_project, moment, session_id


class LineagePromises:
    """An id is set once and replaced by compare-and-set; the lineage has them all."""

    async def test_first_id_is_set_once(self, store: Store) -> None:
        project = await add_project(store)
        assert await store.set_first_session_id(project.id, "first") is True
        assert await store.set_first_session_id(project.id, "second") is False
        stored = await store.get_project(project.id)
        assert stored.claude_session_id == "first"
        assert stored.updated_at >= project.updated_at

    async def test_first_id_of_a_project_created_with_one_is_set_already(self, store: Store) -> None:
        project = OutputProject(store.new_id(), "billing", "/projects/billing", claude_session_id="mine")
        await store.create_project(project, ProjectOptions())
        assert await store.set_first_session_id(project.id, "other") is False
        assert await store.get_project(project.id) == project

    async def test_replacing_compares_first(self, store: Store) -> None:
        project = await add_project(store)
        assert await store.replace_session_id(project.id, "first", "second") is False
        await store.set_first_session_id(project.id, "first")
        assert await store.replace_session_id(project.id, "other", "second") is False
        assert (await store.get_project(project.id)).claude_session_id == "first"
        assert await store.replace_session_id(project.id, "first", "second") is True
        assert (await store.get_project(project.id)).claude_session_id == "second"
        assert await store.replace_session_id(project.id, "first", "third") is False

    async def test_one_of_many_wins(self, store: Store, open_another: OpenAnother) -> None:
        project = await add_project(store)
        stores = [store, await open_another(), await open_another()]
        first = [session_id() for _ in range(12)]
        won = await asyncio.gather(
            *(stores[i % 3].set_first_session_id(project.id, each) for i, each in enumerate(first))
        )
        assert won.count(True) == 1
        current = first[won.index(True)]
        assert (await store.get_project(project.id)).claude_session_id == current
        later = [session_id() for _ in range(12)]
        won = await asyncio.gather(
            *(stores[i % 3].replace_session_id(project.id, current, each) for i, each in enumerate(later))
        )
        assert won.count(True) == 1
        assert (await store.get_project(project.id)).claude_session_id == later[won.index(True)]

    @pytest.mark.parametrize("value", [None, {"$ne": None}, 7, "\udfff"])
    async def test_lineage_what_is_no_text_is_refused(self, store: Store, value: Any) -> None:
        project = await add_project(store)
        for call in (
            store.set_first_session_id(project.id, value),
            store.replace_session_id(project.id, value, "x"),
            store.replace_session_id(project.id, "x", value),
        ):
            with pytest.raises(InvalidBody):
                await call
        assert (await store.get_project(project.id)).claude_session_id is None

    async def test_lineage_unknown_project(self, store: Store) -> None:
        unknown = store.new_id()
        for call in (
            store.set_first_session_id(unknown, "x"),
            store.replace_session_id(unknown, "x", "y"),
            store.append_lineage(ClaudeSession(unknown, "x", LineageCause.NEW)),
            store.mark_born(unknown, "x", None),
            store.load_lineage(unknown),
        ):
            with pytest.raises(NotFound):
                await call

    async def test_lineage_is_in_order(self, store: Store) -> None:
        project, other = await add_project(store), await add_project(store, "other")
        assert await store.load_lineage(project.id) == ()
        entries = [
            ClaudeSession(project.id, "a", LineageCause.NEW, created_at=moment(2)),
            ClaudeSession(project.id, "b", LineageCause.CLEAR, "a", True, "/t/b.jsonl", created_at=moment(1)),
        ]
        stored = [await store.append_lineage(entry) for entry in entries]
        await store.append_lineage(ClaudeSession(other.id, "a", LineageCause.NEW))
        assert stored == [replace(entry, seq=each.seq) for entry, each in zip(entries, stored, strict=True)]
        assert 0 < stored[0].seq < stored[1].seq
        assert await store.load_lineage(project.id) == tuple(stored)

    async def test_newest_id_appended_again_keeps_its_entry(self, store: Store) -> None:
        project = await add_project(store)
        entry = await store.append_lineage(ClaudeSession(project.id, "a", LineageCause.NEW))
        again = await store.append_lineage(ClaudeSession(project.id, "a", LineageCause.RESTART, "b", True))
        assert again == entry
        assert await store.load_lineage(project.id) == (entry,)

    async def test_older_id_comes_again_and_is_born_as_before(self, store: Store) -> None:
        project = await add_project(store)
        await store.append_lineage(ClaudeSession(project.id, "a", LineageCause.NEW))
        await store.append_lineage(ClaudeSession(project.id, "b", LineageCause.CLEAR, "a"))
        await store.mark_born(project.id, "a", "/t/a.jsonl")
        again = await store.append_lineage(ClaudeSession(project.id, "a", LineageCause.RESUMED, "b"))
        assert (again.born, again.transcript_path) == (True, "/t/a.jsonl")
        lineage = await store.load_lineage(project.id)
        assert [entry.claude_session_id for entry in lineage] == ["a", "b", "a"]
        assert lineage[-1] == again
        unborn = await store.append_lineage(ClaudeSession(project.id, "b", LineageCause.RESUMED, "a"))
        assert unborn.born is False

    async def test_appended_at_once_each_id_has_one_entry(self, store: Store, open_another: OpenAnother) -> None:
        project = await add_project(store)
        stores = [store, await open_another()]
        entry = ClaudeSession(project.id, "a", LineageCause.NEW)
        stored = await asyncio.gather(*(stores[i % 2].append_lineage(entry) for i in range(10)))
        assert await store.load_lineage(project.id) == (stored[0],)
        assert set(stored) == {stored[0]}

    async def test_birth(self, store: Store) -> None:
        project = await add_project(store)
        entry = await store.append_lineage(ClaudeSession(project.id, "a", LineageCause.NEW))
        await store.mark_born(project.id, "a", "/t/a.jsonl")
        await store.mark_born(project.id, "a", None)
        assert await store.load_lineage(project.id) == (replace(entry, born=True, transcript_path="/t/a.jsonl"),)
        with pytest.raises(NotFound):
            await store.mark_born(project.id, "b", None)

    async def test_lineage_text_is_data(self, store: Store) -> None:
        project = await add_project(store)
        current = None
        for text in HOSTILE_TEXTS:
            won = await (
                store.set_first_session_id(project.id, text)
                if current is None
                else store.replace_session_id(project.id, current, text)
            )
            assert won
            await store.append_lineage(ClaudeSession(project.id, text, LineageCause.CLEAR, current))
            await store.mark_born(project.id, text, text)
            current = text
        lineage = await store.load_lineage(project.id)
        assert [entry.claude_session_id for entry in lineage] == list(HOSTILE_TEXTS)
        assert [entry.transcript_path for entry in lineage] == list(HOSTILE_TEXTS)

    async def test_an_empty_id_is_none(self, store: Store) -> None:
        project = OutputProject(store.new_id(), "billing", "/projects/billing", claude_session_id="")
        await store.create_project(project, ProjectOptions())
        assert (await store.get_project(project.id)).claude_session_id is None
        assert await store.set_first_session_id(project.id, "first") is True
