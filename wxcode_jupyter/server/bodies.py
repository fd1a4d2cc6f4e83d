"""Bodies of requests: how many bytes of one are held in memory, and for how long one is waited for.

Jupyter reads a body to its end before anybody is asked, up to its ``max_body_size`` of half a gigabyte. What is too
large here is read to its end, too, because a connection that is closed while somebody still sends loses the answer; but
nothing more of it is kept, and the answer says what the limit is.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import Any

from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, HTTPServerRequest, RequestStartLine, ResponseStartLine
from tornado.routing import PathMatches, Router, Rule
from tornado.web import Application

from ..errors import TooLarge

_BODY_TIMEOUT_S = 120.0
_FOUND, _TOO_LARGE = "wxcode_found", "wxcode_too_large"  # attributes of a request


def check_body(request: HTTPServerRequest) -> None:
    """Raise ``TooLarge`` for a request of whose body nothing was kept."""
    limit_bytes = getattr(request, _TOO_LARGE, None)
    if limit_bytes is not None:
        raise TooLarge(
            f"The body has more than {limit_bytes} bytes (six times c.WxcodeApp.context_limit_bytes, and 1 MiB); "
            "nothing was done. Send less, put it into a file of the workspace and name that, or have the limit raised.",
            field="",
            limit_bytes=limit_bytes,
        )


class BoundedBodies(Router):
    """Finds who answers, as the application does, and hands on no more than the limit.

    Args:
        application: Jupyter's.
        base: The path below which bodies are bounded, but for what is written to the disk as it comes.
        limit_bytes: Of one body.
    """

    def __init__(self, application: Application, base: str, limit_bytes: int) -> None:
        self._application = application
        self._base = base
        self._limit_bytes = limit_bytes

    def add(self) -> None:
        """Stand before everybody else from now on."""
        self._application.default_router.rules.insert(
            0, Rule(_NotFound(rf"{re.escape(self._base)}/(?!imports$).*"), self)
        )

    def find_handler(self, request: HTTPServerRequest, **_kwargs: Any) -> HTTPMessageDelegate:
        """Return who answers."""
        setattr(request, _FOUND, True)
        return _Bounded(self._application.find_handler(request), request, self._limit_bytes)


class _NotFound(PathMatches):
    """Matches a request for whom it was not yet looked who answers."""

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        return None if hasattr(request, _FOUND) else super().match(request)


class _Bounded(HTTPMessageDelegate):
    def __init__(self, inner: HTTPMessageDelegate, request: HTTPServerRequest, limit_bytes: int) -> None:
        self._inner = inner
        self._request = request
        self._limit_bytes = limit_bytes
        self._length = 0

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        connection: Any = self._request.connection
        connection.set_body_timeout(_BODY_TIMEOUT_S)
        self._count(int(length) if (length := headers.get("Content-Length", "")).isdecimal() else 0)
        self._length = 0
        return self._inner.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        self._count(len(chunk))
        return None if hasattr(self._request, _TOO_LARGE) else self._inner.data_received(chunk)

    def finish(self) -> None:
        self._inner.finish()

    def on_connection_close(self) -> None:
        self._inner.on_connection_close()

    def _count(self, more: int) -> None:
        self._length += more
        if self._length > self._limit_bytes:
            setattr(self._request, _TOO_LARGE, self._limit_bytes)
