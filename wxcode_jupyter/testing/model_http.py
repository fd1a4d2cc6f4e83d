"""A small HTTP server for the scripted model: one thread per connection, and a close that ends all of them."""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_POLL_S = 0.02


class ClientGone(ConnectionError):
    """The client closed its connection, or the server is closing: nobody waits for this answer any more."""


class Exchange:
    """One request and the ways to answer it. Every method that sends or waits may raise `ClientGone`."""

    def __init__(self, handler: BaseHTTPRequestHandler, body: bytes, closing: threading.Event) -> None:
        self.method = handler.command
        self.path = handler.path
        self._handler = handler
        self._body = body
        self._closing = closing

    def json(self) -> dict[str, Any]:
        """Return the request's body, parsed; what is no JSON object raises ``ValueError``."""
        data = json.loads(self._body)
        if not isinstance(data, dict):
            raise ValueError("a JSON object is expected")  # noqa: TRY004 - the caller's data, not the caller's type
        return data

    def answer_json(self, status: int, data: Any, headers: Mapping[str, str] | None = None) -> None:
        """Send a complete answer in JSON, with further headers where given."""
        self.answer(status, json.dumps(data).encode(), "application/json", headers)

    def answer(
        self,
        status: int,
        payload: bytes,
        content_type: str = "text/plain",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a complete answer."""
        self._handler.send_response(status)
        self._handler.send_header("Content-Type", content_type)
        self._handler.send_header("Content-Length", str(len(payload)))
        for name, value in (headers or {}).items():
            self._handler.send_header(name, value)
        self._handler.end_headers()
        self._handler.wfile.write(payload)

    @contextmanager
    def streaming(self) -> Iterator[Callable[[bytes], None]]:
        """Send an answer of server-sent events: yields what sends one chunk, and completes the answer at the end."""
        self._handler.send_response(200)
        self._handler.send_header("Content-Type", "text/event-stream")
        self._handler.send_header("Cache-Control", "no-cache")
        self._handler.send_header("Transfer-Encoding", "chunked")
        self._handler.end_headers()

        def send(chunk: bytes) -> None:
            self._handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))

        yield send
        if not self._handler.close_connection:
            self._handler.wfile.write(b"0\r\n\r\n")

    def cut(self) -> None:
        """Break the connection off without completing the answer."""
        self._handler.close_connection = True

    def pause(self, seconds: float) -> None:
        """Let time pass while the client stays."""
        self._watch(threading.Event(), seconds)

    def wait(self, gate: threading.Event) -> None:
        """Wait for a gate while the client stays."""
        self._watch(gate, float("inf"))

    def _watch(self, gate: threading.Event, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not gate.is_set():
            left = deadline - time.monotonic()
            if left <= 0:
                return
            gate.wait(min(left, _POLL_S))
            if self._closing.is_set() or self._client_left():
                raise ClientGone

    def _client_left(self) -> bool:
        readable, _, _ = select.select([self._handler.connection], [], [], 0)
        return bool(readable) and not self._handler.connection.recv(1, socket.MSG_PEEK)


class ModelServer:
    """Serves on loopback. ``serve`` is called for each request, on the connection's thread."""

    def __init__(self, port: int, serve: Callable[[Exchange], None]) -> None:
        self._closing = threading.Event()
        self._http = _Server(("127.0.0.1", port), _handler_class(serve, self._closing))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(_POLL_S,), name="scripted-model")

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def close(self) -> None:
        """End all connections and wait for their threads. A repeated call does nothing."""
        if self._closing.is_set():
            return
        self._closing.set()
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.close_connections()
        self._http.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close waits for them
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Wake the threads that wait for the next request of a connection kept alive."""
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the client was faster


def _handler_class(serve: Callable[[Exchange], None], closing: threading.Event) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                self.close_connection = True  # the client went away: its right, at any time

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            exchange = Exchange(self, body, closing)
            try:
                serve(exchange)
            except ValueError as error:
                exchange.answer_json(
                    400, {"type": "error", "error": {"type": "invalid_request", "message": str(error)}}
                )

        do_HEAD = do_GET = do_POST = _any  # noqa: N815 - the names http.server looks for

        def log_message(self, format: str, *args: Any) -> None:
            """Keep quiet: the requests are recorded elsewhere."""

    return Handler
