"""A user's machine in one folder: HOME, Jupyter's folders, a workspace with GSD; nothing of the real user is in it.

What is run with ``World.env()`` finds the CLI as ``claude``, keeps everything below the folder, and starts its own
headless server there when it needs one. What it leaves running can be found and ended::

    with ScriptedModel(rules) as model:
        world = World(folder, model.url, claude)
        world.install_gsd(installer)
        try:
            subprocess.run([sys.executable, "-m", "papermill", ...], env=world.env())
        finally:
            world.end_processes()
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from .claude_home import ClaudeHome

_POLL_S = 0.05
_KEEPER = "wxcode_jupyter.terminal.keeper"


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A Jupyter server that has announced itself in the world."""

    pid: int
    url: str
    token: str

    @property
    def environ(self) -> dict[str, str]:
        """What leads a client to it: ``Client.connect(environ=server.environ)``."""
        return {"WXCODE_SERVER_URL": self.url, "WXCODE_TOKEN": self.token}


class World:
    """Folders, environment and processes of one private world. What exists already is used as it is.

    Args:
        folder: Everything is kept below it; made where it is missing.
        api_url: Where the Messages API answers: ``ScriptedModel.url``.
        claude: The CLI's executable.
        workspace: Name of the project's folder in HOME.
        trusted: Whether the CLI's trust question is answered already.
    """

    def __init__(
        self, folder: Path, api_url: str, claude: Path, *, workspace: str = "quickstart", trusted: bool = True
    ) -> None:
        self.folder = folder.absolute()
        self.workspace = self.folder / "home" / workspace
        self.workspace.mkdir(parents=True, exist_ok=True)
        self.home = ClaudeHome(self.folder / "home", api_url, claude, trusted=[self.workspace] if trusted else [])
        self._jupyter = self.folder / ".jupyter"
        self._quieten()

    def env(self, **extra: str) -> dict[str, str]:
        """Return the whole environment for programs of this world; of this process's own, only PATH is in it."""
        return self.home.env(
            JUPYTER_CONFIG_DIR=str(self._jupyter / "config"),
            JUPYTER_DATA_DIR=str(self._jupyter / "data"),
            JUPYTER_RUNTIME_DIR=str(self._runtime),
            JUPYTER_PLATFORM_DIRS="1",
            IPYTHONDIR=str(self._jupyter / "ipython"),
            # GSD looks for its own updates at each start of a session.
            npm_config_offline="true",
            **extra,
        )

    def install_gsd(self, installer: Path) -> None:
        """Install GSD in the workspace by its own installer, with the ``PROJECT.md`` that ``new-project`` would make.

        Args:
            installer: The installer's program: ``node_modules/.bin/gsd-core`` or ``.../get-shit-done-cc``.

        Raises:
            RuntimeError: It failed; the message has what it said.
        """
        done = subprocess.run(
            ["node", str(installer), "--claude", "--local"],
            cwd=self.workspace,
            env=self.env(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{installer} failed ({done.returncode}):\n{done.stdout}{done.stderr}")
        project = self.workspace / ".planning" / "PROJECT.md"
        project.parent.mkdir(exist_ok=True)
        if not project.exists():
            project.write_text("# Billing\n\nThe program that writes the invoices.\n", encoding="utf-8")

    def transcripts(self) -> list[Path]:
        """Return the transcripts of the workspace's conversations, the oldest first."""
        return self.home.transcripts(self.workspace)

    def servers(self) -> list[RunningServer]:
        """Return the Jupyter servers that run here; kernels without a server have started one for themselves."""
        return [server for pid in sorted(self.processes()) if (server := self.server(pid))]

    def server(self, pid: int) -> RunningServer | None:
        """Return the server of a process, once it has announced itself."""
        try:
            announced = json.loads((self._runtime / f"jpserver-{pid}.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):  # not yet, or half written
            return None
        return RunningServer(pid, announced["url"], announced["token"])

    def processes(self) -> dict[int, str]:
        """Return the command lines of this world's live processes, by pid."""
        return processes_of(self.home.path)

    def end_processes(self, *, patience_s: float = 20.0) -> dict[int, str]:
        """End what runs, and return what did not end in order.

        The servers are asked to end, and then the keeper of their sessions, which ends those that go on without them.
        What is left after ``patience_s`` seconds is killed, and that is what is returned.
        """
        servers = [server.pid for server in self.servers()]
        for pid in servers:
            _signal(pid, signal.SIGTERM)
        deadline = time.monotonic() + patience_s
        asked: set[int] = set()
        while (left := self.processes()) and time.monotonic() < deadline:
            if left.keys().isdisjoint(servers):
                for pid in [pid for pid, line in left.items() if _KEEPER in line and pid not in asked]:
                    _signal(pid, signal.SIGTERM)
                    asked.add(pid)
            time.sleep(_POLL_S)
        for pid in left:
            _signal(pid, signal.SIGKILL)
        while self.processes():
            time.sleep(_POLL_S)
        return left

    @property
    def _runtime(self) -> Path:
        return self._jupyter / "runtime"

    def _quieten(self) -> None:
        """Keep remarks that are no news here out of what is printed, and JupyterLab from asking the Internet."""
        files = {
            "ipython/profile_default/ipython_kernel_config.py": "c = get_config()\nc.IPKernelApp.log_level = 'ERROR'\n",
            "config/labconfig/page_config.json": json.dumps(
                {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
            ),
        }
        for name, text in files.items():
            file = self._jupyter / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)


def processes_of(home: Path) -> dict[int, str]:
    """Return the command lines of all live processes with this HOME, by pid: children inherit it."""
    mark = f"HOME={home}".encode()
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(entry.name)] = line.decode(errors="replace").strip()
        except (FileNotFoundError, ProcessLookupError, PermissionError):  # ended just now, or another user's
            continue
    return found


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:  # it was faster
        return
