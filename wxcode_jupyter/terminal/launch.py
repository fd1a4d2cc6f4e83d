"""Starting the keeper: once, however many ask, and with the reason when it fails."""

from __future__ import annotations

import fcntl
import os
import signal

from ..errors import KeeperUnavailable
from . import rendezvous
from .helper import Helper, readable

LOG_NAME = "keeper.log"
_LOCK_NAME = "keeper.lock"


async def start_keeper(folder: str, folder_fd: int) -> Helper | None:
    """Start a keeper and wait until it listens; ``None`` when somebody else did or does it, or killed it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    lock_fd = os.open(_LOCK_NAME, flags, 0o600, dir_fd=folder_fd)
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if rendezvous.serves(folder_fd):
            return None
        log_fd = os.open(LOG_NAME, flags | os.O_TRUNC | os.O_APPEND, 0o600, dir_fd=folder_fd)
        try:
            helper = await _run_keeper(folder, log_fd)
        finally:
            os.close(log_fd)
        if helper.exit_code == -signal.SIGKILL:  # somebody is after keepers: that says nothing of the next one
            return None
        if helper.exit_code:
            raise KeeperUnavailable(f"The keeper ended with status {helper.exit_code}: {read_log(folder)}")
        return helper
    except BlockingIOError:
        return None
    finally:
        os.close(lock_fd)


def read_log(folder: str) -> str:
    """Return the last lines of what the present or last keeper complained about."""
    try:
        with open(os.path.join(folder, LOG_NAME), "rb") as file:
            return file.read()[-2000:].decode(errors="replace").strip()
    except FileNotFoundError:
        return ""
    except OSError as error:  # this is read when things go wrong: it must not be one more
        return f"{LOG_NAME} cannot be read: {error}"


async def _run_keeper(folder: str, log_fd: int) -> Helper:
    ready_read, ready_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        helper = Helper("wxcode_jupyter.terminal.keeper", [folder], {1: ready_write, 2: log_fd})
    finally:
        os.close(ready_write)
    try:
        await readable(ready_read)
        if not os.read(ready_read, 64):
            await helper.exited
    except BaseException:
        helper.abandon()
        raise
    finally:
        os.close(ready_read)
    return helper
