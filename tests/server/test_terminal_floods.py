"""Many clients of one session under a flood, some of which stop reading: all get all, and nobody waits for anybody."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager

import pytest

from tests.server.api import API, Api
from tests.server.sockets import Socket, connect_and_never_read
from tests.server.wxterm_socket import WxtermSocket
from tests.support.processes import resident_bytes
from tests.support.server import WxServer
from tests.support.terminal import until
from wxcode_jupyter.protocol.wxterm import NAME, Attach, Snapshot

FLOOD_BYTES = 64_000_000
FLOOD = f"seq 9000000 | head -c {FLOOD_BYTES}; echo; echo done\r"
STALL_S = 10.0
COST_BYTES = 4_000_000


class TestManyClients:
    @pytest.mark.parametrize("stalls", [False, True])
    async def test_all_get_identical_bytes(
        self, stalls: bool, server: WxServer, terminal_path: str, api: Api, path: str
    ) -> None:
        whole = Attach(whole=True)
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(await WxtermSocket.connect(server, terminal_path, attach))
                for attach in [whole] * 4 + [Attach()] * stalls
            ]
            four, first = clients[:4], clients[0]
            await until(lambda: api.json("GET", f"{path}/session")["clients"] == len(clients))
            await first.type_keys("stty -echo -opost; echo qui''et\r")
            await first.wait_text("quiet\n")
            before = bytes(first.output)
            stall = asyncio.create_task(asyncio.sleep(STALL_S if stalls else 0))
            await first.type_keys(FLOOD)

            digests = await asyncio.gather(*map(read_until_done, four))

            flood = b"".join(b"%d\n" % number for number in range(1, 9_000_001))[:FLOOD_BYTES]
            assert set(digests) == {hashlib.sha256(before + flood + b"\ndone\n").hexdigest()}
            assert all(not client.of(Snapshot) for client in four)
            await stall
            for late in clients[4:]:
                await late.wait_text("done")
                assert late.of(Snapshot)
                assert late.wire_bytes < FLOOD_BYTES / 10

    async def test_who_stops_reading_costs_little_and_stops_nobody(
        self, server: WxServer, terminal_path: str, api: Api, path: str
    ) -> None:
        async with await Socket.connect(server, terminal_path) as client:
            await client.wait_connected()
            await client.type("head -c 20000000 /dev/zero | tr '\\0' x; echo warm''ed\r")
            await client.wait_text("warmed\r\n")
            with stalled_clients(server, terminal_path, "", "", NAME, NAME):
                await until(lambda: api.json("GET", f"{path}/session")["clients"] == 5)
                before = resident_bytes(server.pid)

                await client.type("head -c 40000000 /dev/zero | tr '\\0' x; echo do''ne\r")
                await client.wait_text("done\r\n")

                assert resident_bytes(server.pid) - before < 4 * COST_BYTES
            await until(lambda: api.json("GET", f"{path}/session")["clients"] == 1)


async def read_until_done(client: WxtermSocket) -> str:
    """Read a flood to its end, and return what all of the client's output hashes to."""
    while not client.output.endswith(b"\ndone\n"):
        del client.output[:-1000]
        assert await client.next(), client.code
    return client.digest.hexdigest()


@contextmanager
def stalled_clients(server: WxServer, path: str, *protocols: str) -> Iterator[None]:
    """Attach clients that never read."""
    with ExitStack() as stack:
        for protocol in protocols:
            stack.enter_context(connect_and_never_read(server, f"{API}{path}", protocol))
        yield
