"""The machine is put to sleep in the midst of a turn: all stand still together, wake together, and go on."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.faults import FAULT_CLI_VERSIONS
from tests.support.job import Job, until
from tests.support.mid_turn import LONG_STORY, begin_turn
from tests.support.processes import processes_of, stopped

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]

#: Longer than an operation of the store may take, or a question waits for its hook (5 s each).
SLEEP_S = 6.0


@pytest.mark.parametrize("cli_version", FAULT_CLI_VERSIONS)
def test_the_turn_and_the_queue_go_on(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version, rules=[LONG_STORY]) as job:
        turn = begin_turn(job)
        terminal = job.terminal(turn.project)
        terminal.wait_connected()
        with ExitStack() as asleep:
            for each in processes_of(job.home.path):
                asleep.enter_context(stopped(each))
            job.model.gate("end").set()  # the world goes on meanwhile
            woken_at = time.monotonic() + SLEEP_S
            until(lambda: time.monotonic() > woken_at, what="a long sleep")
        turn.goes_on(job)
        terminal.wait_text("upon")
        told = [event.type for event in job.client.events(turn.project)]
        assert (told.count("session_started"), told.count("command_completed")) == (1, 2)
