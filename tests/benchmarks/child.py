"""The program of a session that is measured: echoes what is typed; ``^F<megabytes>;`` makes it print that much.

It begins as claude does, with `SessionStart` and an input box, so that a session of ours counts as idle.

``^F0;`` never ends; ``^T<n>;`` shows a full-screen program: drawn once, then updated in a part of the screen, ten
megabytes of it. What it prints ends with a line ``^Done``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tty
from itertools import pairwise
from pathlib import Path

LINE = b"12:00:00 \x1b[32mINFO\x1b[0m worker-7 handled the request in 12 ms, \x1b[1m200\x1b[0m bytes went out\r\n"
BLOCK = LINE * (65_536 // len(LINE))


def write(data: bytes) -> None:
    """Write all of it."""
    while data:
        data = data[os.write(1, data) :]


def flood(megabytes: int) -> None:
    """Print lines of a log."""
    left = megabytes * 1_000_000 if megabytes else -1
    while left:
        block = BLOCK if left < 0 else BLOCK[:left]
        write(block)
        left -= 0 if left < 0 else len(block)


def full_screen(kind: int) -> None:
    """Draw a frame on the alternate screen, and then only what is within it (0), or what scrolls within it (1)."""
    write(b"\x1b[?1049h\x1b[?25l\x1b[?1000h\x1b[H\x1b[2J")
    for row in range(1, 25):
        write(b"\x1b[%d;1H\x1b[44m%-80s\x1b[0m" % (row, b"| row %d" % row))
    if kind:
        write(b"\x1b[5;20r\x1b[20;1H")
    for number in range(10_000_000 // 100):
        text = b"%08d " % number * 10
        write(b"\r\n" + text[:70] if kind else b"\x1b[%d;5H%s" % (5 + number % 15, text[:70] + b"\x1b[0;1m"))


def begin() -> None:
    """Report that the conversation has started, where there is somebody to report to, and show the box."""
    options = dict(pairwise(sys.argv))
    if settings := options.get("--settings"):
        event = {"hook_event_name": "SessionStart", "session_id": options["--session-id"], "source": "startup"}
        relay = json.loads(Path(settings).read_text())["hooks"]["SessionStart"][0]["hooks"][0]["command"]
        subprocess.run(relay, shell=True, input=json.dumps(event).encode(), check=True)
    rule = "─" * 40
    write(f"{rule}\r\n❯ \r\n{rule}\r\nready\r\n".encode())


def main() -> None:
    """Do what is typed."""
    tty.setraw(0)
    begin()
    pending = b""
    while data := os.read(0, 4096):
        pending += data
        if pending[0] not in b"\x06\x14":
            write(pending)
            pending = b""
        elif pending.endswith(b";"):
            act = flood if pending[0] == 6 else full_screen
            act(int(pending[1:-1]))
            write(b"\x18\r\n\x04one")  # whatever sequence was cut is over
            pending = b""


if __name__ == "__main__":
    main()
