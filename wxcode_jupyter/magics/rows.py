"""How values look in a row of a card: badges, titles, and how a command is doing."""

from __future__ import annotations

from ..client import Check, Project
from ..client.describe import describe
from ..evidence import CommandSummary
from ..models import (
    Command,
    CommandStatus,
    Conversation,
    Event,
    Milestone,
    MilestoneStatus,
    Question,
    SessionInfo,
    SessionState,
)
from ..plain import clean_line
from .cards import Badge, Now, Tone, clock
from .evidence import Evidence

_SESSION_TONES: dict[SessionState, Tone] = {
    SessionState.STARTING: "busy",
    SessionState.ATTENTION: "needed",
    SessionState.IDLE: "good",
    SessionState.BUSY: "busy",
    SessionState.WAITING: "needed",
    SessionState.EXITED: "bad",
}
_MILESTONE_TONES: dict[MilestoneStatus, Tone] = {
    MilestoneStatus.IN_PROGRESS: "busy",
    MilestoneStatus.COMPLETED: "good",
    MilestoneStatus.FAILED: "bad",
}
_COMMAND_TONES: dict[CommandStatus, Tone] = {
    CommandStatus.DELIVERING: "busy",
    CommandStatus.ACCEPTED: "busy",
    CommandStatus.COMPLETED: "good",
    CommandStatus.FAILED: "bad",
    CommandStatus.INTERRUPTED: "needed",
}
_OPEN_OUTCOMES = ("asks", "limited")  # completed, and not done
_TITLE_LIMIT = 80  # a milestone's command has 76
_MESSAGE_LIMIT = 600


def row(item: object) -> list[str | Badge]:
    """Return a value as a table's row; one of another kind is its text."""
    match item:
        case Project():
            return [item.name, Badge(str(item.status)), item.workspace_path]
        case Milestone():
            return [item.element_name, milestone_badge(item), item.id]
        case Command():
            return [clock(item.created_at), command_badge(item), title(item)]
        case Conversation():
            state = "now" if item.current else "kept" if item.kept else "gone" if item.born else "empty"
            tone: Tone = "good" if item.current else "bad" if state == "gone" else "quiet"
            asked = clean_line(item.first_prompt or "", _TITLE_LIMIT)
            about = "; ".join(filter(None, (*item.milestones, asked)))
            return [clock(item.created_at), Badge(state, tone), item.claude_session_id[:8], item.cause.value, about]
        case Question():
            by = Badge(item.answered_by or ("waits" if item.open else "dropped"), "needed" if item.open else "quiet")
            return [clock(item.asked_at), by, f"{item.title} -> {'; '.join(item.answer) or '?'}"]
        case Event():
            return [clock(item.created_at), item.type, clean_line(describe(item), 2 * _TITLE_LIMIT)]
        case Check():
            remedy = f"-> {item.remedy}" if item.remedy and not item.ok else ""
            return [_check_badge(item), item.name, f"{item.detail} {remedy}"]
    return [str(item)]


def title(command: Command) -> str:
    """Return what was typed, in one line."""
    return clean_line(command.text, _TITLE_LIMIT)


def session_badge(session: SessionInfo) -> Badge:
    """Return a session's state."""
    return Badge(str(session.state), _SESSION_TONES.get(session.state, "quiet"))


def milestone_badge(milestone: Milestone, evidence: Evidence | None = None) -> Badge:
    """Return its status, with what its command has left open where that was waited for, as the command's own card."""
    if evidence is not None and milestone.status is MilestoneStatus.IN_PROGRESS and _is_open(evidence.summary):
        return Badge(f"{milestone.status}, {evidence.summary.command.outcome}", "needed")
    return Badge(str(milestone.status), _MILESTONE_TONES.get(milestone.status, "quiet"))


def _is_open(summary: CommandSummary) -> bool:
    """Whether a command that is completed is not done; what it should have left may have come later."""
    came_later = summary.command.missing is not None and summary.missing_still is None
    return summary.command.outcome in _OPEN_OUTCOMES and not came_later


def command_badge(command: Command) -> Badge:
    """Return a command's status; of one that has completed and is not done, how it ended."""
    if command.outcome in _OPEN_OUTCOMES:
        return Badge(str(command.outcome), "needed")
    return Badge(str(command.status), _COMMAND_TONES.get(command.status, "quiet"))


def outcome_notes(command: Command | None) -> tuple[str, ...]:
    """Return what to know of a turn that has ended and is not done."""
    match command.outcome if command else None:
        case "asks" if command is not None and command.missing:
            return (
                f"Claude ended its turn without {command.missing}, by which GSD's command is done: answer what it "
                "says with `%wxmilestone send`.",
            )
        case "asks":
            return ("Claude ended its turn with a question: answer it with `%wxmilestone send`.",)
        case "limited" if command is not None and command.resets_at:
            return (f"A usage limit was reached; it resets at {clock(command.resets_at)}.",)
        case "limited":
            return ("A usage limit was reached.",)
    return ()


def work(command: Command | None, session: SessionInfo | None, evidence: Evidence | None) -> Now:
    """Return how a command is doing, and what it has done."""
    rows = []
    if command is not None:
        outcome = f", {command.outcome}" if command.outcome else ""
        rows.append(("status", f"{command.status}{outcome}"))
        rows += [("error", command.error)] if command.error else []
        if command.last_message:
            cut = command.last_message[:_MESSAGE_LIMIT]
            rows.append(("Claude said", cut + ("…" if len(cut) < len(command.last_message) else "")))
    rows += evidence.rows() if evidence else []
    rows += [("session", _state(session))] if session else []
    return Now(rows, notes=outcome_notes(command))


def queue(session: SessionInfo) -> str:
    """Return how many commands wait, and for what."""
    if session.limited_until is None:
        return str(session.queued)
    when = f"{session.limited_until.astimezone():%Y-%m-%d %H:%M}"
    return f"{session.queued}, held by a usage limit until {when}; `%wxmilestone resume --now` sends at once"


def _check_badge(check: Check) -> Badge:
    if check.ok:
        return Badge("ok", "good")
    return Badge("TO DO", "needed") if check.to_do else Badge("MISSING", "bad")


def _state(session: SessionInfo) -> str:
    return f"{session.state}: {session.message}" if session.message else str(session.state)
