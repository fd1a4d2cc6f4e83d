"""The subcommands: what each does with the client, and which result it gives."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..client import GsdStatus, Project, asks_for_trust
from ..errors import AttentionNeeded, InvalidPath, NotFound
from ..models import Conversation, MilestoneStatus, SessionInfo
from .context import Context
from .forcing import with_force
from .grammar import Line, Mistake
from .output import save_output
from .results import (
    DoctorReport,
    EventLog,
    Listing,
    ProjectCard,
    Result,
    SessionStatus,
    current_session,
    open_questions,
)

_PAGE = 1000
_RECENT = 3


def project(context: Context, line: Line) -> Result:
    """Select a project, creating it where it is new, and keep the options with it."""
    client, name = context.client, _name(line)
    # Empty, as a notebook's parameter may be, means the server's own place.
    folder = os.path.abspath(os.path.expanduser(line["workspace"])) if line["workspace"] else None
    options: dict[str, Any] = {
        key: line[given]
        for key, given in (
            ("permission_mode", "permission_mode"),
            ("model", "model"),
            ("claude_args", "claude_arg"),
            ("trust", "trust"),
        )
        if line[given] is not None
    }
    existed = bool(client.projects(name=name))
    found = client.ensure_project(name, workspace_path=folder, **options)
    if folder and os.path.realpath(folder) != os.path.realpath(found.workspace_path):
        raise Mistake(
            f"The project {name!r} is in {found.workspace_path}; a project keeps its folder.", line.subcommand.usage
        )
    if existed and options:
        found = client.update_project(found, **options)
    context.select(found)
    if line["trust"] and asks_for_trust(client.session(found)):
        client.trust(found)
    return ProjectCard(
        project=found,
        is_new=not existed,
        _again=lambda: ProjectCard(project=client.get_project(found)),
    )


def projects(context: Context, line: Line) -> Result:
    """List the projects."""

    def look() -> Listing[Project]:
        found = context.client.projects()
        notes = () if found else ("None yet: `%wxmilestone project NAME` makes one.",)
        return Listing(items=found, title="projects", notes=notes, _again=look)

    return look()


def status(context: Context, line: Line) -> Result:
    """Show the session, GSD's phases and next step, the open milestones and the latest commands."""
    client, found = context.client, context.project(line["project"])

    def look() -> SessionStatus:
        milestones = [item for item in client.milestones(found) if not _has_ended(item.status)]
        gsd, notes = _look_at_gsd(context, found)
        return SessionStatus(
            project=client.get_project(found),
            session=client.session(found),
            milestones=tuple(milestones),
            commands=client.commands(found, last=_RECENT),
            gsd=gsd,
            notes=notes,
            questions=open_questions(client, found),
            _again=look,
        )

    return look().follows(context.live("session", found.id))


def resume(context: Context, line: Line) -> Result:
    """Attach to the live session, or resume the conversation, or begin a new one."""
    client, found = context.client, context.project(line["project"])
    earlier = _earlier(client.conversations(found), line) if line["session"] else None
    if line["yes"] and not line["force"]:
        raise Mistake("--yes says yes to --force.", line.subcommand.usage)
    options = {"fresh": bool(line["fresh"]), "now": bool(line["now"])}
    with_force(context, line, partial(client.start_session, found, claude_session_id=earlier, **options))
    context.partial = lambda: current_session(client, client.get_project(found))
    notice_trouble(context, found)
    return current_session(client, client.get_project(found)).follows(context.live("session", found.id))


def history(context: Context, line: Line) -> Result:
    """List the project's conversations."""
    client, found = context.client, context.project(line["project"])

    def look() -> Listing[Conversation]:
        notes = ("`%wxmilestone resume --session ID` goes back to one of them; the beginning of its id will do.",)
        return Listing(items=client.conversations(found), title=f"{found.name}: history", notes=notes, _again=look)

    return look()


def _earlier(conversations: Sequence[Conversation], line: Line) -> str:
    """Return the id that begins as the one on the line does."""
    known = {each.claude_session_id for each in conversations if each.claude_session_id.startswith(line["session"])}
    if line["fresh"]:
        raise Mistake("--fresh begins a new conversation, and --session goes back: one of them.", line.subcommand.usage)
    if len(known) != 1:
        what = f"{len(known)} conversations begin" if known else "No conversation of this project begins"
        raise Mistake(f"{what} with {line['session']!r}: `%wxmilestone history` lists them.", line.subcommand.usage)
    return known.pop()


