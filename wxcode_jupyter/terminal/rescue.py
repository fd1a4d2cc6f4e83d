"""What a server does when a keeper has died and its children may not have: end them in its stead."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal

from .family import Family
from .helper import readable

GRACE_S = 1.0  # between two signals

_FAMILY_POLL_S = 0.02


async def end_child(pid: int, pidfd: int, mark: str) -> None:
    """End the process group of ``pid``, then what else carries ``mark``: asked first, killed at last.

    Returns when they are dead, within ``GRACE_S`` after the last signal; only what hangs in the kernel lives longer.
    """
    for signum in (signal.SIGHUP, signal.SIGTERM, signal.SIGKILL):
        if _ended(pidfd):
            break
        # While the leader's pidfd is not readable its number, and so the group's, is still its own.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signum)
            os.killpg(pid, signal.SIGCONT)  # a stopped process would not notice
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(readable(pidfd), GRACE_S)
    # Without the group: nobody keeps its number from being given to somebody else now.
    family = Family(None, mark)
    for signum in (signal.SIGTERM, signal.SIGKILL):
        await asyncio.to_thread(family.signal, signum)
        if await _wait_gone(family):
            break


def _ended(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


async def _wait_gone(family: Family) -> bool:
    deadline = asyncio.get_running_loop().time() + GRACE_S
    while await asyncio.to_thread(family.members):
        if asyncio.get_running_loop().time() >= deadline:
            return False
        await asyncio.sleep(_FAMILY_POLL_S)
    return True
