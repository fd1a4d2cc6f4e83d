"""Processes of our own: a module of this package, run by this Python, waited for without a thread."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "LD_LIBRARY_PATH")
_PACKAGE_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_FIRST_SOURCE = 10
_UNKNOWN_STATUS = 255 << 8
_DESCRIPTORS_POLL_S = 0.1

Result = TypeVar("Result")

# Helpers that outlive the loop that started them are reaped when the next one starts.
_abandoned: set[int] = set()


class Helper:
    """``python -m <module> <arguments>`` in a session of its own, with none of our descriptors but ``fds``.

    Its environment is small, so that it never holds a token of the server.

    Args:
        fds: Descriptor in the child -> descriptor here; 0, 1 and 2 that are not given are ``/dev/null``.
    """

    def __init__(self, module: str, arguments: Sequence[str], fds: Mapping[int, int]) -> None:
        _reap_abandoned()
        env = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        env["PYTHONPATH"] = os.pathsep.join(filter(None, (_PACKAGE_ROOT, os.environ.get("PYTHONPATH"))))
        # Out of the way first, so that no dup2 overwrites what a later one needs.
        sources = {there: fcntl.fcntl(here, fcntl.F_DUPFD_CLOEXEC, _FIRST_SOURCE) for there, here in fds.items()}
        actions: list[tuple[Any, ...]] = [
            (os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2) if fd not in fds
        ]
        actions += [(os.POSIX_SPAWN_DUP2, here, there) for there, here in sources.items()]
        try:
            self.pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-P", "-m", module, *arguments],
                env,
                file_actions=actions,
                setsid=True,
                setsigmask=(),
                setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD),
            )
        finally:
            for here in sources.values():
                os.close(here)
        self.exit_code: int | None = None
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._pidfd = os.pidfd_open(self.pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._notice_exit)

    def kill(self) -> None:
        """Send SIGKILL, unless it has been reaped."""
        if self.exit_code is None:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def abandon(self) -> None:
        """Leave it to itself: it goes on, and nobody waits for it here."""
        if self.exit_code is None and not self.exited.cancelled():
            self._forget()
            self.exited.cancel()
            _abandoned.add(self.pid)
            _reap_abandoned()

    def _notice_exit(self) -> None:
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:  # somebody in this process waits for all children
            pid, status = self.pid, _UNKNOWN_STATUS
        if not pid:
            return
        self._forget()
        self.exit_code = os.waitstatus_to_exitcode(status)
        if not self.exited.done():
            self.exited.set_result(self.exit_code)

    def _forget(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)


async def readable(fd: int) -> None:
    """Wait until a descriptor can be read, or is at its end."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, _wake, ready)
    try:
        await ready
    finally:
        loop.remove_reader(fd)


async def with_descriptors(act: Callable[[], Awaitable[Result]], timeout_s: float) -> Result:
    """Do what ``act`` does, again and again while it fails because no descriptors are left, here or in the system.

    Raises what ``act`` raises for another reason, or for this one when ``timeout_s`` have passed.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while True:
        try:
            return await act()
        except Exception as error:
            reason = error.__cause__ or error
            lacking = isinstance(reason, OSError) and reason.errno in (errno.EMFILE, errno.ENFILE)
            if not lacking or loop.time() >= deadline:
                raise
        await asyncio.sleep(_DESCRIPTORS_POLL_S)


def _reap_abandoned() -> None:
    for pid in list(_abandoned):
        try:
            ended = os.waitpid(pid, os.WNOHANG)[0]
        except ChildProcessError:
            ended = pid
        if ended:
            _abandoned.discard(pid)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
