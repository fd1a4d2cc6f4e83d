"""Values to plain documents and back, and the checks at the boundary: the same for every backend.

A document is a dict with the fields of its model: ids as hexadecimal text, times as aware ``datetime`` in whole
milliseconds (what MongoDB keeps), enumerations as their text, ``Event.data`` as JSON text. JSON text, because hooks
carry whatever Claude's tools take: keys such as ``$where``, ``a.b`` or ``""``, integers beyond 64 bits and lone
surrogates are no trouble there, while MongoDB refuses some and would give a meaning to others.

Encoding is strict (``InvalidBody``, ``InvalidId``); decoding is lenient, because wxcode writes documents too: a field
that cannot be read has its default, so that one document never makes a list unreadable. A conversation id that is
``""`` is none.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import MISSING, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import NoneType
from typing import Any, TypeVar, get_args, get_type_hints

from ..errors import Displaced, InvalidBody
from ..models import (
    ClaudeSession,
    Command,
    Event,
    Holder,
    Milestone,
    OutputProject,
    ProjectOptions,
    TranscriptChunk,
    check_id,
)

_log = logging.getLogger(__name__)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

#: Fields that hold an ObjectId.
ID_FIELDS = frozenset({"id", "output_project_id", "milestone_id", "kb_id", "element_id"})

#: What ``update_project``, ``update_milestone`` and ``move_command`` may set.
PROJECT_CHANGES = frozenset({"name", "status"})
MILESTONE_CHANGES = frozenset({"context", "element_name", "wxcode_version", "milestone_folder_name"})
COMMAND_CHANGES = frozenset(
    {
        "status",
        "outcome",
        "resets_at",
        "missing",
        "last_message",
        "prompt_id",
        "claude_session_id",
        "error",
        "delivering_at",
        "accepted_at",
        "completed_at",
        "taken_back_at",
    }
)

_HOLDER_TEXTS = ("host", "url", "machine_id", "boot_id", "place")

Document = dict[str, Any]
Model = OutputProject | Milestone | Command | ClaudeSession | Event | TranscriptChunk
M = TypeVar("M", OutputProject, Milestone, Command, ClaudeSession, Event, TranscriptChunk)


def encode(value: Model) -> Document:
    """Return the document of a value. Raises ``InvalidBody`` or ``InvalidId`` for a field that cannot be stored."""
    return {field.name: _encode_field(type(value), field.name, getattr(value, field.name)) for field in fields(value)}


def encode_changes(kind: type[Model], changes: Mapping[str, Any], allowed: Collection[str]) -> Document:
    """Return ``changes`` as part of a document of ``kind``. Raises ``InvalidBody`` for none, or one not ``allowed``."""
    if not changes:
        raise InvalidBody(f"Nothing to change; {', '.join(sorted(allowed))} can be set.")
    for name in changes:
        if name not in allowed:
            raise InvalidBody(f"{name!r:.60} cannot be changed; {', '.join(sorted(allowed))} can.", field=name)
    return {name: _encode_field(kind, name, value) for name, value in changes.items()}


def decode(kind: type[M], document: Mapping[str, Any]) -> M:
    """Return the value of a document, leaving out fields that are not ours.

    What is missing or cannot be read gets the model's default, and a mandatory text is ``""``; times may be
    milliseconds since the epoch.
    """
    values: dict[str, Any] = {}
    for field in fields(kind):
        raw = document.get(field.name)
        if raw is not None:
            try:
                values[field.name] = _decode_field(kind, field.name, raw)
                continue
            except (ValueError, TypeError, OverflowError):
                _log.warning(
                    "%s %.60r of a stored %s cannot be read; it has its default", field.name, raw, kind.__name__
                )
        if field.default is MISSING and field.default_factory is MISSING:
            values[field.name] = ""
    return kind(**values)


def encode_options(options: ProjectOptions) -> Document:
    """Return the document of a project's options."""
    if not isinstance(options.trust, bool):
        raise InvalidBody("'trust' must be true or false.", field="trust")
    return {
        "permission_mode": _optional_text("permission_mode", options.permission_mode),
        "model": _optional_text("model", options.model),
        "claude_args": [check_text("claude_args", argument) for argument in options.claude_args],
        "trust": options.trust,
    }


def decode_options(document: Mapping[str, Any]) -> ProjectOptions:
    """Return the options of a document; what is missing gets its default."""
    return ProjectOptions(
        permission_mode=document.get("permission_mode"),
        model=document.get("model"),
        claude_args=tuple(document.get("claude_args") or ()),
        trust=bool(document.get("trust", False)),
    )


def encode_holder(holder: Holder) -> Document:
    """Return the document of a lease's holder."""
    document: Document = {name: _optional_text(name, getattr(holder, name)) for name in _HOLDER_TEXTS}
    return document | {"pid": check_count("pid", holder.pid)}


