"""After a death: each command gets the status that the spool and the transcript prove, and exactly once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from wxcode_jupyter.claude.transcript import transcript_path
from wxcode_jupyter.errors import StoreUnavailable
from wxcode_jupyter.models import (
    Command,
    CommandStatus,
    LineageCause,
    Milestone,
    MilestoneStatus,
    OutputProject,
    ProjectOptions,
    now,
)
from wxcode_jupyter.service.events import EventLog
from wxcode_jupyter.service.lineage import Lineage
from wxcode_jupyter.service.mixing import MIXED
from wxcode_jupyter.service.pictures import Pictures
from wxcode_jupyter.service.recovery import Recovery
from wxcode_jupyter.service.turns import CUT
from wxcode_jupyter.store.base import Store

TEXT, SESSION = "build the thing", "session-a"
LONG_AGO = datetime.fromtimestamp(0, UTC)  # the hook events are from the microsecond after


class Remains:
    """What a dead session left: its spool and the CLI's transcripts."""

    def __init__(self, folder: Path, project: OutputProject) -> None:
        self.data = folder / "data"
        self.sessions = self.data / "sessions" / project.id
        self.environment = {"HOME": str(folder / "home")}
        self._workspace = project.workspace_path
        self._number = 0

    def hook(self, name: str, *, session: str = SESSION, folder: str = "1", **data: str) -> None:
        spool = self.sessions / folder / "spool"
        spool.mkdir(parents=True, exist_ok=True)
        self._number += 1
        event = {"hook_event_name": name, "session_id": session, **data}
        (spool / f"{self._number:019}-1.json").write_text(json.dumps(event))

    def entry(self, prompt_id: str, *, session: str = SESSION, text: str = TEXT, at: datetime | None = None) -> None:
        self._write(
            {
                "type": "user",
                "promptId": prompt_id,
                "message": {"role": "user", "content": text},
                "timestamp": (at or now()).isoformat(),
            },
            session,
        )

    def _write(self, line: dict[str, Any], session: str = SESSION) -> None:
        path = Path(transcript_path(self.environment, self._workspace, session))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def leave(self, *what: str) -> None:
        """Leave what the words say.

        `other` and `another` are a prompt of the user's in the spool and in the transcript (under the id `p`);
        `earlier` is the same text, asked before; `answer`, `words` and `error` are what came in the transcript;
        `anonymous` is a Stop without an id.
        """
        for word in what:
            match word:
                case "hook":
                    self.hook("UserPromptSubmit", prompt_id="p", prompt=TEXT)
                case "other":
                    self.hook("UserPromptSubmit", prompt_id="q", prompt="what time is it?")
                case "entry":
                    self.entry("p")
                case "another":
                    self.entry("p", text="what time is it?")
                case "earlier":
                    self.entry("e", at=LONG_AGO)
                case "joined":
                    attachment = {"type": "queued_command", "prompt": TEXT}
                    self._write({"type": "attachment", "attachment": attachment, "timestamp": now().isoformat()})
                case "answer" | "words":
                    self._write(
                        {
                            "type": "assistant",
                            "message": {
                                "content": [{"type": "text", "text": "done"}],
                                "stop_reason": "end_turn" if word == "answer" else "tool_use",
                            },
                        }
                    )
                case "error":
                    message = {"content": [{"type": "text", "text": "overloaded"}]}
                    self._write({"type": "assistant", "isApiErrorMessage": True, "message": message})
                case "stop":
                    self.hook("Stop", prompt_id="p", last_assistant_message="done")
                case "fail":
                    self.hook("StopFailure", prompt_id="p", error="overloaded")
                case "anonymous":
                    self.hook("Stop", last_assistant_message="done")


@pytest.fixture
def remains(tmp_path: Path, project: OutputProject) -> Remains:
    return Remains(tmp_path, project)


@pytest.fixture
def recovery(store: Store, events: EventLog, remains: Remains) -> Recovery:
    return Recovery(store, events, str(remains.data), remains.environment)


