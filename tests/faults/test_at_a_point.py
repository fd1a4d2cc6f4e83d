"""A server dies at one step of a delivery, and its session is taken over: what becomes of the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import each_cli
from tests.support.fault_checks import check
from tests.support.fault_plan import Fault, Plan, Victim, text_of
from tests.support.fault_run import FaultRun
from wxcode_jupyter.fault_points import FaultPoint
from wxcode_jupyter.models import CommandStatus

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]


@each_cli
def test_for_what_was_not_entered_enter_is_pressed_once_and_for_the_whole_of_it(
    tmp_path: Path, cli_version: str
) -> None:
    faults = [(FaultPoint.INPUT_HELD, 1), (FaultPoint.TEXT_TYPED, 1), (FaultPoint.TEXT_PARTLY_TYPED, 1)]
    texts = (text_of("short", "cmd-0-1"), text_of("unicode", "cmd-0-2"), text_of("long", "cmd-0-3"))
    plan = Plan(
        0,
        cli_version,
        mongod=False,
        keep_sessions=True,
        texts=texts,
        faults=tuple(Fault(point, count, Victim.SERVER) for point, count in faults),
    )
    with FaultRun(plan, tmp_path) as run:
        run.go()
        assert [command.status for command in run.commands] == [CommandStatus.COMPLETED] * 3
        told = [event.type for event in run.job.client.events(run.project)]
        assert (told.count("session_started"), told.count("session_taken_over")) == (1, 3)
        check(run)


def test_a_first_conversation_is_the_first_at_the_next_server_too(tmp_path: Path) -> None:
    fault = Fault(FaultPoint.SESSION_SPAWNED, 1, Victim.SERVER)
    texts = (text_of("short", "cmd-0-1"),)
    plan = Plan(0, "2.1.330", mongod=False, keep_sessions=True, texts=texts, faults=(fault,))
    with FaultRun(plan, tmp_path) as run:
        run.go()
        assert run.commands[0].status is CommandStatus.COMPLETED
        check(run)
