"""By what a GSD command is known to be finished: the artefact that it leaves in ``.planning/``.

A turn that ends may have ended in a question ("yes / adjust"); what counts is the file. Each predicate looks at the
folder as it was before the command and as it is after it, and at the command's arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .documents import read_verdict
from .progress import Phase, PhaseStatus, Planning, phase_on_disk, understand
from .tree import PlanningTree


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of a command: the folder before and after, as they are and as they are understood."""

    before: PlanningTree
    after: PlanningTree
    was: Planning
    now: Planning
    arguments: str

    @property
    def phase(self) -> Phase | None:
        """The phase that the arguments name; without one, the phase that GSD was at."""
        number = next((word for word in self.arguments.split() if word[:1].isdigit()), None)
        if number is None:
            number = self.was.current.number if self.was.current else None
        return (self.now.phase(number) or phase_on_disk(self.after, number)) if number else None

    @property
    def reports(self) -> list[str]:
        """The texts of the phase's verification and tests that are new, or changed."""
        if self.phase is None or self.phase.folder is None:
            return []
        folder = f"phases/{self.phase.folder}"
        paths = (f"{folder}/{name}" for name in self.after.inside(folder))
        return [self.after.texts[path] for path in paths if self._is_new_report(path)]

    def _is_new_report(self, path: str) -> bool:
        is_report = path.endswith(("VERIFICATION.md", "UAT.md")) and path in self.after.texts
        return is_report and self.before.texts.get(path) != self.after.texts[path]


def is_finished(command: str, arguments: str, before: PlanningTree, after: PlanningTree) -> bool | None:
    """Tell whether a GSD command has left what it is there for.

    Args:
        command: Its bare name (``plan-phase``), as ``gsd.GsdCommand.name`` has it.
        arguments: What follows it on the line; a phase's number in it may be padded or not.
        before: ``.planning/`` when it was sent.
        after: ``.planning/`` now.

    Returns:
        None for a command that is known by no artefact: its turn's end is all there is.
    """
    predicate = _FINISHED.get(command)
    if predicate is None:
        return None
    return predicate(_Run(before, after, understand(before), understand(after), arguments))


def _new_project(run: _Run) -> bool:
    return run.now.has_project


def _new_milestone(run: _Run) -> bool:
    changed = run.after.text("ROADMAP.md") != run.before.text("ROADMAP.md")
    return changed and bool(run.now.phases)


def _discuss_phase(run: _Run) -> bool:
    return run.phase is not None and run.phase.status is not PhaseStatus.NOT_STARTED


def _plan_phase(run: _Run) -> bool:
    if run.phase is None:
        return False
    if "--gaps" in run.arguments.split():
        was = run.was.phase(run.phase.number)
        return run.phase.plans_total > (was.plans_total if was else 0)
    return run.phase.plans_total > 0


def _execute_phase(run: _Run) -> bool:
    phase = run.phase
    return phase is not None and 0 < phase.plans_total == phase.plans_done


def _verify_work(run: _Run) -> bool:
    # A UAT.md is there from the first question on; until the last answer its status is `testing` or `partial`.
    return any(read_verdict(text) not in ("testing", "partial") for text in run.reports)


def _complete_milestone(run: _Run) -> bool:
    known = {item.version for item in run.was.archived}
    return any(item.version not in known for item in run.now.archived)


_FINISHED: dict[str, Callable[[_Run], bool]] = {
    "new-project": _new_project,
    "new-milestone": _new_milestone,
    "discuss-phase": _discuss_phase,
    "plan-phase": _plan_phase,
    "execute-phase": _execute_phase,
    "verify-work": _verify_work,
    "complete-milestone": _complete_milestone,
}
