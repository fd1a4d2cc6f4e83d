"""The subcommands that give Claude work, and mark how it ended."""

from __future__ import annotations

import re
from typing import Any

from ..client import GsdStatus, Project
from ..errors import MilestoneFailed, NotFound
from ..models import Command, CommandStatus, Milestone, MilestoneStatus
from .commands import notice_trouble, read_context
from .context import Context
from .evidence import Evidence
from .grammar import Line, Mistake, nearest, replace_variables
from .milestones import ENDED, ensure_milestone
from .results import CommandResult, Listing, MilestoneResult, Result
from .waiting import evidence_of, wait_for

_OBJECT_ID = re.compile(r"[0-9a-f]{24}")
_TURN_IS_NOT_MILESTONE = (
    "Claude's turn has ended; the milestone goes on until `%wxmilestone complete` (or `fail`) says otherwise."
)


def list_milestones(context: Context, line: Line) -> Result:
    """List the milestones of a project."""
    client, project = context.client, context.project(line["project"])

    def look() -> Listing[Milestone]:
        return Listing(items=client.milestones(project), title=f"{project.name}: milestones", _again=look)

    return look()


def new(context: Context, line: Line, body: str | None, variables: dict[str, Any]) -> Result:
    """Make a milestone; the same name and text give the one that exists."""
    usage, name = line.subcommand.usage, line.taken
    if not name:
        raise Mistake("new needs a name.", usage)
    if line["wait"] and not line["start"]:
        raise Mistake("--wait waits for a start: add --start.", usage)
    text = given_text(line, body, variables)
    if text is None:
        raise Mistake("The milestone's text stands in the cell's body, or behind --context.", usage)
    client, project = context.client, context.project(line["project"])
    milestone, existed = ensure_milestone(
        client, project, name, text, element_id=line["element"], again=bool(line["again"]), usage=usage
    )
    if line["start"]:
        return _start(context, line, project, milestone)
    notes = ("It exists already, with this text." if existed else "", _next_step(milestone))
    return _milestone_result(context, milestone, notes=tuple(filter(None, notes)))


def start(context: Context, line: Line) -> Result:
    """Start a milestone, or attach to one that runs."""
    project = context.project(line["project"])
    return _start(context, line, project, find_milestone(context, project, line))


def send(context: Context, line: Line, body: str | None, variables: dict[str, Any]) -> Result:
    """Give Claude one command."""
    usage = line.subcommand.usage
    if line.taken and ((body and body.strip()) or line["context"]):
        raise Mistake("The text stands on the line, in the cell or behind --context: once.", usage)
    text = line.taken or given_text(line, body, variables)
    if text is None or not text.strip():
        raise Mistake("send needs a text.", usage)
    client, project = context.client, context.project(line["project"])
    return deliver(context, line, project, client.send(project, text))


def deliver(
    context: Context, line: Line, project: Project, command: Command, *, notes: tuple[str, ...] = ()
) -> CommandResult:
    """Return the card of a command that was queued: at once, or with ``--wait`` when it is done."""
    client = context.client
    if not command.status.final:
        _remember(context, command)
    if not line["wait"]:
        context.partial = lambda: CommandResult(command=client.command(command), notes=notes)
        notice_trouble(context, project)
        live = context.live("command", project.id, command_id=command.id)
        return _command_result(context, project, command, notes).follows(live)
    context.partial = lambda: _command_result(context, project, command, notes, evidence_of(context, line, command))
    command = wait_for(context, line, command)
    return _command_result(context, project, command, notes, evidence_of(context, line, command))


def withdraw(context: Context, line: Line) -> CommandResult:
    """Take a queued command back: the one with this id, else the newest that waits."""
    client, project = context.client, context.project(line["project"])
    if line.taken:
        return CommandResult(command=client.withdraw(line.taken))
    waiting = client.commands(project, statuses=[CommandStatus.QUEUED], last=1)
    if not waiting:
        raise Mistake(f"No command of {project.name!r} waits in the queue.", line.subcommand.usage)
    return CommandResult(command=client.withdraw(waiting[-1]))


def complete(context: Context, line: Line) -> Result:
    """Mark a milestone completed."""
    return _mark(context, line, MilestoneStatus.COMPLETED)


def fail(context: Context, line: Line) -> Result:
    """Mark a milestone failed."""
    return _mark(context, line, MilestoneStatus.FAILED)


def _start(context: Context, line: Line, project: Project, milestone: Milestone) -> Result:
    client = context.client
    before = client.gsd(project) if milestone.status is MilestoneStatus.PENDING else None
    context.partial = lambda: _milestone_result(context, client.milestone(milestone))
    if milestone.status in ENDED:
        if milestone.status is MilestoneStatus.FAILED and line["wait"]:
            raise _failed(milestone)
        return _milestone_result(context, milestone, notes=("It has ended: nothing was started.",))
    command = client.ensure_started(milestone)
    if command is None:  # in progress, by the word of another program
        return _milestone_result(
            context, client.milestone(milestone), notes=("It runs, but not by a command of ours.",)
        )
    warnings = _warnings(before, command)
    if not command.status.final:
        if not client.session(project).state.live:  # the command waits for a session: a return visit
            client.start_session(project)
        _remember(context, command)
    if not line["wait"]:
        notice_trouble(context, project)
        warnings += client.summary(command).warnings
        live = context.live("milestone", project.id, command_id=command.id, milestone_id=milestone.id)
        return _milestone_result(context, client.milestone(milestone), notes=warnings).follows(live)
    context.partial = lambda: _milestone_result(
        context, client.milestone(milestone), evidence=evidence_of(context, line, command)
    )
    command = wait_for(context, line, command)
    milestone = client.milestone(milestone)
    if milestone.status is MilestoneStatus.FAILED:
        raise _failed(milestone)
    evidence = evidence_of(context, line, command)
    notes = () if milestone.status is MilestoneStatus.COMPLETED else (_TURN_IS_NOT_MILESTONE,)
    return _milestone_result(context, milestone, (*warnings, *evidence.summary.warnings, *notes), evidence)


