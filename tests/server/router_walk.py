"""Everything that this package adds to a running Jupyter server's router: what a server without it does not have.

So a route that is added anywhere, by any class, is in the tables of the tests.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.server.api import API, UNKNOWN_ID
from tests.server.conftest import make_server
from tests.support import router
from tests.support.router import Route
from tests.support.server import WxServer
from wxcode_jupyter.server.rest import ROUTES

ROOT = Path(__file__).parents[2]

#: What there is beside ``openapi.yaml``: Jupyter's own terminals, and what pages are made of, which is public as is all
#: that Jupyter serves under ``static/``.
EVERY_OTHER_PATH = r"/wxcode/api/v1(?:/.*)?"
PUBLIC = r"/static/wxcode_jupyter/(.*)"
TERMINAL_NAME = r"([A-Za-z0-9_]{1,40}_[0-9a-f]{24})"
BESIDE_THE_PAGE = {
    EVERY_OTHER_PATH,
    PUBLIC,
    "/api/terminals",
    f"/api/terminals/{TERMINAL_NAME}",
    f"/terminals/websocket/{TERMINAL_NAME}",
}

#: What stands in a path for the groups of its pattern.
_EXAMPLES = {
    r"([^/]+)": UNKNOWN_ID,
    TERMINAL_NAME: f"one_{UNKNOWN_ID}",
    r"(?:/.*)?": "/nonsense",
    r"(.*)": "cards.js",
}

_DUMPING = """
from pathlib import Path
from tests.support.router import dump

class DumpingAuthorizer(HeaderAuthorizer):
    def is_authorized(self, handler, user, action, resource):
        if target := handler.request.headers.get("X-Dump-Routes"):
            Path(target).write_text(dump(handler.application))
        return super().is_authorized(handler, user, action, resource)

get_config().ServerApp.authorizer_class = DumpingAuthorizer
"""


@dataclass(frozen=True)
class Ours:
    """One of our routes, and a path that it answers for, of which nothing is there."""

    route: Route
    path: str

    def __str__(self) -> str:
        return f"{self.route.pattern} ({self.route.handler})"

    @property
    def public(self) -> bool:
        """Whether anybody may read there."""
        return self.route.pattern == PUBLIC

    @property
    def requests(self) -> list[str]:
        """The methods that do something here."""
        return [name for name in self.route.methods if name != "OPTIONS"]


@contextmanager
def walked_server(folder: Path, **settings: object) -> Iterator[WxServer]:
    """Give a server whose router can be read, with Jupyter's own terminals and these settings of ``ServerApp``."""
    server = make_server(folder, variables={"PYTHONPATH": str(ROOT)}, terminals=True)
    with open(folder / "jupyter" / "config" / "jupyter_config.py", "a") as config:
        config.write(_DUMPING)
        config.writelines(f"get_config().ServerApp.{name} = {value!r}\n" for name, value in settings.items())
    with server:
        yield server


def walk(server: WxServer) -> list[Ours]:
    """Return what our package has added to the router of a server, in the order in which it is asked."""
    added = _running(server)
    for route, count in _without_us(server).items():
        for _each in range(count):
            added.remove(route)
    return [Ours(route, _example(route.pattern)) for route in added]


def expected_patterns() -> set[str]:
    """Return the patterns of all routes that are known to us."""
    return {f"/{API}{pattern}" for pattern, _handler in ROUTES} | BESIDE_THE_PAGE


def _running(server: WxServer) -> list[Route]:
    target = server.folder / "routes.json"
    headers = {"Authorization": f"token {server.token}", "X-Dump-Routes": str(target)}
    assert httpx.get(f"{server.url}{API}/info", headers=headers, trust_env=False).status_code == 200
    return [_plain(route) for route in router.load(target.read_text())]


def _without_us(server: WxServer) -> Counter[Route]:
    config = server.folder / "without.py"
    off = dict.fromkeys(("jupyterlab", "notebook_shim", "jupyter_lsp", "wxcode_jupyter"), False)
    extensions = {**off, "jupyter_server_terminals": True}
    config.write_text(f"get_config().ServerApp.jpserver_extensions = {extensions!r}\n")
    printed = subprocess.run(
        [sys.executable, "-m", "tests.support.router", f"--config={config}", "--allow-root"],
        env=server.environment(),
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    return Counter(map(_plain, router.load(printed.stdout.decode())))


def _plain(route: Route) -> Route:
    return Route(route.pattern.rstrip("$"), route.handler, route.methods, route.is_socket)


def _example(pattern: str) -> str:
    path = pattern
    for group, text in _EXAMPLES.items():
        path = path.replace(group, text)
    assert re.fullmatch(r"[/\w.-]+", path), f"Say in _EXAMPLES what may stand for the groups of {pattern}"
    return path
