"""What the keeper has to say against somebody: its standard error is its log (`launch.LOG_NAME`)."""

from __future__ import annotations

import contextlib
import sys
import traceback
from types import TracebackType

from ..plain import visible

_LINES = "\n"


def complain(text: str) -> None:
    """Write one line to standard error; where the disk has no room for it, it comes with a later one, or not at all.

    The log lies on the disk of which it tells that it is full, and no session may end of that.
    """
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{visible(text)}\n")


def complain_of(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Write what ends the process, as ``sys.excepthook``: in lines, of which nobody's text begins one."""
    with contextlib.suppress(OSError):
        *calls, said = traceback.format_exception(kind, error, trace)
        sys.stderr.write(f"{visible(''.join(calls), keep=_LINES)}{visible(said.removesuffix(_LINES))}\n")
