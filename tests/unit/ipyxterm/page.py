"""A page's side of a widget's comm."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from wxcode_jupyter.ipyxterm.tunnel import Dial, Tunnels
from wxcode_jupyter.protocol import wxterm


class Page:
    """One link of a page: sends frames up, and keeps what comes down."""

    def __init__(self, dial: Dial, link: str = "a") -> None:
        self.told: list[tuple[dict[str, Any], list[bytes]]] = []
        self.tunnels = Tunnels(dial, self._take)
        self._link = link
        self._seq = 0
        self._changed = threading.Condition()
        self.say("open")

    def say(self, kind: str, *frames: bytes, **what: Any) -> None:
        self.tunnels.receive({"kind": kind, "link": self._link, **what}, list(frames))

    def send(self, *frames: wxterm.ClientFrame) -> int:
        """Send a batch, and return its number."""
        self._seq += 1
        self.say("frames", *(wxterm.encode(frame) for frame in frames), seq=self._seq)
        return self._seq

    @property
    def frames(self) -> list[wxterm.ServerFrame]:
        """What has come down, in order."""
        sent = [buffer for message, buffers in self.told if message["kind"] == "frames" for buffer in buffers]
        return [frame for frame in map(wxterm.decode_server, sent) if frame is not None]

    @property
    def output(self) -> bytes:
        """What has come as output, and in the last snapshot before it."""
        shown = b""
        for frame in self.frames:
            if isinstance(frame, wxterm.Snapshot):
                shown = frame.data
            elif isinstance(frame, wxterm.Output):
                shown += frame.data
        return shown

    def said(self, kind: str) -> list[dict[str, Any]]:
        return [message for message, _ in self.told if message["kind"] == kind]

    def wait(self, is_there: Callable[[], Any]) -> None:
        with self._changed:
            assert self._changed.wait_for(is_there, timeout=60), self.told

    def _take(self, message: dict[str, Any], buffers: list[bytes]) -> None:
        with self._changed:
            self.told.append((message, buffers))
            self._changed.notify_all()
