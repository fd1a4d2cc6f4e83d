"""The pinned tools, and a rig that runs the real CLI against the scripted model."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.support.cli_terminal import START_TIMEOUT_S, CliTerminal, HookSpool
from wxcode_jupyter.testing.claude_home import ClaudeHome
from wxcode_jupyter.testing.scripted_model import Rule, ScriptedModel

CLI_VERSIONS = ("2.1.197", "2.1.330")
GSD_VERSIONS = ("1.20.5", "1.42.3", "1.14.0")
TOOLS = Path(__file__).parents[2] / ".tools"

each_cli = pytest.mark.parametrize("cli_version", CLI_VERSIONS)
each_gsd = pytest.mark.parametrize("gsd_version", GSD_VERSIONS)

# Each version's installer, the scope in which its layout is the one of the facts, a file that shows that it has done
# its work, and the spelling that follows.
_GSD: dict[str, tuple[str, str, str, str]] = {
    "1.20.5": ("get-shit-done-cc", "local", "commands/gsd/new-milestone.md", "/gsd:new-milestone"),
    "1.42.3": ("get-shit-done-cc", "global", "skills/gsd-new-milestone/SKILL.md", "/gsd-new-milestone"),
    "1.14.0": ("gsd-core", "local", "commands/gsd-new-milestone.md", "/gsd-new-milestone"),
}


def claude_executable(version: str) -> Path:
    """Return the executable of a pinned CLI; its absence fails the test, it never skips it."""
    return _tool(TOOLS / f"claude-{version}" / "claude")


def install_gsd(version: str, *, workspace: Path, home: Path) -> str:
    """Install GSD by its own installer, offline, and return how its new-milestone command is spelled.

    1.20.5 and 1.14.0 go into the workspace (``.claude/commands/gsd/*.md``, ``.claude/commands/gsd-*.md``), 1.42.3 goes
    into the HOME, where it makes skills (``.claude/skills/gsd-*``). It takes less than half a second, and the files
    name the folder they are in, so nothing is copied from a template.

    Args:
        version: One of ``GSD_VERSIONS``.
        workspace: The folder in which the installer is started.
        home: HOME for the installer, which writes into it whatever the scope: pass that of the `ClaudeHome`.
    """
    program, scope, proof, command = _GSD[version]
    installer = _tool(TOOLS / f"gsd-{version}" / "node_modules" / ".bin" / program)
    done = subprocess.run(
        ["node", str(installer), "--claude", f"--{scope}"],
        cwd=workspace,
        env={"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "npm_config_offline": "true"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    target = (workspace if scope == "local" else home) / ".claude" / proof
    assert done.returncode == 0 and target.is_file(), f"GSD {version}: {target} missing\n{done.stdout}{done.stderr}"
    return command


class CliRig:
    """A model, a HOME, a workspace and the hooks for one CLI version; terminals are closed with it.

    Args:
        folder: Where everything is kept, a test's ``tmp_path``.
        version: One of ``CLI_VERSIONS``.
        rules: The model's script.
        trusted: Whether the workspace is trusted from the start.
        home: Further arguments of `ClaudeHome`.
    """

    def __init__(
        self, folder: Path, version: str, rules: Iterable[Rule] = (), *, trusted: bool = True, **home: Any
    ) -> None:
        self.executable = claude_executable(version)
        self.workspace = folder / "workspace"
        self.workspace.mkdir(exist_ok=True)
        self.hooks = HookSpool(folder / "hooks")
        self.model = ScriptedModel(rules)
        trust = [self.workspace] if trusted else []
        self.home = ClaudeHome(folder / "home", self.model.url, self.executable, trusted=trust, **home)
        self._terminals: list[CliTerminal] = []

    def __enter__(self) -> Self:
        self.model.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for terminal in self._terminals:
            terminal.close()
        self.model.close()

    def start(self, *arguments: str, rows: int = 24, cols: int = 80, tui: str | None = "default") -> CliTerminal:
        """Start the CLI in a PTY, with our hooks and the default permission mode, and return its terminal."""
        settings = self.hooks.settings(**({"tui": tui} if tui else {}))
        argv = [str(self.executable), "--settings", settings, "--permission-mode", "default", *arguments]
        terminal = CliTerminal(argv, env=self.home.env(), cwd=self.workspace, rows=rows, cols=cols)
        self._terminals.append(terminal)
        return terminal

    def start_ready(self, *arguments: str, rows: int = 24, cols: int = 80) -> CliTerminal:
        """Start the CLI in a PTY and return when its empty box is on the screen and its hooks have said so."""
        before = len(self.hooks.events("SessionStart"))
        terminal = self.start(*arguments, rows=rows, cols=cols)
        terminal.wait_for(lambda: len(self.hooks.events("SessionStart")) > before, START_TIMEOUT_S, "SessionStart")
        terminal.wait_text(r"(?m)^❯\s*$")
        return terminal

    def ask(self, terminal: CliTerminal, text: str) -> None:
        """Wait for the empty box and the turn's end, type a prompt of one line, see it stand there, and send Enter.

        2.1.197 answers a prompt and leaves it in the box, when Enter comes just as the turn before ends.
        """
        terminal.wait_for(lambda: terminal.free, what="an empty box, and no turn")
        terminal.type(text)
        terminal.wait_for(lambda: f"❯\xa0{text}" in terminal.screen, what=f"{text!r} in the box")
        terminal.type("\r")

    def headless(self, prompt: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``claude -p`` to its end."""
        return subprocess.run(
            [str(self.executable), "-p", prompt, *arguments],
            cwd=self.workspace,
            env=self.home.env(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def new_session() -> Sequence[str]:
    """Return the arguments that begin a conversation with an id of our choice: the id is the last of them."""
    return "--session-id", str(uuid.uuid4())


def _tool(path: Path) -> Path:
    if not path.exists():
        pytest.fail(f"{path} is missing: run `make tools`.", pytrace=False)
    return path
