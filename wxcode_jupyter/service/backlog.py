"""What waits of the input of all clients of a session, for a program that does not read."""

from __future__ import annotations

import asyncio


class Backlog:
    """Counts bytes that wait, and lets nobody add any while the limit is reached.

    It is the session's, not a client's: whoever types, leaves and comes back finds what he has typed before.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.waiting_bytes = 0
        self._limit_bytes = limit_bytes
        self._room = asyncio.Event()
        self._room.set()

    @property
    def full(self) -> bool:
        """Whether nothing may be added now."""
        return not self._room.is_set()

    async def room(self) -> None:
        """Return when more may be added."""
        while self.full:  # somebody else may be faster
            await self._room.wait()

    def add(self, count: int) -> None:
        """Note that so many bytes wait, or, where it is negative, wait no longer."""
        self.waiting_bytes += count
        if self.waiting_bytes < self._limit_bytes:
            self._room.set()
        else:
            self._room.clear()
