"""Files of a folder that are deleted and put back, whatever links are put in their way meanwhile.

git looks at a path before it writes there, and a link that comes in between leads it out of the folder: of 300 files
that ``checkout-index`` wrote into a folder, which another program kept exchanging for a link, some landed behind that
each time (git 2.39). So git writes into a folder of ours, and the files go from there to their places through
descriptors of the folders on the way.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from .folders import held_below

_DIRECTORY = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def folder_aside(root: int) -> Iterator[int]:
    """Give a descriptor of a new folder in a folder, which is gone with the block."""
    name = f".wxcode-restore-{secrets.token_hex(6)}"
    os.mkdir(name, 0o700, dir_fd=root)
    try:
        aside = os.open(name, _DIRECTORY, dir_fd=root)
        try:
            yield aside
        finally:
            os.close(aside)
    finally:
        shutil.rmtree(name, dir_fd=root)


def delete(root: int, paths: Iterable[bytes]) -> None:
    """Delete files, and the folders that they leave empty. What is behind a link by now is not the folder's."""
    for path in paths:
        with suppress(FileNotFoundError, NotADirectoryError), held_below(root, os.path.dirname(path)) as folder:
            os.unlink(os.path.basename(path), dir_fd=folder)
        while path := os.path.dirname(path):
            try:
                with held_below(root, os.path.dirname(path)) as folder:
                    os.rmdir(os.path.basename(path), dir_fd=folder)
            except OSError:
                break  # it has something else in it


def put(root: int, aside: int, prefix: bytes, paths: Iterable[bytes]) -> None:
    """Move files to their places, and make the folders that are missing on the way.

    Args:
        root: The folder that they belong to.
        aside: Where they are, with ``prefix`` before the same path.
        prefix: Empty, or with a slash at its end.
        paths: What to move: files, and links as such. A file of that name is replaced, a folder that has only folders
            in it removed.

    Raises:
        OSError: A link, a file or a folder that is not empty stands in the way; what was moved before stays.
    """
    for path in paths:
        parent, name = os.path.split(path)
        _make_folders(root, parent)
        with held_below(aside, os.path.dirname(prefix + path)) as source, held_below(root, parent) as target:
            try:
                _move(source, target, name)
            except IsADirectoryError:
                _remove_empty(target, name)
                _move(source, target, name)


def _make_folders(root: int, path: bytes) -> None:
    done = b""
    for name in filter(None, path.split(b"/")):
        with held_below(root, done) as folder, suppress(FileExistsError):
            os.mkdir(name, dir_fd=folder)
        done = os.path.join(done, name)


def _move(source: int, target: int, name: bytes) -> None:
    try:
        os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # The folder is another file system's: the copy is made there, and takes its place complete.
        draft = b".%s.%s.tmp" % (name[:200], secrets.token_hex(6).encode())
        try:
            _copy(source, name, target, draft)
            os.rename(draft, name, src_dir_fd=target, dst_dir_fd=target)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(draft, dir_fd=target)
            raise


def _copy(source: int, name: bytes, target: int, draft: bytes) -> None:
    status = os.stat(name, dir_fd=source, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(name, dir_fd=source), draft, dir_fd=target)
        return
    here = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)
    with open(here, "rb") as old:
        there = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=target)
        with open(there, "wb") as new:
            shutil.copyfileobj(old, new)
            os.fchmod(there, stat.S_IMODE(status.st_mode))


def _remove_empty(folder: int, name: bytes) -> None:
    for _, folders, _, fd in os.fwalk(name, topdown=False, dir_fd=folder):
        for inner in folders:
            os.rmdir(inner, dir_fd=fd)
    os.rmdir(name, dir_fd=folder)
