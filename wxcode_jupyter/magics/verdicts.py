"""What of a project has passed, failed, or is not done: one suite for each milestone, one case for each command."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ..client import Project
from ..models import Command, CommandStatus, Milestone, MilestoneStatus
from .cards import Tone
from .evidence import duration_s

Verdict = Literal["passed", "failed", "not done"]
_TONES: dict[Verdict, Tone] = {"passed": "good", "failed": "bad", "not done": "quiet"}
_UNFINISHED = {
    "asks": "Claude ended with a question, and nobody answered it.",
    "limited": "Claude ended at a usage limit.",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One command; ``reason`` says why it failed or is not done."""

    command: Command
    verdict: Verdict
    reason: str = ""
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class Suite:
    """A milestone with its commands, or (``milestone`` is None) the commands of none."""

    milestone: Milestone | None
    cases: tuple[Case, ...]
    verdict: Verdict
    reason: str = ""
    outcome: str | None = None
    duration_s: float | None = None

    @property
    def name(self) -> str:
        """The milestone's name."""
        return self.milestone.element_name if self.milestone else "commands of no milestone"

    @property
    def status(self) -> str:
        """The milestone's status, "" for the commands of none."""
        return str(self.milestone.status) if self.milestone else ""

    @property
    def tone(self) -> Tone:
        """How its verdict looks."""
        return _TONES[self.verdict]


@dataclass(frozen=True, slots=True)
class ProjectReport:
    """Everything of a project at one moment; the numbers count suites' cases, and milestones marked failed."""

    project: Project
    created_at: datetime
    suites: tuple[Suite, ...]
    passed: int
    failed: int
    skipped: int


def read_report(
    project: Project,
    milestones: Sequence[Milestone],
    commands: Sequence[Command],
    *,
    at: datetime,
    unanswered: Mapping[str, Sequence[str]] | None = None,
    missing_still: Mapping[str, str | None] | None = None,
) -> ProjectReport:
    """Draw the conclusions about a project. Milestones come in their order, the other commands last.

    What a rewind has taken back is left out.

    ``unanswered`` are the questions, by the id of the command, that a command's turn has ended with, or waits for.
    ``missing_still`` is what `CommandSummary` says, by the id of a command that has ended without its artefact; where
    it says nothing, what was missing at the end is.
    """
    asked = unanswered or {}
    commands = [command for command in commands if command.taken_back_at is None]
    unmet = _unmet(commands, missing_still or {})
    known = {item.id for item in milestones}
    others = [command for command in commands if command.milestone_id not in known]
    suites = []
    for item in milestones:
        own = [command for command in commands if command.milestone_id == item.id]
        # What another milestone begins with is no word about this one.
        suites.append(_suite(item, own, _last(own + others), asked, unmet))
    if others:
        suites.append(_suite(None, others, _last(commands), asked, unmet))
    verdicts = [case.verdict for suite in suites for case in suite.cases]
    marked = sum(marked_failed(suite) for suite in suites)
    return ProjectReport(
        project,
        at,
        tuple(suites),
        passed=verdicts.count("passed"),
        failed=verdicts.count("failed") + marked,
        skipped=verdicts.count("not done"),
    )


def marked_failed(suite: Suite) -> bool:
    """Whether a milestone is marked failed although none of its commands has."""
    failed = suite.milestone is not None and suite.milestone.status is MilestoneStatus.FAILED
    return failed and not any(case.verdict == "failed" for case in suite.cases)


def _last(commands: Sequence[Command]) -> int:
    """Return the number of the latest command that Claude was given."""
    return max((command.seq for command in commands if command.accepted_at), default=0)


def _unmet(commands: Sequence[Command], missing_still: Mapping[str, str | None]) -> set[str]:
    """Return the ids of those that have ended without their artefact, and have it not until now.

    What is there now is a later milestone's, where only that one's commands came afterwards. It may be gone again,
    too, with the phases that GSD has archived: the same command, done again, is enough.
    """
    unmet = set()
    for command in commands:
        later = [each for each in commands if each.seq > command.seq and each.accepted_at]
        same = [each for each in later if each.milestone_id in (None, command.milestone_id)]
        overtaken = command.milestone_id is not None and bool(later) and not same
        missing = overtaken or missing_still.get(command.id, command.missing) is not None
        if command.missing and missing and not any(each.text == command.text and _has_left_all(each) for each in same):
            unmet.add(command.id)
    return unmet


def _has_left_all(command: Command) -> bool:
    return command.status is CommandStatus.COMPLETED and command.outcome == "finished" and not command.missing


def _suite(
    milestone: Milestone | None,
    commands: Sequence[Command],
    last: int,
    unanswered: Mapping[str, Sequence[str]],
    unmet: Container[str],
) -> Suite:
    completed = milestone is not None and milestone.status is MilestoneStatus.COMPLETED
    # A question is answered by what comes after it, what is missing by being there; or both by somebody's word that
    # the milestone is done.
    cases = tuple(
        _case(
            command,
            unanswered.get(command.id, ()),
            settled=completed or (command.id not in unmet if command.missing else command.seq < last),
        )
        for command in commands
    )
    failed = [case.reason for case in cases if case.verdict == "failed"]
    open_ = [case.reason for case in cases if case.verdict == "not done"]
    begun = [command.accepted_at for command in commands if command.accepted_at]
    ended = [command.completed_at for command in commands if command.completed_at]
    verdict: Verdict
    if milestone is not None and milestone.status is MilestoneStatus.FAILED:
        verdict, reason = "failed", failed[-1] if failed else "The milestone is marked failed."
    elif completed:
        verdict, reason = "passed", ""
    elif failed:
        verdict, reason = "failed", failed[-1]
    elif open_ or not cases:
        verdict, reason = "not done", open_[-1] if open_ else "It was not started."
    else:
        verdict, reason = "passed", ""
    return Suite(
        milestone,
        cases,
        verdict,
        reason,
        outcome=commands[-1].outcome if commands else None,
        duration_s=(max(ended) - min(begun)).total_seconds() if begun and ended else None,
    )


def _case(command: Command, unanswered: Sequence[str], *, settled: bool) -> Case:
    """Judge a command; ``settled``: an end with a question, without its artefact or at a limit counts no more."""
    spent = duration_s(command)
    if command.status is CommandStatus.COMPLETED:
        reason = "" if settled else _unfinished(command)
        return Case(command, "failed" if reason else "passed", reason, spent)
    if command.withdrawn:
        return Case(command, "not done", command.error or "It was withdrawn.", spent)
    asked = "".join(f"Nobody has answered: {question} " for question in unanswered)
    match command.status:
        case CommandStatus.FAILED:
            return Case(command, "failed", asked + (command.error or "No reason was given."), spent)
        case CommandStatus.INTERRUPTED:
            return Case(command, "failed", asked + (command.error or "It was interrupted."), spent)
    return Case(command, "not done", f"{asked}It is {command.status}.", spent)


def _unfinished(command: Command) -> str:
    """Return why a command that is completed is not done, "" where it is."""
    if command.missing:
        return f"Claude ended its turn without {command.missing}."
    return _UNFINISHED.get(command.outcome or "", "")
