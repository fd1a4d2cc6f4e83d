"""Projects as files over REST."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.server.api import UNKNOWN_ID, Api
from tests.support.job import until
from tests.support.server import WxServer

NewProject = Callable[..., dict[str, Any]]


def forgets_its_files(server: WxServer) -> bool:
    """Tell whether a server has, soon after its last answer, no file open that nothing names."""
    return until(lambda: not _unnamed(server))


def _unnamed(server: WxServer) -> list[str]:
    folder = Path(f"/proc/{server.pid}/fd")
    links = []
    for name in os.listdir(folder):
        with suppress(FileNotFoundError):  # closed meanwhile
            links.append(os.readlink(folder / name))
    return [link for link in links if link.endswith("(deleted)") and str(server.folder) in link]


def test_a_project_goes_on_at_another_server(
    server: WxServer, other_server: WxServer, api: Api, new_project: NewProject
) -> None:
    project = new_project("on the move", model="opus", permission_mode="plan")
    body = {"output_project_id": project["id"], "element_name": "one", "context": "# One\n"}
    milestone = api.json("POST", "/milestones", 201, json=body)

    exported = api.get(f"/output-projects/{project['id']}/export")

    assert exported.headers["Content-Type"] == "application/zip"
    assert exported.headers["Content-Disposition"] == "attachment; filename*=UTF-8''on-the-move.zip"
    assert zipfile.ZipFile(io.BytesIO(exported.content)).testzip() is None
    folder = str(other_server.folder / "moved")
    with Api(other_server) as there:
        made = there.json("POST", "/imports", 201, content=exported.content, params={"workspace_path": folder})
        assert (made["name"], made["workspace_path"], made["milestones"]) == ("on the move", folder, 1)
        moved = there.json("GET", f"/output-projects/{made['project_id']}")
        assert moved["options"] == {"permission_mode": "plan", "model": "opus", "claude_args": [], "trust": False}
        assert there.json("GET", f"/milestones/{milestone['id']}")["context"] == "# One\n"
        again = there.refused("POST", "/imports", 409, "name_taken", content=exported.content)
        assert "--name" in again["message"]
    assert forgets_its_files(server)
    assert forgets_its_files(other_server)


def test_what_does_not_exist_is_not_exported(api: Api) -> None:
    api.refused("GET", f"/output-projects/{UNKNOWN_ID}/export", 404, "not_found")


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 and nothing more", json.dumps({"a": 1}).encode()])
def test_what_is_no_export_is_refused(api: Api, server: WxServer, content: bytes) -> None:
    before = api.json("GET", "/output-projects")["total"]
    api.refused("POST", "/imports", 400, "invalid_body", content=content)
    assert api.json("GET", "/output-projects")["total"] == before
    assert forgets_its_files(server)


def test_a_body_is_taken_as_it_comes(api: Api, server: WxServer) -> None:
    """More than tornado would hold in memory (100 MB): it is on the disk, and refused for what it is."""
    status = Path(f"/proc/{server.pid}/status")

    def peak_kb() -> int:
        return int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1])

    def chunks() -> Iterator[bytes]:
        for _ in range(120):
            yield bytes(1 << 20)

    before = peak_kb()
    api.refused("POST", "/imports", 400, "invalid_body", content=chunks())
    assert peak_kb() - before < 60_000
    assert forgets_its_files(server)
