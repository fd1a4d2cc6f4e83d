"""Pictures of a workspace, in real repositories: right, and unnoticed by the user's git."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.job import alive, until
from tests.support.repositories import HOOKS, Work, git_environment
from wxcode_jupyter import git
from wxcode_jupyter.errors import GitUnavailable
from wxcode_jupyter.evidence import FileChange
from wxcode_jupyter.git import Picture, Repository

HOLDER = ".milestones/.holder.json"


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path / "work", tmp_path / "home")


async def opened(work: Work, folder: Path | None = None, **changes: str) -> Repository:
    repository = await Repository.open(str(folder or work.folder), {**work.environment, **changes})
    assert repository is not None
    return repository


async def grown_too_large(work: Work, monkeypatch: pytest.MonkeyPatch) -> tuple[Repository, str]:
    """Return a repository and a tree of it, whose file has become too large to be looked at since."""
    work.write("grows.txt", "1\n")
    repository = await opened(work)
    tree = (await repository.picture()).tree
    monkeypatch.setattr(git, "SIZE_LIMIT_BYTES", 10)
    work.write("grows.txt", "x" * 11)
    return repository, tree


async def paths(work: Work, folder: Path | None = None) -> dict[str, str]:
    """Return the contents of a picture by path."""
    picture = await (await opened(work, folder)).picture(also=(".planning",), never=(HOLDER,))
    return work.files_of(picture.tree)


async def test_a_picture_has_tracked_and_untracked_files_as_they_are_now_and_no_ignored_ones(work: Work) -> None:
    work.write(".gitignore", "*.log\n.planning/\n")
    work.write("tracked.txt", "old\n")
    work.write("deleted.txt", "old\n")
    work.write("kept.log", "old\n")
    work.git("add", "-f", ".")
    work.git("commit", "-qm", "first")
    work.write("tracked.txt", "new\n")
    work.write("kept.log", "new\n")
    (work.folder / "deleted.txt").unlink()
    work.write("sub/na me é\n.txt", "new\n")
    work.write("other.log", "ignored\n")
    work.write(".planning/STATE.md", "ignored, and wanted\n")
    work.write(HOLDER, "{}")
    (work.folder / "link").symlink_to("nowhere")
    assert await paths(work) == {
        ".gitignore": "*.log\n.planning/\n",
        ".planning/STATE.md": "ignored, and wanted\n",
        "kept.log": "new\n",
        "link": "nowhere",
        "sub/na me é\n.txt": "new\n",
        "tracked.txt": "new\n",
    }


async def test_nothing_that_the_user_sees_of_git_changes(work: Work) -> None:
    work.write("a.txt", "1\n")
    work.git("add", ".")
    work.git("commit", "-qm", "first")
    work.write("a.txt", "staged\n")
    work.git("add", ".")
    work.write("a.txt", "in the working tree\n")
    work.write("b.txt", "untracked\n")
    work.git("config", "core.logAllRefUpdates", "always")
    work.install_failing_hooks()
    before = work.state()
    repository = await opened(work)
    picture = await repository.picture(also=(".planning",))
    assert await repository.keep("refs/wxcode/m/1", picture.tree, "checkpoint") is not None
    await repository.changes(picture.tree)
    assert work.state() == before
    assert not (work.folder / HOOKS).exists()
    assert work.git("tag") == work.git("stash", "list") == ""


async def test_a_repository_without_a_commit_and_an_empty_workspace_have_pictures(work: Work) -> None:
    assert await paths(work) == {}
    work.write("a.txt", "1\n")
    assert await paths(work) == {"a.txt": "1\n"}
    assert "refs/heads" not in work.git("for-each-ref")


async def test_of_a_larger_repository_only_the_workspace_is_taken(work: Work) -> None:
    work.write("outside.txt", "1\n")
    work.write("deep/er/inside.txt", "1\n")
    assert await paths(work, work.folder / "deep" / "er") == {"inside.txt": "1\n"}
    empty = work.folder / "empty"
    empty.mkdir()
    assert await paths(work, empty) == {}


async def test_a_linked_worktree_is_a_workspace_like_any_other(work: Work, tmp_path: Path) -> None:
    work.write("a.txt", "1\n")
    work.git("add", ".")
    work.git("commit", "-qm", "first")
    linked = tmp_path / "linked"
    work.git("worktree", "add", "-q", str(linked))
    (linked / "b.txt").write_text("2\n")
    assert await paths(work, linked) == {"a.txt": "1\n", "b.txt": "2\n"}
    assert [change.path for change in await (await opened(work, linked)).changes(work.git("write-tree"))] == ["b.txt"]


async def test_nested_repositories_and_submodules_stay_as_they_are(work: Work, tmp_path: Path) -> None:
    other = Work(tmp_path / "other", tmp_path / "home")
    other.write("x.txt", "1\n")
    other.git("add", ".")
    other.git("commit", "-qm", "first")
    work.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.folder), "module")
    nested = Work(work.folder / "nested", tmp_path / "home")
    nested.write("y.txt", "1\n")
    Work(work.folder / "nested" / "empty", tmp_path / "home")
    before = (work.git("-C", "module", "status"), nested.state())
    assert set(await paths(work)) == {".gitmodules"}
    assert (work.git("-C", "module", "status"), nested.state()) == before


async def test_a_conflict_in_the_index_is_taken_as_the_file_is_on_disk(work: Work) -> None:
    work.write("a.txt", "1\n")
    work.git("add", ".")
    work.git("commit", "-qm", "first")
    work.git("checkout", "-qb", "other")
    work.write("a.txt", "2\n")
    work.git("commit", "-qam", "theirs")
    work.git("checkout", "-q", "-")
    work.write("a.txt", "3\n")
    work.git("commit", "-qam", "ours")
    assert (
        subprocess.run(
            ["git", "merge", "-q", "other"], cwd=work.folder, env=work.environment, check=False, capture_output=True
        ).returncode
        == 1
    )
    assert (await paths(work))["a.txt"].startswith("<<<<<<<")


async def test_what_is_too_large_or_no_file_is_named_and_left_out(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git, "SIZE_LIMIT_BYTES", 10)
    work.write("tracked.bin", "x" * 11)
    work.git("add", ".")
    work.write("new.bin", "x" * 11)
    work.write("new.txt", "x")
    picture = await (await opened(work)).picture()
    assert set(work.files_of(picture.tree)) == {"tracked.bin", "new.txt"}
    assert picture.left_out == ("new.bin",)
    (work.folder / "tracked.bin").unlink()
    os.mkfifo(work.folder / "tracked.bin")
    picture = await (await opened(work)).picture()
    assert set(picture.left_out) == {"new.bin", "tracked.bin"}


async def test_changes_name_each_file_and_count_its_lines_and_leave_no_object_behind(work: Work) -> None:
    work.write("changed.txt", "1\n2\n3\n")
    work.write("deleted.txt", "1\n")
    work.write("same.txt", "1\n")
    (work.folder / "binary").write_bytes(b"\0\1")
    repository = await opened(work)
    tree = (await repository.picture()).tree
    work.write("changed.txt", "1\n2 and more\n3\n4\n")
    work.write("new/é\t.txt", "1\n2\n")
    (work.folder / "deleted.txt").unlink()
    (work.folder / "binary").write_bytes(b"\0\2")
    before = work.objects()
    assert await repository.changes(tree) == (
        FileChange("binary", "changed", None, None),
        FileChange("changed.txt", "changed", 2, 1),
        FileChange("deleted.txt", "deleted", 0, 1),
        FileChange("new/é\t.txt", "added", 2, 0),
    )
    assert work.objects() == before


async def test_what_cannot_be_looked_at_is_not_called_deleted(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    repository, tree = await grown_too_large(work, monkeypatch)
    assert await repository.changes(tree) == ()


async def test_of_two_that_want_a_reference_one_gets_it(work: Work) -> None:
    work.write("a.txt", "1\n")
    repository = await opened(work)
    tree = (await repository.picture()).tree
    commits = await asyncio.gather(*(repository.keep("refs/wxcode/m/1", tree, f"{n}") for n in range(4)))
    assert sum(commit is not None for commit in commits) == 1
    assert list(await repository.kept("refs/wxcode/m")) == ["refs/wxcode/m/1"]


async def test_pictures_made_at_the_same_time_are_all_right(work: Work) -> None:
    for number in range(20):
        work.write(f"{number}.txt", f"{number}\n")
    repository = await opened(work)
    pictures = await asyncio.gather(*(repository.picture() for _ in range(4)))
    assert len(set(pictures)) == 1 and isinstance(pictures[0], Picture)
    assert len(work.files_of(pictures[0].tree)) == 20


async def test_a_folder_in_no_repository_has_none(tmp_path: Path) -> None:
    assert await Repository.open(str(tmp_path), git_environment(tmp_path)) is None


async def test_a_bare_repository_and_the_inside_of_one_are_no_workspaces(work: Work) -> None:
    assert await Repository.open(str(work.folder / ".git"), work.environment) is None


async def test_the_server_s_own_git_variables_are_not_passed_on(work: Work, tmp_path: Path) -> None:
    work.write("a.txt", "1\n")
    repository = await opened(work, GIT_DIR=str(tmp_path / "elsewhere"), GIT_INDEX_FILE=str(tmp_path / "index"))
    assert set(work.files_of((await repository.picture()).tree)) == {"a.txt"}
    assert not (tmp_path / "index").exists()


async def test_a_missing_git_is_told(work: Work, tmp_path: Path) -> None:
    with pytest.raises(GitUnavailable, match="cannot be executed"):
        await opened(work, PATH=str(tmp_path))


def wrapped(folder: Path, script: str) -> str:
    """Make a ``git`` that does something first, and return the PATH that has it."""
    folder.mkdir()
    real = shutil.which("git")
    (folder / "git").write_text(f'#!/bin/sh\n{script}\nexec {real} "$@"\n')
    (folder / "git").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


async def test_a_repository_of_somebody_else_is_refused_in_git_s_words(work: Work, tmp_path: Path) -> None:
    path = wrapped(tmp_path / "bin", "export GIT_TEST_ASSUME_DIFFERENT_OWNER=1")  # git's own switch for its tests
    with pytest.raises(GitUnavailable, match="dubious ownership"):
        await opened(work, PATH=path)


async def test_a_git_that_takes_too_long_is_ended_with_all_it_started(work: Work, tmp_path: Path) -> None:
    path = wrapped(tmp_path / "bin", f"sleep 300 & echo $! > {tmp_path}/pid; wait")
    with pytest.raises(GitUnavailable, match="longer than"):
        await Repository.open(str(work.folder), {**work.environment, "PATH": path}, timeout_s=1.0)
    pid = int((tmp_path / "pid").read_text())
    until(lambda: not alive(pid), what=f"process {pid} gone")


async def test_a_damaged_repository_is_told(work: Work) -> None:
    work.write("a.txt", "1\n")
    repository = await opened(work)
    (work.folder / ".git" / "index").write_bytes(b"nonsense")
    with pytest.raises(GitUnavailable, match="ls-files failed"):
        await repository.picture()


@pytest.mark.parametrize("below", ["", "deep/er"])
async def test_files_go_back_and_what_a_picture_does_not_have_stays(work: Work, tmp_path: Path, below: str) -> None:
    folder = work.folder / below
    root = f"{below}/" if below else ""
    work.write(".gitignore", "*.log\n")
    work.write(f"{root}changed.txt", "old\n")
    work.write(f"{root}deleted.txt", "old\n")
    work.write(f"{root}now-a-folder", "old\n")
    work.write(f"{root}now-a-file/x.txt", "old\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("old")
    repository = await opened(work, folder)
    tree = (await repository.picture()).tree
    work.git("add", ".")
    work.write(f"{root}changed.txt", "new\n")
    (folder / "deleted.txt").unlink()
    (folder / "now-a-folder").unlink()
    work.write(f"{root}now-a-folder/y.txt", "new\n")
    shutil.rmtree(folder / "now-a-file")
    work.write(f"{root}now-a-file", "new\n")
    (folder / "run.sh").unlink()
    (folder / "link").unlink()
    (folder / "link").symlink_to("new")
    work.write(f"{root}added/deep/é.txt", "new\n")
    work.write(f"{root}added.log", "ignored\n")
    Work(folder / "nested", tmp_path / "home").write("z.txt", "theirs\n")
    index = (work.folder / ".git" / "index").read_bytes()

    assert await repository.restore(tree, await repository.picture()) == (6, 3)

    assert (await repository.picture()).tree == tree
    assert os.access(folder / "run.sh", os.X_OK) and os.readlink(folder / "link") == "old"
    assert not (folder / "added").exists()
    assert (folder / "added.log").exists() and (folder / "nested" / "z.txt").exists()
    assert (work.folder / ".git" / "index").read_bytes() == index
    assert await repository.restore(tree, await repository.picture()) == (0, 0)


@pytest.mark.parametrize(
    ("now", "content"), [(".env", "a real key"), ("data/precious.bin", "1"), ("linked/x.txt", "elsewhere")]
)
async def test_what_git_ignores_by_now_is_not_overwritten(work: Work, tmp_path: Path, now: str, content: str) -> None:
    for path in (".env", "data", "linked/x.txt"):
        work.write(path, "old")
    repository = await opened(work)
    tree = (await repository.picture()).tree
    work.write(".gitignore", f"/{now.partition('/')[0]}\n")
    if now.startswith("data"):
        (work.folder / "data").unlink()
    if now.startswith("linked"):
        shutil.rmtree(work.folder / "linked")
        (tmp_path / "elsewhere").mkdir()
        (work.folder / "linked").symlink_to(tmp_path / "elsewhere")
    work.write(now, content)
    await repository.restore(tree, await repository.picture())
    assert (work.folder / now).read_text() == content


async def test_what_could_not_be_saved_is_not_overwritten(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    repository, tree = await grown_too_large(work, monkeypatch)
    assert await repository.restore(tree, await repository.picture()) == (0, 0)
    assert (work.folder / "grows.txt").read_text() == "x" * 11


@pytest.mark.parametrize("origin", ["", "https://example.org/ada.git"], ids=["no origin", "origin"])
async def test_a_copy_is_a_clone_at_the_time_of_the_picture_with_its_files(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: str
) -> None:
    if origin:
        work.git("remote", "add", "origin", origin)
    work.write("a.txt", "1\n")
    work.git("add", ".")
    work.environment["GIT_COMMITTER_DATE"] = "2020-01-01T00:00:00Z"
    work.git("commit", "-qm", "first")
    base = work.git("rev-parse", "HEAD")
    work.write("a.txt", "2\n")
    work.write("sub/new.txt", "1\n")
    repository = await opened(work)
    picture = await repository.picture()
    await repository.keep("refs/wxcode/m/1", picture.tree, "before")
    work.environment["GIT_COMMITTER_DATE"] = "2099-01-01T00:00:00Z"
    work.git("add", ".")
    work.git("commit", "-qm", "later")
    before = (work.state(), work.git("for-each-ref"))
    folder = tmp_path / "copy"
    folder.mkdir()
    await repository.copy("refs/wxcode/m/1", str(folder))
    assert (work.state(), work.git("for-each-ref")) == before
    assert (folder / "a.txt").read_text() == "2\n"
    assert (folder / "sub" / "new.txt").read_text() == "1\n"
    monkeypatch.setattr(work, "folder", folder)
    assert work.git("rev-parse", "HEAD") == base
    assert work.git("status", "--porcelain").split() == ["M", "a.txt", "??", "sub/"]
    assert work.git("remote", "-v").split()[1:2] == ([origin] if origin else [])


async def test_a_copy_of_a_folder_further_down_has_its_files_only(work: Work, tmp_path: Path) -> None:
    work.write("above.txt", "1\n")
    work.write("below/a.txt", "1\n")
    repository = await opened(work, work.folder / "below")
    await repository.keep("refs/wxcode/m/1", (await repository.picture()).tree, "before")
    folder = tmp_path / "copy"
    folder.mkdir()
    await repository.copy("refs/wxcode/m/1", str(folder))
    assert [path.name for path in folder.iterdir()] == ["a.txt"]
