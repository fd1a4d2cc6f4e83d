"""The log of a running server whose folders have hostile names: a line of ours is one line, without controls."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.server.api import Api
from tests.server.conftest import make_server
from tests.server.sockets import Socket
from tests.support.server import WxServer
from tests.support.terminal import until

EVIL = "x\n[E 2026-01-01 00:00:00.000 wxcode_jupyter.forged] forged\r\x1b[2J\x9b31m\u2028\u202e"
WRITTEN = r"x\n[E 2026-01-01 00:00:00.000 wxcode_jupyter.forged] forged\r\x1b[2J\x9b31m\u2028\u202e"
HOSTILE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e]")


def own_lines(server: WxServer) -> list[str]:
    """Return what this package has logged; Jupyter's own lines have the folders' names as they are."""
    return re.findall(r"^\[[DIWEC] [\d-]+ [\d:.]+ wxcode_jupyter[^\n]*", server.log_path.read_bytes().decode(), re.M)


async def test_nothing_forges_a_line(tmp_path: Path) -> None:
    workspaces = tmp_path / "workspaces"
    workspaces.mkdir()
    folder = tmp_path / EVIL
    folder.mkdir()
    options: dict[str, Any] = {"workspace_root": str(workspaces), "allowed_workspace_roots": [str(workspaces)]}
    with make_server(folder, **options) as server, Api(server) as api:
        path = f"/output-projects/{api.create_project('demo')['id']}"
        async with await Socket.connect(server, f"{path}/terminal") as client:
            await client.wait_connected()
            await client.send(type=EVIL, data=EVIL)
            await client.send(type="signal", signal=EVIL)
            assert (await client.wait("error"))["code"] == "invalid_body"
            [spool] = folder.rglob("spool")
            spool.joinpath("1.json").write_text("no event")
            await until(lambda: "put aside" in server.log())
        assert api.request("BREW", f"{path}%0a%1b%9b").status_code == 405
        assert api.get("/output-projects?name=%ff%1b%0a").status_code == 400
        await until(lambda: "Invalid unicode in name" in "".join(own_lines(server)))
        api.json("DELETE", f"{path}/session")

    lines = own_lines(server)
    assert not [line for line in lines if HOSTILE.search(line) or "forged] forged" in line.partition("]")[0]]
    assert not [line for line in lines if "wxcode_jupyter.forged]" in line and WRITTEN not in line]
    assert any("put aside" in line and WRITTEN in line for line in lines)
