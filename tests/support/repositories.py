"""Real git repositories, and everything by which a user would notice that somebody was there."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

HOOKS = "a-hook-has-run"


def git_environment(home: Path) -> dict[str, str]:
    """Return an environment in which git knows nobody's configuration."""
    home.mkdir(exist_ok=True)
    return {"HOME": str(home), "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1"}


class Work:
    """A working tree with a repository of its own.

    Args:
        folder: Where; made with its parents.
        home: HOME of the user.
    """

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.environment = git_environment(home)
        folder.mkdir(parents=True)
        (home / ".gitconfig").write_text(
            "[user]\nname = Ada\nemail = ada@example.org\n[advice]\ndetachedHead = false\n"
        )
        self.git("init", "-q")

    def git(self, *arguments: str) -> str:
        """Run git as the user does, and return what it prints."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        """Write a file, its folders too."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def files_of(self, tree: str) -> dict[str, str]:
        """Return the contents of a tree (or a commit) by path."""
        listing = self.git("ls-tree", "-r", "-z", tree)
        rows = [row.split("\t", 1) for row in listing.split("\0") if row]
        return {path: self._content(row.split()[2]) for row, path in rows}

    def _content(self, blob: str) -> str:
        return subprocess.run(
            ["git", "cat-file", "blob", blob], cwd=self.folder, env=self.environment, capture_output=True, check=True
        ).stdout.decode()

    def install_failing_hooks(self) -> None:
        """Put every hook there is in place; each leaves a file, and fails."""
        names = "pre-commit post-commit reference-transaction post-index-change pre-auto-gc post-checkout"
        for name in names.split():
            hook = self.folder / ".git" / "hooks" / name
            hook.parent.mkdir(exist_ok=True)
            hook.write_text(f"#!/bin/sh\ntouch {self.folder / HOOKS}\nexit 1\n")
            hook.chmod(0o755)

    def objects(self) -> set[str]:
        """Return the objects of the repository."""
        return {str(path) for path in (self.folder / ".git" / "objects").rglob("*") if path.is_file()}

    def state(self) -> dict[str, str]:
        """Return a digest of every file but the objects and our references: index, HEAD, branches, reflogs, files."""
        digests = {}
        for path in self.folder.rglob("*"):
            relative = str(path.relative_to(self.folder))
            if path.is_file() and not relative.startswith((".git/objects/", ".git/refs/wxcode/")):
                digests[relative] = f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat().st_mtime_ns}"
        return digests
