"""A MongoDB that is away, dies, hangs or refuses: clear errors, nothing lost, no password shown."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pymongo
import pytest
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import WriteError

from tests.support.mongod import Mongod
from wxcode_jupyter.errors import StoreError, StoreUnavailable
from wxcode_jupyter.models import Event, Milestone, MilestoneStatus, OutputProject, ProjectOptions
from wxcode_jupyter.store.mongo import MongoStore

pytestmark = [
    pytest.mark.mongod,
    # pymongo 4.20 leaves a socket to the garbage collector when close() cancels a monitor that is just connecting.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]

PASSWORD = "s3cr%74-p%40ss"
UNAVAILABLE_WITHIN_S = 10.0


@pytest.fixture
def own_mongod() -> Iterator[Mongod]:
    """A server that the test may kill."""
    with Mongod() as server:
        yield server


Connect = Callable[[str], MongoStore]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Give stores, not opened, that are closed at the end."""
    async with AsyncExitStack() as stack:

        def connect(url: str) -> MongoStore:
            store = MongoStore(url)
            stack.push_async_callback(store.close)
            return store

        yield connect
    gc.collect()  # what pymongo left is reported here, and not in the next test


def assert_no_password(error: BaseException) -> None:
    shown = "".join(traceback.format_exception(error)) + repr(error)
    for part in (PASSWORD, "s3crt-p@ss", "s3cr"):
        assert part not in shown


async def add_project(store: MongoStore) -> OutputProject:
    project = OutputProject(store.new_id(), "billing", "/projects/billing")
    await store.create_project(project, ProjectOptions())
    return project


async def until_available(store: MongoStore) -> None:
    """Wait until the store answers; each try waits for the server itself."""
    for _ in range(10):
        try:
            return await store.ping()
        except StoreUnavailable:
            continue
    raise AssertionError("the store did not come back")


async def test_absent_at_open(connect: Connect) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        store = connect(f"mongodb://wx:{PASSWORD}@127.0.0.1:{listener.getsockname()[1]}/wxcode")
        started = time.monotonic()
        with pytest.raises(StoreUnavailable) as caught:
            await store.open()
        assert time.monotonic() - started < UNAVAILABLE_WITHIN_S
        assert caught.value.url == store.url == f"mongodb://wx:***@127.0.0.1:{listener.getsockname()[1]}/wxcode"
        assert store.url in str(caught.value)
        assert_no_password(caught.value)
        assert PASSWORD not in repr(store)


async def test_server_that_takes_connections_and_never_answers(connect: Connect) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        store = connect(f"mongodb://127.0.0.1:{listener.getsockname()[1]}")
        started = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await store.open()
        assert time.monotonic() - started < UNAVAILABLE_WITHIN_S


async def test_store_that_was_away_at_open_works_once_it_is_there(own_mongod: Mongod, connect: Connect) -> None:
    own_mongod.kill()
    store = connect(own_mongod.url)
    with pytest.raises(StoreUnavailable):
        await store.open()
    own_mongod.start()
    await until_available(store)
    project = await add_project(store)
    assert await store.get_project(project.id) == project
    with pymongo.MongoClient[dict[str, object]](own_mongod.url) as client:
        assert "name_1" in client.wxcode.wx_projects.index_information()


async def test_wrong_password(connect: Connect) -> None:
    with Mongod(authorization=True) as server:
        with pymongo.MongoClient[dict[str, object]](server.url) as client:
            client.admin.command("createUser", "wx", pwd="right", roles=["root"])
        refused = connect(f"mongodb://wx:{PASSWORD}@{server.location}/?authSource=admin")
        with pytest.raises(StoreUnavailable) as caught:
            await refused.open()
        assert "login" in str(caught.value)
        assert_no_password(caught.value)
        accepted = connect(f"mongodb://wx:right@{server.location}/?authSource=admin")
        await accepted.open()


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://wx:s3cr/t@host/db",
        "mongodb://wx:s3cr@t@host/db",
        "mongodb://wx:s3cr:t@host/db",
        "mongodb://wx:s3cr%@host/db",
        "mongodb://host:s3crt",
        "mongodb://",
    ],
)
async def test_address_that_cannot_be_used(url: str, connect: Connect) -> None:
    store = connect(url)
    with pytest.raises(StoreError) as caught:
        await store.open()
    assert not isinstance(caught.value, StoreUnavailable)
    if "@" in url:
        assert_no_password(caught.value)


async def test_nothing_acknowledged_is_lost_on_sigkill(own_mongod: Mongod, connect: Connect) -> None:
    store = connect(own_mongod.url)
    await store.open()
    project = await add_project(store)
    acknowledged: list[Event] = []
    enough = asyncio.Event()
    killed = False

    async def write(writer: int) -> None:
        while not killed:
            try:
                event = await store.append_event(Event(project.id, "e", {"writer": writer, "n": len(acknowledged)}))
            except StoreUnavailable:
                return
            acknowledged.append(event)
            if len(acknowledged) >= 300:
                enough.set()

    writers = [asyncio.create_task(write(writer)) for writer in range(8)]
    await enough.wait()
    own_mongod.kill()
    killed = True
    own_mongod.start()
    await asyncio.gather(*writers)
    await until_available(store)
    stored = await store.load_events(project.id, limit=1_000_000)
    assert len(acknowledged) >= 300
    assert {event.seq for event in acknowledged} <= {event.seq for event in stored}
    assert [event for event in stored if event in acknowledged] == sorted(acknowledged, key=lambda event: event.seq)


