"""The REST API in memory: what a kernel meets, when the subject is the kernel's side and not the server's.

``fake_world`` is what it tells of, ``fake_routes`` how it is asked; here is how requests get there.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from tests.support.fake_routes import Answer, FakeRoutes

TOKEN = "a-token-that-never-shows"


class FakeApi(FakeRoutes):
    """A server of one user; ``steps`` are what happens next, one with each request for events."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: deque[Answer | Exception] = deque()

    def transport(self) -> httpx.MockTransport:
        """Carry a client's requests to this object."""

        def handle(request: httpx.Request) -> httpx.Response:
            self.headers.append(dict(request.headers))
            if self.failures:
                failure = self.failures.popleft()
                if isinstance(failure, Exception):
                    raise failure
                return httpx.Response(failure[0], json=failure[1])
            is_file = request.headers.get("Content-Type") == "application/zip"
            content = request.read()
            body = content if is_file else json.loads(content) if content else None
            status, answer = self.answer(request.method, str(request.url), body)
            return (
                httpx.Response(status, content=answer)
                if isinstance(answer, str | bytes)
                else httpx.Response(status, json=answer)
            )

        return httpx.MockTransport(handle)

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Serve on loopback, with the token required, for a kernel in another process; yield the URL."""
        api, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def _handle(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                with lock:
                    if self.headers.get("Authorization") == f"token {TOKEN}":
                        status, answer = api.answer(self.command, self.path, body)
                    else:
                        status, answer = 403, {"message": "Forbidden"}
                payload = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            do_GET = do_POST = do_PATCH = do_DELETE = _handle  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
