"""The keeper is killed in the midst of Claude's work: the work goes on; with the server it ends, and is resumed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import each_cli
from tests.support.conversation import asked
from tests.support.job import Job, alive, until
from tests.support.kept import lasting
from tests.support.processes import processes_of
from wxcode_jupyter.models import CommandStatus, SessionState
from wxcode_jupyter.testing.scripted_model import Rule, Say

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]


@each_cli
@pytest.mark.parametrize("keep_sessions", [True, False], ids=["kept", "not kept"])
def test_the_turn_and_the_queue_go_on(tmp_path: Path, cli_version: str, keep_sessions: bool) -> None:
    rules = [Rule("long", [Say("once upon a time, and so on", gate="end")])]
    with lasting(tmp_path, cli_version, rules=rules) as job:
        job.server.options["keep_sessions"] = keep_sessions
        job.restart()
        project = job.project()
        command = job.client.send(project, "a long story")
        after = job.client.send(project, "and then?")
        job.until_status(command, CommandStatus.ACCEPTED)
        before = job.client.session(project)
        terminal = job.terminal(project)
        terminal.wait_connected()
        kill_keeper(job)
        job.model.gate("end").set()
        assert job.done(command).last_message == "once upon a time, and so on"
        job.done(after)
        now = job.until_state(project, SessionState.IDLE)
        assert (now.pid, now.claude_session_id) == (before.pid, before.claude_session_id)
        terminal.wait_text("upon")
        assert "once upon a time" in job.client.screen(project)
        assert asked(job) == job.model.prompts == ["a long story", "and then?"]
        assert "another one goes on with its 1 sessions" in job.server.log()
        job.client.stop(project)
        ended = job.until_state(project, SessionState.EXITED)
        assert ended.exit_code is None
        assert not alive(now.pid or 0)


@each_cli
def test_then_the_server_and_the_next_one_goes_on_with_the_new_keeper(tmp_path: Path, cli_version: str) -> None:
    rules = [Rule("long", [Say("the end of it", gate="end")])]
    with lasting(tmp_path, cli_version, rules=rules) as job:
        project = job.project()
        command = job.client.send(project, "a long story")
        job.until_status(command, CommandStatus.ACCEPTED)
        pid = job.client.session(project).pid
        kill_keeper(job)
        until(lambda: f" {pid} " in keeper_status(job))
        job.restart(kill=True)
        assert job.until_state(project, SessionState.BUSY).pid == pid
        job.model.gate("end").set()
        assert job.done(command).last_message == "the end of it"
        assert asked(job) == job.model.prompts == ["a long story"]


def test_with_the_server_the_session_ends_and_the_conversation_is_resumed(tmp_path: Path) -> None:
    rules = [Rule("long", [Say("one\n\ntwo", hold="never")])]
    with lasting(tmp_path, "2.1.330", rules=rules) as job:
        project = job.project()
        job.ask(project, "an earlier one")
        command = job.client.send(project, "a long story")
        after = job.client.send(project, "and then?")
        job.until_status(command, CommandStatus.ACCEPTED)
        before = job.client.session(project)
        keeper = keeper_of(job)
        assert keeper is not None
        os.kill(keeper, signal.SIGSTOP)  # so that it does nothing when the server is gone
        job.server.kill()
        os.kill(keeper, signal.SIGKILL)
        until(lambda: not alive(before.pid or 0))
        job.restart(kill=True)
        assert "a long story" in job.client.screen(project)
        assert job.client.session(project).state is SessionState.STOPPED
        assert job.client.start_session(project).claude_session_id == before.claude_session_id
        job.until_status(command, CommandStatus.INTERRUPTED)
        job.done(after)
        assert asked(job) == job.model.prompts == ["an earlier one", "a long story", "and then?"]
        assert job.transcripts() == [before.claude_session_id]


def keeper_of(job: Job) -> int | None:
    """Return the keeper's process, None where none runs."""
    return next((pid for pid, line in processes_of(job.home.path).items() if "terminal.keeper" in line), None)


def keeper_status(job: Job) -> str:
    """Return what the command line says of the keeper."""
    command = [sys.executable, "-m", "wxcode_jupyter", "keeper", "status"]
    return subprocess.run(
        command, env=job.server.environment(), capture_output=True, text=True, timeout=60, check=False
    ).stdout


def kill_keeper(job: Job) -> None:
    """Kill the keeper."""
    keeper = keeper_of(job)
    assert keeper is not None
    os.kill(keeper, signal.SIGKILL)
