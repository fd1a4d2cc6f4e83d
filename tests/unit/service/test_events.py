"""Events are stored first; who follows them misses none and gets none twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from wxcode_jupyter.errors import StoreUnavailable
from wxcode_jupyter.models import Event, OutputProject, ProjectOptions
from wxcode_jupyter.service.events import EventLog
from wxcode_jupyter.service.outbox import Outbox
from wxcode_jupyter.store.base import Store


async def take(following: AsyncIterator[Event], count: int) -> list[str]:
    return [(await anext(following)).type for _ in range(count)]


async def test_a_follower_gets_the_old_ones_and_then_the_new(events: EventLog, project: OutputProject) -> None:
    await events.store_now(project.id, "one", {})
    await events.store_now(project.id, "two", {})
    async with aclosing(events.follow(project.id)) as following:
        assert await take(following, 2) == ["one", "two"]
        waiting = asyncio.create_task(take(following, 2))
        await events.store_now(project.id, "three", {})
        await events.store_now(project.id, "four", {})
        assert await waiting == ["three", "four"]


async def test_it_may_begin_where_it_stopped(events: EventLog, project: OutputProject) -> None:
    for number in range(5):
        await events.store_now(project.id, str(number), {})
    third = (await events.load(project.id))[2]
    async with aclosing(events.follow(project.id, after=third.seq)) as following:
        assert await take(following, 2) == ["3", "4"]
    assert [event.type for event in await events.load(project.id, after=third.seq, limit=1)] == ["3"]


async def test_many_followers_at_their_own_pace(events: EventLog, project: OutputProject) -> None:
    async with aclosing(events.follow(project.id)) as slow, aclosing(events.follow(project.id)) as quick:
        reading = asyncio.create_task(take(quick, 1200))
        started = asyncio.create_task(take(slow, 1))
        for number in range(1200):  # more than one page
            await events.store_now(project.id, str(number), {})
        expected = [str(number) for number in range(1200)]
        assert await reading == expected
        assert [*await started, *await take(slow, 1199)] == expected


async def test_another_projects_events_are_not_its_own(events: EventLog, project: OutputProject, store: Store) -> None:
    other = replace(project, id=store.new_id(), name="other", workspace_path="/other")
    await store.create_project(other, ProjectOptions())
    async with aclosing(events.follow(project.id)) as following:
        waiting = asyncio.create_task(take(following, 1))
        await events.store_now(other.id, "theirs", {})
        await events.store_now(project.id, "ours", {})
        assert await waiting == ["ours"]


async def test_a_key_stands_for_one_event(events: EventLog, project: OutputProject) -> None:
    for _ in range(3):
        await events.store_now(project.id, "once", {}, key="k")
    assert len(await events.load(project.id)) == 1


async def test_an_emitted_event_keeps_what_it_was_and_when(events: EventLog, project: OutputProject) -> None:
    outbox, data, at = Outbox(), {"value": 1}, datetime(2026, 1, 2, tzinfo=UTC)
    events.emit(outbox, project.id, "one", data, at=at)
    data["value"] = 2
    await outbox.flush()
    (event,) = await events.load(project.id)
    assert (dict(event.data), event.created_at) == ({"value": 1}, at)


async def test_emitted_while_the_answers_get_lost_it_comes_once(
    events: EventLog, project: OutputProject, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wxcode_jupyter.service.outbox._BACK_OFF_S", (0.0,))
    append, lost = store.append_event, list[Event]()

    async def append_and_lose_the_answer(event: Event, *, key: str | None = None) -> Event:
        stored = await append(event, key=key)
        if len(lost) < 3:
            lost.append(stored)
            raise StoreUnavailable("The answer was lost.", url="x")
        return stored

    monkeypatch.setattr(store, "append_event", append_and_lose_the_answer)
    outbox = Outbox()
    events.emit(outbox, project.id, "one", {})
    events.emit(outbox, project.id, "one", {})
    await outbox.flush()
    assert [event.type for event in await events.load(project.id)] == ["one", "one"]
