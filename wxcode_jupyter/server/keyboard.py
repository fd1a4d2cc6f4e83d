"""One client's keys on their way to the terminal: in order, whole, without the answers of the client's terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ..errors import TerminalClosed
from ..terminal.replies import HOLD_S, ReplyFilter

#: How much of one client's input waits here for a program that does not read; more waits in the client's socket.
LIMIT_BYTES = 1 << 22


class Keyboard:
    """Types for one client: a few keys at once, the rest in a task of its own.

    So a program that does not read keeps its client neither from sending a signal nor from leaving. What was sent
    before a client left is still typed.

    Args:
        write: Types bytes; returns when the terminal has taken them.
        write_now: Types a few bytes whole without waiting, or says that it cannot.
    """

    def __init__(self, write: Callable[[bytes], Awaitable[None]], write_now: Callable[[bytes], bool]) -> None:
        self._write = write
        self._write_now = write_now
        self._filter = ReplyFilter()
        self._keys = bytearray()
        self._leaving = False
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._task = asyncio.create_task(self._run())

    async def type(self, data: bytes) -> None:
        """Take keys; wait only while too many are waiting. Raises ``TerminalClosed`` after the end."""
        await self._room.wait()
        if self._task.done():
            raise TerminalClosed("The session has ended; nothing can be typed into it.")
        keys = self._filter.feed(data)
        if keys and self._quiet.is_set() and self._write_now(keys):
            keys = b""
        if not keys and self._quiet.is_set() and not self._filter.pending:
            return
        self._keys += keys
        self._quiet.clear()
        if len(self._keys) >= LIMIT_BYTES:
            self._room.clear()
        self._changed.set()

    async def settle(self, timeout_s: float) -> None:
        """Return when everything has been typed, or after ``timeout_s`` seconds."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._quiet.wait()
        except TimeoutError:
            return

    def leave(self) -> None:
        """Take no more keys; what is there is typed."""
        self._leaving = True
        self._changed.set()

    async def _run(self) -> None:
        try:
            while self._keys or not self._leaving:
                await self._collect()
                keys, self._keys = bytes(self._keys), bytearray()
                self._room.set()
                if keys:
                    await self._write(keys)
                if not self._keys and not self._filter.pending:
                    self._quiet.set()
        except TerminalClosed:
            return  # whoever follows the output is told
        finally:
            self._room.set()
            self._quiet.set()

    async def _collect(self) -> None:
        """Wait for keys; what may become an answer of the client's terminal waits a moment for its rest."""
        if self._keys:
            return
        try:
            async with asyncio.timeout(HOLD_S if self._filter.pending else None):
                await self._changed.wait()
        except TimeoutError:
            self._keys += self._filter.flush()
        self._changed.clear()
        if self._leaving:
            self._keys += self._filter.flush()
