"""Files that are brought back land where they belong, or nowhere."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path

import pytest

from tests.support.repositories import Work
from tests.support.swapping import swapped
from wxcode_jupyter.errors import GitUnavailable
from wxcode_jupyter.folders import held
from wxcode_jupyter.git import Repository
from wxcode_jupyter.replacing import delete, folder_aside, put


def put_back(root: Path, *files: str, content: bytes = b"back") -> None:
    """Put files in their places, as `Repository.restore` does."""
    with held(str(root)) as top, folder_aside(top) as aside:
        folder = next(path for path in root.iterdir() if path.name.startswith(".wxcode-restore-"))
        for name in files:
            (folder / "prefix" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "prefix" / name).write_bytes(content)
            (folder / "prefix" / name).chmod(0o755)
        put(top, aside, b"prefix/", [os.fsencode(name) for name in files])


@pytest.mark.parametrize("other_file_system", [False, True])
def test_a_file_gets_its_place_its_mode_and_the_folders_above_it(
    root: Path, other_file_system: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if other_file_system:
        monkeypatch.setattr(os, "rename", _across)
    (root / "there").write_bytes(b"old")
    put_back(root, "there", "a/b/new", "é\udcff/x")
    for name in ("there", "a/b/new", "é\udcff/x"):
        assert (root / name).read_bytes() == b"back"
        assert stat.S_IMODE((root / name).stat().st_mode) == 0o755
    assert sorted(path.name for path in root.iterdir()) == sorted(["a", "there", "é\udcff"])


_rename = os.rename


def _across(old: bytes, new: bytes, *, src_dir_fd: int, dst_dir_fd: int) -> None:
    if src_dir_fd != dst_dir_fd:
        raise OSError(errno.EXDEV, "Invalid cross-device link")
    _rename(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)


def test_a_folder_of_empty_folders_makes_room_and_another_one_does_not(root: Path) -> None:
    (root / "empty" / "a" / "b").mkdir(parents=True)
    put_back(root, "empty")
    assert (root / "empty").read_bytes() == b"back"

    (root / "full" / "a").mkdir(parents=True)
    (root / "full" / "a" / "file").write_text("mine")
    with pytest.raises(OSError, match="not empty"):
        put_back(root, "full")
    assert (root / "full" / "a" / "file").read_text() == "mine"


def test_what_is_behind_a_link_is_neither_deleted_nor_written(root: Path, outside: Path) -> None:
    (outside / "file").write_text("theirs")
    (root / "a").symlink_to(outside)
    with held(str(root)) as top:
        delete(top, [b"a/file"])
    with pytest.raises(NotADirectoryError):
        put_back(root, "a/file")
    with pytest.raises(NotADirectoryError):
        put_back(root, "a/b/file")
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"file": "theirs"}
    assert [path.name for path in root.iterdir()] == ["a"]


async def test_a_rewind_writes_and_deletes_nothing_outside_while_links_come_and_go(
    tmp_path: Path, outside: Path
) -> None:
    work = Work(tmp_path.resolve() / "work", tmp_path / "home")
    names = [f"file-{number}" for number in range(100)]
    for name in names:
        work.write(f"sub/{name}", "before\n")
    repository = await Repository.open(str(work.folder), work.environment)
    assert repository is not None
    before = (await repository.picture()).tree
    theirs = {"extra": "theirs\n", **dict.fromkeys(names[::2], "theirs\n")}
    for _ in range(10):
        remove(work.folder / "sub")
        for name in ("extra", *names):
            work.write(f"sub/{name}", "after\n")
        for name, text in theirs.items():
            (outside / name).write_text(text)
        present = await repository.picture()
        with swapped(work.folder / "sub", outside) as swapper:
            try:
                await repository.restore(before, present)
            except GitUnavailable as error:
                assert "Not all files could be brought back" in error.message
        assert swapper.count > 10
        remove(outside.with_name("outside.link"))
        assert {path.name: path.read_text() for path in outside.iterdir()} == theirs


def remove(path: Path) -> None:
    """Remove a link, or a folder with what is in it."""
    if path.is_symlink():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)


async def test_a_workspace_that_a_link_leads_to_is_not_gone_into(tmp_path: Path, outside: Path) -> None:
    parent = tmp_path.resolve() / "parent"
    work = Work(parent / "work", tmp_path / "home")
    work.write("file", "x\n")
    repository = await Repository.open(str(work.folder), work.environment)
    assert repository is not None
    parent.rename(outside / "moved")
    parent.symlink_to(outside / "moved")
    with pytest.raises(GitUnavailable, match="A link stands in the way"):
        await repository.picture()
    with pytest.raises(GitUnavailable, match="A link stands in the way"):
        await Repository.open(str(work.folder), work.environment)


async def test_git_is_never_run_in_another_folder_while_links_come_and_go(tmp_path: Path, outside: Path) -> None:
    parent = tmp_path.resolve() / "parent"
    inside, other = Work(parent / "work", tmp_path / "home"), Work(outside / "work", tmp_path / "home")
    inside.git("config", "who.am", "inside")
    other.git("config", "who.am", "outside")
    repository = await Repository.open(str(inside.folder), inside.environment)
    assert repository is not None
    answers: list[str] = []
    with swapped(parent, outside) as swapper:
        while swapper.count < 1000 or len(answers) < 20:
            try:
                answers.append(await repository._text("config", "who.am"))
            except GitUnavailable as error:
                assert "cannot be executed in" in error.message
    assert set(answers) == {"inside"}
