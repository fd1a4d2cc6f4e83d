"""The sizes that a terminal has had, by offset: a client is told each in its place between the output."""

from __future__ import annotations

import bisect
from operator import attrgetter

from ..models import TermSize
from .journal import SizeChange

_OFFSET = attrgetter("offset")


class SizeTimeline:
    """Begins with the first size; ``append`` gets what comes, in the order of offsets."""

    def __init__(self, size: TermSize) -> None:
        self._changes = [SizeChange(0, size.rows, size.cols)]

    def append(self, change: SizeChange) -> None:
        """Add a change."""
        self._changes.append(change)

    def at(self, offset: int) -> TermSize:
        """Return the size with which the byte at ``offset`` was written."""
        change = self._changes[max(bisect.bisect_right(self._changes, offset, key=_OFFSET) - 1, 0)]
        return TermSize(change.rows, change.cols)

    def next_after(self, offset: int) -> int | None:
        """Return where the first change beyond ``offset`` is, None where there is none."""
        place = bisect.bisect_right(self._changes, offset, key=_OFFSET)
        return self._changes[place].offset if place < len(self._changes) else None
