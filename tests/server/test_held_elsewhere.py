"""A project that another host's server holds: what REST and the terminal say, and what ``force`` does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.server.api import Api
from tests.server.sockets import Socket
from tests.support.server import WxServer
from wxcode_jupyter.errors import Displaced
from wxcode_jupyter.models import Event, Holder
from wxcode_jupyter.store.base import Store
from wxcode_jupyter.store.sqlite import SqliteStore

THERE = Holder("there", "http://there:8888/", 7, "their machine", "their boot", "1:2")


@pytest.fixture
async def store(api: Api) -> AsyncIterator[Store]:
    """The server's store, as another host's server has it."""
    store = SqliteStore(unquote(urlsplit(api.json("GET", "/info")["store_url"]).path))
    await store.open()
    yield store
    await store.close()


async def test_it_is_refused_until_somebody_forces_it(api: Api, project: dict[str, Any], store: Store) -> None:
    held = await store.take_lease(project["id"], THERE, over=0)
    assert held is not None
    path = f"/output-projects/{project['id']}"
    for method, route, body in (
        ("POST", f"{path}/session", {}),
        ("POST", f"{path}/commands", {"text": "hello"}),
        ("DELETE", path, None),
    ):
        error = api.refused(method, route, 409, "held_elsewhere", json=body)
        assert error["details"]["holder"] == {"url": "http://there:8888/", "pid": 7, "host": "there"}
        assert error["details"]["silent_s"] in range(120)
    assert api.json("GET", f"{path}/session")["state"] == "stopped"

    assert api.json("POST", f"{path}/session", json={"force": True})["pid"]
    assert api.json("POST", f"{path}/session", json={})["pid"], "what is ours is ours without a word"
    with pytest.raises(Displaced):
        await store.fenced(held.fence).append_event(Event(project["id"], "told", {}))
    api.json("DELETE", f"{path}/session")


async def test_a_terminal_says_who_has_it_and_closes(
    server: WxServer, terminal_path: str, project: dict[str, Any], store: Store
) -> None:
    await store.take_lease(project["id"], THERE, over=0)
    async with await Socket.connect(server, terminal_path) as client:
        assert await client.wait_closed() == 4409
    assert client.frames[-1]["code"] == "held_elsewhere"
    assert "http://there:8888/" in client.frames[-1]["message"]


def test_force_is_true_or_false(api: Api, project: dict[str, Any]) -> None:
    error = api.refused("POST", f"/output-projects/{project['id']}/session", 400, "invalid_body", json={"force": 1})
    assert error["details"]["field"] == "force"
