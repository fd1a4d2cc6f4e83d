"""``wxterm.v1``: one binary frame per WebSocket message, a byte that says its type, then the body.

Numbers are big-endian, text is UTF-8, JSON bodies are one object. An *offset* counts the bytes that the session's
program ever wrote, from 0; a *stream* names the output of one process. `PROTOCOL.md` has the table, and the order of
frames.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import InvalidBody
from ..models import TermSize
from .frames import SIGNALS, Input, Resize, Signal

NAME = "wxterm.v1"

WINDOW_BYTES = 512 << 10
WINDOW_RANGE = (64 << 10, 4 << 20)
INPUT_LIMIT_BYTES = 4 << 20
PING_LIMIT_BYTES = 125

_OFFSET = struct.Struct(">BQ")
_SIZE = struct.Struct(">BHH")
_PLACED_SIZE = struct.Struct(">BQHH")
_END_OF_OFFSETS = 1 << 63


@dataclass(frozen=True, slots=True)
class Attach:
    """A client's first frame: what it has on its screen, and how much it takes at once.

    Attributes:
        stream: What it has is of this stream; None: it has nothing.
        offset: Up to where it has it.
        size: Its terminal's.
        window: How many unacknowledged bytes it takes.
        whole: Whether it wants every byte that is kept, and never a snapshot instead.
    """

    stream: str | None = None
    offset: int | None = None
    size: TermSize | None = None
    window: int = WINDOW_BYTES
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Ack:
    """Everything before this offset has been consumed."""

    offset: int


@dataclass(frozen=True, slots=True)
class Ping:
    """To be answered with ``Pong`` of the same bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Output:
    """What the program wrote from this offset on."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Bytes that make the screen as it was at this offset, in a terminal of this size that was reset."""

    offset: int
    size: TermSize
    data: bytes


@dataclass(frozen=True, slots=True)
class Size:
    """The size of the PTY from this offset on."""

    offset: int
    size: TermSize


@dataclass(frozen=True, slots=True)
class State:
    """How the session is.

    Attributes:
        stream: The name of its output; None before it is up.
        connected: Whether this client is attached.
        state: A ``SessionState``.
        claude_session_id: Of its conversation.
        project: ``id`` and ``name``; None before it is known.
        message: How the connection comes about, in the configured language; then what the session says of itself.
        attention: What somebody has to do, where somebody is needed.
        questions: How many questions of Claude's are open.
        clients: How many terminals are attached.
    """

    stream: str | None
    connected: bool
    state: str
    claude_session_id: str | None
    project: Mapping[str, str] | None
    message: str
    attention: str | None
    questions: int
    clients: int


