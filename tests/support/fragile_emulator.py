"""The emulator's process without its guard: bytes that are no UTF-8 reach libghostty, and some take it down."""

from __future__ import annotations

import os
import socket

from wxcode_jupyter.terminal.emulator import MARK_FD, Worker
from wxcode_jupyter.terminal.screen_ghostty import GhosttyScreen

MODULE = "tests.support.fragile_emulator"


class FragileScreen(GhosttyScreen):
    """Feeds everything as it comes."""

    def feed(self, data: bytes) -> None:
        """See ``Screen``."""
        self._terminal.feed(data)


if __name__ == "__main__":
    with socket.socket(fileno=os.dup(0)) as sock:
        Worker(sock, MARK_FD, FragileScreen).run()
