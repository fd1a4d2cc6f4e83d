"""One client's keys on their way to the terminal: in order, whole, without the answers of the client's terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ..errors import TerminalClosed
from ..service.backlog import Backlog
from ..terminal.replies import HOLD_S, ReplyFilter


class Keyboard:
    """Types for one client: a few keys at once, the rest in a task of its own.

    So a program that does not read keeps its client neither from sending a signal nor from leaving. What was taken
    before a client left is still typed; where too much waits already, nothing more is taken, and waits with the client.

    Args:
        write: Types bytes; returns when the terminal has taken them.
        write_now: Types a few bytes whole without waiting, or says that it cannot.
        backlog: What waits of all clients of the session.
    """

    def __init__(
        self, write: Callable[[bytes], Awaitable[None]], write_now: Callable[[bytes], bool], backlog: Backlog
    ) -> None:
        self._write = write
        self._write_now = write_now
        self._backlog = backlog
        self._filter = ReplyFilter()
        self._keys = bytearray()
        self._leaving = asyncio.Event()
        self._changed = asyncio.Event()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._task = asyncio.create_task(self._run())

    async def type(self, data: bytes) -> None:
        """Take keys; wait only while too many are waiting. Raises ``TerminalClosed`` after the end.

        Those of a client that leaves while they wait for room are dropped.
        """
        if self._backlog.full and not await self._find_room():
            return
        if self._task.done():
            raise TerminalClosed("The session has ended; nothing can be typed into it.")
        keys = self._filter.feed(data)
        if keys and self._quiet.is_set() and self._write_now(keys):
            keys = b""
        if not keys and self._quiet.is_set() and not self._filter.pending:
            return
        self._put(keys)
        self._quiet.clear()
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
        self._leaving.set()
        self._changed.set()

    def _put(self, keys: bytes) -> None:
        self._keys += keys
        self._backlog.add(len(keys))

    async def _find_room(self) -> bool:
        """Return when there is room, or whether the client has left before."""
        waiting = [asyncio.ensure_future(each) for each in (self._backlog.room(), self._leaving.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
        return not self._leaving.is_set()

    async def _run(self) -> None:
        keys = b""
        try:
            while self._keys or not self._leaving.is_set():
                await self._collect()
                keys, self._keys = bytes(self._keys), bytearray()
                if keys:
                    await self._write(keys)
                self._backlog.add(-len(keys))
                keys = b""
                if not self._keys and not self._filter.pending:
                    self._quiet.set()
        except TerminalClosed:
            return  # whoever follows the output is told
        finally:
            self._backlog.add(-len(keys) - len(self._keys))
            self._quiet.set()

    async def _collect(self) -> None:
        """Wait for keys; what may become an answer of the client's terminal waits a moment for its rest."""
        if self._keys:
            return
        try:
            async with asyncio.timeout(HOLD_S if self._filter.pending else None):
                await self._changed.wait()
        except TimeoutError:
            self._put(self._filter.flush())
        self._changed.clear()
        if self._leaving.is_set():
            self._put(self._filter.flush())
