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
from tests.support.faults import keeper_of
from tests.support.job import Job, alive, until
from tests.support.kept import lasting
from tests.support.mid_turn import ENDLESS_STORY, LONG_STORY, SAID, begin_turn
from wxcode_jupyter.models import CommandStatus, SessionState
from wxcode_jupyter.testing.scripted_model import Rule, Say

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]


@each_cli
@pytest.mark.parametrize("keep_sessions", [True, False], ids=["kept", "not kept"])
def test_the_turn_and_the_queue_go_on(tmp_path: Path, cli_version: str, keep_sessions: bool) -> None:
    with lasting(tmp_path, cli_version, rules=[LONG_STORY]) as job:
        job.server.options["keep_sessions"] = keep_sessions
        job.restart()
        turn = begin_turn(job)
        terminal = job.terminal(turn.project)
        terminal.wait_connected()
        kill_keeper(job)
        job.model.gate("end").set()
        now = turn.goes_on(job)
        terminal.wait_text("upon")
        assert SAID in job.client.screen(turn.project)
        assert "another one goes on with its 1 sessions" in job.server.log()
        job.client.stop(turn.project)
        ended = job.until_state(turn.project, SessionState.EXITED)
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
    with lasting(tmp_path, "2.1.330", rules=[ENDLESS_STORY]) as job:
        turn = begin_turn(job, "an earlier one")
        keeper = keeper_of(job.home.path)
        os.kill(keeper, signal.SIGSTOP)  # so that it does nothing when the server is gone
        job.server.kill()
        os.kill(keeper, signal.SIGKILL)
        until(lambda: not alive(turn.before.pid or 0))
        job.restart(kill=True)
        assert "a long story" in job.client.screen(turn.project)
        turn.is_resumed(job)


def keeper_status(job: Job) -> str:
    """Return what the command line says of the keeper."""
    command = [sys.executable, "-m", "wxcode_jupyter", "keeper", "status"]
    return subprocess.run(
        command, env=job.server.environment(), capture_output=True, text=True, timeout=60, check=False
    ).stdout


def kill_keeper(job: Job) -> None:
    """Kill the keeper."""
    os.kill(keeper_of(job.home.path), signal.SIGKILL)
