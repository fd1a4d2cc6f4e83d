"""What a live session leaves in the store, in order, each write made once although it may be repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from wxcode_jupyter.claude.hooks import HookEvent
from wxcode_jupyter.errors import StoreUnavailable
from wxcode_jupyter.models import (
    Command,
    CommandStatus,
    LineageCause,
    Milestone,
    MilestoneStatus,
    OutputProject,
    ProjectStatus,
)
from wxcode_jupyter.service.changes import Accepted, Bound, Ended, Requeued
from wxcode_jupyter.service.events import EventLog
from wxcode_jupyter.service.keepsake import Keepsake
from wxcode_jupyter.service.lineage import Lineage
from wxcode_jupyter.service.outbox import Outbox
from wxcode_jupyter.service.pictures import Pictures
from wxcode_jupyter.service.recorder import Recorder, summarize
from wxcode_jupyter.store.base import Store


class Desk:
    """A recorder and everything around it."""

    def __init__(self, store: Store, project: OutputProject, events: EventLog, folder: Path) -> None:
        self.store, self.project, self.events = store, project, events
        self.outbox, self.conflicts = Outbox(), 0
        self.links = folder / "links"
        self.data = folder / "data"
        self.recorder = self.new_recorder(LineageCause.NEW)

    def new_recorder(self, cause: LineageCause | None) -> Recorder:
        return Recorder(
            self.store,
            self.events,
            self.outbox,
            self.project.id,
            cause=cause,
            keepsake=Keepsake(self.store, self.project.id),
            links_folder=str(self.links),
            pictures=Pictures(str(self.data), self.project.id, self.project.workspace_path),
            conflict=self._conflict,
        )

    def _conflict(self) -> None:
        self.conflicts += 1

    async def told(self) -> list[str]:
        return [event.type for event in await self.store.load_events(self.project.id)]

    async def add_command(self, *, of_milestone: bool = False) -> Command:
        milestone_id = None
        if of_milestone:
            milestone_id = self.store.new_id()
            await self.store.create_milestone(Milestone(milestone_id, self.project.id, "login"))
        return await self.store.append_command(
            Command(self.store.new_id(), self.project.id, "build it", milestone_id=milestone_id)
        )

    async def status(self, command: Command) -> CommandStatus:
        await self.outbox.flush()
        return (await self.store.get_command(command.id)).status


@pytest.fixture
def desk(store: Store, project: OutputProject, events: EventLog, tmp_path: Path) -> Desk:
    return Desk(store, project, events, tmp_path)


@pytest.fixture
def lose_answers(store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the named methods of the store do their work once without anybody hearing of it."""
    monkeypatch.setattr("wxcode_jupyter.service.outbox._BACK_OFF_S", (0.0,))

    def lose(*names: str) -> None:
        for name in names:
            monkeypatch.setattr(store, name, _deaf(getattr(store, name)))

    return lose


