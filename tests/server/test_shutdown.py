"""A server that is asked to end: who watches is told to come back, and what was to be written is, keeper or not."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.server.api import Api
from tests.server.conftest import make_server
from tests.server.sockets import Socket
from tests.server.wxterm_socket import WxtermSocket
from tests.support.processes import processes_of, stopped
from tests.support.server import WxServer
from tests.support.terminal import until
from wxcode_jupyter.protocol.wxterm import Closed
from wxcode_jupyter.store.sqlite import SqliteStore

#: Hanging keepers are given up sooner than by users, so that the suite need not wait as long.
IMPATIENT = """
from wxcode_jupyter.terminal import process

process._REQUEST_TIMEOUT_S = 5.0
"""


async def test_terminals_are_told_to_come_back(tmp_path: Path) -> None:
    with make_server(tmp_path) as server, Api(server) as api:
        path = f"/output-projects/{api.create_project('one')['id']}/terminal"
        api.json("POST", path.removesuffix("terminal") + "session")
        async with (
            await WxtermSocket.connect(server, path) as driver,
            await WxtermSocket.connect(server, f"{path}?role=observer") as observer,
            await Socket.connect(server, path) as json_client,
        ):
            for client in (driver, observer, json_client):
                await client.wait_text("stand-in up")
            ending = asyncio.create_task(asyncio.to_thread(server.stop))

            for client in (driver, observer):
                assert await client.wait_closed() == 1001
                assert client.of(Closed) == []
            assert await json_client.wait_closed() == 1000  # it knows no other end
            assert json_client.frames[-1]["type"] == "closed"
            await ending


async def test_what_is_pending_is_written_although_the_keeper_hangs(tmp_path: Path) -> None:
    server = make_server(tmp_path, claude_args=["--box"])
    with open(tmp_path / "jupyter" / "config" / "jupyter_config.py", "a") as config:
        config.write(IMPATIENT)
    with server, Api(server) as api:
        project_id = api.create_project("one")["id"]
        path = f"/output-projects/{project_id}"
        async with await Socket.connect(server, f"{path}/terminal") as client:
            await client.wait_connected()
            await until(lambda: api.json("GET", f"{path}/session")["state"] == "idle")
            await until(lambda: not told(tmp_path))
            [file] = tmp_path.glob("jupyter/data/wxcode/*.sqlite3")
            with closing(sqlite3.connect(file, isolation_level=None)) as another, stopped(keeper_of(server)):
                another.execute("BEGIN IMMEDIATE")  # whoever writes waits
                await client.type("wait until Esc\r")
                await until(lambda: told(tmp_path))
                ending = asyncio.create_task(asyncio.to_thread(server.stop))
                await until(lambda: "The terminals did not end in order" in server.log())
                another.execute("ROLLBACK")
                await ending

    assert "did not end in order: KeeperUnavailable('The keeper (process" in server.log()
    assert server.log().count("did not answer within 5 s") == 1  # what came after it did not wait again
    assert "were given up" not in server.log()
    store = SqliteStore(file)
    await store.open()
    try:
        events = await store.load_events(project_id, after=0, limit=100)
    finally:
        await store.close()
    types = [event.type for event in events]
    assert "prompt_submitted" in types
    assert types[-1] == "session_exited"


def told(folder: Path) -> list[Path]:
    """Return what hooks have told and is not in the store yet; how the conversation began stays."""
    found = []
    for path in folder.glob("jupyter/data/wxcode/sessions/*/*/spool/*.json"):
        with contextlib.suppress(FileNotFoundError):  # it is in the store now
            if '"SessionStart"' not in path.read_text():
                found.append(path)
    return found


def keeper_of(server: WxServer) -> int:
    """Return the keeper's process id."""
    lines = processes_of(server.folder / "home")
    [pid] = [pid for pid, line in lines.items() if "terminal.keeper" in line]
    return pid
