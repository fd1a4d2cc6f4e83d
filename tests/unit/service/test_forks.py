"""A second project of what the first was: everything is there, or nothing is left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.past_milestone import BEFORE, PastMilestone
from tests.unit.service.conftest import StubSessions
from wxcode_jupyter.errors import ConversationUnknown, InvalidPath, NameTaken, NoCheckpoint
from wxcode_jupyter.models import LineageCause, Milestone, MilestoneStatus, OutputProject, ProjectOptions
from wxcode_jupyter.service.config import Config
from wxcode_jupyter.service.events import EventLog
from wxcode_jupyter.service.forks import Forks
from wxcode_jupyter.service.projects import Projects
from wxcode_jupyter.store.base import Store

#: Stands in claude's place: makes a transcript that names its folder.
CUTS = 'mkdir -p "$HOME/.claude/projects/x" && echo "{\\"cwd\\": \\"$PWD\\"}" > "$HOME/.claude/projects/x/$7.jsonl"'


class Scene(PastMilestone):
    """A milestone whose turn changed a file."""

    forks: Forks

    def state(self) -> object:
        return self.work.state(), self.work.git("for-each-ref")

    def transcripts(self) -> list[Path]:
        return sorted(Path(self.config.environment["HOME"]).rglob("*.jsonl"))


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
    scene = Scene(config, store, events, project, tmp_path, getattr(request, "param", CUTS))
    await store.set_options(project.id, ProjectOptions(permission_mode="acceptEdits", trust=True))
    scene.work.write("kept.txt", "1\n")
    scene.work.write(".gitignore", ".planning/\n")
    scene.work.write(".planning/STATE.md", "before\n")
    await scene.begin()
    scene.work.write("kept.txt", "2\n")
    scene.work.write(".planning/STATE.md", "after\n")
    await scene.asked(BEFORE)
    sessions.variables = dict(config.environment)
    projects = Projects(scene.config, store, sessions.typed())
    scene.forks = Forks(scene.config, store, events, sessions.typed(), projects, scene.checkpoints)
    return scene


@pytest.mark.parametrize("alive", [False, True])
async def test_the_second_is_what_the_first_was_and_the_first_is_untouched(
    scene: Scene, sessions: StubSessions, alive: bool
) -> None:
    sessions.alive = alive
    before = scene.state()
    done = await scene.forks.fork(scene.milestone.id, "Second Try")
    assert scene.state() == before
    folder = Path(done.workspace_path)
    assert folder == Path(scene.project.workspace_path).parent / "second-try"
    assert (folder / "kept.txt").read_text() == "1\n"
    assert (folder / ".planning" / "STATE.md").read_text() == "before\n"
    second = await scene.store.get_project(done.project_id)
    assert (second.name, second.claude_session_id) == ("Second Try", done.claude_session_id)
    options = await scene.store.get_options(second.id)
    assert (options.permission_mode, options.trust) == ("acceptEdits", False)
    (entry,) = await scene.store.load_lineage(second.id)
    assert (entry.cause, entry.born) == (LineageCause.FORK, True)
    (transcript,) = scene.transcripts()
    assert entry.transcript_path == str(transcript)
    assert json.loads(transcript.read_text()) == {"cwd": str(folder)}
    copy = await scene.store.get_milestone(done.copy_id)
    assert (copy.element_name, copy.context, copy.status) == ("login", "# Login\n", MilestoneStatus.PENDING)
    assert [event.type for event in await scene.store.load_events(scene.project.id)][-1] == "forked"


@pytest.mark.parametrize("scene", [f"{CUTS}; echo No conversation found; exit 1"], indirect=True)
async def test_a_cli_that_does_not_cut_leaves_nothing_behind(scene: Scene) -> None:
    before = scene.state()
    with pytest.raises(ConversationUnknown, match="No conversation found"):
        await scene.forks.fork(scene.milestone.id, "second")
    assert scene.state() == before
    assert not (Path(scene.project.workspace_path).parent / "second").exists()
    assert (await scene.store.list_projects()).total == 1


async def test_what_fails_late_leaves_nothing_behind_either(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(scene.store, "mark_born", fail)
    empty = Path(scene.project.workspace_path).parent / "empty"
    empty.mkdir()
    with pytest.raises(OSError, match="full"):
        await scene.forks.fork(scene.milestone.id, "second", workspace_path=str(empty))
    assert list(empty.iterdir()) == scene.transcripts() == []
    assert (await scene.store.list_projects()).total == 1


async def test_a_folder_or_name_that_is_taken_is_left_alone(scene: Scene) -> None:
    used = Path(scene.project.workspace_path).parent / "used"
    used.mkdir()
    (used / "mine.txt").write_text("1\n")
    with pytest.raises(InvalidPath, match="not empty"):
        await scene.forks.fork(scene.milestone.id, "used")
    assert (used / "mine.txt").exists()
    with pytest.raises(NameTaken):
        await scene.forks.fork(scene.milestone.id, scene.project.name, workspace_path=str(used.parent / "new"))
    assert not (used.parent / "new").exists()


async def test_without_a_checkpoint_there_is_nothing_to_make(scene: Scene) -> None:
    other = Milestone(scene.store.new_id(), scene.project.id, "never started")
    await scene.store.create_milestone(other)
    with pytest.raises(NoCheckpoint):
        await scene.forks.fork(other.id, "second")
