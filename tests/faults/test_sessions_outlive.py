"""The server ends in the midst of Claude's work: the work goes on, and the next server goes on with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.test_questions import COLOUR, asking, begin, until_asked
from tests.support.cli import each_cli
from tests.support.conversation import asked
from tests.support.job import alive, until
from tests.support.kept import lasting
from tests.support.mid_turn import LONG_STORY, SAID, begin_turn
from wxcode_jupyter.models import CommandStatus, SessionState
from wxcode_jupyter.testing.scripted_model import Rule, Say

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]


@each_cli
def test_a_turn_ends_while_nobody_is_there(tmp_path: Path, cli_version: str) -> None:
    with lasting(tmp_path, cli_version, rules=[LONG_STORY]) as job:
        turn = begin_turn(job, "an earlier one")
        job.server.kill()
        job.model.gate("end").set()
        [transcript] = job.home.transcripts(job.workspace)
        until(lambda: SAID in transcript.read_text())
        job.restart(kill=True)
        now = turn.goes_on(job)
        assert SAID in job.client.screen(turn.project)
        told = [event.type for event in job.client.events(turn.project)]
        assert told.count("session_started") == 1
        assert told.count("session_taken_over") == 1
        assert told.count("command_completed") == 3
        job.client.stop(turn.project)
        until(lambda: not alive(now.pid or 0))


@each_cli
@pytest.mark.parametrize("kill", [True, False], ids=["killed", "in order"])
def test_a_turn_goes_on_over_a_restart(tmp_path: Path, cli_version: str, kill: bool) -> None:
    rules = [Rule("long", [Say("the end of it", gate="end")])]
    with lasting(tmp_path, cli_version, rules=rules) as job:
        project = job.project()
        command = job.client.send(project, "a long story")
        job.until_status(command, CommandStatus.ACCEPTED)
        before = job.client.session(project)
        job.restart(kill=kill)
        assert job.until_state(project, SessionState.BUSY).pid == before.pid
        assert job.client.start_session(project).pid == before.pid
        job.model.gate("end").set()
        assert job.done(command).last_message == "the end of it"
        terminal = job.terminal(project)
        terminal.wait_connected()
        job.restart(kill=kill)
        assert job.until_state(project, SessionState.IDLE).pid == before.pid
        assert job.ask(project, "another one").last_message
        assert asked(job) == job.model.prompts == ["a long story", "another one"]


@each_cli
def test_killed_while_texts_are_put_in(tmp_path: Path, cli_version: str) -> None:
    with lasting(tmp_path, cli_version) as job:
        project = job.project()
        job.ask(project, "an earlier one")
        pid = job.client.session(project).pid
        texts = ["a short one", "\n".join(f"line {number} of it" for number in range(1500)), "another short one"]
        for text in texts:
            command = job.client.send(project, text)
            job.until_status(command, CommandStatus.DELIVERING, CommandStatus.ACCEPTED, CommandStatus.COMPLETED)
            job.restart(kill=True)
            # One that was not begun to be put in is told: nobody knows whether the CLI has yet to read it.
            ended = job.until_status(command, CommandStatus.COMPLETED, CommandStatus.FAILED)
            assert asked(job).count(text) == (1 if ended.status is CommandStatus.COMPLETED else 0), ended
        assert job.ask(project, "still there?").status is CommandStatus.COMPLETED
        assert job.client.session(project).pid == pid
        assert asked(job) == job.model.prompts


@each_cli
def test_what_is_asked_can_be_answered_at_the_next_server(tmp_path: Path, cli_version: str) -> None:
    with lasting(tmp_path, cli_version, rules=asking(COLOUR)) as job:
        project, command, question = begin(job)
        job.restart(kill=True)
        assert until_asked(job, project).id == question.id
        job.until_state(project, SessionState.WAITING)
        answered = job.client.answer(question, "Red")
        assert (answered.answer, answered.answered_by) == (("Red",), "user")
        assert job.done(command).last_message == "as you like"
        told = [event.type for event in job.client.events(project)]
        assert (told.count("question"), told.count("answered")) == (1, 1)
        assert asked(job) == job.model.prompts == ["ask me"]
