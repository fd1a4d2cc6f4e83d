"""A user's terminal: the JSON WebSocket, read by a thread."""

from __future__ import annotations

import json
import threading
from typing import Any
from urllib.parse import urlencode

import websocket


class TerminalClient:
    """Attaches to a terminal and keeps what comes.

    ``frames`` are all frames in order, ``text`` the output so far, ``code`` the close code once it is closed.
    """

    def __init__(self, url: str, token: str, path: str, **query: str) -> None:
        address = f"{url.replace('http', 'ws', 1)}wxcode/api/v1/{path}?{urlencode(query)}"
        self.frames: list[dict[str, Any]] = []
        self.code: int | None = None
        self._socket = websocket.create_connection(address, header=[f"Authorization: token {token}"], timeout=60)
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while True:
            try:
                opcode, data = self._socket.recv_data()
            except (OSError, websocket.WebSocketException):
                break
            with self._changed:
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    self.code = int.from_bytes(data[:2], "big") if len(data) >= 2 else 1005
                elif opcode == websocket.ABNF.OPCODE_TEXT:
                    self.frames.append(json.loads(data))
                self._changed.notify_all()
            if self.code is not None:
                break
        with self._changed:
            self.code = self.code or 1006
            self._changed.notify_all()

    @property
    def text(self) -> str:
        """All output so far."""
        return "".join(frame["data"] for frame in list(self.frames) if frame["type"] == "output")

    def send(self, **frame: Any) -> None:
        """Send a frame."""
        self._socket.send(json.dumps(frame))

    def type(self, keys: str) -> None:
        """Send keys."""
        self.send(type="input", data=keys)

    def wait(self, kind: str, timeout_s: float = 30.0) -> dict[str, Any]:
        """Return the first frame of a type, waiting for it."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: next((frame for frame in self.frames if frame["type"] == kind), None), timeout_s
            )
        assert found, f"no {kind} frame; {self.frames[-5:]}, closed with {self.code}"
        return found

    def wait_text(self, text: str, timeout_s: float = 30.0) -> None:
        """Wait until a text has been printed."""
        with self._changed:
            assert self._changed.wait_for(lambda: text in self.text, timeout_s), (
                f"{text!r} not in {self.text[-2000:]!r}"
            )

    def wait_connected(self) -> None:
        """Wait until keys will be taken."""
        with self._changed:
            assert self._changed.wait_for(lambda: any(frame.get("connected") for frame in self.frames), 30), self.frames

    def wait_closed(self, timeout_s: float = 30.0) -> int:
        """Return the close code, waiting for it."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.code is not None, timeout_s), "not closed"
        assert self.code is not None
        return self.code

    def close(self) -> None:
        """Leave."""
        if self.code is None:
            self._socket.send_close()
            self._thread.join(5)
        self._socket.shutdown()  # type: ignore[no-untyped-call]
