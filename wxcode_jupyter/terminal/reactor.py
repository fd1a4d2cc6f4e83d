"""The keeper's event loop: one thread, epoll, timers. Small on purpose; the server itself uses asyncio."""

from __future__ import annotations

import heapq
import itertools
import select
import time
from collections.abc import Callable

READABLE = select.EPOLLIN
WRITABLE = select.EPOLLOUT


class Timer:
    """A call that is due at a moment; ``cancel`` takes it back."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Make sure that it is not called."""
        self.callback = None


class Reactor:
    """Calls back when descriptors are ready and timers due, until ``stop``."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = itertools.count()
        self._running = True

    def watch(self, fd: int, handler: Callable[[int], None], events: int = READABLE) -> None:
        """Call ``handler(events)`` whenever ``fd`` is ready; a second call changes handler and events."""
        if fd in self._handlers:
            self._epoll.modify(fd, events)
        else:
            self._epoll.register(fd, events)
        self._handlers[fd] = handler

    def forget(self, fd: int) -> None:
        """Stop watching, before the descriptor is closed; one that is not watched is fine."""
        if self._handlers.pop(fd, None):
            self._epoll.unregister(fd)

    def later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Call back once, after ``delay_s``."""
        timer = Timer(callback)
        heapq.heappush(self._timers, (time.monotonic() + delay_s, next(self._count), timer))
        return timer

    def stop(self) -> None:
        """Leave ``run`` after the present round."""
        self._running = False

    def run(self) -> None:
        """Serve until ``stop``."""
        while self._running:
            for fd, events in self._epoll.poll(self._until_next_timer()):
                # An earlier handler of this round may have closed this one's descriptor.
                if handler := self._handlers.get(fd):
                    handler(events)
            while self._timers and self._timers[0][0] <= time.monotonic():
                timer = heapq.heappop(self._timers)[2]
                if timer.callback:
                    timer.callback()

    def _until_next_timer(self) -> float | None:
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return max(self._timers[0][0] - time.monotonic(), 0) if self._timers else None
