"""A milestone's steps one after the other, each judged by what it leaves in ``.planning/``.

A loop over operations that everybody has: what comes next is asked anew after each step, so that a run that was
interrupted is simply run again, and goes on where the files say. No step is repeated that has not advanced anything.
Two runs of one milestone at once are one: each waits for what the other has sent, and what both would send next has the
same id, so that the server takes it once.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..errors import (
    CommandTimeout,
    Conflict,
    GsdMissing,
    InvalidRequest,
    MilestoneFailed,
    StepUnfinished,
)
from ..evidence import CommandSummary
from ..models import Command, CommandStatus, Milestone, MilestoneStatus, now
from .budgets import Budget, Spending
from .following import Observer, Progress
from .gsd import GsdStatus, GsdStep
from .limits import LIMITED, OnLimit
from .policies import Policy

if TYPE_CHECKING:
    from .api import Client

Until = Literal["planned", "built", "verified", "archived"]
UNTIL: tuple[Until, ...] = ("planned", "built", "verified", "archived")
_OPEN = (CommandStatus.QUEUED, CommandStatus.DELIVERING, CommandStatus.ACCEPTED)
_BEGINNINGS = ("new-project", "new-milestone")  # the milestone's own command, and what comes before it
_WORDS_LIMIT = 600
_CLEAR = "/clear"


@dataclass(frozen=True, slots=True)
class RunStep:
    """One command of GSD's that a run has waited for, with what became of it."""

    command: Command
    summary: CommandSummary


@dataclass(frozen=True, slots=True)
class Run:
    """What a run has done, in order, and how far the milestone is; ``gsd.reached`` says whether that is far enough.

    ``cost_usd`` is what the commands that it has begun have cost, but for the last one, of which it is not known yet;
    None where Claude Code does not tell it (see ``CommandSummary``).
    """

    milestone: Milestone
    until: Until
    steps: tuple[RunStep, ...]
    gsd: GsdStatus
    cost_usd: float | None = None


