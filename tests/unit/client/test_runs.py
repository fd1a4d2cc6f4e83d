"""A run: GSD's steps one after the other, each in a context of its own, none repeated that has advanced nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.gsd_api import GsdApi
from tests.support.waited_world import WaitedWorld
from wxcode_jupyter.client import Budget, Run, Runner, Until, budgets
from wxcode_jupyter.errors import (
    BudgetExhausted,
    CommandFailed,
    CommandTimeout,
    Conflict,
    GsdMissing,
    InvalidRequest,
    MilestoneFailed,
    StepUnfinished,
    UsageLimited,
)
from wxcode_jupyter.models import Milestone

PLAN, BUILD, CHECK = "/gsd:plan-phase 1", "/gsd:execute-phase 1", "/gsd:verify-work 1"


class World(WaitedWorld):
    def __init__(self) -> None:
        super().__init__()
        self.gsd = GsdApi(self.api, PLAN, BUILD, CHECK)
        self.milestone = self.new("login")
        self.begins = f"/gsd:new-milestone .milestones/{self.milestone.id}/MILESTONE-CONTEXT.md"

    def new(self, name: str) -> Milestone:
        return self.client.new_milestone(self.project, name, "# It\n")

    def run(self, **options: Any) -> Run:
        return self.client.run(self.milestone, observer=self.told.append, **options)

    @property
    def sent(self) -> list[str]:
        return [command.text for command in self.client.commands(self.project)]


@pytest.fixture
def world() -> World:
    return World()


def test_each_step_is_sent_once_in_a_context_of_its_own(world: World) -> None:
    done = world.run()
    assert world.sent == [world.begins, "/clear", PLAN, "/clear", BUILD, "/clear", CHECK]
    assert [step.command.text for step in done.steps] == [world.begins, PLAN, BUILD, CHECK]
    assert (done.gsd.reached, done.until, done.milestone.status) == (True, "verified", "in_progress")
    assert {step.command.milestone_id for step in done.steps} == {world.milestone.id}
    steps = [progress.text for progress in world.told if progress.kind == "step"]
    assert steps == [f"{text} (it is next)" for text in (PLAN, BUILD, CHECK)]


def test_a_run_of_what_is_reached_sends_nothing(world: World) -> None:
    world.run()
    before = world.sent
    assert world.run().steps == ()
    assert world.sent == before


@pytest.mark.parametrize("until", ["planned", "built", "verified", "archived"])
def test_the_goal_is_the_servers(world: World, until: Until) -> None:
    world.run(until=until)
    asked = {str(url) for url in world.api.queries if "/gsd" in url}
    assert {url.partition("until=")[2] for url in asked} == {until}


def test_a_step_without_its_artefact_ends_the_run_with_what_claude_said(world: World) -> None:
    world.gsd.effects[BUILD] = lambda command: {"missing": "2 of 9 plan summaries", "last_message": "Shall I go on?"}
    with pytest.raises(StepUnfinished, match=r"without 2 of 9 plan summaries\. .*Shall I go on\?") as caught:
        world.run()
    assert world.sent[-1] == BUILD
    assert (caught.value.missing, caught.value.command_id) == ("2 of 9 plan summaries", world.api.only_command())
    # Run again, it tries that step again, with an empty context; what was done is not.
    del world.gsd.effects[BUILD]
    done = world.run()
    assert [step.command.text for step in done.steps] == [BUILD, CHECK]


def test_a_step_that_advances_nothing_is_not_repeated(world: World) -> None:
    world.gsd.effects[PLAN] = lambda command: {"advances": False, "last_message": "Done."}
    with pytest.raises(StepUnfinished, match=r"advanced nothing\. Claude said last: Done\."):
        world.run()
    assert world.sent == [world.begins, "/clear", PLAN]


def test_without_a_roadmap_nothing_is_run(world: World) -> None:
    world.gsd.effects[world.begins] = lambda command: {"missing": "a new ROADMAP.md", "last_message": "Which one?"}
    for _ in range(2):  # the second finds the first one's command
        with pytest.raises(StepUnfinished, match=r"without a new ROADMAP\.md.*Which one\?"):
            world.run()
    assert world.sent == [world.begins]
    world.api.summary_of.clear()  # it came later, by an answer
    world.run()
    assert world.sent[1:3] == ["/clear", PLAN]


def test_a_milestone_that_gsd_does_not_know_is_not_begun_by_a_step(world: World) -> None:
    world.api.milestones[world.milestone.id]["status"] = "in_progress"  # by another program's word
    GsdApi(world.api, "/gsd:new-milestone")
    with pytest.raises(StepUnfinished, match="no roadmap"):
        world.run()
    assert world.sent == []


def test_the_budget_is_counted_in_commands_of_gsd(world: World) -> None:
    with pytest.raises(BudgetExhausted, match="budget of 2 commands") as caught:
        world.run(max_turns=2)
    assert caught.value.next == BUILD
    assert world.sent == [world.begins, "/clear", PLAN]
    world.run(max_turns=2)
    assert world.sent[3:] == ["/clear", BUILD, "/clear", CHECK]


@pytest.mark.parametrize(("usd", "begun", "told"), [(0.2, 1, r"\$0\.2500 of \$0\.2"), (0.4, 2, r"\$0\.5000 of \$0\.4")])
def test_the_cost_is_looked_at_between_the_commands(world: World, usd: float, begun: int, told: str) -> None:
    world.api.summary = {"conversation_cost_usd": 0.25}
    with pytest.raises(BudgetExhausted, match=told):
        world.run(budget_usd=usd)
    assert [text for text in world.sent if text != "/clear"] == [world.begins, PLAN][:begun]
    assert world.sent[0] == "/clear"  # what was said before is not counted


def test_what_it_has_cost_is_told(world: World) -> None:
    world.api.summary = {"conversation_cost_usd": 0.25}
    assert world.run(budget_usd=5).cost_usd == pytest.approx(0.75)  # but for the last, of which it is not known yet


def test_a_cost_that_is_written_a_moment_later_is_waited_for(world: World) -> None:
    naps: list[float] = []

    def nap(duration_s: float) -> None:
        naps.append(duration_s)
        world.api.summary = {"conversation_cost_usd": 0.25}

    runner = Runner(world.client, world.milestone, "verified", Budget(usd=0.2), sleep=nap)
    with pytest.raises(BudgetExhausted, match=r"\$0\.2500"):
        runner.run()
    assert len(naps) == 1


def test_where_the_cost_is_not_told_a_budget_cannot_be_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "COST_PATIENCE_S", 0.0)
    with pytest.raises(BudgetExhausted, match="does not tell what its work costs: use --max-turns"):
        world.run(budget_usd=5)
    assert world.sent == ["/clear", world.begins, "/clear"]
    assert world.run().cost_usd is None


def test_the_time_is_that_of_the_whole_run(world: World) -> None:
    clock = [0.0]

    def take(command: dict[str, Any]) -> None:
        clock[0] += 60

    world.gsd.effects = {world.begins: take, "/clear": take}
    runner = Runner(world.client, world.milestone, "verified", Budget(timeout_s=100), clock=lambda: clock[0])
    with pytest.raises(CommandTimeout, match=r"100 s of the whole run .*: /gsd:plan-phase 1 .* was not sent"):
        runner.run()
    assert world.sent == [world.begins, "/clear"]
    assert [step.command.text for step in runner.so_far().steps] == [world.begins]


def test_a_step_that_takes_too_long_goes_on_and_is_waited_for_by_the_next_run(world: World) -> None:
    clock = [0.0]

    def stop(command: dict[str, Any]) -> None:
        world.gsd.running = False
        clock[0] = 99.9

    world.gsd.effects["/clear"] = stop
    runner = Runner(world.client, world.milestone, "verified", Budget(timeout_s=100), clock=lambda: clock[0])
    with pytest.raises(CommandTimeout, match=r"whole run has passed: “/gsd:plan-phase 1” is queued.*Claude works on"):
        runner.run()
    world.gsd.running = True
    world.gsd.effects.clear()
    done = world.run()
    assert world.sent == [world.begins, "/clear", PLAN, "/clear", BUILD, "/clear", CHECK]
    assert [step.command.text for step in done.steps] == [PLAN, BUILD, CHECK]


def test_a_failure_ends_the_run(world: World) -> None:
    world.gsd.effects[PLAN] = lambda command: {"status": "failed", "error": "the API is away", "outcome": None}
    with pytest.raises(CommandFailed, match="the API is away"):
        world.run()
    assert world.sent[-1] == PLAN


def test_a_usage_limit_ends_the_run_and_the_next_one_too_until_it_is_over(world: World) -> None:
    world.gsd.effects[world.begins] = lambda command: {"outcome": "limited", "last_message": "You've hit it"}
    for _ in range(2):
        with pytest.raises(UsageLimited, match="You've hit it"):
            world.run(attended=True)
    assert world.sent == [world.begins]


def test_a_milestone_that_somebody_marks_meanwhile(world: World) -> None:
    def mark(status: str) -> Any:
        return lambda command: world.api.milestones[world.milestone.id].update(status=status)

    world.gsd.effects[PLAN] = mark("failed")
    with pytest.raises(MilestoneFailed):
        world.run()
    with pytest.raises(MilestoneFailed):
        world.run()
    world.api.milestones[world.milestone.id]["status"] = "in_progress"
    world.gsd.effects[BUILD] = mark("completed")
    assert [step.command.text for step in world.run().steps] == [BUILD]
    assert world.run().steps == ()
    assert CHECK not in world.sent


def test_an_older_milestone_is_refused(world: World) -> None:
    world.run()
    later = world.new("log out")
    world.client.run(later)
    with pytest.raises(Conflict, match=r"'log out' was begun after 'login'.*`%wxmilestone run \"log out\"`"):
        world.run()


def test_what_was_taken_back_is_begun_again(world: World) -> None:
    world.run()
    later = world.new("logout")
    world.client.run(later)
    world.client.rewind(world.milestone)
    world.api.milestones[later.id]["status"] = "pending"
    world.run()
    assert world.sent.count(world.begins) == 2


def test_a_start_that_was_not_taken_is_made_again(world: World) -> None:
    refused = {"status": "failed", "error": "refused", "outcome": None, "accepted_at": None}
    world.gsd.effects[world.begins] = lambda command: (
        world.api.milestones[world.milestone.id].update(status="pending") or dict(refused)
    )
    with pytest.raises(CommandFailed):
        world.run()
    del world.gsd.effects[world.begins]
    world.run()
    assert world.sent[:3] == [world.begins, world.begins, "/clear"]


def test_the_session_is_started_for_what_waits(world: World) -> None:
    world.client.start_milestone(world.milestone)
    world.api.set_session(world.project.id, "stopped")
    world.run()
    assert world.client.session(world.project).state == "idle"


def test_without_gsd(world: World) -> None:
    world.api.milestones[world.milestone.id]["status"] = "in_progress"
    world.api.gsd = {**world.api.gsd, "next": None, "reached": False}
    with pytest.raises(GsdMissing, match="doctor"):
        world.run()


@pytest.mark.parametrize("options", [{"max_turns": 0}, {"until": "done"}, {"budget_usd": 0}])
def test_what_cannot_be_meant(world: World, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        world.run(**options)
    assert world.sent == []
