"""Back to before a milestone, for real: the files, and a conversation that does not know of it any more."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.cli import each_cli
from tests.support.job import Job
from wxcode_jupyter.errors import ChangedSince, NoCheckpoint, SessionAlive
from wxcode_jupyter.models import Milestone, MilestoneStatus
from wxcode_jupyter.testing.scripted_model import Rule, Say, Use

pytestmark = [pytest.mark.cli, pytest.mark.timeout(300)]


def writes(name: str) -> Rule:
    """A milestone's turn: writes a file, and one in `.planning/`."""
    return Rule(
        "new-milestone",
        [
            Use("Write", {"file_path": f"{{{{cwd}}}}/{name}.txt", "content": f"{name}\n"}),
            Use("Write", {"file_path": f"{{{{cwd}}}}/.planning/{name}.md", "content": f"{name}\n"}),
            Say(f"Wrote {name}."),
        ],
        times=1,
    )


def said(job: Job) -> str:
    """Return what the model was told last."""
    return json.dumps(job.model.turn_requests[-1]["messages"])


def fork(job: Job, second: Milestone, first: Milestone) -> None:
    """Make another project of what this one was before its second milestone while its session lives; go on there."""
    asked = len(job.model.turn_requests)
    done = job.client.fork(second, "Second Try")
    assert len(job.model.turn_requests) == asked
    folder = Path(done.workspace_path)
    assert (folder / "one.txt").exists() and (folder / ".planning" / "one.md").exists()
    assert not (folder / "two.txt").exists()
    job.client.update_project(done.project_id, trust=True)
    answer = job.done(job.client.send(done.project_id, "What have we done there?"), timeout_s=90)
    assert answer.claude_session_id == done.claude_session_id
    assert first.id in said(job) and second.id not in said(job)
    assert str(folder) in said(job) and f"{job.workspace}/" not in said(job)
    job.client.stop(done.project_id)


@each_cli
def test_files_and_conversation_go_back_to_before_the_milestone(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version, rules=[writes("one"), writes("two")], gsd="1.14.0") as job:
        client, workspace = job.client, job.workspace
        project = job.project(permission_mode="acceptEdits")
        before = client.new_milestone(project, "nothing", "# Nothing\n")
        (workspace / ".gitignore").write_text(".planning/\n")
        subprocess.run(["git", "init", "-q"], cwd=workspace, check=True)
        first = client.new_milestone(project, "one", "# One\n")
        job.done(client.start_milestone(first), timeout_s=90)
        second = client.new_milestone(project, "two", "# Two\n")
        job.done(client.start_milestone(second), timeout_s=90)
        old = client.get_project(project).claude_session_id
        assert (workspace / "two.txt").exists()
        (workspace / "late.txt").write_text("by hand\n")
        late = (workspace / "late.txt").stat().st_mtime + 60
        os.utime(workspace / "late.txt", (late, late))

        fork(job, second, first)
        assert (workspace / "two.txt").exists() and client.get_project(project).claude_session_id == old

        with pytest.raises(SessionAlive):
            client.rewind(second)
        client.stop(project)
        with pytest.raises(NoCheckpoint):
            client.rewind(before)
        with pytest.raises(ChangedSince) as refused:
            client.rewind(second)
        assert refused.value.files == ["late.txt"] and (workspace / "two.txt").exists()
        asked = len(job.model.turn_requests)
        os.utime(workspace / "late.txt", (0, 0))
        done = client.rewind(second)  # what the CLI itself does meanwhile is nobody's change

        assert len(job.model.turn_requests) == asked
        assert (done.restored, done.removed) == (0, 3)
        assert not any((workspace / name).exists() for name in ("two.txt", ".planning/two.md", "late.txt"))
        assert (workspace / "one.txt").exists() and (workspace / ".planning" / "one.md").exists()
        kept = subprocess.run(
            ["git", "show", f"{done.saved}:late.txt"], cwd=workspace, capture_output=True, text=True, check=True
        )
        assert kept.stdout == "by hand\n"
        assert client.get_project(project).claude_session_id == done.claude_session_id != old

        answer = job.done(client.send(project, "What have we done?"), timeout_s=90)
        assert answer.claude_session_id == done.claude_session_id
        assert first.id in said(job) and second.id not in said(job)

        assert client.milestone(second).status is MilestoneStatus.PENDING
        client.stop(project)
        again = client.rewind(first, yes=True)
        assert not (workspace / "one.txt").exists()
        assert again.claude_session_id not in (old, done.claude_session_id)
        job.done(client.send(project, "And now?"), timeout_s=90)
        assert first.id not in said(job)
        job.done(client.start_milestone(client.milestone(first)), timeout_s=90)
        assert client.milestone(first).status is MilestoneStatus.IN_PROGRESS
