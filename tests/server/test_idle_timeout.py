"""Sessions that nobody uses are ended politely; none that works, is watched, or has something to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.server.api import Api
from tests.server.conftest import make_server
from tests.server.sockets import Socket
from tests.support.server import WxServer
from tests.support.terminal import until

TIMEOUT_S = 1.0


@pytest.fixture(scope="module")
def impatient(folder: Path) -> Iterator[WxServer]:
    """A server that ends what is idle; its sessions show an input box."""
    with make_server(folder / "impatient", idle_timeout_s=TIMEOUT_S, claude_args=["--box"]) as server:
        yield server


@pytest.fixture
def idle_api(impatient: WxServer) -> Iterator[Api]:
    with Api(impatient) as api:
        yield api


@pytest.fixture
def idle_project(idle_api: Api, request: pytest.FixtureRequest) -> dict[str, Any]:
    return idle_api.create_project(request.node.name)


@pytest.fixture
def state(idle_api: Api, idle_project: dict[str, Any]) -> Callable[[], str]:
    path = f"/output-projects/{idle_project['id']}/session"
    return lambda: str(idle_api.json("GET", path)["state"])


def events(api: Api, project: dict[str, Any]) -> list[tuple[str, float]]:
    """Return the kinds of events, and when they were, in seconds."""
    found = api.json("GET", f"/output-projects/{project['id']}/events")["events"]
    kinds = [f"{event['type']} {event['data'].get('state', '')}".strip() for event in found]
    times = [datetime.fromisoformat(event["created_at"]).timestamp() for event in found]
    return list(zip(kinds, times, strict=True))


async def test_what_nobody_uses_is_ended_politely(
    idle_api: Api, idle_project: dict[str, Any], state: Callable[[], str]
) -> None:
    path = f"/output-projects/{idle_project['id']}"
    idle_api.json("POST", f"{path}/session")

    await until(lambda: state() == "exited")

    assert Path(idle_project["workspace_path"], "said-goodbye").exists()
    assert idle_api.json("GET", f"{path}/session")["exit_code"] == 0
    at = dict(events(idle_api, idle_project))
    assert at["session_idle_timeout"] - at["session_state idle"] > TIMEOUT_S - 0.01
    assert idle_api.json("POST", f"{path}/session")["state"] == "starting"


async def test_what_works_is_not_ended(idle_api: Api, idle_project: dict[str, Any], state: Callable[[], str]) -> None:
    path = f"/output-projects/{idle_project['id']}"
    command = idle_api.json("POST", f"{path}/commands", 202, json={"text": "wait for it"})
    await until(lambda: state() == "busy")
    since = time.monotonic()

    await until(lambda: state() != "busy" or time.monotonic() - since > 2.5 * TIMEOUT_S)

    assert state() == "busy"
    idle_api.json("POST", f"{path}/session/interrupt")
    await until(lambda: state() == "exited")
    assert idle_api.json("GET", f"/commands/{command['id']}")["status"] == "interrupted"


async def test_what_is_watched_is_not_ended(
    impatient: WxServer, idle_project: dict[str, Any], state: Callable[[], str]
) -> None:
    async with await Socket.connect(impatient, f"/output-projects/{idle_project['id']}/terminal") as client:
        await client.wait_connected()
        await until(lambda: state() == "idle")
        since = time.monotonic()

        await until(lambda: state() != "idle" or time.monotonic() - since > 2.5 * TIMEOUT_S)

        assert state() == "idle"
    await until(lambda: state() == "exited")


async def test_a_command_that_comes_at_the_end_is_not_lost(
    idle_api: Api, idle_project: dict[str, Any], state: Callable[[], str]
) -> None:
    """Whenever it comes, to the old process or to the next one, it is done."""
    path = f"/output-projects/{idle_project['id']}"
    idle_api.json("POST", f"{path}/session")

    def ends() -> bool:
        return any(kind == "session_idle_timeout" for kind, _ in events(idle_api, idle_project))

    await until(ends)
    command = idle_api.json("POST", f"{path}/commands", 202, json={"text": "one more"})

    await until(lambda: idle_api.json("GET", f"/commands/{command['id']}")["status"] == "completed")
