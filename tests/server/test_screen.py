"""What a terminal shows and has printed, over REST."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from tests.server.api import Api
from tests.server.sockets import Socket
from tests.support.server import WxServer
from tests.support.terminal import until

LOUD = "printf '<&> \\033[1mlou''d\\033[0m\\n'"


@pytest.fixture
async def client(server: WxServer, terminal_path: str) -> AsyncIterator[Socket]:
    async with await Socket.connect(server, terminal_path) as client:
        await client.wait_connected()
        await client.wait_text("stand-in up")
        await client.type(f"stty -echo; {LOUD}\r")
        await client.wait_text("\x1b[1mloud")
        yield client


FORMS = [
    ("*/*", "text/plain", ("<&> loud",)),
    ("text/plain", "text/plain", ("<&> loud",)),
    ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html", ("<pre ", "&lt;&amp;&gt;", "bold", ">loud<")),
    ("text/x-ansi", "text/x-ansi", ("<&> ", "\x1b[0;1mloud\x1b[0m")),
]


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize(("accept", "kind", "shown"), FORMS)
async def test_a_screen_has_the_form_that_is_asked_for(
    accept: str, kind: str, shown: tuple[str, ...], ended: bool, client: Socket, api: Api, path: str
) -> None:
    if ended:
        await client.type("exit\r")
        await client.wait_closed()
        await until(lambda: api.json("GET", f"{path}/session")["state"] == "exited")

    response = api.get(f"{path}/screen", headers={"Accept": accept})

    assert response.headers["Content-Type"] == f"{kind}; charset=utf-8"
    assert response.headers["Vary"] == "Accept"
    for part in shown:
        assert part in response.text


async def test_output_is_what_was_printed(client: Socket, api: Api, path: str) -> None:
    response = api.get(f"{path}/output")

    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Wxcode-Offset"] == "0"
    assert response.headers["Wxcode-Stream"]
    assert response.content.decode().startswith(client.text)
    assert api.json("GET", f"{path}/session")["clients"] == 1

    recording = api.get(f"{path}/recording")
    assert recording.headers["Content-Type"] == "application/x-asciicast"
    header, *events = map(json.loads, recording.text.splitlines())
    assert (header["version"], header["width"], header["height"]) == (2, 120, 40)
    assert "".join(text for _at, kind, text in events if kind == "o") == response.content.decode()

    await client.type("exit\r")
    await client.wait_closed()
    await until(lambda: api.json("GET", f"{path}/session")["state"] == "exited")
    for route in ("output", "recording"):
        api.refused("GET", f"{path}/{route}", 409, "session_not_running")
