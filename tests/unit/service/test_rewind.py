"""Going back, where it cannot be done in full: nothing is half done, and what stays is said."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.past_milestone import BEFORE, OLD, PastMilestone
from tests.unit.service.conftest import StubSessions
from wxcode_jupyter.errors import ChangedSince, ConversationUnknown, SessionAlive
from wxcode_jupyter.models import Command, CommandStatus, LineageCause, Milestone, MilestoneStatus, OutputProject, now
from wxcode_jupyter.service.config import Config
from wxcode_jupyter.service.events import EventLog
from wxcode_jupyter.service.keepsake import copy
from wxcode_jupyter.service.kept_text import KeptText
from wxcode_jupyter.service.rewind import Rewinds
from wxcode_jupyter.store.base import Store

#: Stands in claude's place: makes the transcript of the conversation that it was told to make.
FORKS = 'mkdir -p "$HOME/.claude/projects/x" && echo "{}" > "$HOME/.claude/projects/x/$7.jsonl"'
COMPACTED: list[dict[str, object]] = [
    {"type": "system", "subtype": "compact_boundary", "uuid": "b", "parentUuid": None}
]


class Scene(PastMilestone):
    """A milestone whose turn made a file."""

    rewinds: Rewinds

    def references(self) -> list[str]:
        return self.work.git("for-each-ref", "--format=%(refname)").split()


@pytest.fixture
async def scene(
    request: pytest.FixtureRequest,
    config: Config,
    store: Store,
    events: EventLog,
    project: OutputProject,
    sessions: StubSessions,
    tmp_path: Path,
) -> Scene:
    scene = Scene(config, store, events, project, tmp_path, getattr(request, "param", FORKS))
    scene.work.write("kept.txt", "1\n")
    await scene.begin()
    scene.work.write("made.txt", "1\n")
    sessions.variables = dict(config.environment)
    scene.rewinds = Rewinds(scene.config, store, events, sessions.typed(), scene.checkpoints)
    return scene


async def test_the_lineage_says_where_the_conversation_comes_from(scene: Scene) -> None:
    await scene.asked(BEFORE)
    done = await scene.rewinds.rewind(scene.milestone.id)
    assert not (scene.work.folder / "made.txt").exists()
    newest = (await scene.store.load_lineage(scene.project.id))[-1]
    assert (newest.claude_session_id, newest.cause) == (done.claude_session_id, LineageCause.REWIND)
    assert (newest.predecessor, newest.born) == (OLD, True)
    assert (await scene.store.get_project(scene.project.id)).claude_session_id == done.claude_session_id
    assert [event.type for event in await scene.store.load_events(scene.project.id)][-1] == "rewound"


@pytest.mark.parametrize(
    "scene",
    ["echo No conversation found; exit 1", f"{FORKS}; echo No conversation found; exit 1"],
    ids=["nothing made", "made by half"],
    indirect=True,
)
async def test_a_cli_that_does_not_go_back_leaves_everything_as_it_is(scene: Scene) -> None:
    await scene.asked(BEFORE)
    before = (scene.work.state(), scene.references())
    with pytest.raises(ConversationUnknown, match="No conversation found"):
        await scene.rewinds.rewind(scene.milestone.id)
    assert (scene.work.state(), scene.references()) == before
    assert len(await scene.store.load_lineage(scene.project.id)) == 1


@pytest.mark.parametrize("transcript", [COMPACTED, []], ids=["compacted", "lost"])
async def test_a_conversation_that_cannot_be_cut_stays_and_that_is_said(
    scene: Scene, transcript: list[dict[str, object]]
) -> None:
    await scene.asked(transcript)
    done = await scene.rewinds.rewind(scene.milestone.id)
    assert done.claude_session_id is None and "stays as it is" in done.note
    assert not (scene.work.folder / "made.txt").exists()


async def test_a_transcript_that_the_cli_has_deleted_is_brought_back_to_be_cut(scene: Scene) -> None:
    await scene.asked(BEFORE)
    path = scene.folder / "old.jsonl"
    await copy(KeptText(scene.store, scene.project.id, OLD), str(path))
    path.unlink()
    assert (await scene.rewinds.rewind(scene.milestone.id)).claude_session_id is not None


async def test_a_milestone_that_claude_never_had_takes_nothing_of_the_conversation(scene: Scene) -> None:
    await scene.asked(BEFORE, prompt_id=None)
    done = await scene.rewinds.rewind(scene.milestone.id)
    assert done.claude_session_id is None and "nothing of the milestone" in done.note


async def test_later_changes_are_named_and_taken_back_only_by_word(scene: Scene) -> None:
    command = await scene.asked(BEFORE)
    assert command.completed_at is not None
    later = command.completed_at.timestamp() + 60
    os.utime(scene.work.folder / "made.txt", (later, later))
    with pytest.raises(ChangedSince) as refused:
        await scene.rewinds.rewind(scene.milestone.id)
    assert refused.value.files == ["made.txt"]
    assert (await scene.rewinds.rewind(scene.milestone.id, yes=True)).removed == 1


@pytest.mark.parametrize(
    "scene", [f'{FORKS}; echo "by hand" >kept.txt; touch -d "1 hour" kept.txt'], ids=["edited"], indirect=True
)
async def test_what_is_changed_while_the_cli_takes_the_conversation_back_is_not_taken_back(scene: Scene) -> None:
    await scene.asked(BEFORE)
    references = scene.references()
    with pytest.raises(ChangedSince) as refused:
        await scene.rewinds.rewind(scene.milestone.id)
    assert refused.value.files == ["kept.txt"]
    assert (scene.work.folder / "kept.txt").read_text() == "by hand\n"
    assert (scene.work.folder / "made.txt").exists()
    assert scene.references() == references
    assert len(await scene.store.load_lineage(scene.project.id)) == 1
    assert not list(scene.folder.glob("home/.claude/projects/*/*.jsonl"))  # the conversation that nobody needs now

    await scene.rewinds.rewind(scene.milestone.id, yes=True)
    assert (scene.work.folder / "kept.txt").read_text() == "1\n"


async def test_each_rewind_keeps_what_was_there(scene: Scene) -> None:
    await scene.asked(BEFORE)
    first = await scene.rewinds.rewind(scene.milestone.id)
    scene.work.write("again.txt", "1\n")
    second = await scene.rewinds.rewind(scene.milestone.id, yes=True)
    assert first.checkpoint == second.checkpoint == f"refs/wxcode/{scene.milestone.id}/1"
    assert second.saved == f"refs/wxcode/{scene.milestone.id}/rewind-2"
    assert set(scene.work.files_of(first.saved)) == {"kept.txt", "made.txt"}
    assert set(scene.work.files_of(second.saved)) == {"kept.txt", "again.txt"}


async def test_a_live_session_stands_in_the_way(scene: Scene, sessions: StubSessions) -> None:
    sessions.alive = True
    with pytest.raises(SessionAlive):
        await scene.rewinds.rewind(scene.milestone.id)


async def started(scene: Scene, name: str) -> Milestone:
    """Make another milestone whose command was accepted, and that is done."""
    milestone = Milestone(scene.store.new_id(), scene.project.id, name)
    await scene.store.create_milestone(milestone)
    command = Command(scene.store.new_id(), scene.project.id, name, milestone_id=milestone.id)
    await scene.store.append_command(replace(command, status=CommandStatus.COMPLETED, accepted_at=now()))
    done = await scene.store.move_milestone(milestone.id, {milestone.status}, MilestoneStatus.COMPLETED)
    assert done is not None
    return done


async def test_it_is_pending_again_and_so_is_what_was_started_later(scene: Scene) -> None:
    earlier = await started(scene, "earlier")
    command = await scene.asked(BEFORE)
    later = await started(scene, "later")
    waiting = await scene.store.append_command(Command(scene.store.new_id(), scene.project.id, "and then"))
    await scene.store.move_milestone(scene.milestone.id, {MilestoneStatus.PENDING}, MilestoneStatus.IN_PROGRESS)

    done = await scene.rewinds.rewind(scene.milestone.id)
    assert done.taken_back == ("later",)
    statuses = [(await scene.store.get_milestone(each.id)).status for each in (earlier, scene.milestone, later)]
    assert statuses == [MilestoneStatus.COMPLETED, MilestoneStatus.PENDING, MilestoneStatus.PENDING]
    commands = (await scene.store.list_commands(scene.project.id)).items
    assert [bool(each.taken_back_at) for each in commands] == [False, True, True, False]
    assert (await scene.store.get_command(waiting.id)).status is CommandStatus.QUEUED

    again = await scene.rewinds.rewind(scene.milestone.id, yes=True)  # and nothing of it is in the conversation now
    assert "nothing of the milestone" in again.note and again.taken_back == ()
    assert (await scene.store.get_command(command.id)).taken_back_at == commands[1].taken_back_at
