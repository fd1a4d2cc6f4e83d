"""Prints every bomb on its terminal, each followed by a reset when the terminal has taken it; ends when a q is typed.

``python -m tests.support.bomber BYTES ENDLESS_BYTES``: so many bytes of each at most, and of each that has no end.
"""

from __future__ import annotations

import os
import select
import sys
import termios
import tty

from tests.support.bombs import BOMBS, ENDLESS, RESET

ANSWER = b"\x1b[7;13R"
ASK_AGAIN_S = 1.0


def write(data: bytes) -> None:
    """Write all of it."""
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def wait_taken() -> None:
    """Wait until the terminal says where its cursor is; asked again, as answers are dropped that nobody reads."""
    heard = b""
    while not heard.endswith(ANSWER):
        write(b"\x18\x1b\\\x1b[?6l\x1b[7;13H\x1b[6n")
        while not heard.endswith(ANSWER) and select.select([0], [], [], ASK_AGAIN_S)[0]:
            heard = (heard + os.read(0, 65_536))[-100:]


def main(limit_bytes: int, endless_bytes: int) -> None:
    """Print them."""
    before = termios.tcgetattr(0)
    tty.setraw(0)
    for bomb in BOMBS.values():
        write(bomb[:limit_bytes])
        wait_taken()
        write(RESET)
    for begin, more in ENDLESS.values():
        chunk = more * (65_536 // len(more))
        write(begin)
        for _ in range(endless_bytes // len(chunk)):
            write(chunk)
        wait_taken()
        write(RESET)
    write(b"all of them\r\n")
    while b"q" not in os.read(0, 65_536):  # the terminal's answers stand before it
        pass
    termios.tcsetattr(0, termios.TCSAFLUSH, before)
    write(b"over\r\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