async def test_same_store_works_again_after_sigkill_and_restart(own_mongod: Mongod, connect: Connect) -> None:
    store = connect(own_mongod.url)
    await store.open()
    project = await add_project(store)
    own_mongod.kill()
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await store.set_first_session_id(project.id, "captured")
    assert time.monotonic() - started < UNAVAILABLE_WITHIN_S
    own_mongod.start()
    await until_available(store)
    assert await store.set_first_session_id(project.id, "captured") is True
    assert (await store.get_project(project.id)).claude_session_id == "captured"


async def test_server_that_hangs_is_unavailable_and_then_works_again(own_mongod: Mongod, connect: Connect) -> None:
    store = connect(own_mongod.url)
    await store.open()
    project = await add_project(store)
    own_mongod.pause()
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await store.get_project(project.id)
    assert time.monotonic() - started < UNAVAILABLE_WITHIN_S
    own_mongod.resume()
    await until_available(store)
    assert await store.get_project(project.id) == project


@pytest.mark.parametrize(("code", "kind"), [(189, StoreUnavailable), (10107, StoreUnavailable), (121, StoreError)])
async def test_a_write_that_finds_no_primary_is_no_bad_write(
    mongo_url: str, connect: Connect, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[StoreError]
) -> None:
    """An ``update_many`` is not repeated by the driver, and fails by a write error when the primary steps down."""
    store = connect(mongo_url)
    await store.open()
    project = await add_project(store)

    async def step_down(*_arguments: Any, **_options: Any) -> None:
        raise WriteError("Not primary while writing to wxcode.wx_claude_sessions", code)

    monkeypatch.setattr(AsyncCollection, "update_many", step_down)
    with pytest.raises(StoreError) as caught:
        await store.mark_born(project.id, "captured", None)
    assert type(caught.value) is kind


async def test_closing_does_not_wait_for_a_server_that_hangs(own_mongod: Mongod, connect: Connect) -> None:
    store = connect(own_mongod.url)
    await store.open()
    own_mongod.pause()
    started = time.monotonic()
    await store.close()
    assert time.monotonic() - started < UNAVAILABLE_WITHIN_S / 2
    own_mongod.resume()


@pytest.mark.parametrize("again", ["opened", "created"])
async def test_a_milestone_whose_deletion_was_cut_off_leaves_no_text(
    own_mongod: Mongod, connect: Connect, monkeypatch: pytest.MonkeyPatch, again: str
) -> None:
    store = connect(own_mongod.url)
    await store.open()
    project = OutputProject(store.new_id(), "billing", "/w/billing")
    await store.create_project(project, ProjectOptions())
    milestone = Milestone(store.new_id(), project.id, "login", context="the old text")
    await store.create_milestone(milestone)
    delete_one = AsyncCollection.delete_one

    async def and_die(collection: AsyncCollection[Any], *arguments: Any) -> Any:
        result = await delete_one(collection, *arguments)
        if collection.name == "milestones":
            own_mongod.kill()
        return result

    with monkeypatch.context() as patch, pytest.raises(StoreUnavailable):
        patch.setattr(AsyncCollection, "delete_one", and_die)
        await store.delete_milestone(milestone.id)
    own_mongod.start()
    if again == "opened":
        await connect(own_mongod.url).open()
        with pymongo.MongoClient[dict[str, Any]](own_mongod.url) as client:
            assert client["wxcode"]["wx_milestones"].count_documents({}) == 0
    else:
        await store.create_milestone(replace(milestone, context="the new text"))
        assert (await store.get_milestone(milestone.id)).context == "the new text"


async def test_a_deletion_that_was_refused_leaves_the_text(mongo_url: str, connect: Connect) -> None:
    store = connect(mongo_url)
    await store.open()
    project = OutputProject(store.new_id(), "billing", "/w/billing")
    await store.create_project(project, ProjectOptions())
    milestone = Milestone(store.new_id(), project.id, "login", context="the text")
    await store.create_milestone(milestone)
    await store.move_milestone(milestone.id, {milestone.status}, MilestoneStatus.IN_PROGRESS)
    assert not await store.delete_milestone(milestone.id)
    await connect(mongo_url).open()
    await store.create_milestone(milestone)
    assert (await store.get_milestone(milestone.id)).context == "the text"


async def test_connections_that_a_rush_has_opened_are_closed_again(
    own_mongod: Mongod, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wxcode_jupyter.store.mongo.IDLE_CONNECTION_MS", 500)
    store = connect(own_mongod.url)
    await store.open()
    with pymongo.MongoClient[Any](own_mongod.url) as onlooker:

        def connections() -> int:
            return int(onlooker.admin.command("serverStatus")["connections"]["current"])

        few = connections()
        await asyncio.gather(*(store.list_projects() for _ in range(60)))
        assert connections() >= few + 5
        deadline = time.monotonic() + 60  # pymongo looks every ten seconds
        while connections() > few and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
        assert connections() <= few
    assert (await store.list_projects()).total == 0
