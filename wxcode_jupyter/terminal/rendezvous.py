"""Where keeper and servers meet: a private folder with one socket, and one keeper at a time.

The keeper holds an ``flock`` on the folder as long as it lives, so that the kernel decides which one serves.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
import time

from ..folders import make_private

SOCKET_NAME = "keeper.sock"

_TAKEOVER_S = 2.0
_RETRY_S = 0.01


def open_folder(folder: str) -> int:
    """Make the keeper's folder where it is missing, and return a descriptor of it once it is known to be private.

    Nothing is changed in one that is not: whoever asks from the command line may have named any folder. The server's
    own is closed to others before (`service/privacy.py`).

    Raises:
        PermissionError: It belongs to somebody else, or others may enter it.
    """
    make_private(folder)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    status = os.fstat(fd)
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        os.close(fd)
        raise PermissionError(
            f"{folder} has to belong to you and be closed to others (chmod 700): it has mode "
            f"{status.st_mode & 0o777:o} and belongs to user {status.st_uid}."
        )
    return fd


def peer(sock: socket.socket) -> tuple[int, int]:
    """Return process and user at the other end, as the kernel noted them at ``connect`` and ``listen``."""
    pid, uid, _gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid


def socket_path(folder_fd: int) -> str:
    """Return a path to the socket that is short however long the folder's is (the kernel takes 107 bytes)."""
    return f"/proc/self/fd/{folder_fd}/{SOCKET_NAME}"


def serves(folder_fd: int) -> bool:
    """Say whether a keeper answers in this folder."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(socket_path(folder_fd))
        except OSError:
            return False
        return True


def take_over(folder_fd: int) -> bool:
    """Become this folder's keeper: ``False`` when another one serves; wait for one that is just leaving."""
    deadline = time.monotonic() + _TAKEOVER_S
    while True:
        try:
            fcntl.flock(folder_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if serves(folder_fd) or time.monotonic() > deadline:
                return False
            time.sleep(_RETRY_S)


def listen(folder_fd: int) -> socket.socket:
    """Bind the socket, in place of what a dead keeper left."""
    remove_socket(folder_fd)
    listener = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)
    try:
        listener.bind(socket_path(folder_fd))
    finally:
        os.umask(mask)
    listener.listen(128)
    listener.setblocking(False)
    return listener


def remove_socket(folder_fd: int) -> None:
    """Delete the socket's file, if there is one."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(SOCKET_NAME, dir_fd=folder_fd)
