"""Which server a request goes to: the kernel's own, or the one that holds the project's session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import IO, Any, TypeVar

import httpx

from ..errors import HeldElsewhere, ServerUnreachable
from . import discovery, parse
from .transport import Endpoint, Transport

V = TypeVar("V")
_PAGE = 100


class Router:
    """Sends requests to the home server, or to the holder of a project once one was named.

    Args:
        endpoint: The home server.
        transport: What carries the requests; injected by tests.
        timeout_s: Limit of each request; None for the defaults.
    """

    def __init__(
        self, endpoint: Endpoint, *, transport: httpx.BaseTransport | None = None, timeout_s: float | None = None
    ) -> None:
        self.carrier = transport
        self._timeout_s = timeout_s
        self._home = self._open(endpoint)
        self._holders: dict[str, Transport] = {}

    @property
    def home(self) -> Endpoint:
        """The server that was connected to."""
        return self._home.endpoint

    def request(
        self,
        method: str,
        path: str,
        *,
        project_id: str | None = None,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        repeatable: bool = False,
    ) -> Any:
        """Send a request to where the project is (the home server without one), see ``Transport.request``."""
        return self._at(
            project_id, lambda at: at.request(method, path, params=params, body=body, repeatable=repeatable)
        )

    def endpoint(self, project_id: str) -> Endpoint:
        """The server that a project's requests go to."""
        return self._holders.get(project_id, self._home).endpoint

    def read_text(self, path: str, *, project_id: str, accept: str) -> str:
        """GET a text from where the project is."""
        return self._at(project_id, lambda at: at.read_text(path, accept=accept))

    def read_bytes(self, path: str, *, project_id: str) -> bytes:
        """GET bytes from where the project is."""
        return self._at(project_id, lambda at: at.read_bytes(path))

    def save(self, path: str, file: IO[bytes], *, project_id: str) -> None:
        """GET bytes into a file from where the project is."""
        self._at(project_id, lambda at: at.save(path, file))

    def upload(self, path: str, file: IO[bytes], params: Mapping[str, Any]) -> Any:
        """POST a file to the home server."""
        return self._home.upload(path, file, params)

    def read_pages(
        self,
        path: str,
        key: str,
        params: Mapping[str, Any],
        read: Callable[[parse.Json], V],
        *,
        last: int | None = None,
    ) -> tuple[V, ...]:
        """GET a list, page by page, or its ``last`` items.

        The home server is asked: the store has them, whoever holds a session.
        """

        def read_page(skip: int, limit: int) -> tuple[list[V], int]:
            body = self._home.request("GET", path, params={**params, "skip": skip, "limit": limit})
            return parse.checked(lambda body: ([read(item) for item in body[key]], int(body["total"])), body, key)

        skip = 0 if last is None else max(0, read_page(0, 1)[1] - last)
        items: list[V] = []
        while True:
            page, total = read_page(skip + len(items), _PAGE)
            items += page
            if not page or skip + len(items) >= total:
                return tuple(items)

    def close(self) -> None:
        """Close all connections; idempotent."""
        for transport in (self._home, *self._holders.values()):
            transport.close()

    def _at(self, project_id: str | None, ask: Callable[[Transport], V]) -> V:
        if project_id is None:
            return ask(self._home)
        transport = self._holders.get(project_id, self._home)
        try:
            return ask(transport)
        except ServerUnreachable:
            if transport is self._home:
                raise
            self._holders.pop(project_id).close()  # the holder is gone, so the project is free again
            return self._at(project_id, ask)
        except HeldElsewhere as error:
            holder = self._open(discovery.holder_of(error, asked=transport.endpoint))
            self._holders[project_id] = holder
            return ask(holder)

    def _open(self, endpoint: Endpoint) -> Transport:
        return Transport(endpoint, transport=self.carrier, timeout_s=self._timeout_s)
