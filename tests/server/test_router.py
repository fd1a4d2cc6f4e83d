"""Who gets past the gates of the running application: every route that we add to it, found by walking its router.

`test_auth.py` has what each of our operations declares; here nothing is believed that a handler says of itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from tornado.httpclient import HTTPClientError

from tests.server.api import UNKNOWN_ID, Api
from tests.server.router_walk import Ours, expected_patterns, walk, walked_server
from tests.server.sockets import connect
from tests.support.router import METHODS
from tests.support.server import WxServer

GOOD = "https://good.example"  # may ask from elsewhere, at the server that says so
NO_HEADERS: Mapping[str, str] = {}
NOTHING = {"X-Allow": "read nothing"}


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[WxServer]:
    with walked_server(folder / "walked") as server:
        yield server


@pytest.fixture(scope="module")
def friendly_server(folder: Path) -> Iterator[WxServer]:
    """One whose administrator lets a page of another site in."""
    with walked_server(folder / "friendly", allow_origin=GOOD, allow_remote_access=True) as server:
        yield server


@pytest.fixture(scope="module")
def routes(server: WxServer) -> list[Ours]:
    return walk(server)


@pytest.fixture(scope="module")
def guarded(routes: list[Ours]) -> list[Ours]:
    """All of them but what anybody may read."""
    return [each for each in routes if not each.public]


@dataclass(frozen=True)
class Live:
    """A project whose session lives, and a milestone of it."""

    project_id: str
    milestone_id: str

    def path(self, ours: Ours) -> str:
        """Return where one of our routes has this."""
        identifier = self.milestone_id if "/milestones/" in ours.path else self.project_id
        return ours.path.replace(UNKNOWN_ID, identifier)


@contextmanager
def living(api: Api) -> Iterator[Live]:
    """Give a project whose session lives; its name is ``one``, as in the name of the terminal."""
    project_id = api.create_project("one")["id"]
    body = {"output_project_id": project_id, "element_name": "one"}
    milestone = api.json("POST", "/milestones", 201, json=body)
    api.json("POST", f"/output-projects/{project_id}/session")
    try:
        yield Live(project_id, milestone["id"])
    finally:
        api.json("DELETE", f"/output-projects/{project_id}/session")


@pytest.fixture(scope="module")
def live(server: WxServer) -> Iterator[Live]:
    with Api(server) as api, living(api) as live:
        yield live


@pytest.fixture(scope="module")
def friendly_live(friendly_server: WxServer) -> Iterator[Live]:
    with Api(friendly_server) as api, living(api) as live:
        yield live


# One, because to make it costs more than to use it; no connection is used twice, because a server may close it.
_client = httpx.Client(trust_env=False, verify=False, timeout=30, limits=httpx.Limits(max_keepalive_connections=0))


def ask(
    server: WxServer,
    method: str,
    path: str,
    headers: Mapping[str, str] = NO_HEADERS,
    *,
    token: bool = True,
    content: bytes | None = None,
) -> httpx.Response:
    """Send a request for a path of the whole server, with the server's token or without."""
    if token:
        headers = {"Authorization": f"token {server.token}", **headers}
    _client.cookies.clear()
    return _client.request(method, f"{server.url.rstrip('/')}{path}", headers=headers, content=content)


async def shake_hands(
    server: WxServer, path: str, headers: Mapping[str, str] = NO_HEADERS, *, token: bool = True
) -> int:
    """Ask for a WebSocket, and return the status of the answer; 101 is one that was opened, and is closed again."""
    if not token:
        headers = {"Authorization": "", **headers}
    try:
        connection = await connect(server, path.removeprefix("/"), headers=dict(headers))
    except HTTPClientError as error:
        return error.code
    connection.close()
    while await connection.read_message() is not None:
        pass
    return 101


def let_in(response: httpx.Response) -> bool:
    """Whether a request was not refused for its origin; that is told as Jupyter does, as if there were nothing."""
    return not (response.status_code == 404 and response.json()["message"] == "Not Found")


def log_in(server: WxServer) -> dict[str, str]:
    """Return the headers of a browser in which somebody has logged in."""
    with httpx.Client(base_url=server.url, trust_env=False) as browser:
        browser.get("/login")  # the page that sets the XSRF cookie
        browser.get(f"/login?token={server.token}")
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())}


