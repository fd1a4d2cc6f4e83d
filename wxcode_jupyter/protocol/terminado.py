"""The protocol of terminado, which JupyterLab's own terminal panel speaks: a JSON array per text frame."""

from __future__ import annotations

import json

from ..errors import InvalidBody
from ..models import TermSize
from .frames import Input, Request, Resize

SETUP = '["setup", {}]'
DISCONNECT = '["disconnect", 1]'


def decode(message: str | bytes) -> Request | None:
    """Read a client's frame; None for one that terminado does not know, or that has no size (its panel is hidden).

    Raises:
        InvalidBody: No JSON array that begins with a name, or a member that does not fit.
    """
    try:
        frame = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise InvalidBody("A frame is a JSON array.", field="") from error
    match frame:
        case ["stdin", str(data), *_]:
            return Input(data.encode("utf-8", "surrogatepass"))
        case ["set_size", int(rows), int(cols), *_] if not isinstance(rows, bool) and not isinstance(cols, bool):
            return Resize(TermSize(min(rows, 500), min(cols, 500))) if rows > 0 and cols > 0 else None
        case ["stdin" | "set_size" as name, *_]:
            raise InvalidBody(f"This is no {name}.", field=name)
        case [str(), *_]:
            return None
    raise InvalidBody("A frame is a JSON array that begins with its name.", field="")


def stdout(text: str) -> str:
    """Return an output frame."""
    return json.dumps(["stdout", text])
