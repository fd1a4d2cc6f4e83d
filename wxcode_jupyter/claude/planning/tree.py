"""A ``.planning/`` folder as a value: the names in it, and the few texts that are read."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType

TEXT_LIMIT_BYTES = 256 * 1024
TEXTS_LIMIT_BYTES = 4 * 1024 * 1024
ENTRIES_LIMIT = 4000

#: Folders that are looked into, by their depth: ``phases/02-login/plans``, ``milestones/v1.0-phases/01-setup``.
_WALKED = re.compile(r"phases(?:/[^/]+(?:/plans)?)?|milestones(?:/[^/]+-phases)?")
_TEXTS = re.compile(
    r"(?:PROJECT|ROADMAP|STATE|REQUIREMENTS|MILESTONES)\.md|phases/[^/]+/(?:[^/]*-)?(?:VERIFICATION|UAT)\.md"
)
_DIRECTORY = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class PlanningTree:
    """What lies in a ``.planning/`` folder, at one moment.

    Attributes:
        exists: Whether there is such a folder.
        folders: Paths of its folders, relative to it; only ``phases`` and ``milestones`` are looked into.
        files: Paths of its files, likewise. Links are in neither.
        texts: The texts that are read, by path, each cut to ``TEXT_LIMIT_BYTES``.
    """

    exists: bool = False
    folders: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    texts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def text(self, path: str) -> str:
        """Return a text, empty where there is none."""
        return self.texts.get(path, "")

    def inside(self, folder: str) -> list[str]:
        """Return the names of the files in a folder, sorted."""
        return _names(self.files, folder)

    def subfolders(self, folder: str) -> list[str]:
        """Return the names of the folders in a folder, sorted."""
        return _names(self.folders, folder)


def read_tree(workspace: str | os.PathLike[str]) -> PlanningTree:
    """Read the ``.planning/`` of a workspace.

    No link is followed below the workspace, nothing but regular files is opened, and at most ``ENTRIES_LIMIT`` names
    and ``TEXTS_LIMIT_BYTES`` of text are taken. What cannot be read (gone meanwhile, no permission) is absent. The
    folder is not locked: while GSD writes, the value may be half of one state and half of the next.
    """
    walk = _Walk()
    try:
        with _opened(os.path.join(workspace, ".planning"), None, _DIRECTORY) as root:
            walk.visit(root, "")
    except OSError:
        return PlanningTree()
    return PlanningTree(True, frozenset(walk.folders), frozenset(walk.files), MappingProxyType(walk.texts))


class _Walk:
    """One reading: what was found, and how much more may be."""

    def __init__(self) -> None:
        self.folders: set[str] = set()
        self.files: set[str] = set()
        self.texts: dict[str, str] = {}
        self._entries_left = ENTRIES_LIMIT
        self._bytes_left = TEXTS_LIMIT_BYTES

    def visit(self, folder: int, path: str) -> None:
        with os.scandir(folder) as entries:
            found = sorted(islice(entries, self._entries_left), key=lambda entry: entry.name)
        self._entries_left -= len(found)
        for entry in found:
            relative = f"{path}/{entry.name}" if path else entry.name
            try:
                self._take(folder, entry, relative)
            except OSError:
                continue  # gone, or not ours to read: absent

    def _take(self, folder: int, entry: os.DirEntry[str], relative: str) -> None:
        if entry.is_dir(follow_symlinks=False):
            self.folders.add(relative)
            if _WALKED.fullmatch(relative):
                with _opened(entry.name, folder, _DIRECTORY) as inner:
                    self.visit(inner, relative)
        elif entry.is_file(follow_symlinks=False):
            self.files.add(relative)
            if _TEXTS.fullmatch(relative):
                self.texts[relative] = self._load(folder, entry.name)

    def _load(self, folder: int, name: str) -> str:
        with _opened(name, folder, _FILE) as descriptor:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return ""  # exchanged since it was listed
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                content = file.read(min(TEXT_LIMIT_BYTES, self._bytes_left))
        self._bytes_left -= len(content)
        return content.decode("utf-8-sig", "replace")


@contextmanager
def _opened(name: str, folder: int | None, flags: int) -> Iterator[int]:
    descriptor = os.open(name, flags, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _names(paths: frozenset[str], folder: str) -> list[str]:
    split = (path.rpartition("/") for path in paths)
    return sorted(name for parent, _, name in split if parent == folder)
