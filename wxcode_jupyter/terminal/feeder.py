"""Input of one session: whole writes, in order, over a non-blocking master."""

from __future__ import annotations

import asyncio
import errno
import os
from collections import deque

from ..errors import TerminalClosed
from ..fault_points import FaultPoint, reach

_WRITE_BYTES = 1 << 16
_PUSH_LIMIT_BYTES = 1 << 16
_AT_ONCE_BYTES = 1 << 10


class _Write:
    def __init__(self, data: bytes, done: asyncio.Future[None]) -> None:
        self.rest = memoryview(data)
        self.done = done
        self.started = False


class Feeder:
    """The only writer of a PTY in this process.

    A child that does not read delays its own writers only: the loop waits for nobody.
    """

    def __init__(self, master: int) -> None:
        self._master = master
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Write] = deque()
        self._waiting = False
        self._closed = False

    async def write(self, data: bytes) -> None:
        """Write all of ``data``, after all earlier writes, and return when the terminal has taken it.

        A caller who is cancelled before the first byte went out takes the write back; later the rest goes out anyway.

        Raises:
            TerminalClosed: The terminal closed before it had taken everything.
        """
        if self._closed:
            raise TerminalClosed("The session has ended; nothing can be typed into it.")
        if not data:
            return
        write = _Write(data, self._loop.create_future())
        self._queue.append(write)
        if not self._waiting:
            self._advance()
        try:
            await write.done
        except asyncio.CancelledError:
            if not write.started and write in self._queue:
                self._queue.remove(write)
            raise

    def write_now(self, data: bytes) -> bool:
        """Write a few keys at once, whole; False, and nothing is written, where that cannot be: ``write`` can then."""
        if self._closed or self._queue or len(data) > _AT_ONCE_BYTES:
            return False
        try:
            written = os.write(self._master, data)
        except OSError:  # a later ``write`` says what is wrong
            return False
        self.push(data[written:])  # before anybody else's
        return True

    def push(self, data: bytes) -> None:
        """Write without waiting, in the same order; for the emulator's answers.

        They are dropped when the child asks on and on and does not read: nothing may grow without bound.
        """
        if not data or self._closed or sum(len(write.rest) for write in self._queue) > _PUSH_LIMIT_BYTES:
            return
        write = _Write(data, self._loop.create_future())
        write.done.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._queue.append(write)
        if not self._waiting:
            self._advance()

    def close(self) -> None:
        """Refuse what is waiting and everything later; called before the master is closed."""
        self._closed = True
        self._fail("The session ended before it had taken all of the input.")

    def _fail(self, reason: str) -> None:
        self._wait(False)
        while self._queue:
            write = self._queue.popleft()
            if not write.done.done():
                write.done.set_exception(TerminalClosed(reason))

    def _advance(self) -> None:
        while self._queue:
            write = self._queue[0]
            try:
                written = os.write(self._master, write.rest[:_WRITE_BYTES])
            except BlockingIOError:
                self._wait(True)
                return
            except OSError as failure:
                if failure.errno != errno.EIO:
                    raise
                self._fail("The program has closed its terminal.")
                return
            write.started = True
            write.rest = write.rest[written:]
            if write.rest:
                reach(FaultPoint.TEXT_PARTLY_TYPED)
            else:
                self._queue.popleft()
                if not write.done.done():
                    write.done.set_result(None)
        self._wait(False)

    def _wait(self, waiting: bool) -> None:
        if waiting and not self._waiting:
            self._loop.add_writer(self._master, self._advance)
        elif self._waiting and not waiting:
            self._loop.remove_writer(self._master)
        self._waiting = waiting
