"""REST as these tests speak it: every success has the status that ``openapi.yaml`` promises for its route."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx

from tests.support.server import WxServer
from wxcode_jupyter.server.schemas import openapi

API = "wxcode/api/v1"
UNKNOWN_ID = "0123456789abcdef01234567"


class Api(httpx.Client):
    """A client of one server's routes, with its token; paths are those of ``openapi.yaml``."""

    def __init__(self, server: WxServer, **headers: str) -> None:
        headers = {"Authorization": f"token {server.token}", **headers}
        super().__init__(
            base_url=f"{server.url}{API}",
            headers=headers,
            timeout=30,
            trust_env=False,
            event_hooks={"response": [_check_documented]},
        )

    def create_project(self, name: str, **fields: Any) -> dict[str, Any]:
        """Create a project."""
        return self.json("POST", "/output-projects", 201, json={"name": name, **fields})

    def json(self, method: str, path: str, status: int = 200, **request: Any) -> dict[str, Any]:
        """Send a request and return its JSON; the status must be this one."""
        response = self.request(method, path, **request)
        assert response.status_code == status, response.text
        parsed: dict[str, Any] = response.json()
        return parsed

    def refused(self, method: str, path: str, status: int, reason: str, **request: Any) -> dict[str, Any]:
        """Send a request that is refused with this status and reason; return the error."""
        error = self.json(method, path, status, **request)
        assert set(error) == {"message", "reason", "details"}, error
        assert error["reason"] == reason, error
        assert error["message"], error
        return error


def _check_documented(response: httpx.Response) -> None:
    if not response.is_success:
        return
    path = "/" + response.request.url.path.partition(f"{API}/")[2]
    for pattern, operations in openapi()["paths"].items():
        if re.fullmatch(pattern.replace("{id}", "[^/]+"), path):
            method = response.request.method.lower()
            documented = operations[method]["responses"]
            assert str(response.status_code) in documented, f"{method} {pattern}: {response.status_code}"
            return
    raise AssertionError(f"{path} is not in openapi.yaml")


def install_gsd(project: dict[str, Any]) -> None:
    """Put what GSD would install, and its PROJECT.md, into a project's workspace."""
    workspace = Path(project["workspace_path"])
    command = workspace / ".claude" / "commands" / "gsd" / "new-milestone.md"
    command.parent.mkdir(parents=True)
    command.write_text("---\nname: gsd:new-milestone\n---\n")
    workspace.joinpath(".planning").mkdir()
    workspace.joinpath(".planning", "PROJECT.md").write_text("# It\n")
