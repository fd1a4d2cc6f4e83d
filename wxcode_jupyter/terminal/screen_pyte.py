"""The emulator where there is no wheel of pyghostty: pure Python, slow, right for plain screens."""

from __future__ import annotations

import contextlib
import copy
import itertools
import unicodedata
from typing import Any, Self

import pyte
from pyte.graphics import BG_AIXTERM, BG_ANSI, FG_AIXTERM, FG_ANSI

from ..models import TermSize
from ..plain import clean_line
from .screen import TITLE_LIMIT
from .screen_guard import SequenceGuard
from .style import PLAIN, Color, Run, Style

_ALTERNATE_MODES = {mode << 5 for mode in (47, 1047, 1049)}  # pyte shifts private modes
_BRACKETED_PASTE = 2004 << 5
_COLUMNS = 3
_MARKS_LIMIT = 64  # as libghostty
# By the names that pyte gives to the codes of SGR.
_COLORS = {
    name: (code % 10) + bright
    for table, bright in ((BG_ANSI, 0), (FG_ANSI, 0), (BG_AIXTERM, 8), (FG_AIXTERM, 8))
    for code, name in table.items()
}


class _AlternatingScreen(pyte.Screen):
    """pyte has one buffer only: keep the primary one while the alternate screen shows."""

    def __init__(self, columns: int, lines: int) -> None:
        self.replies: list[str] = []
        self._primary: tuple[Any, Any] | None = None
        self._marks = 0
        super().__init__(columns, lines)

    def draw(self, data: str) -> None:
        if data.isascii():
            self._marks = 0
        else:
            data = "".join(filter(self._has_room, data))
        super().draw(data)

    def set_mode(self, *numbers: int, **kwargs: Any) -> None:
        if kwargs.get("private") and {number << 5 for number in numbers} & _ALTERNATE_MODES and not self._primary:
            self._primary = (copy.deepcopy(self.buffer), copy.copy(self.cursor))
            self.erase_in_display(2)
        super().set_mode(*_without_width(numbers, **kwargs), **kwargs)

    def reset_mode(self, *numbers: int, **kwargs: Any) -> None:
        if kwargs.get("private") and {number << 5 for number in numbers} & _ALTERNATE_MODES and self._primary:
            self.buffer, self.cursor = self._primary
            self._primary = None
            self.cursor.x = min(self.cursor.x, self.columns - 1)
            self.cursor.y = min(self.cursor.y, self.lines - 1)
            self.dirty.update(range(self.lines))
        super().reset_mode(*_without_width(numbers, **kwargs), **kwargs)

    def reset(self) -> None:
        self._primary = None
        super().reset()

    def _has_room(self, character: str) -> bool:
        """Count the marks on a character: pyte normalises all of them for each that comes."""
        self._marks = self._marks + 1 if unicodedata.combining(character) else 0
        return self._marks <= _MARKS_LIMIT

    def write_process_input(self, data: str) -> None:
        self.replies.append(data)


class PyteScreen:
    """``Screen`` over pyte."""

    slice_bytes = 1 << 12
    backlog_bytes: int | None = 1 << 20

    def __init__(self, size: TermSize) -> None:
        size = size.clamped()
        self._screen = _AlternatingScreen(size.cols, size.rows)
        self._stream = pyte.ByteStream(self._screen)
        self._guard = SequenceGuard()

    def feed(self, data: bytes) -> None:
        """See ``Screen``."""
        # pyte raises for sequences with more or other parameters than it knows, and begins anew: the rest of this slice
        # is lost, where an error would cost every session its screen.
        with contextlib.suppress(ArithmeticError, LookupError, TypeError, ValueError):
            self._stream.feed(self._guard.feed(data))

    def resize(self, size: TermSize) -> None:
        """See ``Screen``."""
        size = size.clamped()
        self._screen.resize(size.rows, size.cols)
        self._screen.cursor.x = min(self._screen.cursor.x, size.cols - 1)
        self._screen.cursor.y = min(self._screen.cursor.y, size.rows - 1)

    def take_replies(self) -> bytes:
        """See ``Screen``."""
        replies = "".join(self._screen.replies).encode()
        self._screen.replies.clear()
        return replies

    def lines(self) -> list[str]:
        """See ``Screen``."""
        return list(self._screen.display)

    @property
    def cursor(self) -> tuple[int, int]:
        """See ``Screen``."""
        cursor = self._screen.cursor
        return cursor.y, min(cursor.x, self._screen.columns - 1)

    @property
    def title(self) -> str:
        """See ``Screen``."""
        return clean_line(self._screen.title, TITLE_LIMIT)

    @property
    def alternate(self) -> bool:
        """See ``Screen``."""
        return bool(self._screen.mode & _ALTERNATE_MODES)

    @property
    def bracketed_paste(self) -> bool:
        """See ``Screen``."""
        return _BRACKETED_PASTE in self._screen.mode

    @property
    def size(self) -> TermSize:
        """See ``Screen``."""
        return TermSize(self._screen.lines, self._screen.columns)

    def runs(self) -> list[list[Run]]:
        """See ``Screen``."""
        rows = []
        for y in range(self._screen.lines):
            cells = (self._screen.buffer[y][x] for x in range(self._screen.columns))
            grouped = itertools.groupby((cell for cell in cells if cell.data), key=_style)
            row = [Run("".join(cell.data for cell in group), style) for style, group in grouped]
            if row[-1].style == PLAIN:
                text = row.pop().text.rstrip(" ")
                row += [Run(text)] if text else []
            rows.append(row)
        return rows

    def snapshot(self, history: int) -> tuple[bytes, int] | None:
        """See ``Screen``: pyte does not keep enough of the state."""
        return None

    def save(self) -> bytes | None:
        """See ``Screen``."""
        return None

    @classmethod
    def restore(cls, state: bytes) -> Self:
        """See ``ScreenFactory``."""
        raise ValueError("pyte's state is never saved")

    def close(self) -> None:
        """See ``Screen``."""


def _without_width(numbers: tuple[int, ...], private: bool = False, **_others: Any) -> list[int]:
    """Leave out the mode (DECCOLM) by which pyte would have another width than the PTY and all clients."""
    return [number for number in numbers if not (private and number == _COLUMNS)]


def _style(cell: Any) -> Style:
    return Style(
        _color(cell.fg),
        _color(cell.bg),
        underline=int(cell.underscore),
        bold=cell.bold,
        italic=cell.italics,
        blink=cell.blink,
        inverse=cell.reverse,
        strikethrough=cell.strikethrough,
    )


def _color(name: str) -> Color:
    """Return the colour that pyte calls by a name or by six digits."""
    if name == "default":
        return None
    if name in _COLORS:
        return _COLORS[name]
    return (int(name[:2], 16), int(name[2:4], 16), int(name[4:], 16))
