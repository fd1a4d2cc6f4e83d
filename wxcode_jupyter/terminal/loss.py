"""Noticing that output is being lost just now: the keeper goes on ringing, and the journal does not grow."""

from __future__ import annotations

from collections.abc import Callable

LOOK_S = 0.25  # how often the journal is looked at, at most, while it grows
_TIMES = 3


class LossWatch:
    """To be told of every ring.

    The keeper appends, then rings. A ring may be heard after what it tells of was seen, with more that was appended
    meanwhile, and so can the one after it; but with the third, something must have been appended since the first.

    Attributes:
        losing: Whether output is being lost; until the journal is seen to grow again.
    """

    def __init__(self) -> None:
        self.losing = False
        self._head = -1
        self._unchanged = 0
        self._look_at = float("-inf")

    def rung(self, now: float, head: Callable[[], int]) -> bool:
        """Note a ring at loop time ``now``; return whether ``losing`` has changed by it."""
        if now < self._look_at and not self.losing:
            return False
        self._look_at = now + LOOK_S
        before, self._head = self._head, head()
        self._unchanged = self._unchanged + 1 if self._head == before else 0
        was_losing, self.losing = self.losing, self._unchanged >= _TIMES
        return self.losing != was_losing