def _warnings(before: GsdStatus | None, command: Command) -> tuple[str, ...]:
    """Return what a milestone's command makes GSD delete, as it was before it was sent; other commands do not."""
    if before is None or before.warning is None:
        return ()
    clearing = before.command("new-milestone")
    return (before.warning,) if clearing and command.text.split()[:1] == [clearing.spelling] else ()


def _remember(context: Context, command: Command) -> None:
    """Keep the id, so that a later ``wait`` raises the failure even of a command that failed before it."""
    if command.status is not CommandStatus.COMPLETED:
        context.sent.setdefault(command.output_project_id, set()).add(command.id)


def find_milestone(context: Context, project: Project, line: Line) -> Milestone:
    """Find a milestone by id, or by name: of several the one in progress, else the newest that has not ended."""
    order = (MilestoneStatus.FAILED, MilestoneStatus.COMPLETED, MilestoneStatus.PENDING, MilestoneStatus.IN_PROGRESS)
    return max(_named(context, project, line), key=lambda item: (order.index(item.status), item.created_at))


def _named(context: Context, project: Project, line: Line) -> list[Milestone]:
    """Return the milestones of the name or id in the line, one at least."""
    wanted = (line.taken or "").strip()
    if not wanted:
        raise Mistake(f"{line.subcommand.name} needs a milestone: its name or its id.", line.subcommand.usage)
    milestones = context.client.milestones(project)
    found = [item for item in milestones if wanted in (item.element_name, item.id)]
    if not found and _OBJECT_ID.fullmatch(wanted):
        elsewhere = _elsewhere(context, wanted)
        if elsewhere is not None:
            raise Mistake(f"The milestone {wanted} is not of the project {project.name!r}.", line.subcommand.usage)
    if not found:
        names = [item.element_name for item in milestones]
        raise Mistake(
            f"The project {project.name!r} has no milestone {wanted!r}{nearest(wanted, names)}.", line.subcommand.usage
        )
    return found


def _elsewhere(context: Context, milestone_id: str) -> Milestone | None:
    try:
        return context.client.milestone(milestone_id)
    except NotFound:
        return None


def _mark(context: Context, line: Line, status: MilestoneStatus) -> Result:
    client, project = context.client, context.project(line["project"])
    milestone = _to_mark(context, project, line)
    marked = client.complete(milestone) if status is MilestoneStatus.COMPLETED else client.fail(milestone)
    return _milestone_result(context, marked)


def _to_mark(context: Context, project: Project, line: Line) -> Milestone:
    """Return the milestone that the line names, of several the one in progress; without a name, the one in progress."""
    if not line.taken:
        running = context.client.milestones(project, status=MilestoneStatus.IN_PROGRESS)
        if len(running) == 1:
            return running[0]
        names = ", ".join(item.element_name for item in running) or "none"
        raise Mistake(f"Which milestone? In progress: {names}.", line.subcommand.usage)
    named = _named(context, project, line)
    if len(named) > 1:
        running = tuple(item for item in named if item.status is MilestoneStatus.IN_PROGRESS)
        if len(running) != 1:
            ids = ", ".join(f"{item.id} ({item.status})" for item in named)
            raise Mistake(f"Which milestone? Several have this name; give an id: {ids}.", line.subcommand.usage)
        return running[0]
    return named[0]


def _milestone_result(
    context: Context, milestone: Milestone, notes: tuple[str, ...] = (), evidence: Evidence | None = None
) -> MilestoneResult:
    client = context.client
    started = milestone.status is not MilestoneStatus.PENDING
    # A pending one may have its command queued already: in progress is what was accepted.
    command = client.milestone_command(milestone)
    session = client.session(milestone.output_project_id) if started or command else None
    return MilestoneResult(
        milestone=milestone,
        command=command,
        session=session,
        evidence=evidence,
        notes=notes,
        _again=lambda: _milestone_result(context, client.milestone(milestone)),
    )


def _command_result(
    context: Context,
    project: Project,
    command: Command,
    notes: tuple[str, ...] = (),
    evidence: Evidence | None = None,
) -> CommandResult:
    client = context.client
    return CommandResult(
        command=client.command(command),
        session=client.session(project),
        evidence=evidence,
        notes=notes,
        _again=lambda: _command_result(context, project, command, notes),
    )


def _next_step(milestone: Milestone) -> str:
    if milestone.status is not MilestoneStatus.PENDING:
        return ""
    return f'Start it: %wxmilestone start "{milestone.element_name}" --wait'


def _failed(milestone: Milestone) -> MilestoneFailed:
    return MilestoneFailed(
        f"The milestone {milestone.element_name!r} is marked failed; `%%wxmilestone new` with --again makes another.",
        milestone_id=milestone.id,
    )


def given_text(line: Line, body: str | None, variables: dict[str, Any]) -> str | None:
    """Return the text of a cell or of ``--context``, its variables replaced in the cell only: a file is taken as is."""
    text = read_context(line, body, variables)
    if text is None or not text.strip():
        return None
    return replace_variables(text, variables) if line["context"] is None else text