async def add_command(store: Store, project: OutputProject, status: CommandStatus, **changes: Any) -> Command:
    """Add a command of a milestone's, as the session had left it."""
    milestone = Milestone(store.new_id(), project.id, "login")
    await store.create_milestone(milestone)
    command = await store.append_command(Command(store.new_id(), project.id, TEXT, milestone_id=milestone.id))
    moved = await store.move_command(command.id, {CommandStatus.QUEUED}, {"status": status, **changes})
    assert moved is not None
    return moved


BOUND = {"prompt_id": "p", "claude_session_id": SESSION}
SENT = {"delivering_at": now(), "claude_session_id": SESSION}
D, A = CommandStatus.DELIVERING, CommandStatus.ACCEPTED


@pytest.mark.parametrize(
    ("status", "known", "left", "expected"),
    [
        # before or in the middle of typing
        (CommandStatus.QUEUED, {}, "", CommandStatus.QUEUED),
        (D, {}, "", CommandStatus.QUEUED),
        (D, {}, "other anonymous", CommandStatus.QUEUED),
        # Enter was pressed: the transcript decides
        (D, {}, "hook", CommandStatus.QUEUED),
        (D, BOUND, "", CommandStatus.QUEUED),
        (D, {}, "hook entry", CommandStatus.INTERRUPTED),
        (D, BOUND, "entry", CommandStatus.INTERRUPTED),
        (D, {}, "other hook entry", CommandStatus.INTERRUPTED),
        (D, {}, "hook stop", CommandStatus.QUEUED),  # seen with 2.1.197 and SIGHUP
        # the turn was over
        (D, {}, "hook entry stop", CommandStatus.COMPLETED),
        (D, BOUND, "entry stop", CommandStatus.COMPLETED),
        (D, {}, "hook entry fail", CommandStatus.FAILED),
        # the transcript tells how, where no hook did
        (D, {}, "hook entry answer", CommandStatus.COMPLETED),
        (D, BOUND, "entry words", CommandStatus.INTERRUPTED),
        (D, BOUND, "entry words answer", CommandStatus.COMPLETED),
        (D, BOUND, "entry answer stop", CommandStatus.COMPLETED),
        (D, BOUND, "entry answer stop words", CommandStatus.INTERRUPTED),  # sent on by a Stop hook of the user's
        (D, BOUND, "entry words error", CommandStatus.FAILED),
        # hooks are disabled: the transcript tells it all
        (D, SENT, "", CommandStatus.QUEUED),
        (D, SENT, "earlier", CommandStatus.QUEUED),
        (D, SENT, "earlier entry", CommandStatus.INTERRUPTED),
        (D, SENT, "earlier entry answer", CommandStatus.COMPLETED),
        # it waited in the CLI's queue: 2.1.330 had reported it under the id of the turn that ran
        (D, BOUND, "another", CommandStatus.QUEUED),
        (D, {}, "hook another answer", CommandStatus.QUEUED),
        (D, SENT, "hook another joined answer", CommandStatus.COMPLETED),
        # accepted before the death
        (A, BOUND, "", CommandStatus.INTERRUPTED),
        (A, BOUND, "entry", CommandStatus.INTERRUPTED),
        (A, BOUND, "entry stop", CommandStatus.COMPLETED),
        (A, BOUND, "entry fail", CommandStatus.FAILED),
        # all was recorded
        (CommandStatus.COMPLETED, BOUND, "hook entry stop", CommandStatus.COMPLETED),
        (CommandStatus.FAILED, {}, "hook", CommandStatus.FAILED),
    ],
)
async def test_each_point_of_a_delivery(
    store: Store,
    project: OutputProject,
    remains: Remains,
    recovery: Recovery,
    status: CommandStatus,
    known: dict[str, str],
    left: str,
    expected: CommandStatus,
) -> None:
    await Lineage(store, project.id).follow(SESSION, LineageCause.NEW)
    command = await add_command(store, project, status, **known)
    remains.leave(*left.split())
    await recovery.run(project.id, project.workspace_path)

    found = await store.get_command(command.id)
    assert found.status is expected
    settled = status in (D, A) and expected.final
    if expected is CommandStatus.QUEUED:
        assert replace(found, delivering_at=None) == replace(
            command, status=expected, prompt_id=None, claude_session_id=None, delivering_at=None
        )
    if settled:
        assert (found.prompt_id, found.claude_session_id) == ("p", SESSION)
        assert found.accepted_at is not None
        assert found.completed_at is not None
        assert found.last_message == ("done" if expected is CommandStatus.COMPLETED else None)
        assert found.error == {CommandStatus.INTERRUPTED: CUT, CommandStatus.FAILED: "overloaded"}.get(expected)
        assert (await store.load_lineage(project.id))[-1].born
    milestone = await store.get_milestone(str(command.milestone_id))
    assert milestone.status is (MilestoneStatus.IN_PROGRESS if settled else MilestoneStatus.PENDING)
    assert list(remains.sessions.glob("*")) == []

    # Once more, as after another crash: nothing changes.
    recorded = await store.load_events(project.id)
    remains.leave(*(word for word in left.split() if word != "entry"))
    await recovery.run(project.id, project.workspace_path)
    assert await store.get_command(command.id) == found
    assert await store.load_events(project.id) == recorded


