"""A child of the keeper, seen from its server: the descriptors, who keeps it, and its end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from . import ownership, rescue

if TYPE_CHECKING:
    from .process import KeeperClient


@dataclass(frozen=True, slots=True)
class ExitNotice:
    """A child has ended; ``exit_code`` is ``None`` when its first keeper has died and nobody can know it."""

    exit_code: int | None


class ChildProcess:
    """A child that a keeper spawned for us, and our descriptors of it.

    Attributes:
        key: The caller's name for it.
        keeper: Who follows it now; another one when that has died.
        told: What the keeper told of it, which another one is told (``spawn``'s answer).
        master: A duplicate for input and size (non-blocking).
        doorbell: The eventfd that is rung after output was appended to the journal.
        exit: Resolved when the child is dead, however it came to it.
        ending: Whether it is being ended because no keeper could be found for it.
        on_new_keeper: Called when another keeper follows it, which may not have seen all that the child wrote.
    """

    def __init__(self, key: str, told: Mapping[str, Any], fds: list[int], keeper: KeeperClient) -> None:
        self.key = key
        self.keeper = keeper
        self.told = told
        self.pid: int = told["pid"]
        self.started_at = datetime.fromtimestamp(told["started_at"], UTC)
        self.master, self.doorbell, self._pidfd, *self._locks = fds
        self.exit: asyncio.Future[ExitNotice] = asyncio.get_running_loop().create_future()
        self.ending = False
        self.on_new_keeper: Callable[[], None] = lambda: None

    @property
    def fds(self) -> tuple[int, ...]:
        """What another keeper needs to go on with it."""
        return (self.master, self.doorbell, self._pidfd, *self._locks)

    def close_terminal(self) -> None:
        """Close master and doorbell: as far as it is up to us, the child is hung up."""
        if self.master >= 0:
            os.close(self.master)
            os.close(self.doorbell)
            self.master = self.doorbell = -1

    def forget(self) -> None:
        """Close the descriptors that only a lost keeper would have made us use."""
        if self._pidfd >= 0:
            os.close(self._pidfd)
            for lock in self._locks:
                os.close(lock)
            self._pidfd = -1

    def give_up(self) -> None:
        """Say that it has ended, as far as we are concerned: another server follows it."""
        self.ending = True
        self.forget()
        self.exit.set_result(ExitNotice(None))

    async def end_without_keeper(self) -> None:
        """End the child in the dead keeper's stead, and only then say that it has ended."""
        self.ending = True
        try:
            await rescue.end_child(self.pid, self._pidfd, self.told["mark"])
            os.close(self._pidfd)
            for lock in self._locks:
                ownership.unlock(lock)
            self._pidfd = -1
        finally:
            self.exit.set_result(ExitNotice(None))
