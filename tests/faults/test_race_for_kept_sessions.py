"""Two servers start where another has ended: each session goes on at one of them, and no client misses a byte."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.server.api import Api
from tests.server.wxterm_socket import WxtermSocket
from tests.support.kept import Servers, begin
from tests.support.server import WxServer
from wxcode_jupyter.protocol.wxterm import Attach, Snapshot, State

SESSIONS = 4

#: Counts without a pause for breath, whoever listens, until the file `stop` is there.
_COUNT = "n=1; until [ -e stop ]; do seq $n $((n + 99)); n=$((n + 100)); sleep 0.02; done; echo do''ne at $((n - 1))\r"
_END = re.compile(rb"done at (\d+)\r\n")


@pytest.mark.parametrize("kill", [True, False], ids=["killed", "in order"])
async def test_each_goes_to_one_and_every_byte_comes_once(tmp_path: Path, kill: bool) -> None:
    async with AsyncExitStack() as stack:
        await race(stack.enter_context(Servers(tmp_path)), stack, kill)


async def race(servers: Servers, stack: AsyncExitStack, kill: bool) -> None:
    first, api = servers.start()
    sessions = dict(begin(api, f"project {number}") for number in range(SESSIONS))
    clients = {path: await stack.enter_async_context(await attach(first, path, None)) for path in sessions}
    for client in clients.values():
        await client.wait_connected()
        await client.type_keys(_COUNT)
        await client.wait_text("\n500\r\n")
    await asyncio.to_thread(first.kill if kill else first.stop)
    for client in clients.values():
        await client.wait_closed()

    both = await asyncio.to_thread(servers.start_together, 2)
    owners = {path: owner_of(path, pid, both) for path, pid in sessions.items()}
    back = {
        path: await stack.enter_async_context(await attach(owners[path], path, client))
        for path, client in clients.items()
    }
    for path, client in back.items():
        await client.wait_connected()
        last = client.output.rsplit(b"\n", 2)[-2].strip()
        await client.wait_text(f"\n{int(last) + 500}\r\n")
        workspace = api_of(both, owners[path]).json("GET", path.removesuffix("/session"))["workspace_path"]
        Path(workspace, "stop").touch()
        while not (end := _END.search(client.output)):
            assert await client.next(), client.output[-500:]
        assert not client.of(Snapshot), "it had everything, and needs no screen"
        # Whatever number it came to, each is there once and in order.
        counted = b"".join(b"%d\r\n" % number for number in range(1, int(end[1]) + 1))
        assert client.output[: end.start()].endswith(counted)


async def attach(server: WxServer, session: str, before: WxtermSocket | None) -> WxtermSocket:
    """Attach as one who wants every byte; with an earlier connection, as who has read what came over that."""
    terminal = session.removesuffix("/session") + "/terminal"
    if before is None:
        return await WxtermSocket.connect(server, terminal, Attach(whole=True))
    stream = before.of(State)[-1].stream
    client = await WxtermSocket.connect(server, terminal, Attach(stream, before.offset, whole=True))
    client.offset, client.output = before.offset, before.output
    return client


def owner_of(path: str, pid: int, both: list[tuple[WxServer, Api]]) -> WxServer:
    """Ask both for the session: one has it, and the other says who."""
    answers = [(server, api.post(path, json={})) for server, api in both]
    [(owner, answer)] = [each for each in answers if each[1].status_code == 200]
    [(_, refusal)] = [each for each in answers if each[1].status_code != 200]
    assert answer.json()["pid"] == pid
    assert (refusal.status_code, refusal.json()["reason"]) == (409, "held_elsewhere"), refusal.text
    assert refusal.json()["details"]["holder"]["url"] == owner.url
    return owner


def api_of(both: list[tuple[WxServer, Api]], wanted: WxServer) -> Api:
    [api] = [api for server, api in both if server is wanted]
    return api