async def test_the_commands_keep_their_order(
    store: Store, project: OutputProject, remains: Remains, recovery: Recovery
) -> None:
    first = await add_command(store, project, D)
    second = await store.append_command(Command(store.new_id(), project.id, "next"))
    await recovery.run(project.id, project.workspace_path)
    waiting = await store.list_commands(project.id, statuses={CommandStatus.QUEUED})
    assert [command.id for command in waiting.items] == [first.id, second.id]


async def test_what_became_of_it_is_told(
    store: Store, project: OutputProject, remains: Remains, recovery: Recovery
) -> None:
    taken, lost = await add_command(store, project, A, **BOUND), await add_command(store, project, D)
    await recovery.run(project.id, project.workspace_path)
    told = [(event.type, event.data.get("command_id")) for event in await store.load_events(project.id)]
    assert told == [("command_interrupted", taken.id), ("milestone_status", None), ("command_requeued", lost.id)]


class TestIds:
    async def ids(self, store: Store, project: OutputProject) -> list[tuple[str, str]]:
        return [(e.claude_session_id, e.cause.value) for e in await store.load_lineage(project.id)]

    async def test_those_that_nobody_read_are_followed(
        self, store: Store, project: OutputProject, remains: Remains, recovery: Recovery
    ) -> None:
        remains.hook("SessionStart", session="a", source="startup", folder="1")
        remains.hook("SessionStart", session="a", source="compact", folder="1")
        remains.hook("SessionStart", session="b", source="clear", folder="1")
        remains.hook("SessionStart", session="a", source="resume", folder="2")
        await recovery.run(project.id, project.workspace_path)
        assert await self.ids(store, project) == [("a", "new"), ("b", "clear"), ("a", "resumed")]
        assert (await store.get_project(project.id)).claude_session_id == "a"

    @pytest.mark.parametrize("known", [[], ["a"], ["a", "b"], ["a", "b", "c"]])
    async def test_those_that_were_followed_before_the_crash_are_not_again(
        self, store: Store, project: OutputProject, remains: Remains, recovery: Recovery, known: list[str]
    ) -> None:
        for session in known:
            await Lineage(store, project.id).follow(session, LineageCause.CLEAR, at=LONG_AGO)
        for session in "abc":
            remains.hook("SessionStart", session=session, source="clear")
        await recovery.run(project.id, project.workspace_path)
        assert [session for session, _ in await self.ids(store, project)] == ["a", "b", "c"]

    async def test_one_from_before_the_present_conversation_is_not(
        self,
        store: Store,
        project: OutputProject,
        remains: Remains,
        recovery: Recovery,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        remains.hook("SessionStart", session="a", source="clear")
        await Lineage(store, project.id).follow("elsewhere", LineageCause.CLEAR)
        await recovery.run(project.id, project.workspace_path)
        assert await self.ids(store, project) == [("elsewhere", "clear")]
        assert "conversation a began before" in caplog.text

    async def test_a_failure_half_way_is_made_up_for(
        self,
        store: Store,
        project: OutputProject,
        remains: Remains,
        recovery: Recovery,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        command = await add_command(store, project, D)
        remains.hook("SessionStart", session=SESSION, source="startup")
        remains.hook("SessionStart", session="b", source="clear")
        remains.leave("hook", "entry", "stop")
        with monkeypatch.context() as patched, pytest.raises(StoreUnavailable):
            patched.setattr(store, "list_commands", _unavailable)
            await recovery.run(project.id, project.workspace_path)
        await recovery.run(project.id, project.workspace_path)
        assert await self.ids(store, project) == [(SESSION, "new"), ("b", "clear")]
        assert (await store.get_command(command.id)).status is CommandStatus.COMPLETED

    async def test_a_first_id_that_was_recorded_by_half_is_ours_and_unborn(
        self, store: Store, project: OutputProject, remains: Remains, recovery: Recovery
    ) -> None:
        await store.set_first_session_id(project.id, "a")
        remains.hook("SessionStart", session="a", source="startup")
        await recovery.run(project.id, project.workspace_path)
        assert await self.ids(store, project) == [("a", "new")]
        assert not (await store.load_lineage(project.id))[0].born

    async def test_where_another_became_the_first_that_one_counts(
        self, store: Store, project: OutputProject, remains: Remains, recovery: Recovery
    ) -> None:
        theirs = replace(project, id=store.new_id(), name="other", workspace_path="/w", claude_session_id="theirs")
        await store.create_project(theirs, ProjectOptions())
        remains.sessions = remains.data / "sessions" / theirs.id
        command = await add_command(store, theirs, D)
        remains.hook("SessionStart", session="ours", source="startup")
        remains.hook("UserPromptSubmit", session="ours", prompt_id="p", prompt=TEXT)
        remains.entry("p", session="ours")
        remains.hook("Stop", session="ours", prompt_id="p")
        await recovery.run(theirs.id, project.workspace_path)
        assert await self.ids(store, theirs) == [("theirs", "adopted")]
        assert (await store.get_command(command.id)).status is CommandStatus.COMPLETED
        assert list(remains.sessions.glob("*")) == []

    async def test_nothing_left_is_nothing_to_do(
        self, store: Store, project: OutputProject, recovery: Recovery
    ) -> None:
        await recovery.run(project.id, project.workspace_path)
        assert await self.ids(store, project) == []


async def _unavailable(*args: object, **kwargs: object) -> None:
    raise StoreUnavailable("The store does not answer.", url="x")


async def test_a_gsd_command_that_ended_unseen_is_judged_by_its_artefact(
    store: Store, project: OutputProject, remains: Remains, recovery: Recovery
) -> None:
    text = "/gsd:new-milestone it"
    command = await store.append_command(Command(store.new_id(), project.id, text))
    await store.move_command(command.id, {CommandStatus.QUEUED}, {"status": A, **BOUND})
    Pictures(str(remains.data), project.id, project.workspace_path).take_before(command)
    remains.entry("p", text=text)
    remains.hook("Stop", prompt_id="p", last_assistant_message="I know enough now.")
    await recovery.run(project.id, project.workspace_path)
    found = await store.get_command(command.id)
    assert (found.status, found.outcome) == (CommandStatus.COMPLETED, "asks")
    assert found.missing == "a new ROADMAP.md with phases"


async def test_a_text_that_went_in_with_what_somebody_typed_is_not_sent_again(
    store: Store, project: OutputProject, remains: Remains, recovery: Recovery
) -> None:
    command = await add_command(store, project, D, **SENT)
    remains.entry("q", text=f"please wait {TEXT}")
    await Lineage(store, project.id).follow(SESSION, LineageCause.NEW)
    await recovery.run(project.id, project.workspace_path)
    found = await store.get_command(command.id)
    assert (found.status, found.error) == (CommandStatus.FAILED, f"{MIXED}please wait {TEXT}")
