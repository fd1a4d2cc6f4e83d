"""A project's events over a WebSocket: the same as over REST, live, none twice and none missing."""

from __future__ import annotations

from typing import Any

from tests.server.api import UNKNOWN_ID, Api
from tests.server.sockets import Socket, refused
from tests.support.server import WxServer


async def read(client: Socket, count: int) -> list[dict[str, Any]]:
    """Return the next events."""
    return [event for _ in range(count) if (event := await client.next())]


def queue(api: Api, path: str, *texts: str) -> None:
    for text in texts:
        api.json("POST", f"{path}/commands", 202, json={"text": text})


async def test_the_socket_says_what_the_page_says(server: WxServer, api: Api, path: str) -> None:
    async with await Socket.connect(server, f"{path}/events") as client:
        queue(api, path, "one", "two")
        while not (event := await client.next()) or event["data"].get("text") != "two":
            pass

        page = api.json("GET", f"{path}/events", params={"limit": len(client.frames)})
        assert client.frames == page["events"]

        queue(api, path, "three")
        live = await read(client, 1)
        assert live == api.json("GET", f"{path}/events", params={"after": page["last_seq"]})["events"]


async def test_who_comes_back_goes_on_where_it_was(server: WxServer, api: Api, path: str) -> None:
    queue(api, path, *"abcdef")
    page = api.json("GET", f"{path}/events", params={"limit": 4})

    async with await Socket.connect(server, f"{path}/events?after={page['last_seq']}") as client:
        missed = await read(client, 2)

    rest = api.json("GET", f"{path}/events", params={"after": page["last_seq"], "limit": 2})
    assert missed == rest["events"]


async def test_many_follow_at_once_and_nobody_hears_of_other_projects(
    server: WxServer, api: Api, path: str, new_project: Any
) -> None:
    other = f"/output-projects/{new_project()['id']}"
    async with (
        await Socket.connect(server, f"{path}/events") as first,
        await Socket.connect(server, f"{path}/events") as second,
    ):
        queue(api, other, "elsewhere")
        queue(api, path, "here")
        for client in (first, second):
            while (event := await client.next()) and event["type"] != "command_queued":
                pass
            assert [each["data"].get("text") for each in client.frames if each["type"] == "command_queued"] == ["here"]


async def test_what_a_client_says_is_ignored(server: WxServer, api: Api, path: str) -> None:
    async with await Socket.connect(server, f"{path}/events") as client:
        await client.connection.write_message("nonsense")
        await client.connection.write_message(b"\xff", binary=True)
        queue(api, path, "still there")

        assert (await client.wait("command_queued"))["data"]["text"] == "still there"


async def test_what_is_refused_is_refused_before_the_switch(server: WxServer, path: str) -> None:
    assert await refused(server, "/output-projects/x/events") == 400
    assert await refused(server, f"/output-projects/{UNKNOWN_ID}/events") == 404
    assert await refused(server, f"{path}/events?after=-1") == 400
