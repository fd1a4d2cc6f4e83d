"""The emulator of choice: libghostty, through pyghostty.

Fast and exact, but native code that some input takes down with its process: it runs in the emulator's worker only.
"""

from __future__ import annotations

import json
import re
from typing import Self

import pyghostty
from pyghostty._ffi import GhosttyError

from ..models import TermSize
from . import ghostty, screen_bytes
from .screen_rows import Rows, runs
from .style import Run

_HISTORY_ROWS = 1200  # libghostty drops them by the page: so there are a thousand at any time
_FOREGROUND = (229, 229, 229)
_BACKGROUND = (0, 0, 0)
_AUTOWRAP = 7
_RECENT_BYTES = 256
_CUT_CHARACTER = re.compile(rb"(?:[\xc2-\xdf] | [\xe0-\xef][\x80-\xbf]? | [\xf0-\xf4][\x80-\xbf]{0,2})\Z", re.VERBOSE)
# Ends with a printed character; what is before it, a control or a sequence, is complete.
_TEXT = re.compile(
    rb"""(?: \A | [\x00-\x1a\x1c-\x1f] | \x1b (?: \[ [0-?]* [ -/]* [@-~] | [ -/]+ [0-~] | [0-Z\\^-~] ) )
        [^\x00-\x1f\x7f]+ \Z""",
    re.VERBOSE,
)

# The clients render with xterm.js: what it cannot do must not be promised, nor the name of a terminal that can.
_UNTRUE = re.compile(rb"\x1b\[\?\d*u|\x1b_G[^\x1b]*\x1b\\")
_NAME = re.compile(rb"\x1bP>\|[^\x1b]*\x1b\\")


class GhosttyScreen:
    """``Screen`` over libghostty."""

    slice_bytes = 1 << 18
    backlog_bytes: int | None = None

    def __init__(self, size: TermSize) -> None:
        size = size.clamped()
        self._take(ghostty.open_terminal(size.cols, size.rows, _HISTORY_ROWS, _FOREGROUND, _BACKGROUND))

    @classmethod
    def restore(cls, state: bytes) -> Self:
        """See ``ScreenFactory``."""
        header, _, native = state.partition(b"\n")
        unfinished, recent, version = json.loads(header)
        if version != pyghostty.__version__:
            raise ValueError(f"The state is of pyghostty {version}")
        screen = cls.__new__(cls)
        try:
            screen._take(ghostty.decode(native), recent.encode("latin-1"), unfinished)
        except GhosttyError as error:
            raise ValueError(str(error)) from error
        return screen

    def _take(self, terminal: pyghostty.Terminal, recent: bytes = b"", unfinished: int = 0) -> None:
        self._terminal = terminal
        self._recent = recent
        self._unfinished = unfinished
        self._replies: list[bytes] = []
        terminal.on_reply(self._replies.append)

    def feed(self, data: bytes) -> None:
        """See ``Screen``."""
        # Fed apart, for only so it shows whether a half character stands alone or in a sequence that has begun before.
        cut = _CUT_CHARACTER.search(data)
        whole, half = (data[: cut.start()], cut.group()) if cut else (data, b"")
        self._terminal.feed(whole)
        self._note_end(whole)
        if half:
            self._terminal.feed(half)
            self._unfinished += len(half)

    def resize(self, size: TermSize) -> None:
        """See ``Screen``."""
        size = size.clamped()
        if (
            size.cols < self.size.cols
            and not self._unfinished
            and (self.alternate or not self._terminal.mode(_AUTOWRAP))
        ):
            self._terminal.feed(screen_bytes.cut_margin(self._terminal, size.cols))
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
        return ghostty.title(self._terminal)

    @property
    def alternate(self) -> bool:
        """See ``Screen``."""
        return ghostty.is_alternate(self._terminal)

    @property
    def bracketed_paste(self) -> bool:
        """See ``Screen``."""
        return bool(self._terminal.mode(2004))

    @property
    def size(self) -> TermSize:
        """See ``Screen``."""
        cols, rows = self._terminal.size
        return TermSize(rows, cols)

    def runs(self) -> list[list[Run]]:
        """See ``Screen``."""
        rows = Rows(self._terminal)
        return [runs(rows.read(y)) for y in range(self.size.rows)]

    def snapshot(self, history: int) -> tuple[bytes, int] | None:
        """See ``Screen``."""
        try:
            data = screen_bytes.dump(self._terminal, history, bool(_TEXT.search(self._recent)))
        except GhosttyError:  # the unfinished sequence is longer than any that is meant
            return None
        return data, self._unfinished

    def save(self) -> bytes | None:
        """See ``Screen``."""
        try:
            native = ghostty.encode(self._terminal)
        except GhosttyError:
            return None
        header = [self._unfinished, self._recent.decode("latin-1"), pyghostty.__version__]
        return json.dumps(header).encode() + b"\n" + native

    def close(self) -> None:
        """See ``Screen``."""
        self._terminal.close()

    def _note_end(self, whole: bytes) -> None:
        """Note how many bytes belong to a sequence that is not finished, and what is before them."""
        if self._terminal.get("vt_ground", "bool"):
            complete, self._unfinished = whole, 0
        else:
            begin = whole.rfind(b"\x1b")
            complete, self._unfinished = (
                (whole[:begin], len(whole) - begin) if begin >= 0 else (b"", self._unfinished + len(whole))
            )
        self._recent = (self._recent + complete[-_RECENT_BYTES:])[-_RECENT_BYTES:]
