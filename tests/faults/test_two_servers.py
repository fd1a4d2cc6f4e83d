"""Two servers with one database, and a hundred people who open the same project in the same moment: one Claude."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.server.api import API
from tests.server.sockets import Socket
from tests.server.wxterm_socket import WxtermSocket
from tests.support.cli import CLI_VERSIONS
from tests.support.job import Job, until
from tests.support.processes import cli_processes
from tests.support.server import WxServer
from wxcode_jupyter.models import SessionState
from wxcode_jupyter.protocol.wxterm import Failure, State

pytestmark = [pytest.mark.cli, pytest.mark.mongod, pytest.mark.timeout(180)]

OPENS = 100
ANSWERED_WITHIN_S = 60.0
HELD_ELSEWHERE = 4409


@dataclass(frozen=True)
class Opened:
    """What one caller got: the session, or why not."""

    server: WxServer
    refusal: str = ""
    pid: int | None = None


async def by_rest(server: WxServer, path: str) -> Opened:
    """Open as a notebook does."""
    headers = {"Authorization": f"token {server.token}"}
    async with httpx.AsyncClient(headers=headers, timeout=ANSWERED_WITHIN_S, trust_env=False) as client:
        answer = await client.post(f"{server.url}{API}{path}/session", json={})
    body = answer.json()
    if answer.status_code == 200:
        return Opened(server, pid=body["pid"])
    assert (answer.status_code, body["reason"]) == (409, "held_elsewhere"), body
    return Opened(server, refusal=body["details"]["holder"]["url"])


async def by_json_terminal(server: WxServer, path: str) -> Opened:
    """Open as wxcode's own page does."""
    async with await Socket.connect(server, f"{path}/terminal") as client:
        while frame := await client.next():
            if frame.get("connected"):
                return Opened(server)
        assert client.code == HELD_ELSEWHERE, client.frames
        [error] = client.of("error")
        assert error["code"] == "held_elsewhere"
        return Opened(server, refusal=error["message"])


async def by_wxterm(server: WxServer, path: str) -> Opened:
    """Open as the terminal in a notebook does."""
    async with await WxtermSocket.connect(server, f"{path}/terminal") as client:
        while frame := await client.next():
            if isinstance(frame, State) and frame.connected:
                return Opened(server)
        assert client.code == HELD_ELSEWHERE, client.frames
        [failure] = client.of(Failure)
        assert failure.code == "held_elsewhere"
        return Opened(server, refusal=failure.message)


@pytest.fixture(params=["one data folder", "a data folder each"])
def two_servers(request: pytest.FixtureRequest, tmp_path: Path, mongo_url: str) -> Iterator[tuple[Job, WxServer]]:
    """Two of one user on one host; with a data folder each they have a keeper each as well."""
    with ExitStack() as stack:
        job = stack.enter_context(Job(tmp_path, CLI_VERSIONS[-1], store_url=mongo_url))
        folder = tmp_path / "other" if request.param == "a data folder each" else None
        other = job.new_server(mongo_url, folder, allowed_workspace_roots=[str(tmp_path)])
        yield job, stack.enter_context(other)


def test_a_hundred_opens_at_once_give_one_claude(two_servers: tuple[Job, WxServer]) -> None:
    job, other = two_servers
    project = job.project()
    path = f"/output-projects/{project.id}"
    ways = (by_rest, by_json_terminal, by_rest, by_wxterm)

    async def all_at_once() -> list[Opened]:
        opening = [ways[number // 2 % 4]((job.server, other)[number % 2], path) for number in range(OPENS)]
        async with asyncio.timeout(ANSWERED_WITHIN_S):
            return await asyncio.gather(*opening)

    opened = asyncio.run(all_at_once())
    [winner] = {each.server for each in opened if not each.refusal}
    [loser] = {job.server, other} - {winner}
    assert len([each for each in opened if each.server is winner and not each.refusal]) == OPENS / 2
    refusals = [each.refusal for each in opened if each.refusal]
    assert len(refusals) == OPENS / 2
    assert all(winner.url in refusal for refusal in refusals), set(refusals)
    with winner.client() as client, loser.client() as beside:
        [pid] = {each.pid for each in opened if each.pid}
        assert cli_processes(job.home.path, job.executable) == [pid]
        until(lambda: client.session(project).state is SessionState.IDLE, what="ready")
        assert client.session(project).pid == pid
        assert beside.session(project).state is SessionState.STOPPED
        command = client.send(project, "who is there?")
        assert job.client.command(command).id == command.id
        until(lambda: client.command(command).status.final, what="its end")
        told = [event.type for event in client.events(project)]
    assert told.count("session_started") == 1
    assert job.model.prompts == ["who is there?"]
    assert len(job.transcripts()) == 1