def test_what_we_add_is_known(routes: list[Ours]) -> None:
    assert {each.route.pattern for each in routes} == expected_patterns()
    assert len(routes) == len(expected_patterns())


def test_without_a_token_no_method_tells_anything(server: WxServer, guarded: list[Ours]) -> None:
    for each in guarded:
        for method in METHODS:
            response = ask(server, method, each.path, token=False)
            if method == "OPTIONS" and response.is_success:
                # A browser asks this before it sends what has the login; who it may be is not known yet.
                assert not response.content, f"{method} {each}"
                assert "Access-Control-Allow-Origin" not in response.headers, f"{method} {each}"
            else:
                assert response.status_code == 403, f"{method} {each}: {response.text}"
                assert UNKNOWN_ID not in response.text, f"{method} {each}"


def test_what_is_public_is_read_and_no_more(server: WxServer, routes: list[Ours]) -> None:
    public = [each for each in routes if each.public]
    for each in public:
        for method in METHODS:
            status = ask(server, method, each.path, token=False).status_code
            assert (status == 200) == (method in ("GET", "HEAD")), f"{method} {each}: {status}"
        for path in ("../extension.py", "..%2Fextension.py", "%2e%2e/openapi.yaml", "%2Fetc%2Fpasswd", "nothing.js"):
            assert ask(server, "GET", each.path.replace("cards.js", path), token=False).status_code in (403, 404), path


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND"])
def test_methods_that_nothing_has(method: str, server: WxServer, guarded: list[Ours]) -> None:
    for each in guarded:
        assert ask(server, method, each.path).status_code == 405, str(each)


@pytest.mark.parametrize("how", ["in the query", "token", "Bearer", "cookie"])
async def test_a_token_counts_as_it_does_for_jupyter(
    how: str, server: WxServer, guarded: list[Ours], live: Live
) -> None:
    for wrong in (False, True):
        word = "0" * 32 if wrong else server.token
        query = f"?token={word}" if how == "in the query" else ""
        headers = {} if query else {"Authorization": f"{how} {word}"}
        if how == "cookie":
            headers = log_in(server)
            if wrong:
                headers = {"Cookie": re.sub(r"(username-[^=]+=)[^;]+", r'\1"2|1:0|10:1|forged"', headers["Cookie"])}
        for each in guarded:
            status = ask(server, "GET", f"{each.path}{query}", headers, token=False).status_code
            assert (status == 403) == wrong, f"{each}: {status}"
            if each.route.is_socket:
                status = await shake_hands(server, f"{live.path(each)}{query}", headers, token=False)
                assert status == (403 if wrong else 101), f"{each}: {status}"


async def test_a_user_who_may_nothing_gets_nowhere(server: WxServer, guarded: list[Ours]) -> None:
    for each in guarded:
        for method in each.requests:
            response = ask(server, method, each.path, NOTHING)
            assert response.status_code == 403, f"{method} {each}: {response.text}"
        if each.route.is_socket:
            assert await shake_hands(server, each.path, NOTHING) == 403, str(each)


async def test_who_may_not_is_told_nothing_of_what_exists(server: WxServer, guarded: list[Ours], live: Live) -> None:
    """The answer is the same for what lives, for what is not there, and for what cannot be."""
    for each in guarded:
        paths = [each.path, live.path(each)]
        if "/terminals/" not in each.path:  # another name there is one of Jupyter's
            paths.append(each.path.replace(UNKNOWN_ID, "none"))
        for headers in (NOTHING, {"Authorization": ""}):
            for method in each.requests:
                answers = {
                    (response.status_code, response.text)
                    for response in (ask(server, method, path, headers) for path in paths)
                }
                assert len(answers) == 1, f"{method} {each}: {answers}"
            if each.route.is_socket:
                assert {await shake_hands(server, path, headers) for path in paths} == {403}, str(each)