def log(context: Context, line: Line) -> Result:
    """Show the latest events, or what the terminal has printed."""
    client, found = context.client, context.project(line["project"])
    if line["asciicast"]:
        return save_output(client.recording(found), found.name, line["asciicast"], line)
    if line["raw"]:
        return save_output(client.output(found), found.name, line["file"], line)
    if line["file"]:
        raise Mistake("--file is for what --raw gives.", line.subcommand.usage)
    limit = 50 if line["limit"] is None else line["limit"]
    if limit < 1:
        raise Mistake(f"--limit: {limit} events cannot be shown; 1 or more is expected.", line.subcommand.usage)

    def events() -> Iterator[Any]:
        after = 0
        while page := client.events(found, after=after, limit=_PAGE):
            yield from page
            after = page[-1].seq

    def look() -> EventLog:
        return EventLog(items=tuple(deque(events(), maxlen=limit)), title=f"{found.name}: events", _again=look)

    return look()


def interrupt(context: Context, line: Line) -> Result:
    """Interrupt what Claude does."""
    return _acted(context, line, context.client.interrupt)


def stop(context: Context, line: Line) -> Result:
    """End the session."""
    return _acted(context, line, context.client.stop)


def trust(context: Context, line: Line) -> Result:
    """Choose Yes on the trust screen; without one there is nothing to do, so that Run All is safe."""
    client, found = context.client, context.project(line["project"])
    session = client.session(found)
    if session.state.live:
        session = client.wait_started(found, attended=True)
    if not asks_for_trust(session):
        remedy = "" if session.state.live else f" No session is running: `%wxmilestone project {found.name} --trust`."
        return current_session(client, found, notes=(f"Claude Code does not ask for trust now.{remedy}",))
    try:
        client.trust(found)
    except AttentionNeeded:  # answered meanwhile, in the terminal
        if asks_for_trust(client.session(found)):
            raise
    return current_session(client, found)


def doctor(context: Context, line: Line) -> Result:
    """Check everything, the project's folder too where one is selected."""
    client = context.client
    found = context.project(line["project"]) if line["project"] or context.selected else None

    def look() -> DoctorReport:
        return DoctorReport(items=client.doctor(found), title=f"doctor: server at {client.url}", _again=look)

    return look()


# -- shared by the subcommands ----------------------------------------------------------------------------------------


def notice_trouble(context: Context, found: Project) -> SessionInfo | None:
    """Where nobody is there, wait a few seconds for what would keep the work from beginning, and raise it."""
    if context.attended:
        return None
    return context.client.wait_started(found)


def read_context(line: Line, body: str | None, variables: dict[str, Any]) -> str | None:
    """Return the text that a line stands for: ``--context``, or the cell's body. Raises ``Mistake``."""
    source = line["context"]
    if source is None:
        return body
    if body is not None and body.strip():
        raise Mistake("The text stands in the cell or behind --context, not in both.", line.subcommand.usage)
    if source.startswith("@"):
        file = Path(source[1:]).expanduser()
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Mistake(f"--context: {file} cannot be read: {error}.", line.subcommand.usage) from error
    value = variables.get(source)
    if not isinstance(value, str):
        what = "is no text" if source in variables else "does not exist (a file is written @FILE)"
        raise Mistake(f"--context: the variable {source!r} {what}.", line.subcommand.usage)
    return value


def _acted(context: Context, line: Line, act: Callable[[Project], SessionInfo]) -> SessionStatus:
    found = context.project(line["project"])
    act(found)
    return current_session(context.client, context.client.get_project(found))


def _look_at_gsd(context: Context, found: Project) -> tuple[GsdStatus | None, tuple[str, ...]]:
    """Return what GSD's files say; that they cannot be looked at is a note, and the session is shown all the same."""
    try:
        return context.client.gsd(found), ()
    except (InvalidPath, NotFound) as error:
        return None, (error.message,)


def _has_ended(status: MilestoneStatus) -> bool:
    return status in (MilestoneStatus.COMPLETED, MilestoneStatus.FAILED)


def _name(line: Line) -> str:
    name = (line.taken or "").strip()
    if not name:
        raise Mistake(f"{line.subcommand.name} needs a name.", line.subcommand.usage)
    return name
