"""Folders that are ours alone, and folders that are held while something is done in them.

What a program that a model steers may touch is reached through a descriptor of the folder, so that a link put in its
path between a check and a use leads nowhere. What belongs to us alone is made 0700 and 0600 whatever the umask is,
and looked at when a server starts: wider modes (an older version, a copy, a restored backup) are taken back, and what
belongs to somebody else is refused: he could read, and change, what our processes believe.

Imports the standard library only: the keeper uses it, too.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_DIRECTORY = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OTHERS = 0o077


@contextmanager
def held(path: str) -> Iterator[int]:
    """Give a descriptor of the folder that a real path names, closed with the block.

    Raises:
        OSError: It cannot be opened, or a link stands anywhere in the path (``ELOOP``).
    """
    descriptor = os.open(path, _DIRECTORY)
    try:
        # O_NOFOLLOW guards the last component only; this one guards the others.
        if os.readlink(f"/proc/self/fd/{descriptor}") != path:
            raise OSError(errno.ELOOP, "A link stands in the way", path)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def held_below(folder: int, relative: bytes) -> Iterator[int]:
    """Give a descriptor of a folder below a folder, reached over no link. Raises ``OSError``."""
    current = os.dup(folder)
    try:
        for name in filter(None, relative.split(b"/")):
            inner = os.open(name, os.O_PATH | _DIRECTORY, dir_fd=current)
            os.close(current)
            current = inner
        yield current
    finally:
        os.close(current)


def make_private(path: str | os.PathLike[str]) -> None:
    """Make a folder and those above it that are missing, each 0700; one that exists stays as it is."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
    except FileNotFoundError:
        parent = os.path.dirname(os.fspath(path))
        if parent == os.fspath(path):
            raise
        make_private(parent)
        make_private(path)


def open_private(path: str, flags: int) -> int:
    """Open a file as ``open``'s ``opener``: one that is made is 0600, and no link is followed."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def tighten(folder: str, me: int) -> list[str]:
    """Close a folder, and everything in it, to others; return what was open to them.

    Links are not followed below the folder (itself it may be one, of ours). Files with several names are left as they
    are: they are hard links to those of another program.

    Args:
        folder: One that is ours alone; that it is missing is no error.
        me: The user that we are.

    Raises:
        NotOurs: Something there belongs to another user than ``me`` and root.
    """
    found: list[str] = []
    if not os.path.lexists(folder):
        return found
    _check_owner(folder, os.lstat(folder), me)
    _check_owner(folder, os.stat(folder), me)
    for path, _, files, fd in os.fwalk(folder):
        status = os.fstat(fd)
        _check_owner(path, status, me)
        if status.st_mode & _OTHERS:
            os.fchmod(fd, status.st_mode & 0o700)
            found.append(path)
        for name in files:
            with suppress(FileNotFoundError):
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                _check_owner(os.path.join(path, name), status, me)
                if stat.S_ISLNK(status.st_mode) or status.st_nlink > 1 or not status.st_mode & _OTHERS:
                    continue
                os.chmod(name, status.st_mode & 0o700, dir_fd=fd)
                found.append(os.path.join(path, name))
    return found


class NotOurs(PermissionError):
    """Something in a place of ours belongs to somebody else.

    Attributes:
        path: What.
        owner: The user that it belongs to.
    """

    def __init__(self, path: str, owner: int) -> None:
        super().__init__(errno.EPERM, f"It belongs to user {owner}; nobody else may have anything there", path)
        self.path = path
        self.owner = owner


def _check_owner(path: str, status: os.stat_result, me: int) -> None:
    if status.st_uid not in (me, 0):  # root needs no such door
        raise NotOurs(path, status.st_uid)
