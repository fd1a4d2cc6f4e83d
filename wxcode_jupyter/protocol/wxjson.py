"""wxcode's JSON, one object per text frame; the protocol of clients that ask for none."""

from __future__ import annotations

import json
from typing import Any

from ..errors import InvalidBody
from ..models import TermSize
from .frames import SIGNALS, Input, Request, Resize, Signal
from .text import TextStream


def decode(message: str | bytes) -> Request | None:
    """Read a client's JSON frame; None for a type that this version does not know (receivers ignore those).

    Raises:
        InvalidBody: no JSON object, or a member that does not fit (named in ``field``).
    """
    try:
        frame = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise InvalidBody("A frame is a JSON object.", field="") from error
    if not isinstance(frame, dict):
        raise InvalidBody("A frame is a JSON object.", field="")
    match frame.get("type"):
        case "input":
            data = frame.get("data")
            if not isinstance(data, str):
                raise InvalidBody("data is a string.", field="data")
            return Input(data.encode("utf-8", "surrogatepass"))
        case "resize":
            return Resize(TermSize(_cells(frame, "rows"), _cells(frame, "cols")))
        case "signal":
            if frame.get("signal") not in SIGNALS:
                raise InvalidBody(f"signal is one of {', '.join(SIGNALS)}.", field="signal")
            return Signal(str(frame["signal"]))
        case str():
            return None
        case _:
            raise InvalidBody("type is a string.", field="type")


def _cells(frame: dict[str, Any], name: str) -> int:
    value = frame.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 500:
        raise InvalidBody(f"{name} is a whole number from 1 to 500.", field=name)
    return value


class OutputEncoder:
    """Turns the bytes of one terminal into JSON output frames: a character is never cut at a frame's end."""

    def __init__(self) -> None:
        self._text = TextStream()

    def encode(self, chunk: bytes) -> str | None:
        """Return an output frame, or None while only a part of a character is there."""
        return _output(self._text.feed(chunk))

    def finish(self) -> str | None:
        """Return what is left of a character whose rest never came, at the end or before bytes that are lost."""
        return _output(self._text.finish())


def status(*, connected: bool, session_id: str | None, message: str) -> str:
    """Return a status frame."""
    return json.dumps({"type": "status", "connected": connected, "session_id": session_id, "message": message})


def error(message: str, code: str) -> str:
    """Return an error frame."""
    return json.dumps({"type": "error", "message": message, "code": code})


def closed(exit_code: int | None) -> str:
    """Return the last frame of a session."""
    return json.dumps({"type": "closed", "exit_code": exit_code})


def _output(text: str) -> str | None:
    return json.dumps({"type": "output", "data": text}) if text else None
