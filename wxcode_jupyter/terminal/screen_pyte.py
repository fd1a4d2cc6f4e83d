"""The emulator where there is no wheel of pyghostty: pure Python, slow, right for plain screens."""

from __future__ import annotations

import copy
from typing import Any

import pyte

from ..models import TermSize

_ALTERNATE_MODES = {mode << 5 for mode in (47, 1047, 1049)}  # pyte shifts private modes
_BRACKETED_PASTE = 2004 << 5


class _AlternatingScreen(pyte.Screen):
    """pyte has one buffer only: keep the primary one while the alternate screen shows."""

    def __init__(self, columns: int, lines: int) -> None:
        self.replies: list[str] = []
        self._primary: tuple[Any, Any] | None = None
        super().__init__(columns, lines)

    def set_mode(self, *numbers: int, **kwargs: Any) -> None:
        if kwargs.get("private") and {number << 5 for number in numbers} & _ALTERNATE_MODES and not self._primary:
            self._primary = (copy.deepcopy(self.buffer), copy.copy(self.cursor))
            self.erase_in_display(2)
        super().set_mode(*numbers, **kwargs)

    def reset_mode(self, *numbers: int, **kwargs: Any) -> None:
        if kwargs.get("private") and {number << 5 for number in numbers} & _ALTERNATE_MODES and self._primary:
            self.buffer, self.cursor = self._primary
            self._primary = None
            self.cursor.x = min(self.cursor.x, self.columns - 1)
            self.cursor.y = min(self.cursor.y, self.lines - 1)
            self.dirty.update(range(self.lines))
        super().reset_mode(*numbers, **kwargs)

    def reset(self) -> None:
        self._primary = None
        super().reset()

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

    def feed(self, data: bytes) -> None:
        """See ``Screen``."""
        self._stream.feed(data)

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
        return str(self._screen.title)

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

    def snapshot(self, history: int) -> tuple[bytes, int] | None:
        """See ``Screen``: pyte does not keep enough of the state."""
        return None

    def close(self) -> None:
        """See ``Screen``."""
