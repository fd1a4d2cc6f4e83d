"""A folder that becomes a link and a folder again, thousands of times, while something is done to it."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_libc = ctypes.CDLL(None, use_errno=True)


class Swapper:
    """Counts how often the two have changed places."""

    def __init__(self) -> None:
        self.count = 0


def exchange(one: Path, other: Path) -> None:
    """Have two names change places, at one moment: neither is missing in between."""
    if _libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) != 0:
        raise OSError(ctypes.get_errno(), "renameat2", str(one))


@contextmanager
def swapped(folder: Path, target: Path) -> Iterator[Swapper]:
    """Within the block ``folder`` is, in turns, the folder that it was and a link to ``target``; then the folder.

    The other one waits beside ``target``. Whoever removes one of them meanwhile only has them come back less often.
    """
    link = target.with_name(f"{target.name}.link")
    link.symlink_to(target)
    swapper, done = Swapper(), threading.Event()

    def swap() -> None:
        while not done.is_set():
            with suppress(FileNotFoundError):
                exchange(folder, link)
                swapper.count += 1

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield swapper
    finally:
        done.set()
        thread.join()
        if folder.is_symlink() and link.is_dir():
            exchange(folder, link)
        if link.is_symlink():
            link.unlink()
