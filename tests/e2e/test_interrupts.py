"""Esc at every moment of a turn, and menus, which are only ever answered by people."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.cli import each_cli
from tests.support.conversation import asked
from tests.support.job import Job, until
from tests.support.keys import DOWN, ENTER, ESCAPE, choose, press
from wxcode_jupyter.client.values import Project
from wxcode_jupyter.errors import SessionNotRunning
from wxcode_jupyter.models import CommandStatus, SessionState
from wxcode_jupyter.testing.scripted_model import Rule, Say, Use

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]

COLOURS = {
    "question": "Which colour do you want?",
    "header": "Colour",
    "multiSelect": False,
    "options": [{"label": "Red", "description": "warm"}, {"label": "Blue", "description": "cold"}],
}


@each_cli
def test_an_answer_that_has_begun_is_interrupted(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version, rules=[Rule("story", [Say("once upon\n\na time", hold="never")])]) as job:
        project = job.project()
        command = job.client.send(project, "tell a story")
        until_shown(job, project, "once upon")
        job.client.interrupt(project)
        assert job.until_status(command, CommandStatus.INTERRUPTED).accepted_at is not None
        job.until_state(project, SessionState.IDLE)
        job.ask(project, "something else")
        assert asked(job) == ["tell a story", "something else"] == job.model.prompts


@each_cli
@pytest.mark.parametrize("text", ["wait for it", "wait for\nthree lines\nof it", "wait\n" * 40 + "for it"])
def test_an_answer_that_has_not_begun_is_interrupted_and_the_box_is_free_again(
    tmp_path: Path, cli_version: str, text: str
) -> None:
    with Job(tmp_path, cli_version, rules=[Rule("wait", [Say("too late", gate="never")])]) as job:
        project = job.project()
        command = job.client.send(project, text)
        job.until_status(command, CommandStatus.ACCEPTED)
        job.model.wait_for(lambda: job.model.prompts)
        until_shown(job, project, "esc to interrupt")
        job.client.interrupt(project)
        ended = job.until_status(command, CommandStatus.INTERRUPTED)
        assert "before the first token" in str(ended.error)
        job.until_state(project, SessionState.IDLE)
        job.ask(project, "something else")
        assert job.model.prompts == [text, "something else"]


@each_cli
def test_a_tool_that_runs_is_interrupted(tmp_path: Path, cli_version: str) -> None:
    rules = [Rule("work", [Use("Bash", {"command": "tail -f /dev/null", "timeout": 600000}), Say("never said")])]
    with Job(tmp_path, cli_version, rules=rules) as job:
        project = job.project(permission_mode="bypassPermissions")
        command = job.client.send(project, "work for long")
        waiting = job.client.send(project, "then this")
        until_shown(job, project, "tail -f /dev/null")
        job.client.interrupt(project)
        job.until_status(command, CommandStatus.INTERRUPTED)
        job.done(waiting)
        assert job.model.prompts == ["work for long", "then this"]


@each_cli
def test_a_permission_is_the_users_to_give(tmp_path: Path, cli_version: str) -> None:
    rules = [Rule("touch", [Use("Bash", {"command": "touch given.txt"}), Say("touched")])]
    with Job(tmp_path, cli_version, rules=rules) as job:
        project = job.project()
        command = job.client.send(project, "touch it")
        waiting = job.client.send(project, "something else")
        info = job.until_state(project, SessionState.WAITING)
        assert info.queued == 1
        until_shown(job, project, "Do you want to proceed?")
        before = menu(job, project)
        terminal = job.terminal(project)
        terminal.wait_connected()
        job.until_status(command, CommandStatus.ACCEPTED)
        assert menu(job, project) == before
        assert job.client.command(waiting).status is CommandStatus.QUEUED
        assert not (job.workspace / "given.txt").exists()

        choose(job, project, terminal, "Yes")
        assert job.done(command).last_message == "touched"
        job.done(waiting)
        assert (job.workspace / "given.txt").exists()
        assert job.model.prompts == ["touch it", "something else"]


@each_cli
def test_a_permission_that_is_refused_ends_the_turn(tmp_path: Path, cli_version: str) -> None:
    rules = [Rule("touch", [Use("Bash", {"command": "touch given.txt"}), Say("never said")])]
    with Job(tmp_path, cli_version, rules=rules) as job:
        project = job.project()
        command = job.client.send(project, "touch it")
        job.until_state(project, SessionState.WAITING)
        until_shown(job, project, "Do you want to proceed?")
        terminal = job.terminal(project)
        terminal.wait_connected()
        press(terminal, ESCAPE, lambda: "Do you want to proceed?" not in job.client.screen(project))
        job.until_status(command, CommandStatus.INTERRUPTED)
        job.until_state(project, SessionState.IDLE)
        job.ask(project, "something else")
        assert not (job.workspace / "given.txt").exists()


@each_cli
def test_a_question_is_the_users_to_answer(tmp_path: Path, cli_version: str) -> None:
    rules = [Rule("ask", [Use("AskUserQuestion", {"questions": [COLOURS]}), Say("as you like")])]
    with Job(tmp_path, cli_version, rules=rules) as job:
        project = job.project()
        command = job.client.send(project, "ask me")
        job.until_state(project, SessionState.WAITING)
        until_shown(job, project, "❯ 1. Red")
        terminal = job.terminal(project)
        terminal.wait_connected()
        assert "❯ 1. Red" in job.client.screen(project)
        press(terminal, DOWN, lambda: "❯ 2. Blue" in job.client.screen(project))
        press(terminal, ENTER, lambda: job.client.session(project).state is not SessionState.WAITING)
        assert job.done(command).last_message == "as you like"
        states = [event.data["state"] for event in job.client.events(project) if event.type == "session_state"]
        assert states.count("waiting") == 1
        assert "Blue" in job.tool_results()[0]


@each_cli
def test_there_is_nothing_to_interrupt_without_a_session(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        with pytest.raises(SessionNotRunning):
            job.client.interrupt(project)
        job.ask(project, "hello")
        for _ in range(2):  # two Esc in an idle box would open the CLI's Rewind menu
            assert job.client.interrupt(project).state is SessionState.IDLE
        job.ask(project, "hello again")
        job.client.stop(project)
        with pytest.raises(SessionNotRunning):
            job.client.interrupt(project)


def menu(job: Job, project: Project) -> list[str]:
    """Return the lines that can be chosen, with their mark: what is below them changes by itself."""
    lines = job.client.screen(project).replace("\xa0", " ").split("\n")
    return [line for line in lines if re.match(r"[\s❯]*\d\. ", line)]


def until_shown(job: Job, project: Project, text: str) -> None:
    """Wait until the terminal shows it."""
    until(lambda: text in job.client.screen(project), what=f"{text!r} on the screen")
