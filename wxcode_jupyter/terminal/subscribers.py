"""Those who want to be called when something happens."""

from __future__ import annotations

import contextlib
from collections.abc import Callable


class Subscribers:
    """Callbacks, called in the order in which they came."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[[], None]] = []

    def add(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have ``callback`` called from now on; return how to stop that (which may be called twice)."""
        self._callbacks.append(callback)

        def unsubscribe() -> None:
            with contextlib.suppress(ValueError):
                self._callbacks.remove(callback)

        return unsubscribe

    def call(self) -> None:
        """Call them all; they may come and go meanwhile."""
        for callback in list(self._callbacks):
            callback()
