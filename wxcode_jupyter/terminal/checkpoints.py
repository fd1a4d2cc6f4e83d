"""Checkpoints: the emulator's whole state at some offsets of a journal, as files beside it.

An emulator that has died, or that a new server starts, goes on from the newest one and the journal after it. The
emulator's process writes them; only the newest two are kept, for one may turn out to be what the emulator dies of.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection

_PREFIX = "checkpoint-"
_DRAFT = ".checkpoint"
_KEPT = 2


def save(folder: str, offset: int, state: bytes) -> None:
    """Keep ``state``; what the disk does not take is not kept, and the older ones stay."""
    draft = os.path.join(folder, _DRAFT)
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(state)
        os.rename(draft, _path(folder, offset))
    except OSError:  # a full disk, or the session was discarded: it is a shortcut only
        _unlink(draft)
        return
    for old in offsets(folder)[_KEPT:]:
        _unlink(_path(folder, old))


def offsets(folder: str) -> list[int]:
    """Return where there are checkpoints, the newest first."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return sorted((int(name.removeprefix(_PREFIX)) for name in names if name.startswith(_PREFIX)), reverse=True)


def load(folder: str, oldest: int, newest: int, distrusted: Collection[int]) -> tuple[int, bytes] | None:
    """Return the newest one from which the journal that is kept goes on, with its offset.

    Args:
        folder: The journal's.
        oldest: Offset of the first byte that the journal has.
        newest: Offset after its last byte.
        distrusted: Offsets of those that are not to be used.
    """
    for offset in offsets(folder):
        if oldest <= offset <= newest and offset not in distrusted:
            with contextlib.suppress(FileNotFoundError), open(_path(folder, offset), "rb") as file:
                return offset, file.read()
    return None


def clear(folder: str) -> None:
    """Delete all, and what a process left behind that died while it wrote one."""
    for offset in offsets(folder):
        _unlink(_path(folder, offset))
    _unlink(os.path.join(folder, _DRAFT))


def _path(folder: str, offset: int) -> str:
    return os.path.join(folder, f"{_PREFIX}{offset}")


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
