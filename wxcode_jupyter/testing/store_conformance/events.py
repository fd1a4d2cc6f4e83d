"""Events: appended in order, read on from where one was."""

# ruff: noqa: D102 (the names say what is promised)
from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from ...errors import InvalidBody, NotFound
from ...models import Event
from ...store.base import Store
from .values import HOSTILE_TEXTS, OpenAnother, add_project, moment


class EventPromises:
    """An event is appended after all that were there, and nobody who reads on misses one."""

    async def test_events_come_back_in_order(self, store: Store) -> None:
        project, other = await add_project(store), await add_project(store, "other")
        assert await store.load_events(project.id) == ()
        events = [Event(project.id, "turn", {"number": i}, created_at=moment(-i)) for i in range(4)]
        stored = []
        for event in events:
            stored.append(await store.append_event(event))
            await store.append_event(Event(other.id, "noise", {}))
        assert stored == [replace(event, seq=each.seq) for event, each in zip(events, stored, strict=True)]
        assert await store.load_events(project.id) == tuple(stored)
        seqs = [event.seq for event in stored]
        assert seqs == sorted(set(seqs))
        assert seqs[0] > 0

    async def test_reading_on(self, store: Store) -> None:
        project = await add_project(store)
        stored = [await store.append_event(Event(project.id, "e", {"i": i})) for i in range(5)]
        assert await store.load_events(project.id, after=stored[1].seq) == tuple(stored[2:])
        assert await store.load_events(project.id, after=stored[1].seq, limit=2) == tuple(stored[2:4])
        assert await store.load_events(project.id, after=stored[-1].seq) == ()
        assert await store.load_events(project.id, after=2**62) == ()
        assert await store.load_events(project.id, limit=0) == ()
        with pytest.raises(InvalidBody):
            await store.load_events(project.id, after=-1)

    async def test_key_makes_it_idempotent_within_the_project(self, store: Store) -> None:
        project, other = await add_project(store), await add_project(store, "other")
        first = await store.append_event(Event(project.id, "e", {"try": 1}), key="k")
        assert await store.append_event(Event(project.id, "f", {"try": 2}), key="k") == first
        later = await store.append_event(Event(project.id, "e", {}), key="l")
        foreign = await store.append_event(Event(other.id, "e", {}), key="k")
        assert await store.load_events(project.id) == (first, later)
        assert await store.load_events(other.id) == (foreign,)

    async def test_same_event_without_a_key_is_appended_again(self, store: Store) -> None:
        project = await add_project(store)
        event = Event(project.id, "e", {})
        first, second = await store.append_event(event), await store.append_event(event)
        assert second.seq > first.seq

    async def test_same_key_at_once_is_stored_once(self, store: Store, open_another: OpenAnother) -> None:
        project = await add_project(store)
        stores = [store, await open_another(), await open_another()]
        stored = await asyncio.gather(
            *(stores[i % 3].append_event(Event(project.id, "e", {"i": i}), key="k") for i in range(12))
        )
        assert await store.load_events(project.id) == (stored[0],)
        assert all(event == stored[0] for event in stored)

    async def test_reader_who_reads_on_misses_none(self, store: Store, open_another: OpenAnother) -> None:
        project = await add_project(store)
        stores = [await open_another() for _ in range(3)]
        writers = [asyncio.create_task(stores[i % 3].append_event(Event(project.id, "e", {"i": i}))) for i in range(60)]
        seen: list[Event] = []
        while len(seen) < len(writers):
            seen.extend(await store.load_events(project.id, after=seen[-1].seq if seen else 0))
        assert sorted(event.data["i"] for event in seen) == list(range(60))
        assert {event.seq for event in seen} == {event.seq for event in await asyncio.gather(*writers)}

    @pytest.mark.parametrize(
        "data",
        [
            {},
            {"": ""},
            {"$where": "1", "a.b": {"$gt": [None, True, 1.5, -0.0]}},
            {"\x00": "\x00", "lone": "\ud800", "_id": "x"},
            {"big": 2**80, "small": -(2**63) - 1},
            {"deep": [[[[[[[[[[{"deeper": {}}]]]]]]]]]]},
        ],
    )
    async def test_data_is_any_json(self, store: Store, data: dict[str, Any]) -> None:
        project = await add_project(store)
        stored = await store.append_event(Event(project.id, "e", data))
        assert stored.data == data
        assert await store.load_events(project.id) == (stored,)

    @pytest.mark.parametrize("data", [{"x": object()}, {"x": b"bytes"}, {("a",): 1}])
    async def test_data_that_is_no_json_is_refused(self, store: Store, data: dict[str, Any]) -> None:
        project = await add_project(store)
        with pytest.raises(InvalidBody):
            await store.append_event(Event(project.id, "e", data))
        assert await store.load_events(project.id) == ()

    async def test_the_oldest_are_pruned_and_what_is_gone_is_known(
        self, store: Store, open_another: OpenAnother
    ) -> None:
        project, other = await add_project(store), await add_project(store, "other")
        assert await store.events_pruned(project.id) == 0
        stored = [await store.append_event(Event(project.id, "e", {"i": i}), key=f"k{i}") for i in range(10)]
        foreign = await store.append_event(Event(other.id, "e", {}))

        assert await store.prune_events(project.id, keep=10) == 0
        assert await store.prune_events(project.id, keep=4) == stored[5].seq
        assert await store.prune_events(project.id, keep=7) == stored[5].seq  # nothing comes back

        for view in (store, await open_another()):
            assert await view.events_pruned(project.id) == stored[5].seq
            assert await view.load_events(project.id) == tuple(stored[6:])
            assert await view.load_events(other.id) == (foreign,)
        assert await store.append_event(Event(project.id, "e", {}), key="k7") == stored[7]
        anew = await store.append_event(Event(project.id, "e", {}), key="k0")
        assert anew.seq > stored[-1].seq
        with pytest.raises(NotFound):
            await store.prune_events(store.new_id(), keep=1)
        with pytest.raises(NotFound):
            await store.events_pruned(store.new_id())

    async def test_events_text_is_data(self, store: Store) -> None:
        project = await add_project(store)
        for text in HOSTILE_TEXTS:
            await store.append_event(Event(project.id, text, {text: text}), key=text)
        for text in HOSTILE_TEXTS:
            await store.append_event(Event(project.id, "again", {}), key=text)
        assert [event.type for event in await store.load_events(project.id)] == list(HOSTILE_TEXTS)

    async def test_events_unknown_project(self, store: Store) -> None:
        unknown = store.new_id()
        with pytest.raises(NotFound):
            await store.append_event(Event(unknown, "e", {}))
        with pytest.raises(NotFound):
            await store.load_events(unknown)
