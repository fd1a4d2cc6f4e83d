"""A session whose program prints what is meant to hurt: the server and the other sessions are well, and so is it later.

With either emulator, through a real server; `make test-faults` runs it with two gigabytes.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest

from tests.server.api import Api
from tests.server.conftest import make_server
from tests.server.sockets import Socket
from tests.server.wxterm_socket import WxtermSocket
from tests.support.faults import LONG
from tests.support.processes import processes_of, resident_bytes
from tests.support.server import WxServer
from tests.support.terminal import until

ROOT = Path(__file__).parents[2]
#: Of each bomb, and of each that has no end; pyte takes half a megabyte a second, and skips where there is more.
BYTES = {"ghostty": 4_000_000, "pyte": 4_000_000 if LONG else 60_000}
ENDLESS_BYTES = {"ghostty": 200_000_000 if LONG else 4_000_000, "pyte": 200_000_000 if LONG else 400_000}
LIMIT_S = 800 if LONG else 120
ECHO_S = 15.0  # milliseconds on an idle machine
SERVER_BYTES = 64_000_000
EMULATOR_BYTES = 250_000_000


class Watch:
    """Somebody at another session, who types and looks how long it takes, and how large the processes become."""

    def __init__(self, server: WxServer, client: Socket) -> None:
        self.slowest_s = 0.0
        self.server_bytes = self.emulator_bytes = 0
        self._server = server
        self._client = client
        self.count = 0

    async def look(self) -> None:
        """Type a line and wait until it is answered."""
        self.count += 1
        begun = time.monotonic()
        await self._client.type(f"echo line $(({self.count} + 0))\r")
        await self._client.wait_text(f"\nline {self.count}\r\n")
        self.slowest_s = max(self.slowest_s, time.monotonic() - begun)
        self._client.frames.clear()
        self.server_bytes = max(self.server_bytes, resident_bytes(self._server.pid))
        for pid, line in processes_of(self._server.folder / "home").items():
            if "wxcode_jupyter.terminal.emulator" in line:
                self.emulator_bytes = max(self.emulator_bytes, resident_bytes(pid))


@pytest.mark.timeout(LIMIT_S + 100)
@pytest.mark.parametrize("emulator", ["ghostty", "pyte"])
async def test_the_others_are_well_and_so_is_it_after_a_reset(emulator: str, tmp_path: Path) -> None:
    variables = {}
    if emulator == "pyte":
        tmp_path.joinpath("missing").mkdir()
        tmp_path.joinpath("missing", "pyghostty.py").write_text("raise ImportError('no wheel for this platform')\n")
        variables["PYTHONPATH"] = str(tmp_path / "missing")
    with make_server(tmp_path / "it", variables=variables) as server, Api(server) as api:
        bad, good = (f"/output-projects/{api.create_project(name)['id']}" for name in ("bad", "good"))
        async with (
            await Socket.connect(server, f"{good}/terminal") as other,
            await Socket.connect(server, f"{bad}/terminal") as typing,
            await WxtermSocket.connect(server, f"{bad}/terminal", keep=False) as looking,
        ):
            for client in (other, typing):
                await client.wait_connected()
                await client.wait_text("stand-in up")
            watch = Watch(server, other)
            await watch.look()
            before = watch.server_bytes
            readers = [asyncio.create_task(read(client)) for client in (typing, looking)]

            sizes = f"{BYTES[emulator]} {ENDLESS_BYTES[emulator]}"
            await typing.type(f"cd {ROOT}; {sys.executable} -m tests.support.bomber {sizes}\r")
            done = asyncio.create_task(asyncio.to_thread(wait_for, api, bad, "all of them"))
            while not done.done():
                await watch.look()
            await done

            await typing.type("q")
            await asyncio.to_thread(wait_for, api, bad, "over")
            await typing.type("echo us''able\r")
            await asyncio.to_thread(wait_for, api, bad, "usable")
            await watch.look()
            assert f"line {watch.count}" in api.get(f"{good}/screen").text
            for reader in readers:
                assert not reader.done(), "a client of the bombed session was let go"
                reader.cancel()
            await asyncio.wait(readers)
        for path in (bad, good):
            api.json("DELETE", f"{path}/session")
        log = server.log()
    assert watch.count > 3, "nobody has looked meanwhile"
    assert watch.slowest_s < ECHO_S
    assert watch.server_bytes - before < SERVER_BYTES
    assert watch.emulator_bytes < EMULATOR_BYTES
    assert "emulator's process ended" not in log


async def test_a_size_beyond_all_screens_is_refused(server: WxServer, terminal_path: str, api: Api, path: str) -> None:
    async with await Socket.connect(server, terminal_path) as client:
        await client.wait_connected()
        await client.send(type="resize", rows=30, cols=100)
        await until(lambda: api.json("GET", f"{path}/session")["cols"] == 100)
        for rows, cols, field in ((24, 1_000_000, "cols"), (10**30, 80, "rows"), (0, 80, "rows"), (24, -1, "cols")):
            await client.send(type="resize", rows=rows, cols=cols)
            error = await client.wait("error")
            assert (error["code"], error["message"]) == ("invalid_body", f"{field} is a whole number from 1 to 500.")
        await client.type("printf '\\033[8;9999;1000000t\\033[?40h\\033[?3h'; stty size\r")
        await client.wait_text("30 100\r\n")
    session = api.json("GET", f"{path}/session")
    assert (session["rows"], session["cols"]) == (30, 100)


def wait_for(api: Api, path: str, text: str) -> None:
    """Wait, in a thread, until the screen has this text."""
    deadline = time.monotonic() + LIMIT_S
    while text not in api.get(f"{path}/screen", timeout=LIMIT_S).text:
        assert time.monotonic() < deadline, api.get(f"{path}/screen").text


async def read(client: Socket | WxtermSocket) -> None:
    """Read on and keep nothing."""
    while await client.next():
        client.frames.clear()
