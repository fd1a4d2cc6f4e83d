"""The router, walked: what every route answers to, and what its methods declare."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tornado.web import RequestHandler
from tornado.websocket import WebSocketHandler

from tests.server.api import UNKNOWN_ID
from wxcode_jupyter.server.rest import ROUTES

_METHODS = ("get", "head", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Operation:
    """One method of one route."""

    pattern: str  # as in openapi.yaml
    method: str  # in lower case
    function: Any
    is_socket: bool  # a WebSocket can be opened here

    def __str__(self) -> str:
        return f"{self.method} {self.pattern}"

    @property
    def path(self) -> str:
        """The route with an id that nothing has."""
        return self.pattern.replace("{id}", UNKNOWN_ID)

    @property
    def access(self) -> tuple[tuple[str, str], ...] | None:
        """The actions on resources that it declares; None for the terminals, which know drivers and observers."""
        access: tuple[tuple[str, str], ...] | None = getattr(
            inspect.unwrap(self.function, stop=_declares), "wxcode_access", None
        )
        return access

    @property
    def source(self) -> str:
        """The text of the method."""
        return inspect.getsource(inspect.unwrap(self.function))


def _declares(function: Any) -> bool:
    return "wxcode_access" in vars(function)


def operations() -> Iterator[Operation]:
    """Yield every method of every route."""
    for pattern, handler in ROUTES:
        for method in _METHODS:
            function = getattr(handler, method)
            if function is not getattr(RequestHandler, method):
                documented = re.sub(r"\(\[\^/\]\+\)", "{id}", pattern)
                yield Operation(documented, method, function, issubclass(handler, WebSocketHandler))


OPERATIONS = tuple(operations())
SOCKETS = tuple(operation for operation in OPERATIONS if operation.is_socket)
#: Routes that answer a plain request; a terminal is a WebSocket and nothing else.
REQUESTS = tuple(operation for operation in OPERATIONS if operation.access is not None)
TERMINALS = tuple(operation for operation in OPERATIONS if operation.access is None)
