"""Pictures of a workspace in its git repository, of which the user's git notices nothing.

A *picture* is a tree object of the workspace's files as they are on disk: tracked and untracked ones, not the ignored
ones. It is made with an index of its own, so that neither HEAD nor a branch, the user's index, a reflog or a file
changes, and no hook runs. Submodules, nested repositories and what is no regular file or link are no part of it. The
tree is that of the workspace, also where the repository's root is further up.

Only git itself is asked, in an environment without ``GIT_*``; its messages are read in the C locale (seen with 2.39).
"""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import tempfile
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

from .errors import GitUnavailable
from .evidence import FileChange
from .folders import held
from .replacing import delete, folder_aside, put

TIMEOUT_S = 30.0
#: Larger files that git does not have yet are left out: each picture of them would stay in the repository for good.
SIZE_LIMIT_BYTES = 64 << 20

_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.splitIndex=false",
    "core.logAllRefUpdates=false",
    "core.quotePath=false",
    "gc.auto=0",
    "maintenance.auto=false",
)
_IDENTITY = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "wxcode_jupyter"), ("EMAIL", "wxcode_jupyter@localhost"))
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A tree object, and the paths of files that could not be taken into it or are too large."""

    tree: str
    left_out: tuple[str, ...] = ()


class Repository:
    """The repository that a workspace is in; made by ``open``.

    Every method raises ``GitUnavailable`` when git fails, is missing, or takes longer than ``timeout_s`` seconds.
    """

    def __init__(self, workspace: str, environment: Mapping[str, str], *, timeout_s: float = TIMEOUT_S) -> None:
        self._workspace = workspace
        kept = {name: value for name, value in environment.items() if not name.startswith("GIT_")}
        self._environment = {**kept, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
        self._timeout_s = timeout_s
        self._prefix = ""

    @classmethod
    async def open(
        cls, workspace: str, environment: Mapping[str, str], *, timeout_s: float = TIMEOUT_S
    ) -> Repository | None:
        """Return the repository whose working tree has this folder (a real path), None where there is none.

        Raises:
            GitUnavailable: git is missing, or there is a repository that it refuses, because it is somebody else's
                ("dubious ownership") or damaged.
        """
        repository = cls(workspace, environment, timeout_s=timeout_s)
        try:
            told = await repository._text("rev-parse", "--is-inside-work-tree", "--show-prefix")
        except GitUnavailable as error:
            if "not a git repository" in error.message:
                return None
            raise
        inside, _, repository._prefix = told.partition("\n")
        return repository if inside == "true" else None

    async def picture(self, *, also: Sequence[str] = (), never: Collection[str] = ()) -> Picture:
        """Write the workspace as it is now into the repository's objects, and return its tree.

        Args:
            also: Folders whose files are taken even where they are ignored.
            never: Files that are left out whatever they are. Both relative to the workspace.
        """
        async with _limit(self._timeout_s):
            with self._own_index() as own:
                return await self._picture(own, also, never)

    async def changes(
        self, tree: str, *, also: Sequence[str] = (), never: Collection[str] = ()
    ) -> tuple[FileChange, ...]:
        """Return in what the workspace differs now from a tree, by path; nothing is left in the repository for it."""
        async with _limit(self._timeout_s):
            objects = os.path.join(self._workspace, await self._text("rev-parse", "--git-path", "objects"))
            with tempfile.TemporaryDirectory(prefix="wxcode-objects-") as aside, self._own_index() as own:
                own |= {"GIT_OBJECT_DIRECTORY": aside, "GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(objects)}
                now = await self._picture(own, also, never)
                # One listing names what happened to each file, the other counts lines; both are sorted by path.
                options = ("-r", "-z", "--no-renames", "--no-textconv", "--no-ext-diff", tree, now.tree, "--")
                names = await self._run("diff-tree", "--name-status", *options, more=own)
                counts = await self._run("diff-tree", "--numstat", *options, more=own)
        return _read_changes(names, counts, ignored=frozenset(now.left_out))

    async def keep(self, name: str, tree: str, message: str) -> str | None:
        """Make a commit without parents of a tree, under a reference that is new; return it, None if it is taken."""
        async with _limit(self._timeout_s):
            commit = await self._text("commit-tree", tree, "-m", message, more=_IDENTITY)
            try:
                await self._run("update-ref", "--no-deref", name, commit, "0" * len(commit))
            except GitUnavailable:
                if await self.kept(name):
                    return None
                raise
        return commit

    async def restore(self, tree: str, present: Picture) -> tuple[int, int]:
        """Bring the files back to a tree; return how many were written and how many were deleted.

        Only files that differ are touched, and folders that become empty. What the present picture does not have (files
        that are ignored by now, nested repositories, what was left out) stays as it is, also where the tree has a file.

        Args:
            tree: What to go back to: a tree, or a commit.
            present: The picture of the workspace now; keep it, if it shall not be lost.
        """
        async with _limit(self._timeout_s):
            options = ("-r", "-z", "--no-renames", "--name-status")
            words = (await self._run("diff-tree", *options, present.tree, tree, "--")).split(b"\0")[:-1]
            kept = {os.fsencode(path) for path in present.left_out}
            steps = [step for step in zip(words[::2], words[1::2], strict=True) if step[1] not in kept]
            gone = [path for letter, path in steps if letter == b"D"]
            new = [path for letter, path in steps if letter == b"A"]
            lost = await asyncio.to_thread(_in_the_way, os.fsencode(self._workspace), new, frozenset(gone))
            back = [path for letter, path in steps if letter != b"D" and path not in lost]
            with self._own_index() as own:
                below = [f"--prefix={self._prefix}"] if self._prefix else []
                await self._run("read-tree", *below, tree, more=own)
                try:
                    with held(self._workspace) as root, folder_aside(root) as aside:
                        paths = b"".join(path + b"\0" for path in back)
                        into = f"--prefix=/proc/self/fd/{aside}/"
                        await self._run("checkout-index", "-z", "--stdin", into, more=own, stdin=paths, fds=(aside,))
                        await asyncio.to_thread(delete, root, gone)
                        await asyncio.to_thread(put, root, aside, os.fsencode(self._prefix), back)
                except OSError as error:
                    raise GitUnavailable(f"Not all files could be brought back: {error}.") from error
        return len(back), len(gone)

    async def copy(self, commit: str, folder: str) -> None:
        """Make an empty folder (a real path) have the files of a commit that ``keep`` has made.

        Where the workspace is the repository's root the folder becomes a clone, its branch at what it was at when the
        commit was made, its ``origin`` that of this repository. Nothing of this repository changes.
        """
        async with _limit(self._timeout_s):
            if not self._prefix:
                await self._clone(commit, folder)
            tree = {"GIT_DIR": await self._text("rev-parse", "--absolute-git-dir"), "GIT_WORK_TREE": "."}
            there = Repository(folder, self._environment, timeout_s=self._timeout_s)
            with self._own_index() as own:
                await self._run("read-tree", commit, more=own)
                await there._run("checkout-index", "--all", "--force", more=own | tree)

    async def _clone(self, commit: str, folder: str) -> None:
        other = Repository(folder, self._environment, timeout_s=self._timeout_s)
        await other._run("clone", "--quiet", "--no-hardlinks", "--no-checkout", "--", self._workspace, ".")
        remotes = (await self._text("remote")).split()
        if "origin" in remotes:
            await other._run("remote", "set-url", "origin", await self._text("remote", "get-url", "origin"))
        else:
            await other._run("remote", "remove", "origin")
        if await other._text("rev-list", "--all", "--max-count=1"):
            made = await self._text("show", "--no-patch", "--format=%ct", commit)
            base = await other._text("rev-list", "--max-count=1", f"--before={made}", "HEAD")
            await other._run("reset", "--quiet", "--mixed", base or "HEAD")

    async def kept(self, name: str) -> dict[str, str]:
        """Return the commits that references under ``name`` (or ``name`` itself) have, by reference."""
        listing = await self._text("for-each-ref", "--format=%(objectname) %(refname)", name)
        pairs = (line.split(" ", 1) for line in listing.splitlines())
        return {reference: commit for commit, reference in pairs}

    async def _picture(self, own: Mapping[str, str], also: Sequence[str], never: Collection[str]) -> Picture:
        listed = await self._list("--cached", "--others", "--exclude-standard")
        tracked = await self._list("--cached")
        for folder in also:
            listed += await self._list("--others", "--", folder)
        wanted = [path for path in dict.fromkeys(listed) if os.fsdecode(path) not in never]
        taken, left_out = await asyncio.to_thread(_sort_out, os.fsencode(self._workspace), wanted, frozenset(tracked))
        if not taken:
            return Picture(await self._text("mktree", more=own), left_out)
        paths = b"".join(path + b"\0" for path in taken)
        await self._run("update-index", "--add", "--remove", "-z", "--stdin", more=own, stdin=paths)
        below = [f"--prefix={self._prefix}"] if self._prefix else []
        return Picture(await self._text("write-tree", *below, more=own), left_out)

    async def _list(self, *options: str) -> list[bytes]:
        return (await self._run("ls-files", "-z", *options)).split(b"\0")[:-1]

    @contextmanager
    def _own_index(self) -> Iterator[dict[str, str]]:
        with tempfile.TemporaryDirectory(prefix="wxcode-index-") as folder:
            yield {"GIT_INDEX_FILE": os.path.join(folder, "index")}

    async def _text(self, *arguments: str, more: Mapping[str, str] | None = None) -> str:
        return os.fsdecode(await self._run(*arguments, more=more)).removesuffix("\n")

    async def _run(
        self, *arguments: str, more: Mapping[str, str] | None = None, stdin: bytes = b"", fds: Sequence[int] = ()
    ) -> bytes:
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        try:
            with held(self._workspace) as folder:
                # A group of its own: a filter of the user's (git-lfs) ends with it.
                process = await asyncio.create_subprocess_exec(
                    "git",
                    *settings,
                    "--literal-pathspecs",
                    *arguments,
                    cwd=f"/proc/self/fd/{folder}",
                    env={**self._environment, **(more or {})},
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    start_new_session=True,
                    pass_fds=fds,
                )
        except OSError as error:
            raise GitUnavailable(f"git cannot be executed in {self._workspace}: {error.strerror or error}.") from error
        try:
            async with _limit(self._timeout_s):
                out, complaint = await process.communicate(stdin)
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if process.returncode != 0:
            said = " ".join(complaint.decode("utf-8", "replace").split())[:500]
            raise GitUnavailable(f"git {arguments[0]} failed: {said or f'exit code {process.returncode}'}")
        return out


@asynccontextmanager
async def _limit(timeout_s: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError as late:
        raise GitUnavailable(f"git took longer than {timeout_s:g} s.") from late


def _sort_out(
    workspace: bytes, paths: Iterable[bytes], tracked: Collection[bytes]
) -> tuple[list[bytes], tuple[str, ...]]:
    """Divide paths into those that can be in a picture and those that should and cannot; folders are in neither."""
    taken, left_out = [], []
    for path in paths:
        full = os.path.join(workspace, path)
        try:
            status = os.lstat(full)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if stat.S_ISDIR(status.st_mode):
            continue  # a submodule, or a repository in this one
        link = stat.S_ISLNK(status.st_mode)
        readable = link or (stat.S_ISREG(status.st_mode) and os.access(full, os.R_OK))
        if readable and (path in tracked or status.st_size <= SIZE_LIMIT_BYTES):
            taken.append(path)
        else:
            left_out.append(os.fsdecode(path))
    return taken, tuple(left_out)


def _in_the_way(workspace: bytes, paths: Iterable[bytes], gone: Collection[bytes]) -> frozenset[bytes]:
    """Return those paths, of files that are to be made, at which or above which there is something unsaved."""
    found = set()
    for path in paths:
        above = os.path.dirname(path)
        while above and not os.path.islink(os.path.join(workspace, above)):
            if above in gone or os.path.isdir(os.path.join(workspace, above)):
                above = os.path.dirname(above)
            elif os.path.lexists(os.path.join(workspace, above)):
                break
            else:
                above = os.path.dirname(above)
        if above or (os.path.lexists(os.path.join(workspace, path)) and not _goes_with(workspace, path, gone)):
            found.add(path)
    return frozenset(found)


def _goes_with(workspace: bytes, path: bytes, gone: Collection[bytes]) -> bool:
    """Whether a folder that is to become a file has nothing in it but files that are to be deleted."""
    folder = os.path.join(workspace, path)
    if os.path.islink(folder) or not os.path.isdir(folder):
        return False
    inside = [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names]
    return all(os.path.relpath(name, workspace) in gone for name in inside)


def _read_changes(names: bytes, counts: bytes, *, ignored: Collection[str]) -> tuple[FileChange, ...]:
    words = names.split(b"\0")[:-1]
    lines = {}
    for row in counts.split(b"\0")[:-1]:
        added, deleted, path = row.split(b"\t", 2)
        lines[path] = None if added == b"-" else (int(added), int(deleted))
    kinds = {b"A": "added", b"D": "deleted"}
    found = []
    for letter, path in zip(words[::2], words[1::2], strict=True):
        name = path.decode("utf-8", "replace")
        counted = lines.get(path)
        if os.fsdecode(path) not in ignored:
            added_lines, deleted_lines = counted or (None, None)
            found.append(FileChange(name, kinds.get(letter[:1], "changed"), added_lines, deleted_lines))
    return tuple(found)


def _quoted(path: str) -> str:
    """Write a path as git's lists of object directories want it: a colon or a quote in it needs quotes."""
    if not any(character in path for character in ':"\\'):
        return path
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
