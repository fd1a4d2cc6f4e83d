"""Install the pinned npm packages that the tests run (Claude Code, GSD, xterm.js), each into a folder of its own.

    python scripts/install_tools.py .tools [claude-2.1.330 gsd-1.14.0 ...]

makes ``.tools/claude-<version>/claude`` (the CLI's executable), ``.tools/gsd-<version>/`` (with GSD's installer below
``node_modules``) and ``.tools/xterm-<version>/`` (xterm.js without a browser). What is complete is left alone, so a
second run takes no time; a run that was cut off leaves nothing half done, because each folder is filled under another
name and then renamed. Standard library only.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

STAMP = ".installed"


@dataclass(frozen=True)
class Tool:
    """One npm package in one version, the folder it gets, and what else goes into it."""

    folder: str
    package: str
    version: str
    addons: tuple[str, ...] = ()

    @property
    def specs(self) -> tuple[str, ...]:
        """What npm is asked for."""
        return (f"{self.package}@{self.version}", *self.addons)

    @property
    def spec(self) -> str:
        """The same, for people and for the stamp."""
        return " ".join(self.specs)


TOOLS = (
    Tool("claude-2.1.197", "@anthropic-ai/claude-code", "2.1.197"),
    Tool("claude-2.1.330", "@anthropic-ai/claude-code", "2.1.330"),
    Tool("gsd-1.20.5", "get-shit-done-cc", "1.20.5"),
    Tool("gsd-1.42.3", "get-shit-done-cc", "1.42.3"),
    Tool("gsd-1.14.0", "@opengsd/gsd-core", "1.14.0"),
    Tool("xterm-6.0.0", "@xterm/headless", "6.0.0", ("@xterm/addon-unicode-graphemes@0.4.0",)),
)


class InstallError(Exception):
    """Something that the user has to mend; the message says what."""


def install(tool: Tool, root: Path) -> bool:
    """Install one tool below ``root`` and return whether there was anything to do. Raises ``InstallError``."""
    target = root / tool.folder
    if _is_complete(tool, target):
        return False
    npm = shutil.which("npm")
    if npm is None:
        raise InstallError("npm is missing: install Node.js 18 or newer (Debian: apt-get install nodejs npm).")
    root.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{tool.folder}-", dir=root))
    try:
        _fill(npm, tool, draft)
        if target.exists():  # another version, or one without its stamp
            shutil.rmtree(target)
        draft.rename(target)
    except OSError as error:
        if not _is_complete(tool, target):  # else another run was faster
            raise InstallError(f"{tool.spec} could not be put into {target}: {error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return True


def main(arguments: list[str] | None = None) -> int:
    """Install everything that is missing; the exit status is 1 where something could not be installed."""
    parser = argparse.ArgumentParser(description="Install the pinned npm packages that the tests run.")
    parser.add_argument("root", type=Path, help="the folder for all of them, e.g. .tools")
    parser.add_argument("only", nargs="*", help="their folders' names; all of them where none is given")
    options = parser.parse_args(arguments)
    if unknown := set(options.only) - {tool.folder for tool in TOOLS}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(tool.folder for tool in TOOLS)}")
    root = options.root.absolute()
    try:
        for tool in TOOLS:
            if (not options.only or tool.folder in options.only) and install(tool, root):
                print(f"installed {tool.spec} in {root / tool.folder}", flush=True)
    except InstallError as error:
        print(f"install_tools: {error}", file=sys.stderr)
        return 1
    return 0


def _is_complete(tool: Tool, target: Path) -> bool:
    stamp = target / STAMP
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == tool.spec


def _fill(npm: str, tool: Tool, folder: Path) -> None:
    folder.chmod(0o755)  # mkdtemp's own mode keeps other users out
    command = [npm, "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", *tool.specs]
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise InstallError(f"npm install {tool.spec} failed ({done.returncode}):\n{done.stdout}{done.stderr}")
    if tool.folder.startswith("claude-"):
        _link_executable(tool, folder)
    (folder / STAMP).write_text(tool.spec, encoding="utf-8")


def _link_executable(tool: Tool, folder: Path) -> None:
    """Give the native program, which npm puts into a package for this platform, a path that is the same on all."""
    found = sorted(folder.glob("node_modules/@anthropic-ai/claude-code-*/claude"))
    if not found:
        raise InstallError(f"{tool.spec} has no executable for this platform.")
    (folder / "claude").symlink_to(found[0].relative_to(folder))


if __name__ == "__main__":
    sys.exit(main())
