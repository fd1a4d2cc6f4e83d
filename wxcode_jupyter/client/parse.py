"""JSON of the API to values, and back. Unknown fields are ignored: an older kernel may meet a newer server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from ..errors import WxcodeError
from ..evidence import (
    Asked,
    Changes,
    CommandSummary,
    FileChange,
    Forked,
    Imported,
    PhaseState,
    PlanningChange,
    PlanningState,
    Rewound,
    Usage,
)
from ..models import (
    Attention,
    Command,
    CommandStatus,
    Conversation,
    Event,
    LineageCause,
    Milestone,
    MilestoneStatus,
    ProjectOptions,
    ProjectStatus,
    Question,
    QuestionItem,
    QuestionKind,
    QuestionOption,
    SessionInfo,
    SessionState,
)
from .values import Check, PreparedContext, Project, ServerInfo

Json = Mapping[str, Any]
E = TypeVar("E", bound=StrEnum)
V = TypeVar("V")


def project(body: Json) -> Project:
    """Parse an output project; its options may be missing."""
    options = body.get("options") or {}
    return _build(
        Project,
        body,
        status=_enum(ProjectStatus, body["status"]),
        options=_build(ProjectOptions, options, claude_args=tuple(options.get("claude_args") or ())),
    )


def milestone(body: Json) -> Milestone:
    """Parse a milestone."""
    return _build(Milestone, body, status=_enum(MilestoneStatus, body["status"]))


def command(body: Json) -> Command:
    """Parse a command."""
    return _build(Command, body, status=_enum(CommandStatus, body["status"]))


def changes(body: Json) -> Changes:
    """Parse what has changed since a checkpoint."""
    return _build(Changes, body, files=tuple(_build(FileChange, item) for item in body["files"]))


def rewound(body: Json) -> Rewound:
    """Parse what a rewind has done."""
    return _build(Rewound, body, taken_back=tuple(map(str, body.get("taken_back") or ())))


def forked(body: Json) -> Forked:
    """Parse which project a fork has made."""
    return _build(Forked, body)


def imported(body: Json) -> Imported:
    """Parse which project a file has become."""
    return _build(Imported, body, left_out=dict(body.get("left_out") or {}))


def summary(body: Json) -> CommandSummary:
    """Parse what became of a command."""
    used = body.get("usage")
    asked = body.get("questions") or ()
    return CommandSummary(
        command(body["command"]),
        _build(Usage, used, models=tuple(used.get("models") or ())) if used else None,
        tuple(_build(Asked, item, at=moment(item.get("at"))) for item in asked),
        tuple(map(str, body.get("warnings") or ())),
        _planning_change(body.get("planning")),
        body.get("missing_still"),
        body.get("conversation_cost_usd"),
    )


def _planning_change(body: Json | None) -> PlanningChange | None:
    return PlanningChange(_planning_state(body["before"]), _planning_state(body["after"])) if body else None


def _planning_state(body: Json) -> PlanningState:
    phases = tuple(_build(PhaseState, item) for item in body["phases"])
    return _build(PlanningState, body, phases=phases, archived=tuple(body.get("archived") or ()))


def session(body: Json, project_id: str) -> SessionInfo:
    """Parse a session; ``project_id`` is used where the body does not name its project."""
    shown = body.get("attention")
    attention = (
        Attention(str(shown.get("kind", "")), str(shown.get("message") or ""), str(shown.get("screen") or ""))
        if shown
        else None
    )
    return _build(
        SessionInfo,
        body,
        project_id=str(body.get("project_id") or project_id),
        state=_enum(SessionState, body["state"]),
        attention=attention,
        limited_until=moment(body.get("limited_until")),
        background=tuple(map(str, body.get("background") or ())),
        beside=tuple(map(str, body.get("beside") or ())),
        message=str(body.get("message") or ""),
        screen=str(body.get("screen") or (attention.screen if attention else "")),
    )


def conversation(body: Json) -> Conversation:
    """Parse an entry of a project's history."""
    cause, milestones = _enum(LineageCause, body["cause"]), tuple(map(str, body.get("milestones") or ()))
    return _build(Conversation, body, cause=cause, milestones=milestones)


def question(body: Json) -> Question:
    """Parse a question."""
    items = tuple(
        _build(
            QuestionItem,
            item,
            options=tuple(_build(QuestionOption, option) for option in item.get("options") or ()),
        )
        for item in body["items"]
    )
    kind = _enum(QuestionKind, body["kind"])
    return _build(Question, body, kind=kind, items=items, answer=tuple(body.get("answer") or ()))


def event(body: Json, project_id: str) -> Event:
    """Parse an event of a project."""
    return Event(
        output_project_id=project_id,
        type=str(body["type"]),
        data=dict(body.get("data") or {}),
        seq=int(body["seq"]),
        created_at=moment(body["created_at"]) or datetime.now(UTC),
    )


def server_info(body: Json) -> ServerInfo:
    """Parse what a server says about itself."""
    return _build(ServerInfo, body)


def prepared(body: Json) -> PreparedContext:
    """Parse a written context file."""
    return _build(PreparedContext, body)


def checks(body: Json) -> tuple[Check, ...]:
    """Parse what ``doctor`` found."""
    return tuple(
        Check(
            str(item["name"]),
            bool(item["ok"]),
            str(item.get("detail") or ""),
            str(item.get("remedy") or ""),
            bool(item.get("to_do")),
        )
        for item in body["checks"]
    )


def moment(value: Any) -> datetime | None:
    """Parse an ISO 8601 time into UTC; None stays None, and a time without a zone is UTC."""
    if value is None:
        return None
    parsed = datetime.fromisoformat(value)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def checked(read: Callable[[Json], V], body: Any, what: str) -> V:
    """Read an answer; one that does not fit is an error about the server, not a ``KeyError`` in a notebook."""
    try:
        return read(body)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WxcodeError(
            f"The server's answer about {what} is not understood ({type(error).__name__}: {error}). "
            "Its version of wxcode_jupyter may not fit this kernel's: install the same in both."
        ) from error


def _build(kind: type[V], body: Json, /, **given: Any) -> V:
    known: dict[str, Any] = dict(given)
    for item in fields(kind):  # type: ignore[arg-type]  # kinds are dataclasses
        if item.name in known or item.name not in body:
            continue
        value = body[item.name]
        known[item.name] = moment(value) if item.name.endswith("_at") else value
    return kind(**known)


def _enum(kind: type[E], value: str) -> E:
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f"{value!r} is no {kind.__name__}") from None
