"""``run``: what may be written, what is shown of the steps, and what is left of a run that stops."""

from __future__ import annotations

from typing import Any

import pytest

from tests.magics.conftest import Notebook
from tests.magics.test_completion import complete
from tests.support.gsd_api import GsdApi
from wxcode_jupyter.errors import AnswerNeeded, BudgetExhausted, StepUnfinished
from wxcode_jupyter.magics import RunResult, UsageMistake
from wxcode_jupyter.magics.export import SCRAP_TYPE

PLAN, BUILD = "/gsd:plan-phase 1", "/gsd:execute-phase 1"


@pytest.fixture
def claude(demo: Notebook) -> GsdApi:
    """A Claude that does what is asked, in a project with the milestone ``login``."""
    claude = GsdApi(demo.api, PLAN, BUILD)
    demo.run("%%wx new login\n# Login\n")
    return claude


def sent(demo: Notebook) -> list[str]:
    return [command["text"] for command in demo.api.commands.values()][1:]


def test_it_ends_with_its_steps(demo: Notebook, claude: GsdApi) -> None:
    def phases(status: str) -> dict[str, Any]:
        phase = {"number": "1", "name": "Bell", "status": status, "plans_total": 1, "plans_done": 0}
        return {"milestone": "v1.0", "phases": [phase], "archived": []}

    demo.api.summary = {"planning": {"before": phases("not_started"), "after": phases("planned")}}
    result = demo.run("%wxmilestone run login --until built -o kept")
    assert isinstance(result, RunResult)
    assert result.reached and result.ok and demo.variables["kept"] is result
    assert sent(demo) == ["/clear", PLAN, "/clear", BUILD]
    shown = repr(result)
    assert "login  [built: reached]" in shown
    assert "steps      3" in shown
    assert f"{PLAN}" in shown and "1 Bell: not started -> planned" in shown
    data = result._repr_mimebundle_()
    assert data[SCRAP_TYPE]["name"] == "wxcode.login"
    assert [step["command"]["text"] for step in result.to_dict()["run"]["steps"]][1:] == [PLAN, BUILD]


def test_each_step_is_printed(demo: Notebook, claude: GsdApi, capsys: pytest.CaptureFixture[str]) -> None:
    demo.run("%wx run login")
    printed = [line for line in capsys.readouterr().out.splitlines() if "  step " in line]
    assert [line.partition("step")[2].strip() for line in printed] == [f"{PLAN} (it is next)", f"{BUILD} (it is next)"]


def test_a_run_that_stops_shows_the_steps_above_the_error(
    demo: Notebook, claude: GsdApi, capsys: pytest.CaptureFixture[str]
) -> None:
    claude.effects[BUILD] = lambda command: {"missing": "1 of 1 plan summaries", "last_message": "Which port?"}
    with pytest.raises(StepUnfinished, match="Which port"):
        demo.run("%wx run login -o kept")
    assert "verified: not yet" in capsys.readouterr().out
    kept = demo.variables["kept"]
    assert [step.command.text for step in kept.run.steps][1:] == [PLAN, BUILD]
    assert not kept.ok and f"next       {BUILD}: it is next" in repr(kept)


def test_the_budget(demo: Notebook, claude: GsdApi) -> None:
    with pytest.raises(BudgetExhausted, match="--max-turns"):
        demo.run("%wx run login --max-turns 1")
    assert sent(demo) == []


def test_a_budget_in_dollars(demo: Notebook, claude: GsdApi) -> None:
    demo.api.summary = {"conversation_cost_usd": 0.25}
    with pytest.raises(BudgetExhausted, match=r"\$0\.2500 of \$0\.2 \(--budget-usd\)"):
        demo.run("%wx run login --budget-usd 0.2")
    assert "cost       $0.2500 before the last command" in repr(demo.run("%wx run login --budget-usd 2"))


def test_policies_are_those_of_every_wait(demo: Notebook, claude: GsdApi) -> None:
    colour = {"question": "Which colour?", "options": [{"label": "Red"}, {"label": "Blue"}]}
    project_id = next(iter(demo.api.projects))
    claude.effects[PLAN] = lambda command: demo.api.ask(project_id, colour) and {"status": "accepted"}
    with pytest.raises(AnswerNeeded, match="Which colour"):
        demo.run("%wx run login --on-question fail")
    del claude.effects[PLAN]
    result = demo.run("%wx run login --on-question first --on-limit wait --timeout 5m --on-timeout interrupt")
    assert result.reached
    (question,) = demo.api.questions[project_id]
    assert (question["answer"], question["answered_by"]) == (["Red"], "policy")


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("run", "needs a milestone"),
        ("run logon", "nearest is 'login'"),
        ("run login --until done", "planned, built, verified, archived"),
        ("run login --max-turns 0", "at least 1"),
        ("run login --max-turns many", "--max-turns"),
        ("run login --budget-usd cheap", "--budget-usd"),
        ("run login --budget-usd=-1", "more than 0"),
        ("run login --on-limit never", "fail or wait"),
        ("run login --wait", "no option --wait"),
    ],
)
def test_mistakes(demo: Notebook, claude: GsdApi, line: str, hint: str) -> None:
    with pytest.raises(UsageMistake, match=hint):
        demo.run(f"%wxmilestone {line}")
    assert not demo.api.commands


def test_a_milestone_that_is_completed_is_left_alone(demo: Notebook, claude: GsdApi) -> None:
    demo.run("%wx complete login")
    assert "marked completed" in repr(demo.run("%wx run login"))
    assert not demo.api.commands


def test_completion(demo: Notebook, claude: GsdApi) -> None:
    assert {"login", "--until", "--max-turns"} <= set(complete(demo, "%wx run "))
