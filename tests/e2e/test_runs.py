"""A milestone's steps one after the other with the real CLI, each in a context of its own, on what it leaves behind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.cli import CLI_VERSIONS, each_cli
from tests.support.job import Job, roadmap_steps
from wxcode_jupyter.client import Policy
from wxcode_jupyter.errors import BudgetExhausted, StepUnfinished
from wxcode_jupyter.models import MilestoneStatus
from wxcode_jupyter.testing.scripted_model import Rule, Say, Use

pytestmark = [pytest.mark.cli, pytest.mark.timeout(300)]

QUESTION = {
    "question": "Which port do you want?",
    "header": "Port",
    "multiSelect": False,
    "options": [{"label": "80", "description": "plain"}, {"label": "443", "description": "encrypted"}],
}


def writes(command: str, name: str) -> Rule:
    """A turn of a command that leaves a file in the phase's folder."""
    path = f"{{{{cwd}}}}/.planning/phases/01-work/01-{name}.md"
    return Rule(re.compile(rf"^/gsd.{command} 1"), [Use("Write", {"file_path": path, "content": "x\n"}), Say("Done.")])


RULES = [
    Rule("new-milestone", [*roadmap_steps(1), Say("Here is the roadmap. Shall I go on?")]),
    Rule("discuss-phase", [Use("AskUserQuestion", {"questions": [QUESTION]}), *writes("", "CONTEXT").steps]),
    writes("plan-phase", "01-PLAN"),
    Rule("execute-phase", [Say("I have looked at the plan.")], times=1),
    writes("execute-phase", "01-SUMMARY"),
]


@pytest.mark.parametrize(("cli_version", "gsd_version"), [(CLI_VERSIONS[0], "1.20.5"), (CLI_VERSIONS[-1], "1.14.0")])
def test_a_run_goes_from_step_to_step_and_on_where_the_files_say(
    tmp_path: Path, cli_version: str, gsd_version: str
) -> None:
    with Job(tmp_path, cli_version, rules=RULES, gsd=gsd_version) as job:
        client, model = job.client, job.model
        project = job.project(permission_mode="acceptEdits")
        milestone = client.new_milestone(project, "Invoices", context="# Invoices\n")
        spelled = job.spelling.removesuffix("new-milestone")
        begins = f"{job.spelling} .milestones/{milestone.id}/MILESTONE-CONTEXT.md"
        build = f"{spelled}execute-phase 1"

        # What is asked on the way is answered by policy; a step that leaves nothing ends the run.
        policy = Policy(answers={"which port*": "443"})
        with pytest.raises(StepUnfinished, match=r"1 of 1 plan summaries of phase 1.*I have looked at the plan\."):
            client.run(milestone, until="built", policy=policy)
        steps = [begins, f"{spelled}discuss-phase 1", f"{spelled}plan-phase 1", build]
        assert model.prompts == steps
        assert any("443" in result for result in job.tool_results())

        own = client.commands(project, milestone_id=milestone.id)
        assert [(item.text, item.outcome, item.missing) for item in own] == [
            (steps[0], "asks", None),  # a question in plain text; the roadmap is there
            (steps[1], "finished", None),
            (steps[2], "finished", None),
            (steps[3], "asks", "1 of 1 plan summaries of phase 1"),
        ]
        assert client.milestone(milestone).status is MilestoneStatus.IN_PROGRESS

        # Each had a conversation of its own: nothing of the steps before is sent to the model.
        assert len({item.claude_session_id for item in own}) == len(own)
        assert not any(begins in text for text in model.user_texts(model.turn_requests[-1]))

        # Run again, it goes on there; what is reached then is not done again.
        done = client.run(milestone, until="built", max_turns=1)
        assert [step.command.text for step in done.steps] == [build]
        change = done.steps[0].summary.planning
        assert change is not None
        assert [phase.status for side in (change.before, change.after) for phase in side.phases] == ["planned", "built"]
        assert client.run(milestone, until="planned").steps == ()
        assert model.prompts == [*steps, build]


@each_cli
def test_a_budget_in_dollars_is_kept_where_the_cli_tells_the_cost(tmp_path: Path, cli_version: str) -> None:
    rules = [Rule("new-milestone", [*roadmap_steps(1), Say("Here is the roadmap.")])]
    with Job(tmp_path, cli_version, rules=rules, gsd="1.20.5") as job:
        project = job.project(permission_mode="acceptEdits")
        milestone = job.client.new_milestone(project, "Invoices", context="# Invoices\n")
        tells = cli_version != CLI_VERSIONS[0]
        reason = r"\$0\.\d+ of \$0\.0001" if tells else "does not tell what its work costs"
        with pytest.raises(BudgetExhausted, match=reason):
            job.client.run(milestone, budget_usd=0.0001)
        (command,) = job.client.commands(project, milestone_id=milestone.id)
        assert (job.client.summary(command).conversation_cost_usd is not None) is tells
        assert len(job.model.prompts) == 1
