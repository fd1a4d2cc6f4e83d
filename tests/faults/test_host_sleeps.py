"""The machine is put to sleep in the midst of a turn: all stand still together, wake together, and go on."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.conversation import asked
from tests.support.faults import FAULT_CLI_VERSIONS
from tests.support.job import Job, until
from tests.support.processes import processes_of, stopped
from wxcode_jupyter.models import CommandStatus, SessionState
from wxcode_jupyter.testing.scripted_model import Rule, Say

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]

#: Longer than an operation of the store may take, or a question waits for its hook (5 s each).
SLEEP_S = 6.0


@pytest.mark.parametrize("cli_version", FAULT_CLI_VERSIONS)
def test_the_turn_and_the_queue_go_on(tmp_path: Path, cli_version: str) -> None:
    rules = [Rule("long", [Say("slept-well", gate="end")])]
    with Job(tmp_path, cli_version, rules=rules) as job:
        project = job.project()
        command = job.client.send(project, "a long story")
        job.until_status(command, CommandStatus.ACCEPTED)
        waiting = job.client.send(project, "and then?")
        terminal = job.terminal(project)
        terminal.wait_connected()
        pid = job.client.session(project).pid
        with ExitStack() as asleep:
            for each in processes_of(job.home.path):
                asleep.enter_context(stopped(each))
            job.model.gate("end").set()  # the world goes on meanwhile
            woken_at = time.monotonic() + SLEEP_S
            until(lambda: time.monotonic() > woken_at, what="a long sleep")
        assert job.done(command).last_message == "slept-well"
        job.done(waiting)
        terminal.wait_text("slept-well")
        assert job.until_state(project, SessionState.IDLE).pid == pid
        assert asked(job) == job.model.prompts == ["a long story", "and then?"]
        told = [event.type for event in job.client.events(project)]
        assert (told.count("session_started"), told.count("command_completed")) == (1, 2)
