"""How GSD's progress looks on a card: counted in phases, in few lines."""

from __future__ import annotations

from ..client import GsdPhase, GsdProgress, GsdStatus
from ..evidence import PhaseState, PlanningChange, PlanningState
from ..plain import clean_line
from .cards import Badge, Tone

_TONES: dict[str, Tone] = {
    "planned": "busy",
    "in_progress": "busy",
    "built": "busy",
    "gaps_found": "needed",
    "verified": "good",
}
_PHASES_SHOWN = 6
_NAME_LIMIT = 60


def progress_rows(status: GsdStatus) -> list[tuple[str, str]]:
    """Return the milestone with its count of phases, and what comes next; nothing where GSD has not begun."""
    progress = status.progress
    rows = []
    if progress.phases:
        name = f"{clean_line(progress.milestone, _NAME_LIMIT)}: " if progress.milestone else ""
        rows.append(("GSD", f"{name}{count_phases(progress)}"))
    elif progress.archived:
        rows.append(("GSD", f"{progress.archived[-1]} is archived, no milestone is open"))
    if status.next and progress.has_project:
        rows.append(("next", f"{status.next.text}: {status.next.reason}"))
    return rows


def phase_table(progress: GsdProgress) -> list[list[str | Badge]]:
    """Return a row per phase; of many, those that are left, and how many more there are."""
    phases = list(progress.phases)
    if len(phases) <= _PHASES_SHOWN:
        return [_phase_row(phase) for phase in phases]
    left = [phase for phase in phases if phase.status != "verified"]
    rows = [_phase_row(phase) for phase in left[:_PHASES_SHOWN]]
    more = len(left) - len(rows)
    return [*rows, ["…", "", f"and {more} more"]] if more else rows


def count_phases(progress: GsdProgress) -> str:
    """Return ``1 of 3 phases``."""
    total = len(progress.phases)
    return f"{progress.phases_done} of {total} phase{'' if total == 1 else 's'}"


def planning_rows(change: PlanningChange) -> list[tuple[str, str]]:
    """Return the phases before and after, and each that is another now; nothing where there were none and are none."""
    before, after = change.before, change.after
    if not before.phases and not after.phases:
        return []
    same = before.milestone == after.milestone and bool(before.phases)
    sides = [f"{_counted(before)} before", f"{_counted(after, named=not same)} after"]
    was = {phase.number: phase for phase in before.phases} if same else {}
    changed = [phase for phase in after.phases if phase != was.get(phase.number)]
    rows = [("phases", ", ".join(sides if before.phases else sides[1:]))]
    rows += [("phase", _phase_change(was.get(phase.number), phase)) for phase in changed[:_PHASES_SHOWN]]
    more = len(changed) - _PHASES_SHOWN
    return [*rows, ("phase", f"… and {more} more")] if more > 0 else rows


def _counted(state: PlanningState, *, named: bool = True) -> str:
    total = len(state.phases)
    count = f"{state.phases_done} of {total} phase{'' if total == 1 else 's'}"
    if not total:
        count = f"{state.archived[-1]} archived" if state.archived else "no phases"
    name = clean_line(state.milestone, _NAME_LIMIT) if named else ""
    return f"{name}: {count}" if name else count


def _phase_change(before: PhaseState | None, after: PhaseState) -> str:
    status = after.status.replace("_", " ")
    if before is not None and before.status != after.status:
        status = f"{before.status.replace('_', ' ')} -> {status}"
    plans = f", {after.plans_done} of {after.plans_total} plans" if after.plans_total else ""
    return f"{clean_line(f'{after.number} {after.name}', _NAME_LIMIT)}: {status}{plans}"


def _phase_row(phase: GsdPhase) -> list[str | Badge]:
    plans = f"{phase.plans_done} of {phase.plans_total} plans" if phase.plans_total else ""
    name = clean_line(f"{phase.number} {phase.name}", _NAME_LIMIT)
    return [name, Badge(phase.status.replace("_", " "), _TONES.get(phase.status, "quiet")), plans]
