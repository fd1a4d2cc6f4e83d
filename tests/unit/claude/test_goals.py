"""How far a milestone is to be brought: which step comes next, whatever phase GSD itself is at."""

from __future__ import annotations

from pathlib import Path

import pytest

from wxcode_jupyter.claude.planning import Goal, PhaseStatus, Planning, is_reached, read_tree, steps_towards, understand
from wxcode_jupyter.claude.planning.progress import ArchivedMilestone, Phase

TREES = Path(__file__).parents[2] / "data" / "planning"
NOT_STARTED, DISCUSSED, PLANNED, IN_PROGRESS, BUILT, GAPS_FOUND, VERIFIED = PhaseStatus


def milestone(*statuses: PhaseStatus, paused: bool = False) -> Planning:
    phases = tuple(Phase(str(number), "", "", status) for number, status in enumerate(statuses, 1))
    return Planning(has_project=True, has_roadmap=True, version="v1.0", phases=phases, is_paused=paused)


def first(planning: Planning, goal: Goal) -> str | None:
    steps = steps_towards(planning, goal)
    assert is_reached(planning, goal) is not bool(steps)
    return f"{steps[0].command} {steps[0].arguments}".rstrip() if steps else None


@pytest.mark.parametrize(
    ("statuses", "planned", "built", "verified", "archived"),
    [
        ([NOT_STARTED, NOT_STARTED], *["discuss-phase 1"] * 4),
        ([DISCUSSED, NOT_STARTED], *["plan-phase 1"] * 4),
        ([PLANNED, NOT_STARTED], "discuss-phase 2", *["execute-phase 1"] * 3),
        ([PLANNED, IN_PROGRESS], None, *["execute-phase 1"] * 3),
        ([BUILT, PLANNED], None, "execute-phase 2", *["verify-work 1"] * 2),
        ([BUILT, BUILT], None, None, *["verify-work 1"] * 2),
        ([VERIFIED, GAPS_FOUND], None, None, *["plan-phase 2 --gaps"] * 2),
        ([VERIFIED, VERIFIED], None, None, None, "complete-milestone 1.0"),
    ],
)
def test_the_first_phase_that_is_not_far_enough_comes_next(
    statuses: list[PhaseStatus], planned: str | None, built: str | None, verified: str | None, archived: str | None
) -> None:
    planning = milestone(*statuses)
    assert [first(planning, goal) for goal in Goal] == [planned, built, verified, archived]


@pytest.mark.parametrize("goal", Goal)
def test_an_archived_milestone_has_reached_everything(goal: Goal) -> None:
    assert is_reached(Planning(has_project=True, archived=(ArchivedMilestone("v1.0"),)), goal)
    for package in ("get-shit-done-cc-1.20.5", "gsd-core-1.14.0"):
        assert first(understand(read_tree(TREES / package / "archived")), goal) is None


@pytest.mark.parametrize("goal", Goal)
def test_without_phases_nothing_is_reached(goal: Goal) -> None:
    assert first(Planning(), goal) == "new-project"
    assert first(Planning(has_project=True), goal) == "new-milestone"


def test_work_that_was_paused_is_taken_up_first() -> None:
    assert first(milestone(PLANNED, paused=True), Goal.BUILT) == "resume-work"
    assert first(milestone(PLANNED, paused=True), Goal.PLANNED) is None
