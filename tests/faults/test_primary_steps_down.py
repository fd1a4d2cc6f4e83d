"""A replica set's primary steps down, or dies, in the midst of captures and commands: no id is lost or doubled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest

from tests.support.conversation import asked
from tests.support.faults import FAULT_CLI_VERSIONS
from tests.support.job import Job, until
from tests.support.outage import lineage
from tests.support.replica_set import ReplicaSet
from wxcode_jupyter.client.values import Project
from wxcode_jupyter.errors import StoreUnavailable
from wxcode_jupyter.models import Command, CommandStatus, LineageCause, OutputProject, ProjectOptions, now
from wxcode_jupyter.service.events import EventLog
from wxcode_jupyter.service.lineage import Lineage
from wxcode_jupyter.service.outbox import Outbox
from wxcode_jupyter.store.mongo import MongoStore

pytestmark = [
    pytest.mark.mongod,
    pytest.mark.timeout(180),
    # pymongo 4.20 leaves a socket to the garbage collector when close() cancels a monitor that is just connecting.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]

PROJECTS = 6
RACERS = 4

T = TypeVar("T")


@pytest.fixture(scope="module")
def replicas() -> Iterator[ReplicaSet]:
    with ReplicaSet() as replicas:
        yield replicas


@pytest.fixture
async def store(replicas: ReplicaSet) -> AsyncIterator[MongoStore]:
    store = MongoStore(replicas.url("stepping"))
    try:
        await store.open()
        yield store
    finally:
        await store.close()


async def new_project(store: MongoStore, name: str) -> OutputProject:
    project = OutputProject(store.new_id(), name, f"/w/{name}")
    await store.create_project(project, ProjectOptions())
    return project


async def patiently(act: Callable[[], Awaitable[T]]) -> T:
    """Repeat what bears repetition until the store takes it."""
    while True:
        try:
            return await act()
        except StoreUnavailable:
            continue


class Work:
    """What one project's session writes: ids of conversations, commands, events; as long as there are faults."""

    def __init__(self, store: MongoStore, project: OutputProject) -> None:
        self.project = project
        self.ids: list[str] = []
        self.commands: list[Command] = []
        self._store = store
        self._outbox = Outbox()
        self._events = EventLog(store)

    async def go_on(self, faults_are_over: asyncio.Event) -> None:
        while not faults_are_over.is_set():
            await self._one_round(len(self.ids))
        await self._one_round(len(self.ids))
        await self._outbox.flush()

    async def _one_round(self, number: int) -> None:
        self.ids.append(f"{self.project.name}-{number}")
        cause = LineageCause.CLEAR if number else LineageCause.NEW
        self._outbox.put(lambda: Lineage(self._store, self.project.id).follow(f"{self.project.name}-{number}", cause))
        self._outbox.put(lambda: self._store.mark_born(self.project.id, f"{self.project.name}-{number}", "/t.jsonl"))
        command = Command(self._store.new_id(), self.project.id, f"command {number}")
        self.commands.append(await patiently(lambda: self._store.append_command(command)))
        queued, delivering, accepted, completed = (
            CommandStatus.QUEUED,
            CommandStatus.DELIVERING,
            CommandStatus.ACCEPTED,
            CommandStatus.COMPLETED,
        )
        for before, after in ((queued, delivering), (delivering, accepted), (accepted, completed)):
            self._move(command, before, after)
        await self._outbox.flush()

    def _move(self, command: Command, before: CommandStatus, after: CommandStatus) -> None:
        changes = {"status": after, f"{after.value}_at": now()}
        self._outbox.put(lambda: self._store.move_command(command.id, {before}, changes))
        told = {"command_id": command.id}
        self._events.emit(self._outbox, self.project.id, f"command_{after.value}", told)

    async def check(self) -> None:
        """Everything is there, once and in order."""
        entries = await self._store.load_lineage(self.project.id)
        assert [entry.claude_session_id for entry in entries] == self.ids
        assert all(entry.born for entry in entries)
        assert [entry.predecessor for entry in entries] == [None, *self.ids[:-1]]
        assert (await self._store.get_project(self.project.id)).claude_session_id == self.ids[-1]
        commands = (await self._store.list_commands(self.project.id, limit=100_000)).items
        assert [(each.id, each.seq) for each in commands] == [
            (each.id, number) for number, each in enumerate(self.commands, 1)
        ]
        assert {each.status for each in commands} == {CommandStatus.COMPLETED}
        events = await self._store.load_events(self.project.id, limit=100_000)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert [(event.data["command_id"], event.type) for event in events] == [
            (command.id, f"command_{status}")
            for command in self.commands
            for status in ("delivering", "accepted", "completed")
        ]


