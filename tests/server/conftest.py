"""Real Jupyter servers with the extension; a small program stands in claude's place (`tests/support/stand_in.sh`)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.server.api import Api
from tests.support.server import WxServer

STAND_IN = ("/bin/sh", str(Path(__file__).parents[1] / "support" / "stand_in.sh"), sys.executable)

#: What a request may do stands in its header ``X-Allow`` ("action resource, action resource"); without it, all.
_AUTHORIZER = """
from jupyter_server.auth.authorizer import Authorizer

class HeaderAuthorizer(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        allowed = handler.request.headers.get("X-Allow")
        return allowed is None or f"{action} {resource}" in allowed.split(", ")

get_config().ServerApp.authorizer_class = HeaderAuthorizer
"""


def make_server(folder: Path, *, variables: Mapping[str, str] | None = None, **options: Any) -> WxServer:
    """Return a server that is not started; servers made with the same folder share everything but their port.

    Args:
        folder: Its home, and where its private folders are.
        variables: More of its environment.
        options: Those of ``WxServer``.
    """
    config = folder / "jupyter" / "config"
    config.mkdir(parents=True, exist_ok=True)
    config.joinpath("jupyter_config.py").write_text(_AUTHORIZER)
    home = folder / "home"
    home.mkdir(exist_ok=True)
    folder.joinpath("workspaces").mkdir(exist_ok=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "SERVER_TAG": str(folder)}
    environment |= variables or {}
    return WxServer(folder, environment, STAND_IN, **options)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the servers of the whole run have their folders; workspaces may lie anywhere in it."""
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def server(folder: Path) -> Iterator[WxServer]:
    """The server of most tests."""
    with make_server(folder / "main", allowed_workspace_roots=[str(folder)], max_sessions=100) as server:
        yield server


@pytest.fixture(scope="session")
def other_server(folder: Path) -> Iterator[WxServer]:
    """A server with folders and a store of its own, for which the same workspaces are allowed; it speaks Portuguese,
    keeps little output, and has room for one session."""
    options: dict[str, Any] = {"language": "pt-BR", "max_sessions": 1, "scrollback_limit_bytes": 1 << 20}
    with make_server(folder / "other", allowed_workspace_roots=[str(folder)], **options) as server:
        yield server


@pytest.fixture
def api(server: WxServer) -> Iterator[Api]:
    """REST of the server."""
    with Api(server) as api:
        yield api


_numbers = count(1)


@pytest.fixture
def new_project(api: Api) -> Iterator[Callable[..., dict[str, Any]]]:
    """Create projects whose sessions end with the test; without a name, a new one."""
    made = []

    def create(name: str = "", **fields: Any) -> dict[str, Any]:
        project = api.create_project(name or f"project {os.getpid()} {next(_numbers)}", **fields)
        made.append(project["id"])
        return project

    yield create
    for project_id in made:
        response = api.delete(f"/output-projects/{project_id}/session")
        assert response.status_code in (200, 404), response.text


@pytest.fixture
def project(new_project: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """A new project."""
    return new_project()


@pytest.fixture
def path(project: dict[str, Any]) -> str:
    """The route of the new project."""
    return f"/output-projects/{project['id']}"


@pytest.fixture
def terminal_path(path: str) -> str:
    """The route of its terminal."""
    return f"{path}/terminal"
