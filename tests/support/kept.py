"""Sessions that outlive their servers: servers one after the other or side by side, and the end of what they leave."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from tests.server.api import Api
from tests.server.conftest import make_server
from tests.support.job import Job
from tests.support.server import WxServer


def end_kept(server: WxServer) -> None:
    """End what the keeper of this server's folders keeps, and the keeper."""
    stop = [sys.executable, "-m", "wxcode_jupyter", "keeper", "stop", "--yes"]
    subprocess.run(stop, env=server.environment(), check=True, timeout=60, capture_output=True)


@contextmanager
def lasting(folder: Path, version: str, **options: Any) -> Iterator[Job]:
    """Give a job whose sessions outlive its server, and end what is left of them."""
    job = Job(folder, version, keep_sessions=True, **options)
    try:
        with job:
            yield job
    finally:
        end_kept(job.server)


class Servers:
    """Servers with the same folders, a stand-in in claude's place; what they leave is ended with the ``with`` block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()
        end_kept(self.make())

    def make(self, *, keep_sessions: bool = True, **options: Any) -> WxServer:
        """Return one that is not started, and ends with the ``with`` block at the latest."""
        server = make_server(self.folder, keep_sessions=keep_sessions, **options)
        self._stack.callback(server.stop)
        return server

    def start(self, **options: Any) -> tuple[WxServer, Api]:
        """Start one, and return it with its REST."""
        server = self.make(**options).start()
        return server, self._stack.enter_context(Api(server))

    def start_together(self, count: int) -> list[tuple[WxServer, Api]]:
        """Start several in the same moment."""
        servers = [self.make() for _ in range(count)]
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(WxServer.start, servers))
        return [(server, self._stack.enter_context(Api(server))) for server in servers]


def begin(api: Api, name: str = "taxes") -> tuple[str, int]:
    """Start a new project's session; return the session's path and the process."""
    path = f"/output-projects/{api.create_project(name)['id']}/session"
    return path, api.json("POST", path, json={})["pid"]
