"""What a turn leaves running in the background: its command is done when that has ended, or has been quiet for long."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import each_cli
from tests.support.job import Job, until
from wxcode_jupyter.models import CommandStatus, SessionState
from wxcode_jupyter.testing.scripted_model import Rule, Say, Use

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]


def until_there(go: Path) -> str:
    """Return a command that ends when the file exists."""
    return f"while [ ! -e '{go}' ]; do sleep 0.1; done"


def in_background(prompt: str, go: Path) -> Rule:
    """A turn that leaves a shell running until ``go`` exists."""
    task = {"command": until_there(go), "run_in_background": True, "description": f"wait for {go.name}"}
    return Rule(prompt, [Use("Bash", task), Say("It runs in the background.")], times=1)


def by_an_agent(prompt: str, go: Path) -> list[Rule]:
    """A turn that leaves an agent at work until ``go`` exists, and that agent's own."""
    agent = {"description": f"see to {go.name}", "prompt": "look and wait", "subagent_type": "general-purpose"}
    work: list[Say | Use] = [
        Use("Bash", {"command": "pwd"}),
        Use("Bash", {"command": until_there(go)}),
        Say("I have seen it."),
    ]
    return [
        Rule("look and wait", work, times=1),
        Rule(prompt, [Use("Agent", {**agent, "run_in_background": True}), Say("An agent is at it.")], times=1),
    ]


@each_cli
def test_a_command_is_done_when_what_it_left_running_is(tmp_path: Path, cli_version: str) -> None:
    tests, server = tmp_path / "tests", tmp_path / "server"
    rules = [
        *by_an_agent("test it", tests),
        in_background("serve", server),
        Rule("task-notification", [Say("All tests pass.")]),
        Rule("", [Say("All tests pass.")], times=1),  # 2.1.330 tells the model of it in a reminder
    ]
    with Job(tmp_path, cli_version, rules=rules) as job:
        project = job.project(permission_mode="bypassPermissions")
        command = job.client.send(project, "test it")
        after = job.client.send(project, "serve it")
        until(lambda: job.client.session(project).background, what="background")
        session = job.client.session(project)
        assert (session.state, session.background) == (SessionState.BUSY, ("see to tests",))
        assert job.client.command(command).status is CommandStatus.ACCEPTED
        assert job.client.command(after).status is CommandStatus.QUEUED
        tests.touch()
        assert job.done(command).last_message == "All tests pass."

        job.until_status(after, CommandStatus.ACCEPTED)
        until(lambda: job.client.session(project).background == ("wait for server",))
        job.client.interrupt(project)  # nobody wants to wait for it
        assert job.done(after).last_message == "It runs in the background."
        assert job.ask(project, "hello").outcome == "finished"
        assert job.client.session(project).background == ()
        server.touch()


@each_cli
def test_what_never_ends_is_let_go(tmp_path: Path, cli_version: str) -> None:
    rules = [in_background("serve", tmp_path / "never")]
    with Job(tmp_path, cli_version, rules=rules, background_wait_s=1.0) as job:
        project = job.project(permission_mode="bypassPermissions")
        assert job.ask(project, "serve it").last_message == "It runs in the background."
        assert job.ask(project, "hello").outcome == "finished"
        told = [event.type for event in job.client.events(project) if event.type.startswith("background")]
        assert told == ["background", "background_let_go"]
