"""``run``: a milestone's steps one after the other, up to a goal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from IPython.display import display

from ..client import Budget, GsdStatus, Run, Runner, RunStep
from ..errors import InvalidRequest, WxcodeError
from ..evidence import Usage
from ..models import MilestoneStatus
from ..plain import clean_line
from .cards import Badge, Card, Tone, clock
from .context import Context
from .evidence import duration_s, spoken
from .grammar import Line, Mistake
from .gsd_rows import count_phases, phase_table, planning_rows
from .results import Result
from .work import find_milestone

_TEXT_LIMIT = 80


@dataclass(frozen=True, repr=False, kw_only=True)
class RunResult(Result):
    """What a run has done, and how far the milestone is."""

    run: Run

    @property
    def reached(self) -> bool:
        """Whether the milestone is as far as it was to be brought."""
        return bool(self.run.gsd.reached)

    def _scrap(self) -> str | None:
        return f"wxcode.{self.run.milestone.element_name}"

    def _card(self) -> Card:
        run = self.run
        badge = Badge(f"{run.until}: reached", "good") if self.reached else Badge(f"{run.until}: not yet", "needed")
        rows = [("milestone", f"{run.milestone.id}, {run.milestone.status}"), ("steps", str(len(run.steps)))]
        rows += [("GSD", count_phases(run.gsd.progress))] if run.gsd.progress.phases else []
        rows += _totals(run.steps)
        rows += [("cost", f"${run.cost_usd:.4f} before the last command")] if run.cost_usd is not None else []
        rows += _next(run.gsd) if not self.reached else []
        steps: list[Sequence[str | Badge]] = [_row(step) for step in run.steps]
        return Card(run.milestone.element_name, badge, rows, [steps, phase_table(run.gsd.progress)], notes=self.notes)


def run(context: Context, line: Line) -> Result:
    """Bring a milestone as far as ``--until`` says, and show the steps; above the error, too, of one that stops."""
    client, project = context.client, context.project(line["project"])
    milestone = find_milestone(context, project, line)
    printer = context.printer()
    try:
        runner = Runner(
            client,
            milestone,
            line["until"] or "verified",
            Budget(line["max_turns"], line["timeout"], line["budget_usd"]),
            attended=context.attended,
            policy=context.policy,
            observer=printer,
            on_limit=line["on_limit"],
        )
    except InvalidRequest as error:
        raise Mistake(error.message, line.subcommand.usage) from error
    context.partial = lambda: RunResult(run=runner.so_far())
    try:
        done = runner.run()
    except WxcodeError:
        printer.flush()
        _show_steps(context, runner)
        raise
    finally:
        printer.flush()
    return RunResult(run=done, notes=_notes(done))


def _show_steps(context: Context, runner: Runner) -> None:
    try:
        done = runner.so_far()
    except WxcodeError as lost:  # the server is away: what failed first is what counts
        context.say(f"What became of it is unknown: {lost}")
        return
    if done.steps:
        display(RunResult(run=done))  # type: ignore[no-untyped-call]


def _notes(done: Run) -> tuple[str, ...]:
    if done.milestone.status is MilestoneStatus.COMPLETED:
        return ("It is marked completed: nothing more is run.",)
    if done.until == "archived":
        return (f'GSD has archived it; our record is yours: `%wxmilestone complete "{done.milestone.element_name}"`.',)
    return ()


def _row(step: RunStep) -> list[str | Badge]:
    command, change = step.command, step.summary.planning
    tone: Tone = "good" if command.outcome == "finished" else "needed"
    became = "; ".join(text for name, text in planning_rows(change) if name == "phase") if change else ""
    text = clean_line(command.text, _TEXT_LIMIT)
    badge = Badge(command.outcome or str(command.status), tone)
    return [clock(command.accepted_at or command.created_at), badge, spoken(duration_s(command)), text, became]


def _totals(steps: Sequence[RunStep]) -> list[tuple[str, str]]:
    used: list[Usage] = [step.summary.usage for step in steps if step.summary.usage]
    seconds = sum(duration_s(step.command) or 0.0 for step in steps)
    rows = [("duration", spoken(seconds))] if steps else []
    if used:
        tokens = f"{sum(item.input_tokens for item in used):,} in, {sum(item.output_tokens for item in used):,} out"
        rows.append(("tokens", tokens))
    return rows


def _next(gsd: GsdStatus) -> list[tuple[str, str]]:
    return [("next", f"{gsd.next.text}: {gsd.next.reason}")] if gsd.next else []