def decode_holder(document: Mapping[str, Any]) -> Holder:
    """Return the holder of a document; what is missing or cannot be read tells nothing of it."""
    texts = {name: str(document[name]) for name in _HOLDER_TEXTS if isinstance(document.get(name), str)}
    pid = document.get("pid")
    return Holder(**{"host": "", **texts}, pid=pid if isinstance(pid, int) else 0)


def displaced(project_id: str, fence: int) -> Displaced:
    """Return the error of a write that another holder's number keeps out."""
    return Displaced(
        "Another server has taken the project's session over; this one writes nothing more of it.",
        project_id=project_id,
        fence=fence,
    )


def same_creation(stored: OutputProject, repeated: OutputProject) -> bool:
    """Tell whether a project is what a repeated ``create_project`` would have created."""
    return all(
        getattr(stored, name) == getattr(repeated, name)
        for name in ("name", "workspace_path", "kb_id", "stack_id", "configuration_id")
    )


def check_text(field: str, value: Any) -> str:
    """Return ``value`` as plain ``str`` when it is text that can be stored, or raise ``InvalidBody``."""
    if not isinstance(value, str):
        raise InvalidBody(f"{field!r} must be text, not {type(value).__name__}.", field=field)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidBody(f"{field!r} is not valid Unicode at character {error.start}.", field=field) from None
    return value.value if isinstance(value, StrEnum) else value


def check_count(field: str, value: Any) -> int:
    """Return ``value`` when it is an integer from 0 on that every backend can take, or raise ``InvalidBody``."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise InvalidBody(f"{field!r} must be an integer from 0 on.", field=field)
    return value


def check_moment(name: str, value: Any) -> datetime:
    """Return a time in whole milliseconds (UTC), or raise ``InvalidBody`` for what is none or has no zone."""
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidBody(f"{name!r} must be a moment with a time zone.", field=name)
    return _EPOCH + to_milliseconds(value) * _MILLISECOND


def decode_moment(raw: Any) -> datetime:
    """Return the time (UTC) of a ``datetime`` or of milliseconds since the epoch.

    Raises ``TypeError`` or ``OverflowError`` for what is none.
    """
    if isinstance(raw, datetime):
        return raw.astimezone(UTC)
    if isinstance(raw, int):
        return _EPOCH + raw * _MILLISECOND
    raise TypeError("It is no time.")


def to_milliseconds(moment: datetime) -> int:
    """Return milliseconds since the epoch."""
    return (moment - _EPOCH) // _MILLISECOND


def _shape(kind: type[object]) -> dict[str, tuple[Any, bool]]:
    """Return the type of each field, and whether it may be None."""
    shape: dict[str, tuple[Any, bool]] = {}
    for name, hint in get_type_hints(kind).items():
        alternatives = get_args(hint)
        nullable = NoneType in alternatives
        shape[name] = (alternatives[0] if nullable else hint, nullable)
    return shape


_SHAPES: dict[type[object], dict[str, tuple[Any, bool]]] = {kind: _shape(kind) for kind in get_args(Model)}


def _optional_text(field: str, value: Any) -> str | None:
    return None if value is None else check_text(field, value)


def _encode_field(kind: type[Model], name: str, value: Any) -> Any:
    expected, nullable = _SHAPES[kind][name]
    if nullable and (value is None or _is_no_session_id(name, value)):
        return None
    if name in ID_FIELDS:
        return check_id(value)
    if name == "data" and expected is not bytes:
        return _to_json(value)
    if expected is datetime:
        return check_moment(name, value)
    if expected is str:
        return check_text(name, value)
    if issubclass(expected, StrEnum):
        return _check_choice(expected, name, value)
    if not isinstance(value, expected):
        raise InvalidBody(f"{name!r} must be {expected.__name__}, not {type(value).__name__}.", field=name)
    return value


def _decode_field(kind: type[Model], name: str, raw: Any) -> Any:
    """Return the value. Raises ``ValueError``, ``TypeError`` or ``OverflowError`` where it cannot be read."""
    expected, nullable = _SHAPES[kind][name]
    if name == "data" and expected is not bytes:
        return json.loads(raw)
    if expected is datetime:
        return decode_moment(raw)
    if expected is not str:
        return expected(raw)
    if nullable and _is_no_session_id(name, raw):
        return None
    if nullable and name not in ID_FIELDS and not isinstance(raw, str):
        raise TypeError("It is no text.")
    return str(raw)


def _is_no_session_id(name: str, value: Any) -> bool:
    return name == "claude_session_id" and value == ""


def _check_choice(kind: type[StrEnum], name: str, value: Any) -> str:
    try:
        return kind(value).value
    except ValueError:
        raise InvalidBody(f"{name!r} must be one of {', '.join(kind)}, not {value!r:.60}.", field=name) from None


def _to_json(data: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(data), separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise InvalidBody(f"The event's data cannot be written as JSON: {error}", field="data") from error
