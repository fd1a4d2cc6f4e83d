"""What a run may use, and what it has used: GSD's commands, time, and money where Claude Code tells it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import BudgetExhausted, CommandTimeout, InvalidRequest
from ..models import Command
from .following import STEP_S

COST_PATIENCE_S = 5.0  # Claude Code writes its transcript in batches


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may use; None is without limit.

    Attributes:
        max_turns: How many of GSD's commands it may begin, the milestone's own included.
        timeout_s: Limit in seconds over the whole run.
        usd: What it may cost, in US dollars. Looked at between the commands: one that runs is not cut off by it.
    """

    max_turns: int | None = None
    timeout_s: float | None = None
    usd: float | None = None

    def __post_init__(self) -> None:
        if self.max_turns is not None and self.max_turns < 1:
            raise InvalidRequest("max_turns is at least 1.")
        if self.usd is not None and not self.usd > 0:
            raise InvalidRequest("budget_usd is more than 0.")


class Spending:
    """Counts what a run uses, from now on.

    Args:
        budget: What it may use.
        ask_cost: Gives what the conversation of a command has cost in US dollars, None while that is not known.
        clock: Seconds that only rise.
        sleep: Waits that many seconds.
    """

    def __init__(
        self,
        budget: Budget,
        ask_cost: Callable[[Command], float | None],
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._budget = budget
        self._ask_cost = ask_cost
        self._clock = clock
        self._sleep = sleep
        self._deadline = None if budget.timeout_s is None else clock() + budget.timeout_s
        self._begun: list[Command] = []
        self._costs_usd: list[float | None] = []  # of those begun whose conversation was left

    @property
    def counts_money(self) -> bool:
        """Whether each of GSD's commands must have a conversation of its own, the first one too."""
        return self._budget.usd is not None

    @property
    def cost_usd(self) -> float | None:
        """What was begun has cost, as far as its conversations were left; None where that is not known."""
        known = [cost for cost in self._costs_usd if cost is not None]
        return sum(known) if known and len(known) == len(self._costs_usd) else None

    def begin(self, command: Command) -> None:
        """Count one of GSD's commands."""
        self._begun.append(command)

    def leave_conversation(self) -> None:
        """Note that the conversation was left: what the command that was begun last has cost is known by that."""
        if len(self._costs_usd) < len(self._begun):
            self._costs_usd.append(self._cost_usd(self._begun[-1]))

    def check(self, what: str) -> None:
        """Raise ``BudgetExhausted`` or ``CommandTimeout`` where ``what``, which would come next, may not begin."""
        if self._deadline is not None and self._clock() >= self._deadline:
            raise self.too_late(f"{what} would come next, and was not sent.")
        budget = self._budget
        if budget.max_turns is not None and len(self._begun) >= budget.max_turns:
            raise _exhausted(f"The budget of {budget.max_turns} commands (--max-turns) is used up", what)
        if budget.usd is None or not self._costs_usd:
            return
        if self.cost_usd is None:
            raise _exhausted("This Claude Code does not tell what its work costs: use --max-turns", what)
        if self.cost_usd >= budget.usd:
            raise _exhausted(f"${self.cost_usd:.4f} of ${budget.usd:g} (--budget-usd) are used up", what)

    def time_left_s(self) -> float | None:
        """Return the seconds that are left, 0 at the least; None without a limit."""
        return None if self._deadline is None else max(0.0, self._deadline - self._clock())

    def too_late(self, what: str) -> CommandTimeout:
        """Return the error that says that the time is up."""
        limit = self._budget.timeout_s
        return CommandTimeout(f"The limit of {limit:g} s of the whole run has passed: {what}", timeout_s=limit)

    def _cost_usd(self, command: Command) -> float | None:
        until = self._clock() + COST_PATIENCE_S
        while True:
            cost = self._ask_cost(command)
            if cost is not None or not self.counts_money or self._clock() >= until:
                return cost
            self._sleep(STEP_S)


def _exhausted(why: str, what: str) -> BudgetExhausted:
    return BudgetExhausted(f"{why}; {what} would come next. The same `run` goes on from there.", next=what)
