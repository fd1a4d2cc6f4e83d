"""The size of one terminal: who decides it, what it was where in the output, and drawing anew by changing it."""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios
from collections.abc import Callable, Iterable

from ..models import TermSize
from .journal import SizeChange, SizeRecord
from .timeline import SizeTimeline

_REDRAW_S = 0.2


class Sizing:
    """The size of one terminal: one that was fixed, else the smallest that its drivers have.

    Args:
        master: The terminal.
        journal_dir: The session's journal, which keeps the sizes.
        size: The size that the terminal was made with.
        head: Gives the journal's end.
        votes: Gives the drivers' sizes.
        on_change: Called after each change.

    Attributes:
        size: The present size.
        timeline: Every size, by the offset from which on the terminal had it.
    """

    def __init__(
        self,
        master: int,
        journal_dir: str,
        size: TermSize,
        *,
        head: Callable[[], int],
        votes: Callable[[], Iterable[TermSize]],
        on_change: Callable[[], None],
    ) -> None:
        self.size = size
        self.timeline = SizeTimeline(size)
        self._master = master
        self._record = SizeRecord(journal_dir)
        for change in SizeRecord(journal_dir).load_new():  # one that is taken over has had several
            self.timeline.append(change)
            self.size = TermSize(change.rows, change.cols)
        self._head = head
        self._votes = votes
        self._on_change = on_change
        self._fixed: TermSize | None = None
        self._wanted = self.size
        self._redraw: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def redrawing(self) -> bool:
        """Whether the size is another one for a moment, so that the program draws anew."""
        return self._redraw is not None

    def flush(self) -> None:
        """Write down what the disk has refused before."""
        self._record.flush()

    def fix(self, size: TermSize | None) -> None:
        """Fix the size whatever the clients' sizes are; ``None`` lets the smallest driver decide again."""
        self._fixed = size
        self.apply()

    def apply(self) -> None:
        """Give the terminal the size that it should have now."""
        votes = list(self._votes())
        if self._fixed:
            self._wanted = self._fixed.clamped()
        elif votes:
            self._wanted = TermSize(min(vote.rows for vote in votes), min(vote.cols for vote in votes)).clamped()
        self._resize(self._wanted)

    def redraw(self) -> None:
        """Have SIGWINCH sent, by another size for a moment: many programs take no notice of one that is the same."""
        if self._redraw is None and not self._closed:
            self._resize(TermSize(self.size.rows - 1 or 2, self.size.cols))
            self._redraw = asyncio.get_running_loop().call_later(_REDRAW_S, self.end_redraw)

    def end_redraw(self) -> None:
        """Give the terminal its size back, now."""
        if self._redraw is not None:
            self._redraw.cancel()
            self._redraw = None
            self.apply()

    def close(self) -> None:
        """Change nothing any more: the terminal is gone."""
        self._closed = True

    def _resize(self, size: TermSize) -> None:
        if size == self.size or self._closed:
            return
        # Recorded first: what the child writes because of SIGWINCH comes after it in the journal.
        change = SizeChange(self._head(), size.rows, size.cols)
        self._record.append(change)
        self.timeline.append(change)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("4H", size.rows, size.cols, 0, 0))
        self.size = size
        self._on_change()
