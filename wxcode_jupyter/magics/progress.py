"""Progress of a wait, as printed lines: one for each thing that happened, and never a flood."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..client import Progress
from ..plain import clean_line
from .cards import clock

_WIDTH = 76  # a milestone's command, and a line that a notebook does not break
_LINES_PER_S = 8
_LABELS = {
    "session_state": "session",
    "session_exited": "exited",
    "session_id_changed": "conversation",
    "tool_started": "tool",
    "assistant_message": "Claude",
    "milestone_status": "milestone",
    "needed": "NEEDS YOU",
    "limit": "usage limit",
    "phases_unarchived": "warning",
    "conversation_doubted": "warning",
}
#: What another line says already.
_UNSAID = frozenset(
    {"attention", "command_delivering", "prompt_submitted", "session_ready", "session_started", "tool_finished"}
)


#: What comes in floods; the steps of the work itself are few, and always shown.
_MANY = frozenset({"assistant_message", "tool_started"})


class ProgressPrinter:
    """Observer that prints; at most ``_LINES_PER_S`` tools and texts a second, and it says how many it left out.

    Args:
        say: Prints one line.
        clock: Seconds that only rise; injected by tests.
    """

    def __init__(self, say: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._second = 0.0
        self._lines = 0
        self._left_out = 0
        self._last = ""

    def __call__(self, progress: Progress) -> None:
        """Print what happened, unless it repeats the line before."""
        if progress.kind in _UNSAID:
            return
        label = _LABELS.get(progress.kind, progress.kind.replace("_", " "))
        if progress.kind in ("needed", "limit"):  # what somebody must act on is never cut or left out
            self._say(f"{clock(progress.at)}  {label}: {progress.text}")
            return
        text = clean_line(progress.text, _WIDTH)
        line = f"{label:<14} {text}".rstrip()
        if line == self._last:
            return
        if self._clock() - self._second >= 1.0:
            self.flush()
            self._second, self._lines = self._clock(), 0
        if progress.kind in _MANY:
            if self._lines >= _LINES_PER_S:
                self._left_out += 1
                return
            self._lines += 1
        self._last = line
        self._say(f"{clock(progress.at)}  {line}")

    def flush(self) -> None:
        """Say how many lines were left out since the last time."""
        if self._left_out:
            self._say(f"          … {self._left_out} more: `%wxmilestone log`")
            self._left_out = 0
