"""Prints every bomb on its terminal, each followed by a reset; at the end it reads until a q is typed.

``python -m tests.support.bomber BYTES``: so many bytes of each sequence that has no end.
"""

from __future__ import annotations

import os
import sys
import termios
import tty

from tests.support.bombs import BOMBS, ENDLESS, RESET


def write(data: bytes) -> None:
    """Write all of it."""
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def main(endless_bytes: int) -> None:
    """Print them."""
    before = termios.tcgetattr(0)
    tty.setraw(0)
    for bomb in BOMBS.values():
        write(bomb + RESET)
    for begin, more in ENDLESS.values():
        chunk = more * (65_536 // len(more))
        write(begin)
        for _ in range(endless_bytes // len(chunk)):
            write(chunk)
        write(RESET)
    write(b"all of them\r\n")
    while b"q" not in os.read(0, 65_536):  # the terminal's answers stand before it
        pass
    termios.tcsetattr(0, termios.TCSAFLUSH, before)
    write(b"over\r\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