def test_who_may_not_is_told_nothing_of_what_would_fit(server: WxServer, guarded: list[Ours]) -> None:
    for each in guarded:
        for method in each.requests:
            query = "?skip=x&limit=x&role=x&name="
            response = ask(server, method, f"{each.path}{query}", NOTHING, content=b"{" * 9)
            assert response.status_code == 403, f"{method} {each}: {response.text}"


def test_xsrf_is_checked_on_every_method_that_changes_something(server: WxServer, guarded: list[Ours]) -> None:
    browser = log_in(server)
    forged = {**browser, "X-XSRFToken": "2|00000000|00000000000000000000000000000000|1"}
    for each in guarded:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            for headers in (browser, forged):
                response = ask(server, method, each.path, headers, token=False)
                assert response.status_code == 403, f"{method} {each}"
                assert "xsrf" in response.text.lower(), f"{method} {each}: {response.text}"


#: Origins by which a browser says whose page asks, and whether Jupyter lets them in. Jupyter compares host and port: a
#: page of the same host and port over https is one that a proxy in front of the server has delivered.
ORIGINS = [
    (None, True),
    ("http://{host}", True),
    ("https://{host}", True),
    ("HTTP://{host}", True),
    ("null", False),
    ("http://{name}:1", False),
    ("http://{name}", False),
    ("http://{host}.evil.example", False),
    ("http://evil.example#{host}", False),
    ("http://{host}@evil.example", False),
    ("https://evil.example", False),
    ("", False),
]


@pytest.mark.parametrize(("origin", "allowed"), ORIGINS, ids=str)
async def test_origins_are_those_of_jupyter(
    origin: str | None, allowed: bool, server: WxServer, guarded: list[Ours], live: Live
) -> None:
    host = urlsplit(server.url).netloc
    headers = log_in(server)
    if origin is not None:
        headers["Origin"] = origin.format(host=host, name=host.partition(":")[0])

    assert let_in(ask(server, "GET", "/api/contents", headers, token=False)) == allowed  # Jupyter's, as a measure
    assert (await shake_hands(server, "/api/events/subscribe", headers, token=False) == 101) == allowed
    for each in guarded:
        response = ask(server, "GET", each.path, headers, token=False)
        assert let_in(response) == allowed, f"{each}: {response.text}"
        assert "Access-Control-Allow-Origin" not in response.headers
        if each.route.is_socket:
            status = await shake_hands(server, live.path(each), headers, token=False)
            assert (status == 101) == allowed, f"{each}: {status}"


@pytest.mark.parametrize(("origin", "allowed"), [(GOOD, True), ("https://evil.example", False), ("null", False)])
async def test_an_origin_that_is_allowed(
    origin: str, allowed: bool, friendly_server: WxServer, guarded: list[Ours], friendly_live: Live
) -> None:
    headers = {**log_in(friendly_server), "Origin": origin}
    for each in guarded:
        response = ask(friendly_server, "GET", each.path, headers, token=False)
        assert let_in(response) == allowed, f"{each}: {response.text}"
        assert response.headers.get("Access-Control-Allow-Origin", GOOD) == GOOD, str(each)  # and never who asks
        if response.is_success:
            assert response.headers["Access-Control-Allow-Origin"] == GOOD, str(each)
        if each.route.is_socket:
            status = await shake_hands(friendly_server, friendly_live.path(each), headers, token=False)
            assert (status == 101) == allowed, f"{each}: {status}"


async def test_hosts_are_those_of_jupyter(
    server: WxServer, friendly_server: WxServer, routes: list[Ours], live: Live
) -> None:
    """A name of somebody else's that leads here (DNS rebinding) makes a page of his one of the same origin."""
    rebound = {"Host": "evil.example", "Origin": "http://evil.example"}
    assert ask(server, "GET", "/api/contents", rebound).status_code == 403  # Jupyter's, as a measure
    for each in routes:
        for method in METHODS:
            status = ask(server, method, each.path, rebound).status_code
            assert status == 403, f"{method} {each}: {status}"
        assert ask(server, "GET", each.path, {"Host": "localhost:1"}).status_code != 403, str(each)
        assert ask(friendly_server, "GET", each.path, {"Host": "evil.example"}).status_code != 403, str(each)
        if each.route.is_socket:
            assert await shake_hands(server, live.path(each), rebound) == 403, str(each)
