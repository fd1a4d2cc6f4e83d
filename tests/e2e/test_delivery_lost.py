"""Commands reach Claude exactly once, when its hooks are lost or it dies on the way."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.support.cli import each_cli
from tests.support.conversation import asked
from tests.support.job import Job, command_line_of, until
from wxcode_jupyter.client.values import Project
from wxcode_jupyter.models import Command, CommandStatus, SessionState
from wxcode_jupyter.testing.scripted_model import Rule, Say

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]


@each_cli
def test_where_hooks_do_not_come_any_more_the_transcript_tells(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        job.ask(project, "with hooks")
        lose_hooks(job, project)
        assert job.ask(project, "without").last_message == "ok: without"
        info = job.until_state(project, SessionState.ATTENTION)
        assert info.attention is not None
        assert info.attention.kind == "hooks_disabled"
        waiting = job.client.send(project, "afterwards")
        assert job.client.session(project).queued == 1

        job.client.stop(project)
        job.client.start_session(project)
        job.done(waiting)
        assert job.model.prompts == ["with hooks", "without", "afterwards"] == asked(job)


@each_cli
def test_where_hooks_do_not_come_and_the_server_is_killed_nothing_is_sent_twice(
    tmp_path: Path, cli_version: str
) -> None:
    with Job(tmp_path, cli_version, rules=[Rule("without", [Say("one\n\ntwo", hold="never")])]) as job:
        project = job.project()
        job.ask(project, "with hooks")
        lose_hooks(job, project)
        command = job.client.send(project, "without")
        until(lambda: "without" in asked(job))
        job.restart(kill=True)
        job.client.start_session(project)
        job.until_status(command, CommandStatus.INTERRUPTED)
        job.ask(project, "afterwards")
        assert job.model.prompts == ["with hooks", "without", "afterwards"] == asked(job)


def lose_hooks(job: Job, project: Project) -> None:
    """Take the relay away from the CLI that runs, as something that tidies up might, or `disableAllHooks`."""
    line = command_line_of(job.client.session(project).pid)
    Path(line[line.index("--settings") + 1]).with_name("relay.sh").unlink()


@each_cli
def test_a_cli_that_dies_while_a_command_is_put_in_gets_it_again(tmp_path: Path, cli_version: str) -> None:
    text = "\n".join(f"line {number} of what is delivered" for number in range(1500))
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        job.client.start_session(project)
        pid = job.until_state(project, SessionState.IDLE).pid
        command = job.client.send(project, text)
        job.until_status(command, CommandStatus.DELIVERING, CommandStatus.ACCEPTED, CommandStatus.COMPLETED)
        kill(pid)
        job.until_state(project, SessionState.EXITED)
        settle_and_check_once(job, command)


@each_cli
@pytest.mark.parametrize("delay_s", [0, 0.03, 0.2])
def test_a_cli_that_dies_at_the_hook_has_the_prompt_once(tmp_path: Path, cli_version: str, delay_s: float) -> None:
    settings = tmp_path / "home" / ".claude" / "settings.json"
    settings.parent.mkdir(parents=True)
    once = tmp_path / "killed"
    die = f"[ -e {once} ] || {{ touch {once}; cli=$PPID; (sleep {delay_s}; kill -9 $cli) & }}"
    hook = {"hooks": [{"type": "command", "command": die}]}
    settings.write_text(json.dumps({"hooks": {"UserPromptSubmit": [hook]}}))
    with Job(tmp_path, cli_version, rules=[Rule("reach", [Say("reached", delay_s=0.5)])]) as job:
        project = job.project()
        command = job.client.send(project, "does this reach you?")
        job.until_state(project, SessionState.EXITED)
        settle_and_check_once(job, command)


@each_cli
def test_a_cli_that_dies_in_mid_turn_does_not_get_the_command_again(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version, rules=[Rule("long", [Say("one\n\ntwo", hold="never")])]) as job:
        project = job.project()
        command = job.client.send(project, "a long story")
        waiting = job.client.send(project, "and then?")
        job.until_status(command, CommandStatus.ACCEPTED)
        kill(job.client.session(project).pid)
        ended = job.until_status(command, CommandStatus.INTERRUPTED)
        assert "ended in the middle of this turn" in str(ended.error)

        job.client.start_session(project)
        job.done(waiting)
        assert job.model.prompts == ["a long story", "and then?"] == asked(job)


def settle_and_check_once(job: Job, command: Command) -> None:
    """Resume, and find the command either interrupted (the CLI had it) or delivered now; never twice."""
    project = command.output_project_id
    taken = asked(job)
    assert taken in ([], [command.text])
    job.client.start_session(project)
    ended = job.until_status(command, CommandStatus.COMPLETED, CommandStatus.INTERRUPTED)
    after = job.ask(job.client.get_project(project), "still there?")
    assert asked(job) == [command.text, "still there?"]
    assert (ended.status is CommandStatus.INTERRUPTED) == (taken == [command.text])
    assert after.claude_session_id == job.client.get_project(project).claude_session_id


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
