"""The night's notebook as a scheduler runs it: what fails keeps nothing else from running, and the reason is told."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.notebooks.rig import UNATTENDED, Executed, Papermill
from tests.support.cli import each_cli
from tests.support.job import Job, phase_rule, roadmap_steps
from wxcode_jupyter.client import Project
from wxcode_jupyter.models import CommandStatus, Milestone
from wxcode_jupyter.testing.scripted_model import Fail, Rule, Say, Use

pytestmark = [pytest.mark.cli, pytest.mark.timeout(480)]

PASSES, ASKS, FAILS = "Customer search", "Invoice dates", "Invoice export"
QUESTION = {
    "question": "Which date format do you want?",
    "header": "Dates",
    "multiSelect": False,
    "options": [
        {"label": "American", "description": "12/31/2026"},
        {"label": "ISO 8601", "description": "2026-12-31"},
    ],
}
USING = Use("AskUserQuestion", {"questions": [QUESTION]})
ASKING = Rule("new-milestone", [USING, *roadmap_steps(2), Say("All dates are right.")], times=1)
FAILING = Rule("new-milestone", [Fail(400, "the scripted model refuses")], times=1)


@each_cli
def test_one_passes_one_asks_and_is_answered_by_policy_one_fails(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version, rules=[phase_rule(1), ASKING, FAILING], gsd="1.20.5") as job:
        night = unattended(job, tmp_path / "night")
        assert night.exit_code == 1, night.printed
        for shown in (night.printed, night.text("verdict")):
            assert "MilestoneFailed: 1 of 3 milestones did not pass:" in shown
            assert f"{FAILS}: failed. " in shown
            assert "the scripted model refuses" in shown

        # Each was given to the model once, in one conversation, and the question was answered as was said before.
        project, milestones = made(job)
        assert [milestone.element_name for milestone in milestones] == [PASSES, ASKS, FAILS]
        assert job.model.prompts == [command_of(milestone) for milestone in milestones]
        assert statuses(job, milestones) == [CommandStatus.COMPLETED, CommandStatus.COMPLETED, CommandStatus.FAILED]
        assert [project.claude_session_id] == job.transcripts()
        [answered] = [event.data for event in job.client.events(project) if event.type == "answered"]
        assert (answered["answered_by"], answered["answer"]) == ("policy", ["ISO 8601"])
        assert any("ISO 8601" in result for result in job.tool_results())
        assert "ISO 8601" in night.text("night")

        # The report says which and why, to people and to CI.
        suites = ElementTree.parse(tmp_path / "night" / "night.xml").getroot()
        assert failures(suites) == {PASSES: [], ASKS: [], FAILS: [reason_of(job, milestones[2])]}
        assert [suite.get("tests") for suite in suites] == ["1", "1", "1"]
        markdown = (tmp_path / "night" / "night.md").read_text()
        assert "2 passed, 1 failed, 0 not done" in markdown
        [row] = [line for line in markdown.splitlines() if line.startswith(f"| {FAILS} ")]
        assert "| failed |" in row and "the scripted model refuses" in row
        for name in (PASSES, ASKS):
            assert any(line.startswith(f"| {name} ") and "| passed |" in line for line in markdown.splitlines())

        # Run again, it finds what it did, and gives Claude nothing twice.
        again = unattended(job, tmp_path / "again")
        assert again.exit_code == 1
        assert "the scripted model refuses" in again.text("verdict")
        assert len(job.model.prompts) == 3


@each_cli
def test_what_fails_keeps_nothing_else_from_running(tmp_path: Path, cli_version: str) -> None:
    """A question without an answer stands on the screen, an error does not: the next milestone begins after both."""
    with Job(tmp_path, cli_version, rules=[ASKING, FAILING, phase_rule(1)], gsd="1.20.5") as job:
        night = unattended(job, tmp_path / "night", answers={})
        assert night.exit_code == 1, night.printed
        assert "AnswerNeeded: Claude asks" in night.text("night")
        assert "Which date format do you want?" in night.text("night")
        assert "2 of 3 milestones did not pass" in night.text("verdict")

        project, milestones = made(job)
        assert job.model.prompts == [command_of(milestone) for milestone in milestones]
        assert statuses(job, milestones) == [
            CommandStatus.INTERRUPTED,
            CommandStatus.FAILED,
            CommandStatus.COMPLETED,
        ]
        assert [project.claude_session_id] == job.transcripts()
        found = failures(ElementTree.parse(tmp_path / "night" / "night.xml").getroot())
        assert [len(reasons) for reasons in found.values()] == [1, 1, 0]
        assert found[PASSES][0].startswith(f"Nobody has answered: {QUESTION['question']} ")
        assert found[PASSES][0] in night.text("verdict")


def test_a_night_in_which_all_is_well(tmp_path: Path) -> None:
    rules = [phase_rule(1), phase_rule(2)]
    with Job(tmp_path, "2.1.330", rules=rules, gsd="1.20.5") as job:
        night = unattended(job, tmp_path / "night", milestones={"one": "# One\n", "it's two": "# Two\n"}, report="mine")
        assert night.exit_code == 0, night.printed
        assert "All 2 milestones passed." in night.text("verdict")
        assert failures(ElementTree.parse(tmp_path / "night" / "mine.xml").getroot()) == {"one": [], "it's two": []}


def unattended(job: Job, folder: Path, **parameters: object) -> Executed:
    """Run the notebook on the job's workspace."""
    environment = job.server.environment()
    night = Papermill(UNATTENDED, folder, environment, workspace=str(job.workspace), **parameters)
    return night.finish(timeout_s=200)


def made(job: Job) -> tuple[Project, tuple[Milestone, ...]]:
    project = job.client.project("quickstart")
    return project, job.client.milestones(project)


def statuses(job: Job, milestones: tuple[Milestone, ...]) -> list[CommandStatus]:
    commands = [job.client.milestone_command(milestone) for milestone in milestones]
    return [command.status for command in commands if command is not None]


def reason_of(job: Job, milestone: Milestone) -> str:
    command = job.client.milestone_command(milestone)
    assert command is not None and command.error is not None
    return command.error


def failures(suites: ElementTree.Element) -> dict[str, list[str]]:
    """Return the reasons of each suite's failures."""
    return {str(suite.get("name")): [str(failure.text) for failure in suite.iter("failure")] for suite in suites}


def command_of(milestone: Milestone) -> str:
    return f"/gsd:new-milestone .milestones/{milestone.id}/MILESTONE-CONTEXT.md"
