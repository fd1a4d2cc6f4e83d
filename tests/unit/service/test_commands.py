"""Queueing a text: checked first, once per id, and never without a session that could take it."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.service.conftest import StubSessions
from wxcode_jupyter.errors import (
    CliMissing,
    Conflict,
    InvalidBody,
    InvalidId,
    InvalidRequest,
    NotFound,
    NotQueued,
    StoreUnavailable,
    TooManyCommands,
    UnsupportedCommand,
    WxcodeError,
)
from wxcode_jupyter.models import Command, CommandStatus, Milestone, OutputProject, ProjectOptions
from wxcode_jupyter.service.commands import WITHDRAWN, Commands
from wxcode_jupyter.service.events import EventLog
from wxcode_jupyter.store.base import Store


@pytest.fixture
def commands(store: Store, events: EventLog, sessions: StubSessions) -> Commands:
    return Commands(store, events, sessions.typed())


async def queued(store: Store, project: OutputProject) -> list[str]:
    page = await store.list_commands(project.id, statuses={CommandStatus.QUEUED})
    return [command.text for command in page.items]


async def test_a_text_is_queued_and_the_session_told(
    store: Store, project: OutputProject, sessions: StubSessions, commands: Commands
) -> None:
    command = await commands.enqueue(project.id, "  hello\r\nthere ")
    assert (command.text, command.status) == ("hello\nthere", CommandStatus.QUEUED)
    assert await store.get_command(command.id) == command
    assert (sessions.started, sessions.told) == ([project.id], [project.id])
    (event,) = await store.load_events(project.id)
    data = {"command_id": command.id, "text": "hello\nthere", "milestone_id": None}
    assert (event.type, dict(event.data)) == ("command_queued", data)


async def test_the_session_is_told_even_where_the_news_cannot_be_written(
    store: Store,
    project: OutputProject,
    events: EventLog,
    sessions: StubSessions,
    commands: Commands,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def store_now(*_arguments: object, **_options: object) -> None:
        raise StoreUnavailable("the store went away", url=store.url)

    identifier = store.new_id()
    with monkeypatch.context() as patch, pytest.raises(StoreUnavailable):
        patch.setattr(events, "store_now", store_now)
        await commands.enqueue(project.id, "hello", command_id=identifier)
    assert (await queued(store, project), sessions.told) == (["hello"], [project.id])

    await commands.enqueue(project.id, "hello", command_id=identifier)
    assert await queued(store, project) == ["hello"]
    assert [event.type for event in await store.load_events(project.id)] == ["command_queued"]


async def test_texts_keep_their_order(store: Store, project: OutputProject, commands: Commands) -> None:
    for number in range(10):
        await commands.enqueue(project.id, f"text {number}")
    assert await queued(store, project) == [f"text {number}" for number in range(10)]


async def test_a_repeated_call_is_the_same_command(
    store: Store, project: OutputProject, sessions: StubSessions, commands: Commands
) -> None:
    identifier = store.new_id()
    first, *others = await asyncio.gather(
        *(commands.enqueue(project.id, "hello", command_id=identifier) for _ in range(5))
    )
    assert others == [first] * 4
    assert await queued(store, project) == ["hello"]
    assert len(await store.load_events(project.id)) == 1


async def test_a_repeated_call_after_it_went_out_queues_nothing(
    store: Store, project: OutputProject, sessions: StubSessions, commands: Commands
) -> None:
    command = await commands.enqueue(project.id, "hello")
    done = await store.move_command(command.id, {CommandStatus.QUEUED}, {"status": CommandStatus.COMPLETED})
    assert await commands.enqueue(project.id, "hello", command_id=command.id) == done
    assert await queued(store, project) == []


@pytest.mark.parametrize(
    ("text", "error"),
    [("", InvalidRequest), ("a\x1bb", InvalidRequest), ("exit", UnsupportedCommand), ("/model", UnsupportedCommand)],
)
async def test_what_cannot_be_sent_is_refused_before_anything_starts(
    store: Store,
    project: OutputProject,
    sessions: StubSessions,
    commands: Commands,
    text: str,
    error: type[WxcodeError],
) -> None:
    with pytest.raises(error):
        await commands.enqueue(project.id, text)
    assert (await queued(store, project), sessions.started) == ([], [])


async def test_where_no_session_can_start_nothing_is_queued(
    store: Store, project: OutputProject, sessions: StubSessions, commands: Commands
) -> None:
    sessions.error = CliMissing("no claude")
    with pytest.raises(CliMissing):
        await commands.enqueue(project.id, "hello")
    assert await queued(store, project) == []
    assert await store.load_events(project.id) == ()


async def test_ids_that_do_not_fit(store: Store, project: OutputProject, commands: Commands) -> None:
    other = OutputProject(store.new_id(), "other", "/other")
    await store.create_project(other, ProjectOptions())
    theirs = Milestone(store.new_id(), other.id, "login")
    await store.create_milestone(theirs)
    command = await commands.enqueue(other.id, "hello")

    with pytest.raises(InvalidId):
        await commands.enqueue(project.id, "hello", milestone_id="x")
    with pytest.raises(NotFound):
        await commands.enqueue(project.id, "hello", milestone_id=store.new_id())
    with pytest.raises(InvalidBody):
        await commands.enqueue(project.id, "hello", milestone_id=theirs.id)
    with pytest.raises(InvalidId):
        await commands.enqueue(project.id, "hello", command_id="x")
    with pytest.raises(Conflict):
        await commands.enqueue(project.id, "hello", command_id=command.id)
    assert await queued(store, project) == []


async def test_an_id_stands_for_one_text(store: Store, project: OutputProject, commands: Commands) -> None:
    milestone = Milestone(store.new_id(), project.id, "login")
    await store.create_milestone(milestone)
    command = await commands.enqueue(project.id, "hello")
    with pytest.raises(Conflict, match="another text"):
        await commands.enqueue(project.id, "something else", command_id=command.id)
    with pytest.raises(Conflict):
        await commands.enqueue(project.id, "hello", milestone_id=milestone.id, command_id=command.id)
    assert await commands.enqueue(project.id, " hello\r\n", command_id=command.id) == command
    assert await queued(store, project) == ["hello"]


async def test_what_waits_is_withdrawn_once_and_told_once(
    store: Store, project: OutputProject, commands: Commands
) -> None:
    first, second = [await commands.enqueue(project.id, text) for text in ("one", "two")]
    withdrawn = await commands.withdraw(first.id)
    assert (withdrawn.status, withdrawn.error, withdrawn.withdrawn) == (CommandStatus.INTERRUPTED, WITHDRAWN, True)
    assert withdrawn.completed_at is not None
    assert await commands.withdraw(first.id) == withdrawn
    assert await queued(store, project) == [second.text]
    *_, event = await store.load_events(project.id)
    assert (event.type, event.data["command_id"], event.data["withdrawn"]) == ("command_interrupted", first.id, True)
    assert len(await store.load_events(project.id)) == 3
    assert await commands.enqueue(project.id, "one", command_id=first.id) == withdrawn


@pytest.mark.parametrize("status", [status for status in CommandStatus if status is not CommandStatus.QUEUED])
async def test_what_does_not_wait_is_not_withdrawn(
    store: Store, project: OutputProject, commands: Commands, status: CommandStatus
) -> None:
    command = await commands.enqueue(project.id, "hello")
    moved = await store.move_command(
        command.id, {CommandStatus.QUEUED}, {"status": status, "delivering_at": command.created_at}
    )
    with pytest.raises(NotQueued, match=f"this one is {status}") as caught:
        await commands.withdraw(command.id)
    assert caught.value.details == {"command_id": command.id, "status": status.value}
    assert await store.get_command(command.id) == moved


async def test_what_is_unknown_is_not_withdrawn(store: Store, commands: Commands) -> None:
    with pytest.raises(NotFound):
        await commands.withdraw(store.new_id())
    with pytest.raises(InvalidId):
        await commands.withdraw("x")


async def test_of_many_at_once_no_more_are_queued_than_may_wait(
    store: Store, events: EventLog, sessions: StubSessions, project: OutputProject
) -> None:
    commands = Commands(store, events, sessions.typed(), max_queued=3)

    ends = await asyncio.gather(
        *(commands.enqueue(project.id, f"do {number}") for number in range(8)), return_exceptions=True
    )

    refused = [end for end in ends if isinstance(end, TooManyCommands)]
    assert len(refused) == 5
    assert {error.limit for error in refused} == {3}
    stored = (await store.list_commands(project.id)).items
    assert [command for command in ends if isinstance(command, Command)] == list(stored)
