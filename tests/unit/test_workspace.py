"""Which folders may be a workspace, and what is written into one."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.swapping import swapped
from wxcode_jupyter.errors import ContextTaken, InvalidBody, InvalidId, InvalidPath
from wxcode_jupyter.workspace import has_project, read_context, resolve_workspace, slug, write_brief, write_context

MILESTONE = "0123456789abcdef01234567"
RELATIVE = f".milestones/{MILESTONE}/MILESTONE-CONTEXT.md"


# -- slug ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("Billing", "billing"),
        ("Gestão de Vendas", "gestao-de-vendas"),
        ("  a__b / ..c  ", "a-b-c"),
        ("v1.2 (final)", "v1-2-final"),
        ("請求書", "請求書"),
        ("../../etc", "etc"),
    ],
)
def test_slug(name: str, folder: str) -> None:
    assert slug(name) == folder


@given(st.text())
def test_slug_is_always_one_harmless_component(name: str) -> None:
    folder = slug(name)
    assert folder
    assert not folder.startswith("-")
    assert not folder.endswith("-")
    assert "/" not in folder
    assert "." not in folder
    assert len(folder.encode("utf-8", "surrogatepass")) <= 255
    assert slug(name) == folder


def test_slug_keeps_long_and_letterless_names_apart() -> None:
    names = ["x" * 100, "x" * 101, "***", "!!!"]
    assert len({slug(name) for name in names}) == len(names)


# -- resolve_workspace --------------------------------------------------------------------------------------------


def test_creates_the_folder_and_the_root_when_asked(tmp_path: Path) -> None:
    root = tmp_path.resolve() / "not" / "yet"
    real = resolve_workspace(root / "a" / "b", [root], create=True)
    assert real == str(root / "a" / "b")
    assert stat.S_IMODE(os.stat(real).st_mode) & ~0o755 == 0


def test_only_names_the_folder_when_not_asked_to_create_it(root: Path) -> None:
    assert resolve_workspace(root / "a", [root]) == str(root / "a")
    assert not (root / "a").exists()


def test_the_same_folder_twice_is_no_error(root: Path) -> None:
    assert resolve_workspace(root / "a", [root], create=True) == resolve_workspace(root / "a", [root], create=True)


def test_the_root_itself_is_allowed(root: Path) -> None:
    assert resolve_workspace(root, [root]) == str(root)


def test_everything_is_under_the_root_of_the_file_system(root: Path) -> None:
    assert resolve_workspace(root, ["/"]) == str(root)


def test_links_and_dots_are_resolved(root: Path) -> None:
    (root / "real").mkdir()
    (root / "link").symlink_to("real")
    assert resolve_workspace(f"{root}/link/./x/../y", [root], create=True) == str(root / "real" / "y")


def test_a_linked_root_counts_by_its_real_path(root: Path, outside: Path) -> None:
    linked = outside / "workspaces"
    linked.symlink_to(root)
    assert resolve_workspace(linked / "a", [linked], create=True) == str(root / "a")
    assert resolve_workspace(root / "a", [linked]) == str(root / "a")


@pytest.mark.parametrize(
    "path", ["relative", "", "~/x", "{root}/a\0b", "{root}/a\nb", "{root}/\udcff", "{root}/../outside", "{root}-not"]
)
def test_refuses(root: Path, path: str) -> None:
    with pytest.raises(InvalidPath) as caught:
        resolve_workspace(path.format(root=root), [root], create=True)
    assert caught.value.path == path.format(root=root)


@pytest.mark.parametrize("character", ["\x7f", "\x85", "\u2028", "\u2029", "\u202e", "\u2066"])
def test_refuses_what_breaks_lines_or_looks_like_another_path(root: Path, character: str) -> None:
    with pytest.raises(InvalidPath, match="no workspace may have") as caught:
        resolve_workspace(root / f"a{character}b", [root], create=True)
    assert character not in caught.value.message
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("name", [b"caf\xe9", b"two\nlines", "a\u202eb".encode()])
def test_refuses_a_link_to_such_a_folder(root: Path, name: bytes) -> None:
    os.mkdir(os.fsencode(root) + b"/" + name)
    (root / "link").symlink_to(os.fsdecode(name))
    with pytest.raises(InvalidPath, match="no workspace may have"):
        resolve_workspace(root / "link", [root])


@pytest.mark.parametrize(
    "name",
    [
        "請求書",
        "cafe\u0301",
        "caf\u00e9",
        "\u0646\u0627\u0645\u0647\u200c\u0627\u06cc",
        "\U0001f469\u200d\U0001f4bb",
        "a b",
        "-n",
        "$(id)",
    ],
)
def test_names_of_all_scripts_are_their_own_folders(root: Path, name: str) -> None:
    assert resolve_workspace(root / name, [root], create=True) == str(root / name)
    assert os.listdir(root) == [name]


def test_names_that_only_normalise_to_the_same_are_two_folders(root: Path) -> None:
    paths = [resolve_workspace(root / name, [root], create=True) for name in ("cafe\u0301", "caf\u00e9")]
    assert len(set(paths)) == len(os.listdir(root)) == 2


@pytest.mark.parametrize(("length", "fits"), [(255, True), (256, False)])
@pytest.mark.parametrize("create", [True, False])
def test_a_name_may_have_255_bytes(root: Path, length: int, fits: bool, create: bool) -> None:
    for path in (root / ("x" * length), root / ("é" * 127 + "x" * (length - 254))):
        if fits:
            assert resolve_workspace(path, [root], create=create) == str(path)
        else:
            with pytest.raises(InvalidPath, match="too long"):
                resolve_workspace(path, [root], create=create)


def test_a_path_may_have_less_than_4096_bytes(root: Path) -> None:
    with pytest.raises(InvalidPath, match="too long"):
        resolve_workspace(root / "/".join(["x" * 200] * 21), [root])


@pytest.mark.parametrize("spelling", ["{root}/a/", "{root}//a", "{root}/a/.", "{root}/./a/b/..", "//{root}/a"])
def test_spellings_of_a_folder_are_one(root: Path, spelling: str) -> None:
    (root / "a" / "b").mkdir(parents=True)
    assert resolve_workspace(spelling.format(root=root), [root]) == str(root / "a")


@pytest.mark.parametrize("kind", ["fifo", "socket", "device"])
@pytest.mark.parametrize("create", [True, False])
def test_refuses_what_is_no_folder_and_waits_for_nobody(root: Path, kind: str, create: bool) -> None:
    path = root / "x"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/null")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        if kind == "socket":
            listener.bind(str(path))
        for below in (path, path / "below"):
            with pytest.raises(InvalidPath, match="in the way"):
                resolve_workspace(below, ["/"], create=create)


def test_nothing_is_made_outside_while_links_come_and_go(root: Path, outside: Path) -> None:
    (root / "parent").mkdir()
    with swapped(root / "parent", outside) as swapper:
        while swapper.count < 5000:
            with contextlib.suppress(InvalidPath):
                resolve_workspace(root / "parent" / "project", [root], create=True)
    assert list(outside.iterdir()) == []


def test_nothing_is_written_outside_while_links_come_and_go(root: Path, outside: Path) -> None:
    for folder in (root / "parent" / "work", outside / "work"):
        (folder / ".milestones" / MILESTONE).mkdir(parents=True)
    workspace = root / "parent" / "work"
    for at, target in (
        (root / "parent", outside),
        (workspace / ".milestones", outside / "work"),
        (workspace / ".milestones" / MILESTONE, outside / "work"),
    ):
        before = sorted(outside.rglob("*"))
        with swapped(at, target) as swapper:
            while swapper.count < 3000:
                with contextlib.suppress(InvalidPath):
                    write_context(str(workspace), MILESTONE, "text")
                with contextlib.suppress(InvalidPath):
                    write_brief(str(workspace), f"brief {swapper.count}")
        assert [path for path in sorted(outside.rglob("*")) if path.is_file()] == []
        assert sorted(outside.rglob("*")) == before


def test_refuses_everything_without_a_root(root: Path) -> None:
    with pytest.raises(InvalidPath, match="none are configured"):
        resolve_workspace(root, [])


def test_refuses_a_link_that_leads_out(root: Path, outside: Path) -> None:
    (root / "link").symlink_to(outside)
    with pytest.raises(InvalidPath, match="outside the allowed"):
        resolve_workspace(root / "link" / "x", [root], create=True)
    assert not list(outside.iterdir())


def test_refuses_a_loop_of_links(root: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with pytest.raises(InvalidPath):
        resolve_workspace(root / "a", [root])


@pytest.mark.parametrize("path", ["file", "file/below"])
@pytest.mark.parametrize("create", [True, False])
def test_refuses_a_file_in_the_way(root: Path, path: str, create: bool) -> None:
    (root / "file").write_text("")
    with pytest.raises(InvalidPath, match="in the way"):
        resolve_workspace(root / path, [root], create=create)


def test_refuses_a_name_that_is_too_long(root: Path) -> None:
    with pytest.raises(InvalidPath, match="too long"):
        resolve_workspace(root / ("x" * 300), [root], create=True)


def test_leaves_no_descriptor_behind(root: Path) -> None:
    (root / "file").write_text("")
    before = len(os.listdir("/proc/self/fd"))
    resolve_workspace(root / "a" / "b" / "c", [root], create=True)
    write_context(str(root), MILESTONE, "text")
    for path in ("file", "a/missing/x"):
        with contextlib.suppress(InvalidPath):
            resolve_workspace(root / path, [root])
    assert len(os.listdir("/proc/self/fd")) == before


# -- the context file ---------------------------------------------------------------------------------------------


def test_context_is_written_and_read(root: Path) -> None:
    text = "# Añadir 請求書\r\n\n`$x` 'y'\n"
    assert write_context(str(root), MILESTONE, text) == RELATIVE
    assert (root / RELATIVE).read_bytes() == text.encode()
    assert read_context(str(root), MILESTONE) == text
    assert os.listdir((root / RELATIVE).parent) == ["MILESTONE-CONTEXT.md"]


def test_the_same_text_is_left_alone(root: Path) -> None:
    write_context(str(root), MILESTONE, "text")
    before = os.stat(root / RELATIVE)
    write_context(str(root), MILESTONE, "text")
    after = os.stat(root / RELATIVE)
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("present", [b"theirs", b"", b"text and more", b"\xff"])
def test_a_file_with_another_text_is_never_overwritten(root: Path, present: bytes) -> None:
    (root / RELATIVE).parent.mkdir(parents=True)
    (root / RELATIVE).write_bytes(present)
    with pytest.raises(ContextTaken, match="not overwritten") as caught:
        write_context(str(root), MILESTONE, "text")
    assert caught.value.path == str(root / RELATIVE)
    assert (root / RELATIVE).read_bytes() == present
    assert os.listdir((root / RELATIVE).parent) == ["MILESTONE-CONTEXT.md"]


def test_a_brief_that_was_changed_by_hand_is_not_overwritten(root: Path) -> None:
    path = write_brief(str(root), "# Build it\n")
    assert write_brief(str(root), "# Build it\n") == path
    (root / path).write_text("# Build it well\n")
    with pytest.raises(ContextTaken, match="init"):
        write_brief(str(root), "# Build it\n")
    assert (root / path).read_text() == "# Build it well\n"


@pytest.mark.parametrize("links", [True, False])
def test_of_many_who_write_at_once_one_wins_and_no_reader_sees_half(
    root: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    texts = [letter * 200_000 for letter in "abcd"]
    written, done = [], threading.Event()

    def write(text: str) -> None:
        with contextlib.suppress(ContextTaken):
            write_context(str(root), MILESTONE, text)
            written.append(text)

    def read() -> None:
        while not done.is_set():
            assert read_context(str(root), MILESTONE) in (None, *texts, *([] if links else [""]))

    with ThreadPoolExecutor(5) as pool:
        reading = pool.submit(read)
        for writing in [pool.submit(write, text) for text in texts]:
            writing.result()
        done.set()
        reading.result()
    assert written == [read_context(str(root), MILESTONE)]
    assert os.listdir((root / RELATIVE).parent) == ["MILESTONE-CONTEXT.md"]


def _no_links(*_: object, **__: object) -> None:
    raise PermissionError(errno.EPERM, "Operation not permitted")


def test_there_is_nothing_to_read_at_first(root: Path) -> None:
    assert read_context(str(root), MILESTONE) is None
    (root / RELATIVE).parent.mkdir(parents=True)
    assert read_context(str(root), MILESTONE) is None


def test_reading_survives_what_others_wrote(root: Path) -> None:
    (root / RELATIVE).parent.mkdir(parents=True)
    (root / RELATIVE).write_bytes(b"\xff" + b"x" * 100)
    assert read_context(str(root), MILESTONE, limit_bytes=3) == "\ufffdxx"


@pytest.mark.parametrize("link", [".milestones", f".milestones/{MILESTONE}", RELATIVE])
def test_refuses_links_below_the_workspace(root: Path, outside: Path, link: str) -> None:
    target = outside / "target"
    if link == RELATIVE:
        target.write_text("theirs")
    else:
        target.mkdir()
    (root / link).parent.mkdir(parents=True, exist_ok=True)
    (root / link).symlink_to(target)
    with pytest.raises(InvalidPath, match="in the way"):
        write_context(str(root), MILESTONE, "text")
    with pytest.raises(InvalidPath, match="in the way"):
        read_context(str(root), MILESTONE)
    assert target.read_text() == "theirs" if link == RELATIVE else not list(target.iterdir())


@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_refuses_a_target_that_is_no_regular_file(root: Path, kind: str) -> None:
    (root / RELATIVE).parent.mkdir(parents=True)
    if kind == "folder":
        (root / RELATIVE).mkdir()
    else:
        os.mkfifo(root / RELATIVE)
    with pytest.raises(InvalidPath, match="not a regular file"):
        write_context(str(root), MILESTONE, "text")
    assert os.listdir((root / RELATIVE).parent) == ["MILESTONE-CONTEXT.md"]


def test_refuses_a_workspace_that_became_a_link(root: Path, outside: Path) -> None:
    (root / "parent").mkdir()
    real = resolve_workspace(root / "parent" / "project", [root], create=True)
    (root / "parent").rename(outside / "moved")
    (root / "parent").symlink_to(outside / "moved")
    with pytest.raises(InvalidPath, match="link stands in the way"):
        write_context(real, MILESTONE, "text")
    assert not list((outside / "moved" / "project").iterdir())


def test_refuses_a_workspace_that_is_gone(root: Path) -> None:
    with pytest.raises(InvalidPath):
        write_context(str(root / "gone"), MILESTONE, "text")


@pytest.mark.parametrize("milestone_id", ["", "..", "../../../etc/passwd", MILESTONE.upper(), MILESTONE + "/x"])
def test_refuses_an_id_that_is_none(root: Path, milestone_id: str) -> None:
    with pytest.raises(InvalidId):
        write_context(str(root), milestone_id, "text")
    with pytest.raises(InvalidId):
        read_context(str(root), milestone_id)


def test_refuses_a_text_that_is_too_large_in_bytes(root: Path) -> None:
    write_context(str(root), MILESTONE, "é" * 5, limit_bytes=10)
    with pytest.raises(InvalidBody) as caught:
        write_context(str(root), MILESTONE, "é" * 6, limit_bytes=10)
    assert caught.value.field == "context"
    assert read_context(str(root), MILESTONE) == "é" * 5


def test_refuses_a_text_that_is_no_unicode(root: Path) -> None:
    with pytest.raises(InvalidBody):
        write_context(str(root), MILESTONE, "\udcff")


# -- .planning ----------------------------------------------------------------------------------------------------


def test_has_project(root: Path) -> None:
    assert not has_project(str(root))
    (root / ".planning").mkdir()
    assert not has_project(str(root))
    (root / ".planning" / "PROJECT.md").write_text("# It")
    assert has_project(str(root))