@dataclass(frozen=True, slots=True)
class RoleIs:
    """What the client may do: ``driver`` or ``observer``."""

    role: str


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong; ``code`` is the slug of the REST API."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The program has ended; the last frame."""

    exit_code: int | None


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to ``Ping``."""

    data: bytes


ClientFrame = Attach | Input | Resize | Signal | Ack | Ping
ServerFrame = Output | Snapshot | Size | State | RoleIs | Failure | Closed | Pong


def encode(frame: ClientFrame | ServerFrame) -> bytes:
    """Return a frame as it is sent."""
    match frame:
        case Output(offset, data):
            return _OFFSET.pack(0x01, offset) + data
        case Snapshot(offset, size, data):
            return _PLACED_SIZE.pack(0x02, offset, size.rows, size.cols) + data
        case Size(offset, size):
            return _PLACED_SIZE.pack(0x03, offset, size.rows, size.cols)
        case State():
            return _json(0x04, asdict(frame))
        case RoleIs(role):
            return _json(0x05, {"role": role})
        case Failure(code, message):
            return _json(0x06, {"code": code, "message": message})
        case Closed(exit_code):
            return _json(0x07, {"exit_code": exit_code})
        case Pong(data):
            return b"\x08" + data
        case Attach():
            return _json(0x10, _attach_json(frame))
        case Input(data):
            return b"\x11" + data
        case Resize(size):
            return _SIZE.pack(0x12, size.rows, size.cols)
        case Signal(name):
            return b"\x13" + name.encode()
        case Ack(offset):
            return _OFFSET.pack(0x14, offset)
        case Ping(data):
            return b"\x18" + data


def decode_client(message: bytes | str) -> ClientFrame | None:
    """Read a client's frame; None for a type that this version does not know (receivers ignore those).

    Raises:
        InvalidBody: The body does not fit its type, or the message is a text.
    """
    kind, body = _open(message)
    match kind:
        case 0x10:
            return _attach(_object(body))
        case 0x11:
            return Input(_at_most(body, INPUT_LIMIT_BYTES, "data"))
        case 0x12:
            rows, cols = _unpack(">HH", body, "size")
            return Resize(_size(rows, cols))
        case 0x13:
            name = _text(body, "signal")
            if name not in SIGNALS:
                raise InvalidBody(f"signal is one of {', '.join(SIGNALS)}.", field="signal")
            return Signal(name)
        case 0x14:
            return Ack(*_unpack(">Q", body, "offset"))
        case 0x18:
            return Ping(_at_most(body, PING_LIMIT_BYTES, "data"))
    return None


def decode_server(message: bytes | str) -> ServerFrame | None:
    """Read the server's frame; None for a type that this version does not know.

    Raises:
        InvalidBody: The body does not fit its type, or the message is a text.
    """
    kind, body = _open(message)
    match kind:
        case 0x01:
            (offset,) = _unpack(">Q", body[:8], "offset")
            return Output(offset, body[8:])
        case 0x02:
            offset, rows, cols = _unpack(">QHH", body[:12], "offset")
            return Snapshot(offset, _size(rows, cols), body[12:])
        case 0x03:
            offset, rows, cols = _unpack(">QHH", body, "offset")
            return Size(offset, _size(rows, cols))
        case 0x04:
            return _state(_object(body))
        case 0x05:
            return RoleIs(_member(_object(body), "role", str))
        case 0x06:
            given = _object(body)
            return Failure(_member(given, "code", str), _member(given, "message", str))
        case 0x07:
            return Closed(_member(_object(body), "exit_code", int, type(None)))
        case 0x08:
            return Pong(_at_most(body, PING_LIMIT_BYTES, "data"))
    return None


def _attach_json(frame: Attach) -> dict[str, Any]:
    size = frame.size
    return {
        "stream": frame.stream,
        "offset": frame.offset,
        "rows": size.rows if size else None,
        "cols": size.cols if size else None,
        "window": frame.window,
        "whole": frame.whole,
    }


def _attach(given: dict[str, Any]) -> Attach:
    stream = _member(given, "stream", str, type(None))
    offset = _member(given, "offset", int, type(None))
    rows, cols = (_member(given, name, int, type(None)) for name in ("rows", "cols"))
    window = _member(given, "window", int, type(None))
    whole = _member(given, "whole", bool, type(None))
    if offset is not None and not 0 <= offset < _END_OF_OFFSETS:
        raise InvalidBody("offset is a number of bytes.", field="offset")
    low, high = WINDOW_RANGE
    return Attach(
        stream,
        offset,
        None if rows is None and cols is None else _size(rows, cols),
        WINDOW_BYTES if window is None else min(max(window, low), high),
        bool(whole),
    )


def _state(given: dict[str, Any]) -> State:
    project = _member(given, "project", dict, type(None))
    if project is not None and not all(isinstance(value, str) for value in project.values()):
        raise InvalidBody("project has an id and a name.", field="project")
    return State(
        stream=_member(given, "stream", str, type(None)),
        connected=_member(given, "connected", bool),
        state=_member(given, "state", str),
        claude_session_id=_member(given, "claude_session_id", str, type(None)),
        project=project,
        message=_member(given, "message", str),
        attention=_member(given, "attention", str, type(None)),
        questions=_member(given, "questions", int),
        clients=_member(given, "clients", int),
    )


def _json(kind: int, body: dict[str, Any]) -> bytes:
    return bytes((kind,)) + json.dumps(body).encode()


def _open(message: bytes | str) -> tuple[int, bytes]:
    if isinstance(message, str) or not message:
        raise InvalidBody(f"A frame of {NAME} is binary, and begins with its type.", field="")
    return message[0], message[1:]


def _object(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidBody("The body of this frame is a JSON object.", field="") from error
    if not isinstance(given, dict):
        raise InvalidBody("The body of this frame is a JSON object.", field="")
    return given


def _member(given: dict[str, Any], name: str, *kinds: type) -> Any:
    """Return a member of one of these types; a missing one is null."""
    value = given.get(name)
    if type(value) not in kinds:
        names = " or ".join("null" if kind is type(None) else kind.__name__ for kind in kinds)
        raise InvalidBody(f"{name} is {names}.", field=name)
    return value


def _size(rows: Any, cols: Any) -> TermSize:
    for name, value in (("rows", rows), ("cols", cols)):
        if not isinstance(value, int) or not 1 <= value <= 500:
            raise InvalidBody(f"{name} is a whole number from 1 to 500.", field=name)
    return TermSize(rows, cols)


def _unpack(layout: str, body: bytes, field: str) -> tuple[Any, ...]:
    try:
        return struct.unpack(layout, body)
    except struct.error as error:
        raise InvalidBody(f"{field} has {struct.calcsize(layout)} bytes, not {len(body)}.", field=field) from error


def _text(body: bytes, field: str) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise InvalidBody(f"{field} is UTF-8.", field=field) from error


def _at_most(body: bytes, limit: int, field: str) -> bytes:
    if len(body) > limit:
        raise InvalidBody(f"{field} has at most {limit} bytes.", field=field)
    return body