class Runner:
    """One run of one milestone.

    Args:
        client: Whom to ask.
        milestone: Which.
        until: How far.
        budget: What may be used.
        attended: Whether somebody can answer the CLI; see ``Watch``.
        policy: What is said to questions.
        observer: Told about the progress; a ``step`` is one that begins.
        on_limit: What to do at a usage limit.
        clock: Seconds that only rise; injected by tests, as is ``sleep``.
        sleep: Waits that many seconds.
    """

    def __init__(
        self,
        client: Client,
        milestone: Milestone,
        until: Until,
        budget: Budget,
        *,
        attended: bool = False,
        policy: Policy | None = None,
        observer: Observer | None = None,
        on_limit: OnLimit | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if until not in UNTIL:
            raise InvalidRequest(f"until is one of {', '.join(UNTIL)}, not {until!r}.")
        self._client = client
        self._milestone = milestone
        self._project_id = milestone.output_project_id
        self._until: Until = until
        self._attended = attended
        self._policy = policy
        self._observer = observer or (lambda progress: None)
        self._on_limit: OnLimit = on_limit or "fail"
        self._spending = Spending(
            budget, lambda command: client.summary(command).conversation_cost_usd, clock=clock, sleep=sleep
        )
        self._steps: list[RunStep] = []
        self._tried: set[tuple[object, ...]] = set()
        self._cleared: str | None = None  # the id of the /clear that was waited for last

    def run(self) -> Run:
        """Bring the milestone there, and say how; errors as of ``Client.run``."""
        if not self._has_ended():
            self._start()
        while not self._has_ended():
            commands, gsd = self._look()
            if under_way := self._under_way(commands, gsd):
                self._join(under_way, gsd)
            elif gsd.reached:
                break
            else:
                self._take_step(commands, gsd)
        return self.so_far()

    def so_far(self) -> Run:
        """Return what was done until now."""
        milestone = self._client.milestone(self._milestone.id)
        gsd = self._client.gsd(self._project_id, until=self._until)
        return Run(milestone, self._until, tuple(self._steps), gsd, self._spending.cost_usd)

    # -- the milestone itself -------------------------------------------------------------------------------------

    def _has_ended(self) -> bool:
        """Whether somebody has marked the milestone completed. Raises ``MilestoneFailed``."""
        self._milestone = self._client.milestone(self._milestone.id)
        if self._milestone.status is MilestoneStatus.FAILED:
            raise MilestoneFailed(
                f"The milestone {self._milestone.element_name!r} is marked failed: nothing is run.",
                milestone_id=self._milestone.id,
            )
        return self._milestone.status is MilestoneStatus.COMPLETED

    def _start(self) -> None:
        """See to it that the milestone's own command has made its roadmap, and that nothing is under way any more."""
        self._refuse_older()
        own = self._own_commands()
        if self._milestone.status is MilestoneStatus.PENDING and not any(map(_counts, own)):
            self._spending.check("the milestone's own command")
            if self._spending.counts_money:
                self._clear(self._client.commands(self._project_id))
            if command := self._client.ensure_started(self._milestone):
                self._spending.begin(command)
        under_way = self._client.commands(self._project_id, statuses=_OPEN)
        if under_way and not self._client.session(self._project_id).state.live:
            self._client.start_session(self._project_id)
        stopped = tuple(command for command in own[-1:] if command.outcome == LIMITED and _counts(command))
        for command in stopped + under_way:
            self._finish(command)
        for first in list(filter(_counts, self._own_commands()))[:1]:  # none: another program says that it runs
            self._check_artefact(first, self._client.summary(first))

    def _own_commands(self) -> tuple[Command, ...]:
        return self._client.commands(self._project_id, milestone_id=self._milestone.id)

    def _refuse_older(self) -> None:
        """Refuse a milestone after which another one was begun: ``.planning/`` tells of that one."""
        names = {item.id: item.element_name for item in self._client.milestones(self._project_id)}
        begun: dict[str, int] = {}
        for command in self._client.commands(self._project_id):
            if command.milestone_id in names and _counts(command):
                begun.setdefault(command.milestone_id, command.seq)
        newest = max(begun, key=begun.__getitem__, default=self._milestone.id)
        if self._milestone.id in begun and newest != self._milestone.id:
            older, newer = names[self._milestone.id], names[newest]
            word = newer if newer.split() == [newer] else f'"{newer}"'
            raise Conflict(
                f"{newer!r} was begun after {older!r}, and .planning/ tells of that one: `%wxmilestone run {word}` "
                f"goes on with it. What {older!r} still lacks can be a new milestone.",
                milestone_id=self._milestone.id,
            )

    # -- one step -------------------------------------------------------------------------------------------------

    def _look(self) -> tuple[tuple[Command, ...], GsdStatus]:
        """Return the project's commands, and what GSD's files say after these and before any other of the milestone."""
        commands = self._client.commands(self._project_id)
        while True:
            gsd = self._client.gsd(self._project_id, until=self._until)
            before, commands = commands, self._client.commands(self._project_id)
            if self._own(before)[-1:] == self._own(commands)[-1:]:
                return commands, gsd

    def _own(self, commands: Sequence[Command]) -> list[Command]:
        return [command for command in commands if command.milestone_id == self._milestone.id]

    def _under_way(self, commands: Sequence[Command], gsd: GsdStatus) -> list[Command]:
        """Return what another run, or somebody, has sent of what this one would wait for, or send itself."""
        texts = (_CLEAR, gsd.next.text if gsd.next else "")
        mine = (each for each in commands if each.milestone_id == self._milestone.id or each.text in texts)
        return [command for command in mine if command.status in _OPEN]

    def _join(self, under_way: Sequence[Command], gsd: GsdStatus) -> None:
        if gsd.next and any(command.text == gsd.next.text for command in under_way):
            self._tried.add(_state(gsd.next, gsd))
        for command in under_way:
            self._observer(Progress(now(), "step", f"{command.text} (it is under way already)"))
            self._finish(command)

    def _take_step(self, commands: Sequence[Command], gsd: GsdStatus) -> None:
        step = gsd.next
        if step is None:
            raise GsdMissing("GSD's commands are not installed as they are needed: `%wxmilestone doctor`.")
        if step.command in _BEGINNINGS or _state(step, gsd) in self._tried:
            raise self._stuck(step)
        self._tried.add(_state(step, gsd))
        self._spending.check(step.text)
        self._clear(commands)
        self._spending.check(step.text)
        self._observer(Progress(now(), "step", f"{step.text} ({step.reason})"))
        last = next((command.id for command in reversed(self._own(commands))), self._milestone.id)
        command = self._client.send(
            self._project_id, step.text, milestone=self._milestone, command_id=_following_id(step.text, last)
        )
        self._spending.begin(command)
        self._finish(command)

    def _clear(self, commands: Sequence[Command]) -> None:
        """Leave the conversation, unless that was waited for just now: the next command begins in an empty one."""
        last = commands[-1].id if commands else self._project_id
        if last != self._cleared:
            self._finish(self._client.send(self._project_id, _CLEAR, command_id=_following_id(_CLEAR, last)))
        self._spending.leave_conversation()

    def _finish(self, command: Command) -> None:
        """Wait for a command; one of the milestone's is a step, and must leave what it is there for."""
        try:
            self._client.wait_for(
                command,
                timeout_s=self._spending.time_left_s(),
                attended=self._attended,
                policy=self._policy,
                observer=self._observer,
                on_limit=self._on_limit,
            )
        except CommandTimeout as error:
            raise self._spending.too_late(error.message.partition(": ")[2]) from error
        if command.text == _CLEAR:
            self._cleared = command.id
        if command.milestone_id == self._milestone.id:
            summary = self._client.summary(command)
            self._steps.append(RunStep(summary.command, summary))
            self._check_artefact(summary.command, summary)

    def _check_artefact(self, command: Command, summary: CommandSummary) -> None:
        if summary.missing_still is not None:
            raise StepUnfinished(
                f"{command.text} has ended without {summary.missing_still}. {_last_words(command)}Answer it with "
                "`%wxmilestone send`, or look with `%wxmilestone screen`; the same `run` goes on from there.",
                command_id=command.id,
                missing=summary.missing_still,
                milestone_id=self._milestone.id,
            )

    def _stuck(self, step: GsdStep) -> StepUnfinished:
        last = self._steps[-1].command if self._steps else None
        said = _last_words(last) if last else ""
        what = "there is no roadmap of this milestone" if step.command in _BEGINNINGS else "it has advanced nothing"
        return StepUnfinished(
            f"{step.text} would come next ({step.reason}), and {what}. {said}Look with `%wxmilestone screen` and "
            "`%wxmilestone next`.",
            command_id=last.id if last else None,
            missing=None,
            milestone_id=self._milestone.id,
        )


def _counts(command: Command) -> bool:
    """Whether a command was taken by Claude, or still may be; what a rewind has taken back does not."""
    return command.taken_back_at is None and (command.accepted_at is not None or command.status in _OPEN)


def _state(step: GsdStep, gsd: GsdStatus) -> tuple[object, ...]:
    """Return what is different once a step has advanced anything."""
    return step.text, gsd.progress.phases, gsd.progress.archived


def _following_id(text: str, last: str) -> str:
    """Return the id of the command that comes next after ``last``: the same in every run."""
    return hashlib.sha256(f"{text} after {last}".encode()).hexdigest()[:24]


def _last_words(command: Command) -> str:
    said = " ".join((command.last_message or "").split())
    cut = said if len(said) <= _WORDS_LIMIT else "…" + said[-_WORDS_LIMIT:]
    return f"Claude said last: {cut} " if cut else ""
