"""One owner per folder on one host: an exclusive ``flock`` on the folder itself.

The lock is on the folder's inode, so that every spelling of its path meets, and there is no file that ``git clean``
could delete. Because a folder can be renamed under a session, and another be put where it was, a session owns a
second one that nobody moves (`service/places.py`). The child inherits the descriptors (their numbers stand in
``LOCK_FD_VARIABLE``, with commas): when the keeper dies and the child lives on, the folders are still taken.
``release`` unlocks the open file description that all inherited
duplicates share, so that a background process that outlives the session does not keep the folder.

``.milestones/.holder.json`` says who the owner is. It only informs: the kernel's lock decides.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from .complaint import complain

LOCK_FD_VARIABLE = "WXCODE_WORKSPACE_LOCK_FD"

_FOLDER = ".milestones"
_NAME = ".holder.json"
_MAX_BYTES = 1 << 14
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class WorkspaceLocked(Exception):
    """Somebody else holds the workspace; ``holder`` is what they wrote about themselves, if it can be read."""

    def __init__(self, holder: dict[str, Any] | None) -> None:
        super().__init__("the workspace is held")
        self.holder = holder


class WorkspaceLock:
    """The lock on a workspace, held from construction to ``release``.

    Args:
        workspace: The folder.
        holder: Who we are.
        fd: A duplicate of the descriptor of one who holds the lock: it is shared with him; ours unless we raise.

    Attributes:
        fd: The folder itself, whatever is done to its path afterwards.

    Raises:
        WorkspaceLocked: Another process, or another session of this one, holds it.
        OSError: The folder cannot be opened; or its path leads there over a link, and not to what was judged.
    """

    def __init__(self, workspace: str, holder: dict[str, Any], fd: int | None = None) -> None:
        self.fd = os.open(workspace, _OPEN_FOLDER) if fd is None else fd
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            present = _read_holder(self.fd)
            if fd is None:
                os.close(self.fd)
            raise WorkspaceLocked(present) from None
        except OSError:
            if fd is None:
                os.close(self.fd)
            raise
        if fd is None and (found := os.readlink(f"/proc/self/fd/{self.fd}")) != workspace:
            unlock(self.fd)
            raise OSError(errno.ELOOP, f"A link stands in the way (it leads to {found})", workspace)
        self._made_folder = False
        self._workspace = workspace
        self.rename(holder)

    def rename(self, holder: dict[str, Any]) -> None:
        """Write down who holds it now."""
        try:
            self._write_holder(holder)
        except OSError as error:  # a read-only folder, or a link in its place: nobody is misled, only uninformed
            complain(f"{self._workspace}: the holder is not written down: {error}")

    def release(self) -> None:
        """Unlock, for every process that inherited the descriptor too."""
        with contextlib.suppress(OSError), _milestones(self.fd) as folder:
            os.unlink(_NAME, dir_fd=folder)
        if self._made_folder:
            with contextlib.suppress(OSError):  # by now it may hold contexts of milestones
                os.rmdir(_FOLDER, dir_fd=self.fd)
        unlock(self.fd)

    def _write_holder(self, holder: dict[str, Any]) -> None:
        try:
            os.mkdir(_FOLDER, 0o755, dir_fd=self.fd)
            self._made_folder = True
        except FileExistsError:
            pass
        with _milestones(self.fd) as folder:
            temporary = f"{_NAME}.{os.getpid()}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(temporary, flags, 0o600, dir_fd=folder)
            try:
                os.write(fd, json.dumps(holder).encode())
            finally:
                os.close(fd)
            os.rename(temporary, _NAME, src_dir_fd=folder, dst_dir_fd=folder)


def has_died(holder: Mapping[str, Any] | None, host: str) -> bool:
    """Return whether the process that a holder file names was one of ``host`` and runs no more, as far as we can see.

    Its lock may still be held for a while: the keeper ends its session first.
    """
    if holder is None or holder.get("host") != host or not isinstance(pid := holder.get("pid"), int):
        return False
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")  # dead, and not waited for yet
    except (FileNotFoundError, ProcessLookupError):
        return True


def unlock(fd: int) -> None:
    """Give the lock up that ``fd``'s open file description holds, and close this duplicate."""
    fcntl.flock(fd, fcntl.LOCK_UN)
    os.close(fd)


def _read_holder(workspace_fd: int) -> dict[str, Any] | None:
    try:
        with _milestones(workspace_fd) as folder:
            fd = os.open(_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            try:
                holder = json.loads(os.read(fd, _MAX_BYTES))
            finally:
                os.close(fd)
    except (OSError, ValueError):
        return None
    return holder if isinstance(holder, dict) else None


@contextlib.contextmanager
def _milestones(workspace_fd: int) -> Iterator[int]:
    # A link in its place could lead anywhere: then there is no holder file.
    fd = os.open(_FOLDER, _OPEN_FOLDER | os.O_NOFOLLOW, dir_fd=workspace_fd)
    try:
        yield fd
    finally:
        os.close(fd)
