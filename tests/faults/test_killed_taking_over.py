"""A server is killed while it takes over what another one has left; and so is the next: the one after goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.faults import FAULT_CLI_VERSIONS, LONG
from tests.support.job import Job
from tests.support.kept import lasting
from tests.support.mid_turn import LONG_STORY, begin_turn
from tests.support.server import WxServer
from wxcode_jupyter.terminal.process import KeeperClient

pytestmark = [pytest.mark.cli, pytest.mark.timeout(240)]

#: How long after the keeper has handed the session over the server is killed, in questions to the keeper (0.2 ms each).
MOMENTS = [0, 100, *([0, 1, 2, 5, 10, 50, 100, 500, 1000] if LONG else [])]


@pytest.mark.parametrize("cli_version", FAULT_CLI_VERSIONS)
def test_the_next_one_goes_on(tmp_path: Path, cli_version: str) -> None:
    with lasting(tmp_path, cli_version, rules=[LONG_STORY]) as job:
        turn = begin_turn(job, "an earlier one")
        job.server.kill()
        for number, moment in enumerate(MOMENTS):
            server = job.new_server(job.server.store_url, **job.server.options)
            asyncio.run(kill_while_it_takes_over(job, server, moment))
            if number == len(MOMENTS) // 2:
                job.model.gate("end").set()

        job.restart(kill=True)
        turn.goes_on(job)
        events = job.client.events(turn.project)
        told = [event.type for event in events]
        assert [event.seq for event in events] == sorted({event.seq for event in events})
        assert told.count("session_started") == 1
        assert told.count("command_completed") == told.count("command_delivering") == 3
        assert 1 <= told.count("session_taken_over") <= len(MOMENTS) + 1


async def kill_while_it_takes_over(job: Job, server: WxServer, moment: int) -> None:
    """Start a server and kill it once it has the session, before it can have done much with it."""
    [socket] = (job.folder / "jupyter").rglob("keeper.sock")
    keeper = await KeeperClient.find(str(socket.parent))
    assert keeper is not None
    try:
        assert await kept(keeper), "nobody has it"
        server.begin()
        async with asyncio.timeout(60):
            while await kept(keeper):
                pass
        for _ in range(moment):
            await keeper.list()
        server.kill()
        async with asyncio.timeout(30):
            while not await kept(keeper):
                pass
    finally:
        keeper.close()


async def kept(keeper: KeeperClient) -> bool:
    """Whether the one session of the test has no server."""
    [session] = await keeper.list()
    return bool(session["kept"])
