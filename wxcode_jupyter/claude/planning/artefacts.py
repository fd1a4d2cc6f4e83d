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

#: Arguments by which a command does a part of its work only, or does it in another folder than `.planning/`.
_ELSEWHERE = frozenset({"--wave", "--research-phase", "--view", "--ws"})
#: Where GSD (1.42, gsd-core) keeps each work stream's own phases; which one is active may stand outside the workspace.
_WORKSTREAMS = "workstreams"


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of a command: the folder before and after, as they are and as they are understood."""

    before: PlanningTree
    after: PlanningTree
    was: Planning
    now: Planning
    arguments: str

    @property
    def number(self) -> str | None:
        """The number of the phase that the arguments name; without one, of the phase that GSD was at."""
        named = next((word for word in self.arguments.split() if word[:1].isdigit()), None)
        return named or (self.was.current.number if self.was.current else None)

    @property
    def phase(self) -> Phase | None:
        """The phase of this number."""
        number = self.number
        return (self.now.phase(number) or phase_on_disk(self.after, number)) if number else None

    @property
    def closes_gaps(self) -> bool:
        """Whether what was verified is to be planned once more."""
        return "--gaps" in self.arguments.split()

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
        None for a command that is known by no artefact, or leaves it where we do not look: its turn's end is all
        there is.
    """
    known = _ARTEFACTS.get(command)
    if known is None or _WORKSTREAMS in after.folders or _ELSEWHERE & _options(arguments):
        return None
    return known[0](_Run(before, after, understand(before), understand(after), arguments))


def find_missing(command: str, arguments: str, before: PlanningTree, after: PlanningTree) -> str | None:
    """Return what a GSD command should have left and has not, in a few words; None where nothing is missing.

    Arguments are those of `is_finished`.
    """
    if is_finished(command, arguments, before, after) is not False:
        return None
    return _ARTEFACTS[command][1](_Run(before, after, understand(before), understand(after), arguments))


def _options(arguments: str) -> set[str]:
    return {word.partition("=")[0] for word in arguments.split()}


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
    if run.closes_gaps:
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


def _of_phase(run: _Run) -> str:
    number = run.number
    return f"of phase {number}" if number else "of a phase"


def _summaries(run: _Run) -> str:
    if run.phase is None or not run.phase.plans_total:
        return f"the plans {_of_phase(run)} and their summaries"
    return f"{run.phase.plans_total - run.phase.plans_done} of {run.phase.plans_total} plan summaries {_of_phase(run)}"


#: When a command is finished, and what is missing until then.
_ARTEFACTS: dict[str, tuple[Callable[[_Run], bool], Callable[[_Run], str]]] = {
    "new-project": (_new_project, lambda run: "PROJECT.md"),
    "new-milestone": (_new_milestone, lambda run: "a new ROADMAP.md with phases"),
    "discuss-phase": (_discuss_phase, lambda run: f"the CONTEXT.md {_of_phase(run)}"),
    "plan-phase": (_plan_phase, lambda run: f"a{' further' if run.closes_gaps else ''} plan {_of_phase(run)}"),
    "execute-phase": (_execute_phase, _summaries),
    "verify-work": (_verify_work, lambda run: f"a finished UAT.md {_of_phase(run)}"),
    "complete-milestone": (_complete_milestone, lambda run: "the milestone's archive in milestones/"),
}