async def test_what_sessions_write_is_there_once_and_in_order(replicas: ReplicaSet, store: MongoStore) -> None:
    works = [Work(store, await new_project(store, f"work-{number}")) for number in range(PROJECTS)]
    over = asyncio.Event()

    async def faults() -> None:
        for fault in (replicas.step_down, replicas.kill_primary, replicas.step_down):
            done = [len(work.ids) for work in works]
            while any(len(work.ids) < before + 3 for work, before in zip(works, done, strict=True)):
                await asyncio.sleep(0.005)
            await asyncio.to_thread(fault)
            replicas.start_again()
        over.set()

    async with asyncio.timeout(120):
        await asyncio.gather(faults(), *(work.go_on(over) for work in works))
    for work in works:
        await work.check()


async def test_a_first_id_has_one_winner_at_most(replicas: ReplicaSet, store: MongoStore) -> None:
    projects = [await new_project(store, f"race-{number}") for number in range(60)]
    half_way = asyncio.Event()
    won: dict[str, list[str]] = {project.id: [] for project in projects}

    async def race(racer: int) -> None:
        for number, project in enumerate(projects):
            if number == len(projects) // 2:
                half_way.set()
            mine = f"{project.id}-{racer}"
            if await patiently(lambda project=project, mine=mine: store.set_first_session_id(project.id, mine)):  # type: ignore[misc]
                won[project.id].append(mine)

    async def fault() -> None:
        await half_way.wait()
        await asyncio.to_thread(replicas.step_down)

    async with asyncio.timeout(120):
        await asyncio.gather(fault(), *(race(racer) for racer in range(RACERS)))
    for project in projects:
        stored = (await store.get_project(project.id)).claude_session_id
        assert stored is not None
        # Whose answer was lost may have won without knowing; that nobody else did is what counts.
        assert won[project.id] in ([], [stored])


@pytest.mark.cli
@pytest.mark.parametrize("cli_version", FAULT_CLI_VERSIONS)
def test_claude_is_asked_and_cleared_meanwhile(tmp_path: Path, cli_version: str, replicas: ReplicaSet) -> None:
    url = replicas.url("claude")
    with Job(tmp_path, cli_version, store_url=url) as job:
        project = job.project()
        texts = ["one", "/clear", "two", "/clear", "three"]
        commands = [job.client.send(project, text) for text in texts]
        while not all(done := [is_done(job, command) for command in commands]):
            before = count_events(job, project)
            replicas.step_down()
            until(lambda before=before: count_events(job, project) > before, timeout_s=60, what=f"news; {done}")  # type: ignore[misc]
        assert job.model.prompts == asked(job) == ["one", "two", "three"]
        ids = job.transcripts()
        assert lineage(url, project.id) == [(ids[0], "new"), (ids[1], "clear"), (ids[2], "clear")]
        assert job.client.get_project(project).claude_session_id == ids[2]
        told = [event.type for event in job.client.events(project)]
        assert told.count("command_completed") == len(texts)
        assert told.count("session_id_changed") == 3


def is_done(job: Job, command: Command) -> bool:
    with suppress(StoreUnavailable):
        seen = job.client.command(command)
        assert not seen.status.final or seen.status is CommandStatus.COMPLETED, seen
        return seen.status.final
    return False


def count_events(job: Job, project: Project) -> int:
    with suppress(StoreUnavailable):
        return len(job.client.events(project))
    return 0
