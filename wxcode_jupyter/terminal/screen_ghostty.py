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
_RECENT_BYTES = 256
_CUT_CHARACTER = re.compile(rb"(?:[\xc2-\xdf] | [\xe0-\xef][\x80-\xbf]? | [\xf0-\xf4][\x80-\xbf]{0,2})\Z", re.VERBOSE)
_SOFT_RESET = b"\x1b[!p"  # DECSTR, of which libghostty knows nothing
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
        version, begun, *kept = json.loads(header)
        if version != pyghostty.__version__:
            raise ValueError(f"The state is of pyghostty {version}")
        screen = cls.__new__(cls)
        try:
            screen._take(ghostty.decode(native), begun, *(text.encode("latin-1") for text in kept))
        except GhosttyError as error:
            raise ValueError(str(error)) from error
        return screen

    def _take(
        self,
        terminal: pyghostty.Terminal,
        begun: int = 0,
        sequence: bytes = b"",
        half: bytes = b"",
        recent: bytes = b"",
    ) -> None:
        self._terminal = terminal
        self._begun = begun  # how many bytes belong to a sequence that is not finished
        self._sequence = sequence  # its first bytes
        self._half = half  # of a character, kept back
        self._recent = recent  # what was before both
        self._replies: list[bytes] = []
        terminal.on_reply(self._replies.append)

    def feed(self, data: bytes) -> None:
        """See ``Screen``."""
        data = self._half + data
        cut = _CUT_CHARACTER.search(data, max(len(data) - 3, 0))
        whole, self._half = (data[: cut.start()], cut.group()) if cut else (data, b"")
        # What is no UTF-8 shows as nothing in xterm.js.
        shown = whole if whole.isascii() else whole.decode(errors="ignore").encode()
        first, *others = shown.split(_SOFT_RESET)
        self._terminal.feed(first)
        for other in others:
            self._terminal.feed(screen_bytes.soft_reset(self._terminal))
            self._terminal.feed(other)
        self._note_end(whole)

    def resize(self, size: TermSize) -> None:
        """See ``Screen``."""
        size = size.clamped()
        if not self._begun:  # in the midst of a sequence nothing can be fed
            self._terminal.feed(screen_bytes.before_resize(self._terminal, size.cols))
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
        return data, self._begun + len(self._half)

    def save(self) -> bytes | None:
        """See ``Screen``."""
        try:
            native = ghostty.encode(self._terminal)
        except GhosttyError:
            return None
        kept = [part.decode("latin-1") for part in (self._sequence, self._half, self._recent)]
        header = [pyghostty.__version__, self._begun, *kept]
        return json.dumps(header).encode() + b"\n" + native

    def close(self) -> None:
        """See ``Screen``."""
        self._terminal.close()

    def _note_end(self, whole: bytes) -> None:
        begin = whole.rfind(b"\x1b")
        if self._terminal.get("vt_ground", "bool"):
            complete, self._begun, self._sequence = self._sequence + whole, 0, b""
        elif begin >= 0:
            complete, self._begun, self._sequence = self._sequence + whole[:begin], len(whole) - begin, whole[begin:]
        else:
            complete, self._begun, self._sequence = b"", self._begun + len(whole), self._sequence + whole
        self._sequence = self._sequence[:_RECENT_BYTES]
        self._recent = (self._recent + complete[-_RECENT_BYTES:])[-_RECENT_BYTES:]
