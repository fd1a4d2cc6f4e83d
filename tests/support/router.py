"""What a Jupyter server's application routes, read off the application itself.

As a program it prints the routes of a server that is configured by its arguments, and listens nowhere.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from jupyter_server.serverapp import ServerApp
from tornado.routing import PathMatches, Router
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from wxcode_jupyter.server.bodies import BoundedBodies

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True)
class Route:
    """One rule of a router.

    Attributes:
        pattern: Of its path; "" where a rule looks at something else.
        handler: The class that answers, with its module.
        methods: What that has a method for.
        is_socket: Whether a WebSocket can be opened there.
    """

    pattern: str
    handler: str
    methods: tuple[str, ...]
    is_socket: bool


def routes(router: Any) -> Iterator[Route]:
    """Yield every rule, those of routers within routers too, in the order in which they are asked."""
    for rule in router.rules:
        if isinstance(rule.target, BoundedBodies):
            continue  # answers nothing: it asks the application again, for whoever does
        if isinstance(rule.target, Router):
            yield from routes(rule.target)
            continue
        handler = rule.target
        own = tuple(name for name in METHODS if _has(handler, name))
        pattern = rule.matcher.regex.pattern if isinstance(rule.matcher, PathMatches) else ""
        is_socket = isinstance(handler, type) and issubclass(handler, WebSocketHandler)
        yield Route(pattern, f"{handler.__module__}.{handler.__qualname__}", own, is_socket)


def dump(application: Application) -> str:
    """Return the routes of an application as JSON."""
    return json.dumps([asdict(route) for route in routes(application.default_router)])


def load(text: str) -> list[Route]:
    """Return what ``dump`` has written."""
    return [Route(**{**given, "methods": tuple(given["methods"])}) for given in json.loads(text)]


def _has(handler: Any, method: str) -> bool:
    return getattr(handler, method.lower(), None) is not getattr(RequestHandler, method.lower())


def main() -> None:
    """Print the routes."""
    app = ServerApp()
    app.initialize(sys.argv[1:], new_httpserver=False)
    print(dump(app.web_app))


if __name__ == "__main__":
    main()
