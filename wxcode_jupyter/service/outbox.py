"""Writes to the store that must not be lost when the store is away.

What happens in a session happens whether the store answers or not. Each project has one outbox: its writes are made in
order, each is repeated until the store has taken it, and what depends on them waits with ``flush``. What must survive
the server as well lies in the session's spool until its write is done (`claude/hooks.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from ..errors import Displaced, StoreUnavailable
from ..fault_points import FaultPoint, reach

log = logging.getLogger(__name__)

Write = Callable[[], Awaitable[object]]
_BACK_OFF_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


class Outbox:
    """An ordered queue of writes, repeated until they are done.

    Attributes:
        on_displaced: Called when the project turns out to be another server's, see `give_up`.
    """

    def __init__(self) -> None:
        self.on_displaced: Callable[[], None] | None = None
        self._writes: deque[Write] = deque()
        self._task: asyncio.Task[None] | None = None
        self._done = asyncio.Condition()

    @property
    def pending(self) -> int:
        """How many writes are not done yet."""
        return len(self._writes)

    def put(self, write: Write) -> None:
        """Queue a write; it may be called more than once and must bear it."""
        self._writes.append(write)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    def give_up(self) -> None:
        """Forget all that waits: another server has taken the project, and the store refuses our writes."""
        self._writes.clear()
        if self.on_displaced is not None:
            self.on_displaced()

    async def flush(self) -> None:
        """Return when everything that was put before has been written, however long the store is away."""
        async with self._done:
            await self._done.wait_for(lambda: not self._writes)

    async def close(self, grace_s: float = 5.0) -> bool:
        """Give the pending writes ``grace_s`` seconds more; tell whether all were done."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self.flush()
        if self._writes:
            log.error("The store did not come back in time: %d writes were given up.", len(self._writes))
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        return not self._writes

    async def _run(self) -> None:
        while self._writes:
            await self._write_all()
            async with self._done:
                self._done.notify_all()

    async def _write_all(self) -> None:
        failures = 0
        while self._writes:
            write = self._writes[0]
            try:
                await write()
            except StoreUnavailable as error:
                if failures == 0:
                    log.warning("%s Writes are kept and repeated until it is back.", error)
                await asyncio.sleep(_BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)])
                failures += 1
                continue
            except Displaced:
                self.give_up()
            except Exception:  # of whatever kind: one bad write must not keep those behind it waiting for ever
                log.exception("A write failed and is left out.")
            reach(FaultPoint.WRITE_DONE)
            if failures:
                log.warning("The store is back; %d writes are made up for.", len(self._writes))
                failures = 0
            if self._writes and self._writes[0] is write:  # else all that waited was given up meanwhile
                self._writes.popleft()
