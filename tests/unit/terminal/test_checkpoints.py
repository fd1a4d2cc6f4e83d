"""Checkpoints as files."""

from __future__ import annotations

import resource
from pathlib import Path

from wxcode_jupyter.terminal import checkpoints, journal


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    folder = str(tmp_path)
    for offset in (9, 10, 100):
        checkpoints.save(folder, offset, b"state %d" % offset)
    assert checkpoints.offsets(folder) == [100, 10]
    assert checkpoints.load(folder, 0, 100, ()) == (100, b"state 100")
    assert checkpoints.load(folder, 0, 99, ()) == (10, b"state 10")
    assert checkpoints.load(folder, 0, 100, [100]) == (10, b"state 10")
    assert checkpoints.load(folder, 11, 99, ()) is None


def test_no_folder_has_none(tmp_path: Path) -> None:
    folder = str(tmp_path / "missing")
    checkpoints.save(folder, 1, b"state")
    assert checkpoints.offsets(folder) == []
    assert checkpoints.load(folder, 0, 10, ()) is None


def test_a_full_disk_leaves_the_older_ones(tmp_path: Path) -> None:
    checkpoints.save(str(tmp_path), 1, b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        checkpoints.save(str(tmp_path), 2, b"too much for the disk")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-1"]


def test_they_go_with_the_journal(tmp_path: Path) -> None:
    checkpoints.save(str(tmp_path), 1, b"state")
    (tmp_path / ".checkpoint").touch()
    journal.remove(str(tmp_path))
    assert not tmp_path.exists()
