"""The subcommands that speak GSD: any of its commands, the step that comes next, a project's first brief."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ..client import GsdCommand, GsdStatus, Project
from ..errors import GsdMissing, WxcodeError
from ..models import Command, CommandStatus
from .cards import Card
from .context import Context
from .grammar import Line, Mistake
from .gsd_rows import count_phases, phase_table
from .results import Help, Result
from .subcommands import SUBCOMMANDS, explain
from .work import deliver, given_text

_OPEN = (CommandStatus.QUEUED, CommandStatus.DELIVERING, CommandStatus.ACCEPTED)
#: Steps that need a text of the user's, and how it is given.
_NEEDS_TEXT = {"new-project": "`%%wxmilestone init`", "new-milestone": "`%%wxmilestone new NAME --start`"}
_SUMMARY_LIMIT = 100


@dataclass(frozen=True, repr=False, kw_only=True)
class NextStep(Result):
    """What GSD's files say comes next."""

    project: Project
    gsd: GsdStatus

    def _card(self) -> Card:
        step, progress = self.gsd.next, self.gsd.progress
        title = f"{self.project.name}: next"
        if step is None:
            reason = "nothing is known" if self.gsd.installed else "GSD is not installed: `%wxmilestone doctor`"
            return Card(title, notes=(*self.notes, f"{reason[0].upper()}{reason[1:]}."))
        rows = [("next", step.text), ("because", step.reason)]
        rows += [("or", ", ".join(step.also))] if step.also else []
        rows += [("done", count_phases(progress))] if progress.phases else []
        how = _NEEDS_TEXT.get(step.command, "`%wxmilestone next --run`")
        return Card(title, rows=rows, tables=[phase_table(progress)], notes=(*self.notes, f"Do it: {how}"))


def gsd(context: Context, line: Line) -> Result:
    """Send one of GSD's commands in its installed spelling, its arguments as they are written."""
    name, _, arguments = (line.taken or "").strip().partition(" ")
    if not name or name.endswith("?"):
        return help_of(context, line, name.rstrip("?"))
    project = context.project(line["project"])
    status = context.client.gsd(project)
    command = _find(status, project, name)
    warnings = (status.warning,) if command.name == "new-milestone" and status.warning else ()
    return _send(context, line, project, f"{command.spelling} {arguments.strip()}".rstrip(), notes=warnings)


def next_step(context: Context, line: Line) -> Result:
    """Show what GSD's files say comes next; with ``--run`` send it, unless it is on its way already."""
    if not line["run"] and (line["wait"] or line["clear"]):
        raise Mistake("--wait and --clear belong to --run.", line.subcommand.usage)
    client, project = context.client, context.project(line["project"])

    def look() -> NextStep:
        return NextStep(project=project, gsd=client.gsd(project), _again=look)

    if not line["run"]:
        return look()
    status = client.gsd(project)
    if status.next is None:
        raise _missing(project)
    if status.next.command in _NEEDS_TEXT:
        raise Mistake(
            f"{status.next.command} comes next ({status.next.reason}), and needs your text: "
            f"{_NEEDS_TEXT[status.next.command]}.",
            line.subcommand.usage,
        )
    for running in client.commands(project, statuses=_OPEN):
        if running.text == status.next.text:
            return deliver(context, line, project, running, notes=("It is on its way already.",))
    return _send(context, line, project, status.next.text)


def init(context: Context, line: Line, body: str | None, variables: dict[str, Any]) -> Result:
    """Give GSD's new-project the cell's body as its brief; the same one gives the command that exists."""
    text = given_text(line, body, variables)
    if text is None:
        raise Mistake("The project's brief stands in the cell's body, or behind --context.", line.subcommand.usage)
    client, project = context.client, context.project(line["project"])
    command = client.init(project, text)
    if not command.status.final and not client.session(project).state.live:
        client.start_session(project)  # the command waits for a session: a return visit
    result = deliver(context, line, project, command)
    return _with_outcome(context, project, command, result)


def help_of(context: Context, line: Line, name: str = "") -> Help:
    """Return the usage with the installed commands, or the help of one, as their front matter has it."""
    usage = explain(SUBCOMMANDS["gsd"])
    try:
        project = context.project(line["project"])
        status = context.client.gsd(project)
    except (Mistake, WxcodeError) as error:  # no project yet, or no server: the usage helps all the same
        return Help(text=usage, notes=(f"The installed commands are not known: {error}",))
    if name:
        command = _find(status, project, name)
        return Help(text="\n".join([f"{command.spelling} {command.argument_hint}".rstrip(), "", command.description]))
    if not status.commands:
        return Help(text=usage, notes=(_missing(project).message,))
    width = max(len(command.name) for command in status.commands)
    lines = [f"  {item.name:<{width}}  {_cut(item.description)}".rstrip() for item in status.commands]
    version = f" {status.version}" if status.version else ""
    return Help(text="\n".join([usage, "", f"GSD{version} in {project.workspace_path}:", "", *lines]))


def _send(context: Context, line: Line, project: Project, text: str, *, notes: tuple[str, ...] = ()) -> Result:
    if line["clear"]:  # with --wait it is done before the command is sent: one that failed would leave the context full
        deliver(context, line, project, context.client.send(project, "/clear"))
    return deliver(context, line, project, context.client.send(project, text), notes=notes)


def _find(status: GsdStatus, project: Project, name: str) -> GsdCommand:
    if not status.installed:
        raise _missing(project)
    command = status.command(name)
    if command is None:
        known = [item.name for item in status.commands]
        bare = name.removeprefix("/").removeprefix("gsd").lstrip(":-")
        near = get_close_matches(bare, known, n=3, cutoff=0.5)
        hint = f"; the nearest: {', '.join(near)}" if near else ""
        raise Mistake(f"The installed GSD has no command {name!r}{hint}.", "%wxmilestone gsd (alone) lists them")
    return command


def _missing(project: Project) -> GsdMissing:
    return GsdMissing(
        f"GSD is installed neither in {project.workspace_path} nor in the server's HOME: `%wxmilestone doctor` has the "
        "command that installs it.",
        workspace=project.workspace_path,
    )


def _with_outcome(context: Context, project: Project, command: Command, result: Result) -> Result:
    """Say what became of new-project where its turn has ended: a turn may end with a question."""
    if context.client.command(command).status is not CommandStatus.COMPLETED:
        return result
    if context.client.gsd(project).progress.has_project:
        return result.with_notes("PROJECT.md is there. What comes next: `%wxmilestone next`.")
    return result.with_notes(
        "Claude's turn has ended, and there is no PROJECT.md yet: what it says may be a question, which "
        "`%wxmilestone send` answers."
    )


def _cut(text: str) -> str:
    return text if len(text) <= _SUMMARY_LIMIT else text[: _SUMMARY_LIMIT - 1] + "…"
