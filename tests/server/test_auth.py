"""Who may do what. The tables are made by walking the router: a route that is added without a check fails here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.server.api import API, UNKNOWN_ID, Api
from tests.server.routes import OPERATIONS, REQUESTS, SOCKETS, TERMINALS, Operation
from tests.server.sockets import Socket, refused
from tests.support.server import WxServer

RESOURCES = ("wxcode:project", "wxcode:session", "wxcode:milestone")
ACTIONS = ("read", "write", "execute")
EVERYTHING = [f"{action} {resource}" for action in ACTIONS for resource in RESOURCES]
READING = ", ".join(f"read {resource}" for resource in RESOURCES)
NOTHING = "read nothing"


def declared(operation: Operation) -> list[str]:
    """Return what an operation asks of the authorizer."""
    assert operation.access
    return [" ".join(access) for access in operation.access]


def all_but(*asked: str) -> str:
    """Return a header that allows everything but this."""
    return ", ".join(access for access in EVERYTHING if access not in asked)


@pytest.mark.parametrize("operation", REQUESTS, ids=str)
def test_each_method_declares_an_action_on_one_of_our_resources(operation: Operation) -> None:
    assert operation.access
    for action, resource in operation.access:
        assert resource in RESOURCES
        assert action == "read" if operation.method == "get" else action in ("write", "execute")


def test_only_terminals_decide_for_themselves() -> None:
    assert {operation.pattern.rpartition("/")[2] for operation in TERMINALS} == {"terminal"}


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_without_a_token_nothing_is_told(operation: Operation, server: WxServer) -> None:
    response = httpx.request(operation.method, f"{server.url}{API}{operation.path}", trust_env=False)

    assert response.status_code == 403, response.text


@pytest.mark.parametrize("path", ["/", "/nonsense", f"/output-projects/{UNKNOWN_ID}/nonsense"])
def test_without_a_token_not_even_what_exists(path: str, server: WxServer) -> None:
    assert httpx.get(f"{server.url}{API}{path}", trust_env=False).status_code == 403


@pytest.mark.parametrize("operation", SOCKETS, ids=str)
async def test_without_a_token_no_socket_opens(operation: Operation, server: WxServer) -> None:
    assert await refused(server, operation.path, Authorization="token wrong") == 403


@pytest.mark.parametrize("operation", REQUESTS, ids=str)
def test_a_user_who_may_nothing_is_refused(operation: Operation, server: WxServer) -> None:
    with Api(server, **{"X-Allow": NOTHING}) as api:
        response = api.request(operation.method, operation.path, json={})

    assert response.status_code == 403
    assert declared(operation)[0] in response.json()["message"]


@pytest.mark.parametrize("operation", SOCKETS, ids=str)
async def test_a_user_who_may_nothing_gets_no_socket(operation: Operation, server: WxServer) -> None:
    assert await refused(server, operation.path, **{"X-Allow": NOTHING}) == 403


@pytest.mark.parametrize("operation", REQUESTS, ids=str)
def test_what_a_method_declares_is_what_it_asks(operation: Operation, server: WxServer) -> None:
    with Api(server, **{"X-Allow": ", ".join(declared(operation))}) as api:
        assert api.request(operation.method, operation.path, json={}).status_code != 403
    for asked in declared(operation):
        with Api(server, **{"X-Allow": all_but(asked)}) as api:
            assert api.request(operation.method, operation.path, json={}).status_code == 403


def test_what_is_of_several_kinds_is_asked_for_each() -> None:
    asked = {str(operation): set(declared(operation)) for operation in REQUESTS if len(declared(operation)) > 1}

    assert asked == {
        "get /output-projects/{id}/export": {f"read {resource}" for resource in RESOURCES},
        "post /milestones/{id}/fork": {"execute wxcode:milestone", "write wxcode:project"},
    }


@pytest.mark.parametrize("operation", REQUESTS, ids=str)
def test_a_reader_reads_and_does_no_more(operation: Operation, server: WxServer) -> None:
    with Api(server, **{"X-Allow": READING}) as api:
        response = api.request(operation.method, operation.path, json={})

    assert (response.status_code != 403) == (operation.method == "get")


@pytest.mark.parametrize("operation", TERMINALS, ids=str)
@pytest.mark.parametrize("allowed", ["read wxcode:session", "execute wxcode:session"])
async def test_a_terminal_asks_about_sessions(operation: Operation, allowed: str, server: WxServer) -> None:
    others = all_but("read wxcode:session", "execute wxcode:session")
    assert await refused(server, operation.path, **{"X-Allow": others}) == 403

    async with await Socket.connect(server, operation.path, **{"X-Allow": allowed}) as terminal:
        assert await terminal.wait_closed() == 4004


@pytest.mark.parametrize("how", [{"X-Allow": READING}, {}], ids=["may only read", "asks for it"])
async def test_an_observer_sees_and_does_nothing(how: dict[str, str], server: WxServer, api: Api, path: str) -> None:
    terminal_path = f"{path}/terminal"
    async with await Socket.connect(server, terminal_path) as driver:
        await driver.wait_connected()
        query = "" if how else "?role=observer"
        async with await Socket.connect(server, terminal_path + query, **how) as observer:
            await observer.wait_connected()
            for frame in (
                {"type": "input", "data": "echo by-observer\r"},
                {"type": "resize", "rows": 11, "cols": 33},
                {"type": "signal", "signal": "SIGTERM"},
                {"type": "signal", "signal": "EOF"},
            ):
                await observer.send(**frame)
                assert "observer" in (await observer.wait("error"))["message"]

            await driver.type("echo by-driver; stty size\r")
            await observer.wait_text("by-driver\r\n40 120")
            assert "by-observer" not in observer.text
            assert api.json("GET", f"{path}/session")["clients"] == 2


async def test_an_observer_starts_nothing(server: WxServer, api: Api, path: str) -> None:
    async with await Socket.connect(server, f"{path}/terminal?role=observer") as observer:
        assert (await observer.wait("error"))["code"] == "session_not_running"
        assert await observer.wait_closed() == 4005

    assert api.json("GET", f"{path}/session")["state"] == "stopped"


async def test_a_driver_who_may_not_start_milestones_starts_none(
    server: WxServer, api: Api, project: dict[str, Any]
) -> None:
    body = {"output_project_id": project["id"], "element_name": "one"}
    milestone = api.json("POST", "/milestones", 201, json=body)
    path = f"/milestones/{milestone['id']}/terminal"

    async with await Socket.connect(server, path, **{"X-Allow": all_but("execute wxcode:milestone")}) as terminal:
        await terminal.wait_connected()  # starting it would fail for want of GSD

    assert api.json("GET", f"/output-projects/{project['id']}/commands")["total"] == 0


class TestBrowser:
    """A browser comes with a cookie, which it also sends for pages of other sites."""

    @pytest.fixture
    def browser(self, server: WxServer) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=server.url, trust_env=False) as browser:
            browser.get("/login")  # the page that sets the XSRF cookie
            browser.get(f"/login?token={server.token}")
            assert browser.get(f"/{API}/info").status_code == 200
            yield browser

    @pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.method != "get"], ids=str)
    def test_the_cookie_alone_changes_nothing(self, operation: Operation, browser: httpx.Client) -> None:
        response = browser.request(operation.method, f"/{API}{operation.path}", json={})

        assert response.status_code == 403
        assert "_xsrf" in response.text

        token = {"X-XSRFToken": browser.cookies["_xsrf"]}
        allowed = browser.request(operation.method, f"/{API}{operation.path}", json={}, headers=token)
        assert allowed.status_code != 403

    @pytest.mark.parametrize("operation", SOCKETS, ids=str)
    async def test_other_sites_open_no_socket(
        self, operation: Operation, browser: httpx.Client, server: WxServer
    ) -> None:
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        headers = {"Authorization": "", "Cookie": cookie}

        assert await refused(server, operation.path, **headers, Origin="https://evil.example") in (403, 404)

        own = f"http://{urlsplit(server.url).netloc}"
        if operation in TERMINALS:
            async with await Socket.connect(server, operation.path, **headers, Origin=own) as terminal:
                assert await terminal.wait_closed() == 4004
        else:
            assert await refused(server, operation.path, **headers, Origin=own) == 404  # there is no such project

    @pytest.mark.parametrize("operation", REQUESTS, ids=str)
    def test_other_sites_read_nothing(self, operation: Operation, browser: httpx.Client) -> None:
        headers = {"Origin": "https://evil.example"}
        response = browser.request(operation.method, f"/{API}{operation.path}", headers=headers)

        assert response.status_code in (403, 404)
        assert "Access-Control-Allow-Origin" not in response.headers
