"""The emulator of choice: libghostty, through pyghostty.

Fast and exact, but native code that some input takes down with its process: it runs in the emulator's worker only.
"""

from __future__ import annotations

import re

from pyghostty import Terminal
from pyghostty._ffi import ffi

from ..models import TermSize

_HISTORY_LINES = 1000
_FOREGROUND = (229, 229, 229)
_BACKGROUND = (0, 0, 0)
_ALTERNATE = 1

# The clients render with xterm.js: what it cannot do must not be promised, nor the name of a terminal that can.
_UNTRUE = re.compile(rb"\x1b\[\?\d*u|\x1b_G[^\x1b]*\x1b\\")
_NAME = re.compile(rb"\x1bP>\|[^\x1b]*\x1b\\")


class GhosttyScreen:
    """``Screen`` over libghostty."""

    slice_bytes = 1 << 18
    backlog_bytes: int | None = None

    def __init__(self, size: TermSize) -> None:
        size = size.clamped()
        # Default colours, so that a program that asks whether the background is dark gets an answer.
        self._terminal = Terminal(size.cols, size.rows, scrollback=_HISTORY_LINES, fg=_FOREGROUND, bg=_BACKGROUND)
        self._replies: list[bytes] = []
        self._terminal.on_reply(self._replies.append)

    def feed(self, data: bytes) -> None:
        """See ``Screen``."""
        self._terminal.feed(data)

    def resize(self, size: TermSize) -> None:
        """See ``Screen``."""
        size = size.clamped()
        self._terminal.resize(size.cols, size.rows)

    def take_replies(self) -> bytes:
        """See ``Screen``."""
        replies = b"".join(self._replies)
        self._replies.clear()
        return _NAME.sub(b"\x1bP>|wxcode_jupyter\x1b\\\\", _UNTRUE.sub(b"", replies))

    def lines(self) -> list[str]:
        """See ``Screen``."""
        text: str = self._terminal.text()
        return text.split("\n")

    @property
    def cursor(self) -> tuple[int, int]:
        """See ``Screen``."""
        col, row = self._terminal.cursor
        return row, col

    @property
    def title(self) -> str:
        """See ``Screen``."""
        title = self._terminal.get("title", "GhosttyString")
        return bytes(ffi.buffer(title.ptr, title.len)).decode(errors="replace") if title.len else ""

    @property
    def alternate(self) -> bool:
        """See ``Screen``."""
        return bool(self._terminal.get("active_screen", "GhosttyTerminalScreen") == _ALTERNATE)

    @property
    def bracketed_paste(self) -> bool:
        """See ``Screen``."""
        return bool(self._terminal.mode(2004))

    @property
    def size(self) -> TermSize:
        """See ``Screen``."""
        cols, rows = self._terminal.size
        return TermSize(rows, cols)

    def close(self) -> None:
        """See ``Screen``."""
        self._terminal.close()
