"""Checkpoints: made before a milestone where that is possible, and never in its way."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.repositories import Work
from wxcode_jupyter import git
from wxcode_jupyter.errors import GitUnavailable, NotFound
from wxcode_jupyter.evidence import FileChange
from wxcode_jupyter.models import Milestone, OutputProject
from wxcode_jupyter.service.checkpoints import Checkpoints
from wxcode_jupyter.service.config import Config
from wxcode_jupyter.service.events import EventLog
from wxcode_jupyter.store.base import Store


@pytest.fixture
def work(project: OutputProject, tmp_path: Path) -> Work:
    """The project's workspace, with a repository."""
    Path(project.workspace_path).rmdir()
    return Work(Path(project.workspace_path), tmp_path / "home-of-ada")


@pytest.fixture
def checkpoints(config: Config, store: Store, events: EventLog) -> Checkpoints:
    return Checkpoints(config, store, events)


@pytest.fixture
async def milestone(store: Store, project: OutputProject) -> Milestone:
    milestone = Milestone(store.new_id(), project.id, "login")
    await store.create_milestone(milestone)
    return milestone


async def event_types(store: Store, project: OutputProject) -> list[str]:
    return [event.type for event in await store.load_events(project.id)]


async def test_a_checkpoint_is_a_commit_of_the_files_and_of_planning(
    store: Store, project: OutputProject, work: Work, checkpoints: Checkpoints, milestone: Milestone
) -> None:
    work.write(".gitignore", ".planning\n.milestones/*/secret\n")
    work.write(".planning/STATE.md", "1\n")
    work.write(".milestones/.holder.json", "{}")
    reference = await checkpoints.make(milestone, project.workspace_path)
    assert reference == f"refs/wxcode/{milestone.id}/1"
    assert set(work.files_of(reference)) == {".gitignore", ".planning/STATE.md"}
    assert work.git("log", "--format=%an %s", reference) == (
        f"wxcode_jupyter Before the milestone 'login' ({milestone.id})"
    )
    (event,) = await store.load_events(project.id)
    assert (event.type, event.data["ref"]) == ("checkpoint_made", reference)


async def test_changes_are_those_since_the_latest_checkpoint(
    project: OutputProject, work: Work, checkpoints: Checkpoints, milestone: Milestone
) -> None:
    work.write("a.txt", "1\n")
    await checkpoints.make(milestone, project.workspace_path)
    work.write("a.txt", "2\n")
    assert await checkpoints.make(milestone, project.workspace_path) == f"refs/wxcode/{milestone.id}/2"
    work.write("b.txt", "1\n2\n")
    (Path(project.workspace_path) / "a.txt").unlink()
    changes = await checkpoints.changes(milestone.id)
    assert changes.files == (FileChange("a.txt", "deleted", 0, 1), FileChange("b.txt", "added", 2, 0))
    assert (changes.added, changes.changed, changes.deleted) == (1, 0, 1)
    assert (changes.added_lines, changes.deleted_lines) == (2, 1)
    assert changes.checkpoint == f"refs/wxcode/{milestone.id}/2"


async def test_starts_at_the_same_time_have_a_checkpoint_each(
    project: OutputProject, work: Work, checkpoints: Checkpoints, milestone: Milestone
) -> None:
    work.write("a.txt", "1\n")
    made = await asyncio.gather(*(checkpoints.make(milestone, project.workspace_path) for _ in range(3)))
    assert sorted(map(str, made)) == [f"refs/wxcode/{milestone.id}/{number}" for number in (1, 2, 3)]


async def test_a_workspace_in_no_repository_has_none_and_nothing_is_said(
    store: Store, project: OutputProject, checkpoints: Checkpoints, milestone: Milestone
) -> None:
    assert await checkpoints.make(milestone, project.workspace_path) is None
    assert await event_types(store, project) == []
    assert checkpoints.warning(milestone.id) == ""
    changes = await checkpoints.changes(milestone.id)
    assert (changes.checkpoint, changes.reason) == (None, "The workspace is in no git repository.")


async def test_a_git_that_fails_is_a_warning_and_an_event(
    config: Config, store: Store, events: EventLog, project: OutputProject, work: Work, milestone: Milestone
) -> None:
    without = replace(config, environment={**config.environment, "PATH": "/nowhere"})
    checkpoints = Checkpoints(without, store, events)
    assert await checkpoints.make(milestone, project.workspace_path) is None
    (event,) = await store.load_events(project.id)
    assert event.type == "checkpoint_failed"
    assert event.data["message"] == checkpoints.warning(milestone.id)
    assert "git cannot be executed" in event.data["message"]
    with pytest.raises(GitUnavailable):
        await checkpoints.changes(milestone.id)


async def test_a_milestone_that_has_none_says_so(
    work: Work, checkpoints: Checkpoints, milestone: Milestone, store: Store
) -> None:
    assert (await checkpoints.changes(milestone.id)).reason == "The milestone has no checkpoint."
    with pytest.raises(NotFound):
        await checkpoints.changes(store.new_id())


async def test_what_is_not_in_a_checkpoint_is_said(
    project: OutputProject,
    work: Work,
    checkpoints: Checkpoints,
    milestone: Milestone,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(git, "SIZE_LIMIT_BYTES", 10)
    work.write("video.bin", "x" * 11)
    assert await checkpoints.make(milestone, project.workspace_path) is not None
    assert checkpoints.warning(milestone.id).endswith("not readable: video.bin")
    (work.folder / "video.bin").unlink()
    await checkpoints.make(milestone, project.workspace_path)
    assert checkpoints.warning(milestone.id) == ""


async def test_what_git_runs_for_us_gets_none_of_the_servers_secrets(
    config: Config,
    store: Store,
    events: EventLog,
    project: OutputProject,
    work: Work,
    milestone: Milestone,
    tmp_path: Path,
) -> None:
    """A filter of the repository's configuration, which Claude can write, is a program that the server's git runs."""
    secrets = {"JUPYTER_TOKEN": "jupyter-secret", "WXCODE_STORE_URL": "mongodb://u:store-secret@h/"}
    environment = {**config.environment, **secrets, "PATH": os.environ["PATH"], "KEPT": "kept"}
    checkpoints = Checkpoints(replace(config, environment=environment), store, events)
    work.git("config", "filter.spy.clean", f"env >>{tmp_path}/seen; cat")
    work.write(".gitattributes", "* filter=spy\n")
    assert await checkpoints.make(milestone, project.workspace_path) is not None
    seen = (tmp_path / "seen").read_text()
    assert "KEPT=kept" in seen
    assert "secret" not in seen
