"""A project leaves as a file, and its conversation goes on elsewhere: another HOME, another store, another folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.cli import each_cli
from tests.support.job import Job
from wxcode_jupyter.errors import ConversationExists
from wxcode_jupyter.testing.scripted_model import Rule, Say, Use

pytestmark = pytest.mark.cli

_RULES = [Rule("where are you", [Use("Bash", {"command": "pwd"}), Say("there")])]


@each_cli
def test_the_conversation_goes_on_on_another_machine(tmp_path: Path, cli_version: str) -> None:
    folder, file = tmp_path / "here", tmp_path / "project.zip"
    folder.mkdir()
    with Job(folder, cli_version) as here:
        project = here.project()
        here.ask(project, "said here")
        milestone = here.client.new_milestone(project, "login", context="# Login\n")
        assert here.client.export_project(project, file) == file  # its session lives, and is idle
        before = here.client.get_project(project)
        with pytest.raises(ConversationExists):
            here.client.import_project(file, name="twice")
    shutil.rmtree(folder)

    there = tmp_path / "there"
    there.mkdir()
    with Job(there, cli_version, rules=_RULES) as job:
        done = job.client.import_project(file, workspace_path=str(job.workspace))
        moved = job.client.get_project(done.project_id)
        assert (moved.name, moved.claude_session_id) == (before.name, before.claude_session_id)
        assert job.client.milestone(milestone.id).context == "# Login\n"
        job.client.update_project(moved, permission_mode="bypassPermissions")
        job.ask(moved, "where are you?")
        [*_, request] = job.model.turn_requests
        assert job.model.user_texts(request)[:2] == ["said here", "where are you?"]
        assert str(job.workspace) in str(request)
        assert str(folder) not in str(request)
        assert [each.first_prompt for each in job.client.conversations(moved)] == ["said here"]
        assert job.transcripts() == [before.claude_session_id]
