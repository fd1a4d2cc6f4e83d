"""How far a milestone is to be brought, and the steps that bring it there.

The steps of a phase are those of `progress.next_steps`. Unlike that, which follows GSD from phase to phase, a goal is
one of the whole milestone: ``planned`` plans every phase before any is built.
"""

from __future__ import annotations

from enum import StrEnum

from .progress import PhaseStatus, Planning, Step, completion_step, next_steps, pause_steps, phase_steps


class Goal(StrEnum):
    """How far: every phase has plans, every plan its summary, every phase is verified, the milestone is archived."""

    PLANNED = "planned"
    BUILT = "built"
    VERIFIED = "verified"
    ARCHIVED = "archived"


_BUILT = {PhaseStatus.BUILT, PhaseStatus.GAPS_FOUND, PhaseStatus.VERIFIED}
_ENOUGH = {
    Goal.PLANNED: _BUILT | {PhaseStatus.PLANNED, PhaseStatus.IN_PROGRESS},
    Goal.BUILT: _BUILT,
    Goal.VERIFIED: {PhaseStatus.VERIFIED},
    Goal.ARCHIVED: {PhaseStatus.VERIFIED},
}


def is_reached(planning: Planning, goal: Goal) -> bool:
    """Whether the milestone is so far. One that is archived is, whatever the goal: it has no phases any more."""
    if not planning.phases:
        return bool(planning.archived)
    return goal is not Goal.ARCHIVED and all(phase.status in _ENOUGH[goal] for phase in planning.phases)


def steps_towards(planning: Planning, goal: Goal) -> tuple[Step, ...]:
    """Return what comes next on the way to the goal, the best first; others do instead where it is not installed.

    Empty where it is reached.
    """
    if is_reached(planning, goal):
        return ()
    if not planning.phases:
        return next_steps(planning)
    left = [phase for phase in planning.phases if phase.status not in _ENOUGH[goal]]
    return (*pause_steps(planning), *(phase_steps(left[0]) if left else (completion_step(planning),)))
