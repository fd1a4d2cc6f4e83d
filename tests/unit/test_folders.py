"""Folders that are ours alone, and folders that are held."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.swapping import swapped
from wxcode_jupyter.folders import NotOurs, held, held_below, make_private, open_private, tighten

ME = os.geteuid()
OTHER = 4242


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture(params=[0, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_each_folder_that_is_made_is_ours_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_private(tmp_path / "a" / "b" / "c")
    make_private(str(tmp_path / "a" / "b" / "c"))

    assert [mode(tmp_path / name) for name in (".", "a", "a/b", "a/b/c")] == [0o755, 0o700, 0o700, 0o700]


def test_a_file_in_place_of_a_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in ("file", "file/below"):
        with pytest.raises((FileExistsError, NotADirectoryError)):
            make_private(tmp_path / path)


@pytest.mark.usefixtures("umask")
def test_a_file_that_is_made_is_ours_alone_and_no_link(tmp_path: Path) -> None:
    with open(tmp_path / "new", "w", opener=open_private) as file:
        file.write("x")
    assert mode(tmp_path / "new") == 0o600

    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic links"), open(tmp_path / "link", "w", opener=open_private):
        pass
    assert not (tmp_path / "target").exists()


def test_what_was_open_to_others_is_closed_and_named_once(tmp_path: Path) -> None:
    inner = tmp_path / "data" / "inner"
    inner.mkdir(parents=True)
    for name, bits in (("wide", 0o666), ("shared", 0o640), ("program", 0o755), ("ours", 0o600)):
        (inner / name).write_text("")
        (inner / name).chmod(bits)
    os.mkfifo(inner / "fifo")
    (inner / "fifo").chmod(0o622)
    inner.chmod(0o777)
    (tmp_path / "data").chmod(0o710)
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / "elsewhere").chmod(0o644)
    (inner / "link").symlink_to(tmp_path / "elsewhere")
    os.link(tmp_path / "elsewhere", inner / "transcript")

    found = tighten(str(tmp_path / "data"), ME)

    assert sorted(Path(path).name for path in found) == ["data", "fifo", "inner", "program", "shared", "wide"]
    assert {path.name: mode(path) for path in inner.iterdir() if path.is_file() and path.name != "link"} == {
        "wide": 0o600,
        "shared": 0o600,
        "program": 0o700,
        "ours": 0o600,
        "transcript": 0o644,  # a name of another program's file
    }
    assert (mode(inner), mode(tmp_path / "data"), mode(inner / "fifo")) == (0o700, 0o700, 0o600)
    assert mode(tmp_path / "elsewhere") == 0o644
    assert tighten(str(tmp_path / "data"), ME) == []


def test_what_is_missing_is_no_error(tmp_path: Path) -> None:
    assert tighten(str(tmp_path / "none"), ME) == []


@pytest.mark.parametrize("name", ["data", "data/folder", "data/folder/file", "data/folder/link"])
def test_what_belongs_to_somebody_else_is_refused(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "data" / "folder"
    folder.mkdir(parents=True)
    (folder / "file").write_text("")
    (folder / "link").symlink_to("file")
    give_away(tmp_path / name, monkeypatch)

    with pytest.raises(NotOurs) as caught:
        tighten(str(tmp_path / "data"), ME)

    assert (caught.value.path, caught.value.owner) == (str(tmp_path / name), OTHER)
    assert str(OTHER) in str(caught.value)


def test_what_belongs_to_root_is_no_danger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_text("")
    give_away(tmp_path / "data" / "file", monkeypatch, owner=0)

    tighten(str(tmp_path / "data"), ME)


def give_away(path: Path, monkeypatch: pytest.MonkeyPatch, owner: int = OTHER) -> None:
    """Make ``path`` that of another user: really where we may, else for whoever asks for its status here."""
    if ME == 0:
        os.chown(path, owner, -1, follow_symlinks=False)
        return
    given = path.lstat().st_ino
    for name in ("stat", "lstat", "fstat"):
        real = getattr(os, name)

        def status(*args: object, real: object = real, **options: object) -> os.stat_result:
            found: os.stat_result = real(*args, **options)  # type: ignore[operator]
            if found.st_ino != given:
                return found
            return os.stat_result([*found[:4], owner, *found[5:10]])

        monkeypatch.setattr(os, name, status)


def test_a_folder_is_held_by_its_real_path_only(tmp_path: Path) -> None:
    real = tmp_path.resolve() / "a" / "b"
    real.mkdir(parents=True)
    with held(str(real)) as fd:
        assert os.fstat(fd).st_ino == real.stat().st_ino
    (tmp_path / "link").symlink_to(tmp_path / "a")
    for path in ("link", "link/b"):
        with pytest.raises(OSError, match=r"link|Not a directory"), held(str(tmp_path.resolve() / path)):
            pass


def test_what_is_written_below_a_held_folder_lands_in_it(tmp_path: Path) -> None:
    root, outside = tmp_path.resolve() / "root", tmp_path.resolve() / "outside"
    for folder in (root / "a" / "b", outside / "b"):
        folder.mkdir(parents=True)
    written = 0
    with swapped(root / "a", outside) as swapper, held(str(root)) as top:
        while swapper.count < 2000 or not written:
            try:
                with held_below(top, b"a/b") as inner:
                    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=inner))
                    written += 1
            except NotADirectoryError:
                continue
    assert list((outside / "b").iterdir()) == []
    assert [path.name for path in (root / "a" / "b").iterdir()] == ["file"]