def _deaf(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    lost = False

    async def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal lost
        result = await method(*args, **kwargs)
        if not lost:
            lost = True
            raise StoreUnavailable("The answer was lost.", url="x")
        return result

    return call


def session_start(session_id: str, source: str = "startup", number: int = 1) -> HookEvent:
    return HookEvent(f"{number}-7.json", "SessionStart", session_id, {"source": source})


async def test_a_new_conversation(desk: Desk) -> None:
    desk.recorder.conversation(session_start("a"), first=True)
    assert desk.recorder.pending == 1
    await desk.outbox.flush()
    found = await desk.store.get_project(desk.project.id)
    assert (found.claude_session_id, found.status) == ("a", ProjectStatus.ACTIVE)
    (event,) = await desk.store.load_events(desk.project.id)
    assert (event.type, dict(event.data)) == ("session_id_changed", {"claude_session_id": "a", "cause": "new"})


@pytest.mark.parametrize("lost", ["append_lineage", "set_first_session_id", "update_project", "append_event"])
async def test_a_new_conversation_whose_answers_get_lost(
    desk: Desk, lose_answers: Callable[..., None], lost: str
) -> None:
    lose_answers(lost)
    desk.recorder.conversation(session_start("a"), first=True)
    await desk.outbox.flush()
    assert [entry.claude_session_id for entry in await desk.store.load_lineage(desk.project.id)] == ["a"]
    assert await desk.told() == ["session_id_changed"]
    assert desk.conflicts == 0


async def test_later_ids_are_followed(desk: Desk) -> None:
    desk.recorder.conversation(session_start("a"), first=True)
    desk.recorder.conversation(session_start("b", "clear", 2), first=False)
    desk.recorder.conversation(session_start("b", "compact", 3), first=False)
    desk.recorder.conversation(session_start("c", "startup", 4), first=False)
    desk.recorder.conversation(session_start("a", "resume", 5), first=False)
    await desk.outbox.flush()
    lineage = [(each.claude_session_id, each.cause.value) for each in await desk.store.load_lineage(desk.project.id)]
    assert lineage == [("a", "new"), ("b", "clear"), ("c", "restart"), ("a", "resumed")]


@pytest.mark.parametrize("cause", [LineageCause.NEW, None], ids=["begun", "resumed"])
async def test_who_takes_over_hears_of_the_conversation_before_again(desk: Desk, cause: LineageCause | None) -> None:
    second_ns = 1_000_000_000
    a, b = session_start("a", number=second_ns), session_start("b", "clear", 2 * second_ns)
    desk.new_recorder(cause).conversation(a, first=True)
    desk.new_recorder(cause).conversation(b, first=False)
    await desk.outbox.flush()
    after = desk.new_recorder(None)
    after.conversation(a, first=True)
    after.conversation(b, first=False)
    await desk.outbox.flush()
    assert [entry.claude_session_id for entry in await desk.store.load_lineage(desk.project.id)] == ["a", "b"]
    assert (await desk.store.get_project(desk.project.id)).claude_session_id == "b"
    after.conversation(session_start("a", "resume", 3 * second_ns), first=False)
    await desk.outbox.flush()
    assert [entry.claude_session_id for entry in await desk.store.load_lineage(desk.project.id)] == ["a", "b", "a"]


async def test_a_resumed_conversation_is_no_news(desk: Desk) -> None:
    await Lineage(desk.store, desk.project.id).follow("a", LineageCause.NEW)
    desk.new_recorder(None).conversation(session_start("a", "resume"), first=True)
    await desk.outbox.flush()
    assert len(await desk.store.load_lineage(desk.project.id)) == 1
    assert await desk.told() == []


async def test_another_first_conversation_is_reported_and_ours_not_recorded(desk: Desk) -> None:
    await desk.store.set_first_session_id(desk.project.id, "theirs")
    desk.recorder.conversation(session_start("ours"), first=True)
    await desk.outbox.flush()
    assert desk.conflicts == 1
    assert (await desk.store.get_project(desk.project.id)).claude_session_id == "theirs"
    assert await desk.told() == []


class TestCommands:
    async def test_the_oldest_goes_first(self, desk: Desk) -> None:
        assert await desk.recorder.next_command() is None
        first, _ = await desk.add_command(), await desk.add_command()
        assert await desk.recorder.next_command() == first

    async def test_only_one_takes_it(self, desk: Desk) -> None:
        command = await desk.add_command()
        taken = await asyncio.gather(*(desk.recorder.delivering(command, "a") for _ in range(5)))
        assert taken.count(True) == 1
        assert await desk.status(command) is CommandStatus.DELIVERING
        assert await desk.told() == ["command_delivering"]

    async def test_where_the_answer_is_lost_it_waits_again(self, desk: Desk, lose_answers: Callable[..., None]) -> None:
        command = await desk.add_command()
        lose_answers("move_command")
        with pytest.raises(StoreUnavailable):
            await desk.recorder.delivering(command, "a")
        assert await desk.status(command) is CommandStatus.QUEUED

    @pytest.mark.parametrize("lost", [(), ("move_command", "append_event", "move_milestone", "mark_born")])
    async def test_the_usual_course(
        self, desk: Desk, lose_answers: Callable[..., None], tmp_path: Path, lost: tuple[str, ...]
    ) -> None:
        command = await desk.add_command(of_milestone=True)
        desk.recorder.conversation(session_start("a"), first=True)
        await desk.recorder.delivering(command, "a")
        await desk.outbox.flush()
        path = tmp_path / "a.jsonl"
        path.write_text("{}\n")
        lose_answers(*lost)
        for change in (Bound(command, "p"), Accepted(command, "p"), Ended(command, CommandStatus.COMPLETED, "done")):
            desk.recorder.change(change, "a", str(path))
        await desk.outbox.flush()

        found = await desk.store.get_command(command.id)
        assert (found.status, found.outcome, found.last_message) == (CommandStatus.COMPLETED, "finished", "done")
        assert (found.prompt_id, found.claude_session_id) == ("p", "a")
        assert found.delivering_at is not None
        assert found.accepted_at is not None
        assert found.completed_at is not None
        milestone = await desk.store.get_milestone(str(command.milestone_id))
        assert milestone.status is MilestoneStatus.IN_PROGRESS
        (entry,) = await desk.store.load_lineage(desk.project.id)
        assert (entry.born, entry.transcript_path) == (True, str(path))
        assert (desk.links / "a.jsonl").samefile(path)
        assert (await desk.told())[-3:] == ["command_accepted", "milestone_status", "command_completed"]
        assert len(await desk.told()) == 5

    async def test_the_end_of_a_gsd_command_says_what_is_missing_as_it_was_at_its_end(
        self, desk: Desk, lose_answers: Callable[..., None]
    ) -> None:
        planning = Path(desk.project.workspace_path) / ".planning"
        planning.mkdir()
        command = await desk.store.append_command(
            Command(desk.store.new_id(), desk.project.id, "/gsd:new-milestone it")
        )
        await desk.recorder.delivering(command, "a")
        await desk.outbox.flush()
        lose_answers("move_command", "append_event")
        desk.recorder.change(Ended(command, CommandStatus.COMPLETED, "done"), "a", None)
        await desk.outbox.flush()
        found = await desk.store.get_command(command.id)
        assert (found.outcome, found.missing) == ("asks", "a new ROADMAP.md with phases")
        ended = [event for event in await desk.store.load_events(desk.project.id) if event.type == "command_completed"]
        assert [(event.data["outcome"], event.data["missing"]) for event in ended] == [("asks", found.missing)]

    async def test_a_prompt_of_the_users_makes_the_conversation_born(self, desk: Desk) -> None:
        desk.recorder.conversation(session_start("a"), first=True)
        desk.recorder.change(Accepted(None, "u"), "a", None)
        await desk.outbox.flush()
        assert (await desk.store.load_lineage(desk.project.id))[0].born

    @pytest.mark.parametrize("status", [CommandStatus.FAILED, CommandStatus.INTERRUPTED])
    async def test_an_end_without_acceptance(self, desk: Desk, status: CommandStatus) -> None:
        command = await desk.add_command()
        await desk.recorder.delivering(command, "a")
        desk.recorder.change(Ended(command, status, error="why"), "a", None)
        assert await desk.status(command) is status
        found = await desk.store.get_command(command.id)
        assert (found.error, found.outcome, found.accepted_at) == ("why", None, None)

    async def test_back_to_the_queue_at_its_old_place(self, desk: Desk) -> None:
        command, _ = await desk.add_command(), await desk.add_command()
        await desk.recorder.delivering(command, "a")
        desk.recorder.change(Bound(command, "p"), "a", None)
        desk.recorder.change(Requeued(command), "a", None)
        await desk.outbox.flush()
        assert await desk.recorder.next_command() == command

    async def test_what_has_ended_cannot_be_put_back(self, desk: Desk) -> None:
        command = await desk.add_command()
        await desk.recorder.delivering(command, "a")
        desk.recorder.change(Ended(command, CommandStatus.FAILED), "a", None)
        desk.recorder.requeue(command, "")
        assert await desk.status(command) is CommandStatus.FAILED


async def test_a_hook_that_is_read_twice_is_told_once(desk: Desk) -> None:
    event = HookEvent("1795361732585886497-7.json", "Stop", "a", {"last_assistant_message": "done"})
    desk.recorder.hook(event)
    desk.recorder.hook(event)
    await desk.outbox.flush()
    (told,) = await desk.store.load_events(desk.project.id)
    assert (told.type, told.data["text"]) == ("assistant_message", "done")


async def test_what_follows_a_write_comes_after_it(desk: Desk) -> None:
    done: list[list[str]] = []
    loop = asyncio.get_running_loop()
    desk.recorder.emit("first", {})
    desk.recorder.then(lambda: done.append([str(loop.time())]))
    assert done == []
    await desk.outbox.flush()
    assert len(done) == 1
    assert await desk.told() == ["first"]


@pytest.mark.parametrize(
    ("tool_input", "line"),
    [
        ({"command": "pwd\n ls", "description": " Where\tam I "}, "Where am I"),
        ({"command": "x" * 500}, "x" * 160),
        ({"file_path": "/w/a.py", "content": "…"}, "/w/a.py"),
        ({"questions": [{"question": "Which colour?"}]}, "Which colour?"),
        ({"questions": ["?"]}, ""),
        ({"description": "  ", "command": 7}, ""),
        ({}, ""),
        (None, ""),
        ("text", ""),
    ],
)
def test_a_tools_input_in_one_line(tool_input: object, line: str) -> None:
    assert summarize(tool_input) == line


def test_a_file_is_named_from_the_working_directory() -> None:
    assert summarize({"file_path": "/w/src/a.py"}, "/w") == "src/a.py"
    assert summarize({"file_path": "/projects/a.py"}, "/w") == "/projects/a.py"
    assert summarize({"command": "/w/run"}, "/w") == "/w/run"
