"""What the keeper has to say against somebody: its standard error is its log (`launch.LOG_NAME`)."""

from __future__ import annotations

import contextlib
import sys

from ..plain import visible


def complain(text: str) -> None:
    """Write one line to standard error; where the disk has no room for it, it comes with a later one, or not at all.

    The log lies on the disk of which it tells that it is full, and no session may end of that.
    """
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{visible(text)}\n")
