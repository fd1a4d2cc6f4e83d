"""The conversations of a project: listed, gone back to, and restored where the CLI has deleted one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.cli import each_cli
from tests.support.job import Job
from wxcode_jupyter.errors import NotFound, SessionAlive

pytestmark = pytest.mark.cli


@each_cli
def test_the_way_back_to_an_earlier_conversation(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        job.ask(project, "said in the first")
        job.ask(project, "/clear")
        job.ask(project, "said in the second")
        first, second = job.client.conversations(project)
        assert [each.first_prompt for each in (first, second)] == ["said in the first", "said in the second"]
        assert [(each.cause, each.current, each.kept) for each in (first, second)] == [
            ("new", False, True),
            ("clear", True, True),
        ]
        with pytest.raises(SessionAlive, match="stop it"):
            job.client.resume(project, claude_session_id=first.claude_session_id)
        assert job.client.resume(project, claude_session_id=second.claude_session_id).pid  # it is the live one

        job.client.stop(project)
        with pytest.raises(NotFound, match="never this project's"):
            job.client.resume(project, claude_session_id="11111111-2222-4333-8444-555555555555")
        job.client.resume(project, claude_session_id=first.claude_session_id)
        job.ask(project, "and more of it")
        assert job.model.user_texts(job.model.turn_requests[-1]) == ["said in the first", "and more of it"]
        back = job.client.conversations(project)[-1]
        assert (back.claude_session_id, back.cause, back.current) == (first.claude_session_id, "resumed", True)
        assert job.client.get_project(project).claude_session_id == first.claude_session_id


@each_cli
def test_a_transcript_that_was_deleted_is_restored(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        job.ask(project, "to be kept")
        job.client.stop(project)
        [transcript] = job.home.transcripts(job.workspace)
        shutil.rmtree(transcript.parent)
        job.ask(project, "are you there?")
        assert job.model.user_texts(job.model.turn_requests[-1]) == ["to be kept", "are you there?"]
        assert job.transcripts() == [transcript.stem]


@each_cli
def test_a_transcript_that_is_gone_everywhere_comes_from_the_store(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        job.ask(project, "to be kept in the store")
        job.client.stop(project)
        [transcript] = job.home.transcripts(job.workspace)
        links = list((tmp_path / "jupyter").rglob(f"wxcode/transcripts/*/{transcript.name}"))
        assert len(links) == 1
        for each in (transcript, *links):
            shutil.rmtree(each.parent)
        [listed] = job.client.conversations(project)
        assert (listed.kept, listed.first_prompt) == (True, "to be kept in the store")
        job.ask(project, "are you there?")
        assert job.model.user_texts(job.model.turn_requests[-1]) == ["to be kept in the store", "are you there?"]
        assert job.transcripts() == [transcript.stem]
