"""A real Jupyter server with our extension, in a process of its own, with private folders."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from wxcode_jupyter import Client
from wxcode_jupyter.errors import WxcodeError


class WxServer:
    """A server on loopback; ``start`` waits until it answers, ``stop`` until it is gone.

    Args:
        folder: Where its private folders are; two servers with the same folder share data, runtime and store.
        environment: The server's whole environment, from scratch; the CLI inherits it (`ClaudeHome.env`).
        claude: The CLI's executable.
        store_url: Empty for the embedded store.
        terminals: Whether Jupyter's own terminals are there (jupyter_server_terminals), and
        terminals_enabled: whether its administrator allows any.
        options: Further traitlets of ``WxcodeApp``, as ``name="value"``.
    """

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str],
        claude: Path | Sequence[str],
        *,
        store_url: str = "",
        terminals: bool = False,
        terminals_enabled: bool = True,
        **options: Any,
    ) -> None:
        self.folder = folder
        self.token = secrets.token_hex(16)
        self.url = ""
        self.options = options
        self.store_url = store_url
        self._terminals = terminals
        self._terminals_enabled = terminals_enabled
        self._environment = environment
        self._claude = [str(claude)] if isinstance(claude, Path) else list(claude)
        self._process: subprocess.Popen[bytes] | None = None
        self.log_path = folder / f"server-{self.token[:6]}.log"

    def environment(self) -> dict[str, str]:
        """Return the environment with Jupyter's folders; kernels that shall find this server get the same."""
        home = self.folder / "jupyter"
        return {
            **self._environment,
            "JUPYTER_CONFIG_DIR": str(home / "config"),
            "JUPYTER_DATA_DIR": str(home / "data"),
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
            "IPYTHONDIR": str(home / "ipython"),
        }

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self._process is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How its process has ended; None where it has not, or was never started."""
        return self._process.poll() if self._process is not None else None

    @property
    def running_pid(self) -> int | None:
        """The server's process, None where there is none that runs."""
        return self.pid if self._process is not None and self.exit_code is None else None

    def start(self) -> Self:
        """Start it and wait until it answers."""
        self.begin()
        file = self.folder / "jupyter" / "runtime" / f"jpserver-{self.pid}.json"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, self.log()
            if self._try(file):
                return self
            time.sleep(0.05)
        raise AssertionError(f"The server did not start:\n{self.log()}")

    def begin(self) -> None:
        """Start it and wait for nothing."""
        options = {
            "claude_command": self._claude,
            "workspace_root": str(self.folder / "workspaces"),
            "allowed_workspace_roots": [str(self.folder)],
            "store_url": self.store_url,
            "keep_sessions": False,  # a test's end is the end; those about sessions that go on say so
            **self.options,
        }
        # Only what is tested: JupyterLab takes seconds to load.
        extensions = dict.fromkeys(("jupyterlab", "notebook_shim", "jupyter_lsp"), False)
        extensions["jupyter_server_terminals"] = self._terminals
        code = f"c = get_config()\nc.ServerApp.jpserver_extensions = {extensions!r}\n"
        code += f"c.ServerApp.terminals_enabled = {self._terminals_enabled}\n"
        code += "".join(f"c.WxcodeApp.{name} = {value!r}\n" for name, value in options.items())
        self.folder.mkdir(exist_ok=True, parents=True)
        config = self.folder / f"config-{self.token[:6]}.py"
        config.write_text(code)
        with open(self.log_path, "ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "jupyter_server",
                    f"--config={config}",
                    "--ServerApp.ip=127.0.0.1",
                    "--ServerApp.port=0",
                    "--ServerApp.open_browser=False",
                    f"--ServerApp.root_dir={self.folder}",
                    "--allow-root",
                ],
                env={**self.environment(), "JUPYTER_TOKEN": self.token},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
            )

    def _try(self, file: Path) -> bool:
        try:
            self.url = json.loads(file.read_text())["url"]
            with self.client() as client:
                client.info()
        except (OSError, ValueError, WxcodeError):
            return False
        return True

    def client(self) -> Client:
        """Return a client of this server."""
        return Client.connect(environ={"WXCODE_SERVER_URL": self.url, "WXCODE_TOKEN": self.token})

    def log(self) -> str:
        """Return what the server has logged."""
        return self.log_path.read_text(errors="replace")

    def stop(self) -> None:
        """Shut it down in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL it."""
        self._end(signal.SIGKILL)

    def _end(self, signum: int) -> None:
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, signum)
            self._process.wait(60)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()
