"""A client of a session: follows the output at its own pace, and votes on the size."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from enum import StrEnum
from typing import Self

from ..models import TermSize
from .journal import Chunk

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
        on_change: Callable[[Attachment], None],
    ) -> None:
        self.role = role
        self.size = size
        self.offset = offset
        self.attached = True
        self._read = read
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._last = float("-inf")
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False

    async def read(self) -> Chunk:
        """Return what follows the last chunk, waiting for it; an empty chunk is the end.

        The first bytes after a silence come at once; in a stream there are at least 3 ms between two chunks unless
        256 KiB (the largest chunk) are ready. A chunk that begins beyond the end of the one before says that the bytes
        between are lost: too old, or never written for want of disk. Read by one task at a time.
        """
        early = self._last + WINDOW_S - self._loop.time()
        if early > 0:
            await asyncio.sleep(early)
        while self.attached:
            chunk = self._read(self.offset, CHUNK_BYTES)
            if chunk.data:
                # Silence ends the window; a full chunk is a flood, which is not slowed down.
                self._last = self._loop.time() if len(chunk.data) < CHUNK_BYTES else float("-inf")
                self.offset = chunk.end
                return chunk
            if self._ended:
                break
            self._waiter = self._loop.create_future()
            await self._waiter
        return Chunk(self.offset, b"")

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        while (chunk := await self.read()).data:
            yield chunk

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
        """Look again: output has come, or the end. Called by the session."""
        self._ended = self._ended or ended
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.detach()
