"""`/clear` and `/compact` as commands: delivered in their turn, done when their effect is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import each_cli
from tests.support.conversation import asked
from tests.support.job import Job, until
from wxcode_jupyter.errors import UnsupportedCommand
from wxcode_jupyter.models import CommandStatus, SessionState
from wxcode_jupyter.testing.scripted_model import Rule, Say

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]


@each_cli
def test_clear_begins_another_conversation_in_its_turn(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version, rules=[Rule("one", [Say("done", gate="one")])]) as job:
        project = job.project()
        one = job.client.send(project, "one")
        job.until_status(one, CommandStatus.ACCEPTED)
        first = job.client.session(project).claude_session_id
        clear = job.client.send(project, "/clear")
        two = job.client.send(project, "two")
        assert job.client.command(clear).status is CommandStatus.QUEUED
        job.model.gate("one").set()

        assert job.done(clear).accepted_at is not None
        job.done(two)
        second = job.client.session(project).claude_session_id
        assert second != first
        assert job.client.get_project(project.id).claude_session_id == second
        assert job.client.command(two).claude_session_id == second
        assert job.model.user_texts(job.model.turn_requests[-1])[-1:] == ["two"]
        assert "one" not in job.model.user_texts(job.model.turn_requests[-1])
        changed = [event.data for event in job.client.events(project) if event.type == "session_id_changed"]
        assert changed[-1] == {"claude_session_id": second, "cause": "clear"}
        assert job.model.prompts == ["one", "two"]


@each_cli
def test_clear_of_a_conversation_in_which_nothing_was_asked(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        job.done(job.client.send(project, "/clear"))
        job.done(job.client.send(project, "/clear"))
        job.until_state(project, SessionState.IDLE)

        def followed() -> bool:
            """Whether the new id is stored: it may be heard of after the command's end."""
            return job.client.get_project(project.id).claude_session_id == job.client.session(project).claude_session_id

        until(followed, what="the id of the cleared conversation")
        job.client.stop(project)
        job.client.start_session(project)
        job.ask(project, "hello")
        assert job.model.prompts == ["hello"] == asked(job)


@each_cli
def test_compact_is_done_when_the_summary_is_there(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        for number in range(3):
            job.ask(project, f"remember {number}")
        before = job.client.session(project).claude_session_id
        compact = job.client.send(project, "/compact keep the numbers")
        after = job.client.send(project, "what were they?")
        assert job.done(compact).accepted_at is not None
        job.done(after)
        assert job.client.session(project).claude_session_id == before
        assert "remember 1" not in job.model.user_texts(job.model.turn_requests[-1])
        assert job.model.prompts == [*(f"remember {number}" for number in range(3)), "what were they?"]


@each_cli
def test_compact_of_an_empty_conversation_fails_with_what_the_cli_says(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        compact = job.client.send(project, "/compact")
        after = job.client.send(project, "hello")
        assert job.until_status(compact, CommandStatus.FAILED).error == "Not enough messages to compact."
        job.done(after)
        assert job.client.session(project).state is SessionState.IDLE


@each_cli
def test_the_others_are_refused_before_anything_is_typed(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        for text in ("/model", "/cost", "/clear everything", "/compact\nall"):
            with pytest.raises(UnsupportedCommand):
                job.client.send(project, text)
        assert job.client.session(project).state is SessionState.STOPPED
