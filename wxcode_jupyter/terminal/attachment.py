"""A client of a session: follows the output at its own pace, and votes on the size."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from enum import StrEnum
from typing import Self

from ..models import TermSize
from .journal import Chunk, SizeChange
from .timeline import SizeTimeline

WINDOW_S = 0.003
CHUNK_BYTES = 1 << 18


class Role(StrEnum):
    """What a client may do: a driver types and votes on the size, an observer looks on."""

    DRIVER = "driver"
    OBSERVER = "observer"


class Attachment:
    """Made by ``TerminalSession.attach``; ended by ``detach``, which is also the end of ``async with``."""

    def __init__(
        self,
        role: Role,
        size: TermSize | None,
        offset: int,
        read: Callable[[int, int], Chunk],
        sizes: SizeTimeline,
        on_change: Callable[[Attachment], None],
    ) -> None:
        self.role = role
        self.size = size
        self.offset = offset
        self.attached = True
        self._read = read
        self._sizes = sizes
        self._told: TermSize | None = None
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._last = float("-inf")
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False

    async def read(self, limit: int = CHUNK_BYTES) -> Chunk:
        """Return what follows the last chunk, waiting for it; an empty chunk is the end.

        The first bytes after a silence come at once; in a stream there are at least 3 ms between two chunks unless
        ``limit`` bytes are ready. A chunk that begins beyond the end of the one before says that the bytes
        between are lost: too old, or never written for want of disk. Read by one task at a time.
        """
        while isinstance(piece := await self.next(limit), SizeChange):
            pass
        return piece

    async def next(self, limit: int = CHUNK_BYTES) -> Chunk | SizeChange:
        """Return what comes next, as ``read``, with each size in its place: the first piece is one."""
        early = self._last + WINDOW_S - self._loop.time()
        if early > 0:
            await asyncio.sleep(early)
        while self.attached:
            size = self._sizes.at(self.offset)
            if size != self._told:
                self._told = size
                return SizeChange(self.offset, size.rows, size.cols)
            change = self._sizes.next_after(self.offset)
            chunk = self._read(self.offset, limit if change is None else min(limit, change - self.offset))
            if chunk.data and chunk.offset > self.offset:
                self.offset = chunk.offset  # what is lost may have had another size
            elif chunk.data:
                # Silence ends the window; a full chunk is a flood, which is not slowed down.
                self._last = self._loop.time() if len(chunk.data) < limit else float("-inf")
                self.offset = chunk.end
                return chunk
            elif self._ended:
                break
            else:
                self._waiter = self._loop.create_future()
                await self._waiter
        return Chunk(self.offset, b"")

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        while (chunk := await self.read()).data:
            yield chunk

    def seek(self, offset: int, size: TermSize) -> None:
        """Go on from ``offset``, of which the reader knows that the terminal has this size there."""
        self.offset = offset
        self._told = size

    def set_size(self, size: TermSize | None) -> None:
        """Change the vote; an observer's does not count."""
        self.size = size
        if self.attached:
            self._on_change(self)

    def detach(self) -> None:
        """Leave; a waiting ``read`` returns the end. More calls do nothing."""
        if self.attached:
            self.attached = False
            self._on_change(self)
            self.wake()

    def wake(self, ended: bool = False) -> None:
        """Look again: output has come, another size, or the end. Called by the session."""
        self._ended = self._ended or ended
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.detach()
