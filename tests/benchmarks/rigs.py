"""Two Jupyter servers that run the same program: one in sessions of ours, the other in terminado's terminals."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import httpx

from tests.benchmarks import wire
from tests.benchmarks.wire import Wire
from tests.support.server import WxServer

_CHILD = Path(__file__).with_name("child.py")
#: A shell says the first word: an interpreter's start is not what is measured.
COMMAND = ("/bin/sh", "-c", f'echo first; exec {sys.executable} -S {_CHILD} "$@"', "x")
_TICKS_S = 1 / os.sysconf("SC_CLK_TCK")


class Rig:
    """One of the two servers.

    Attributes:
        name: Whose terminals it has.
        binary: Whether its clients speak ``wxterm.v1``.
    """

    def __init__(self, name: str, server: WxServer) -> None:
        self.name = name
        self.server = server
        self.binary = name == "wxcode"
        self._numbers = count(1)
        self._http = httpx.Client(
            base_url=server.url, headers={"Authorization": f"token {server.token}"}, trust_env=False, timeout=60
        )

    def create(self) -> str:
        """Make what is needed to start a terminal; return its key."""
        if not self.binary:
            return ""
        response = self._http.post("wxcode/api/v1/output-projects", json={"name": f"bench {next(self._numbers)}"})
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    def start(self, key: str) -> str:
        """Start it; return the address of its WebSocket."""
        if self.binary:
            path = f"wxcode/api/v1/output-projects/{key}"
            assert self._http.post(f"{path}/session", json={}).status_code == 200
            return f"{self.server.url}{path}/terminal"
        return f"{self.server.url}terminals/websocket/{self._http.post('api/terminals', json={}).json()['name']}"

    def open(self) -> str:
        """Start a new terminal and wait until its program is ready, and its session idle; return the address."""
        url = self.start(self.create())
        client = self.attach(url)
        client.read_until(b"ready")
        client.close()
        while self.binary and self._http.get(self._session(url)).json()["state"] != "idle":
            time.sleep(0.02)
        return url

    def end(self, url: str) -> None:
        """End it, with its program: what floods would take part in all that is measured afterwards."""
        if self.binary:
            assert self._http.delete(self._session(url)).status_code == 200
        else:
            name = url.rpartition("/")[2]
            assert self._http.delete(f"api/terminals/{name}").status_code == 204

    def attach(self, url: str, *, whole: bool = False, buffer_bytes: int = 0) -> Wire:
        """Attach a client."""
        attach = b'{"whole": true}' if whole else b'{"rows": 24, "cols": 80}'
        return Wire(url, self.server.token, binary=self.binary, attach=attach, buffer_bytes=buffer_bytes)

    @contextmanager
    def readers(self, url: str, number: int) -> Iterator[list[subprocess.Popen[str]]]:
        """Attach clients in processes of their own, which read until the end of a flood."""
        command = [sys.executable, "-S", wire.__file__, url, self.server.token, "binary" if self.binary else "text"]
        readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(number)]
        try:
            for reader in readers:
                assert reader.stdout
                assert reader.stdout.readline() == "attached\n"
            yield readers
        finally:
            for reader in readers:
                reader.kill()
                reader.wait()
                assert reader.stdout
                reader.stdout.close()

    def settle(self, url: str) -> None:
        """Wait until the emulator has seen everything."""
        if self.binary:
            assert self._http.get(url.removeprefix(self.server.url).replace("/terminal", "/screen")).status_code == 200

    def cpu_s(self) -> dict[str, float]:
        """Return what our processes have used, by what they are; programs in terminals are none of them."""
        used = {"server": _cpu_s(self.server.pid)}
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent, line = _fields(path)[1], path.with_name("cmdline").read_bytes()
            except OSError:  # it has ended
                continue
            if int(parent) == self.server.pid:
                for kind in ("keeper", "emulator"):
                    if f"wxcode_jupyter.terminal.{kind}".encode() in line:
                        used[kind] = _cpu_s(int(path.parent.name))
        return used

    def threads(self) -> int:
        """Return how many threads the server has."""
        return len(os.listdir(f"/proc/{self.server.pid}/task"))

    def _session(self, url: str) -> str:
        return url.removeprefix(self.server.url).removesuffix("terminal") + "session"

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


@contextmanager
def rig(folder: Path, name: str) -> Iterator[Rig]:
    """Start a server."""
    home, config = folder / "home", folder / "jupyter" / "config"
    for path in (home, config):
        path.mkdir(parents=True)
    config.joinpath("jupyter_config.py").write_text(
        f"get_config().ServerApp.terminado_settings = {{'shell_command': {list(COMMAND)!r}}}\n"
    )
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "TERM": "xterm-256color"}
    with WxServer(folder, environment, COMMAND, terminals=name == "terminado", max_sessions=200) as server:
        made = Rig(name, server)
        try:
            yield made
        finally:
            made.close()


def _fields(stat: Path) -> list[str]:
    return stat.read_text().rpartition(")")[2].split()


def _cpu_s(pid: int) -> float:
    fields = _fields(Path(f"/proc/{pid}/stat"))
    return (int(fields[11]) + int(fields[12])) * _TICKS_S
