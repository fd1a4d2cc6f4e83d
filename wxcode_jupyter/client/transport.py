"""HTTP to one server: token, repetition, errors.

A request is repeated only where doubling it changes nothing: GETs, and the requests that the caller marks
``repeatable`` (a POST with an id chosen by the client, or one that the API defines as idempotent). Every other request
is repeated only when no connection came about. Redirects are not followed: they lead to a login page.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import urlsplit

import httpx

from ..errors import ServerUnreachable, WxcodeError, by_code

API_PATH = "wxcode/api/v1/"
_ATTEMPTS = 3
_PAUSE_S = 0.1
#: Ending a session may take the server its whole escalation, so reading is patient; connecting is not.
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)
#: What an import does with the file takes longer, the larger it is.
_UPLOAD_TIMEOUT = httpx.Timeout(600.0, connect=5.0)
_CHUNK_BYTES = 1 << 20
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", ""})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Address of a Jupyter server: its base URL, a token that never shows, and its unix socket where it has one."""

    url: str
    token: str = field(default="", repr=False)
    socket_path: str | None = None
    pid: int | None = None

    @property
    def api_url(self) -> str:
        """The base of every route, with a slash at its end."""
        base = "http://localhost" + urlsplit(self.url).path if self.socket_path else self.url
        return base.rstrip("/") + "/" + API_PATH

    @property
    def is_local(self) -> bool:
        """Whether the address is this machine's own: no proxy of the environment applies then."""
        return self.socket_path is not None or (urlsplit(self.url).hostname or "") in _LOOPBACK


class Transport:
    """Sends requests to one server and raises the package's errors.

    Args:
        endpoint: Where to.
        transport: What carries the requests; httpx's own by default.
        timeout_s: Limit of each request; None for the defaults of this module.
        sleep: Waits between repetitions; injected by tests.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        transport: httpx.BaseTransport | None = None,
        timeout_s: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.endpoint = endpoint
        self._sleep = sleep
        if transport is None and endpoint.socket_path:
            transport = httpx.HTTPTransport(uds=endpoint.socket_path)
        headers = {"Authorization": f"token {endpoint.token}"} if endpoint.token else {}
        self._http = httpx.Client(
            base_url=endpoint.api_url,
            headers=headers,
            timeout=_TIMEOUT if timeout_s is None else timeout_s,
            transport=transport,
            trust_env=not endpoint.is_local,
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        repeatable: bool = False,
    ) -> Any:
        """Send a request and return the JSON of its answer (None where there is none).

        Raises:
            ServerUnreachable: Nothing answers, or what answers is no wxcode server, or it refuses the token.
            WxcodeError: The subclass that the server's ``reason`` names.
        """
        response = self._send(method, path, params, body, "application/json", repeatable)
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError:
            raise ServerUnreachable(
                f"What answers at {self.endpoint.url} is no wxcode server: {method} {path} gave no JSON.",
                url=self.endpoint.url,
            ) from None

    def read_text(self, path: str, *, accept: str = "text/plain") -> str:
        """GET a text. Raises like ``request``."""
        return self._send("GET", path, None, None, accept, repeatable=True).text

    def read_bytes(self, path: str) -> bytes:
        """GET bytes. Raises like ``request``."""
        return self._send("GET", path, None, None, "application/octet-stream", repeatable=True).content

    def save(self, path: str, file: IO[bytes]) -> None:
        """GET bytes into a file as they come. Raises like ``request``; what is in the file then is not all."""
        file.seek(0)
        file.truncate()
        try:
            with self._http.stream("GET", path) as response:
                if not response.is_success:
                    response.read()
                    raise self._error(response, f"GET {path}")
                for chunk in response.iter_bytes():
                    file.write(chunk)
        except httpx.TransportError as error:
            raise self._unreachable(error, reached=False) from error

    def upload(self, path: str, file: IO[bytes], params: Mapping[str, Any]) -> Any:
        """POST a file as it is read, and return the JSON of the answer; never repeated. Raises like ``request``."""
        given = {key: value for key, value in params.items() if value is not None}
        length = str(os.fstat(file.fileno()).st_size)
        headers = {"Content-Type": "application/zip", "Content-Length": length}
        chunks = iter(lambda: file.read(_CHUNK_BYTES), b"")
        try:
            response = self._http.post(path, params=given, content=chunks, headers=headers, timeout=_UPLOAD_TIMEOUT)
        except httpx.TransportError as error:
            raise self._unreachable(error, reached=True) from error
        if not response.is_success:
            raise self._error(response, f"POST {path}")
        return response.json()

    def close(self) -> None:
        """Close the connections; idempotent."""
        self._http.close()

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        body: Mapping[str, Any] | None,
        accept: str,
        repeatable: bool,
    ) -> httpx.Response:
        repeatable = repeatable or method == "GET"
        given = {key: value for key, value in (params or {}).items() if value is not None}
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                response = self._http.request(method, path, params=given, json=body, headers={"Accept": accept})
            except httpx.TransportError as error:
                reached = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                if attempt == _ATTEMPTS or (reached and not repeatable):
                    raise self._unreachable(error, reached=reached) from error
                self._sleep(_PAUSE_S * attempt)
            else:
                if response.is_success:
                    return response
                raise self._error(response, f"{method} {path}")
        raise AssertionError("unreachable")

    def _unreachable(self, error: httpx.TransportError, *, reached: bool) -> ServerUnreachable:
        what = str(error) or type(error).__name__
        outcome = " Whether it did what was asked is unknown: look with `%wxmilestone status`." if reached else ""
        return ServerUnreachable(
            self._redact(f"The wxcode server at {self.endpoint.url} does not answer ({what}).{outcome}"),
            url=self.endpoint.url,
        )

    def _error(self, response: httpx.Response, what: str) -> WxcodeError:
        try:
            body = response.json()
        except ValueError:
            body = None
        body = body if isinstance(body, dict) else {}
        reason, message = body.get("reason"), self._redact(str(body.get("message") or ""))
        if isinstance(reason, str) and reason and by_code(reason).code == reason:
            details = body.get("details")
            details = {k: v for k, v in details.items() if k != "message"} if isinstance(details, dict) else {}
            return by_code(reason)(message or f"{what} failed: {reason}.", **details)
        url, status = self.endpoint.url, response.status_code
        if status in (301, 302, 303, 307, 308, 401, 403):
            return ServerUnreachable(
                f"The server at {url} refuses this kernel ({status} {message or response.reason_phrase}): "
                "check WXCODE_SERVER_URL and WXCODE_TOKEN, and what its authorizer allows.",
                url=url,
            )
        if status == 404:
            return ServerUnreachable(
                f"The server at {url} has no such route ({what}): is wxcode_jupyter, in this version, installed and "
                "enabled there? `jupyter server extension list` tells.",
                url=url,
            )
        return WxcodeError(f"{what} failed at {url}: {status} {message or response.reason_phrase}", status=status)

    def _redact(self, text: str) -> str:
        token = self.endpoint.token
        return text.replace(token, "[token]") if token else text
