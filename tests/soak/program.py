"""What stands in claude's place in the soak: prints its load, and knows what it has printed.

The file ``soak.json`` in its working directory says its ``kind``; what it hears there by the fifo ``control`` is
``epoch`` (begin to count anew, behind a mark in the output) or ``end``. What it has printed in each epoch stands in
``printed.jsonl`` then: how many bytes, and their sha256. Of what is typed the kind ``echo`` prints everything; ``box``
has an input box, and takes commands as claude does (``tests/support/stand_in_box.py``).
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import select
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.stand_in_box import Box

#: What stands in the output where an epoch begins; a terminal ignores it.
MARK = b"\x1b]777;epoch\x07"
BURST_BYTES = 1 << 20

_LINE = b"12:00:00 \x1b[32mINFO\x1b[0m worker-7 handled the request in 12 ms, \x1b[1m200\x1b[0m bytes went out\r\n"
_FIRST_S = 3.0  # after its start nothing is printed by itself for so long: the session becomes idle
_PAUSES_S = {"drip": (0.08, 0.12), "redraw": (0.1, 0.2), "burst": (7.0, 13.0)}


class Program(Box):
    """One stand-in; ``kind`` is ``echo``, ``idle``, ``box``, or one of those that print by themselves."""

    def __init__(self, arguments: list[str]) -> None:
        super().__init__(arguments)
        told = json.loads(Path("soak.json").read_text())
        self.kind: str = told["kind"]
        self.random = random.Random(told["seed"])
        self.control = os.open("control", os.O_RDWR | os.O_NONBLOCK)
        self.due = time.monotonic() + _FIRST_S if self.kind in _PAUSES_S else float("inf")
        self.bytes = 0
        self.digest = hashlib.sha256()
        self.number = 0

    def print(self, data: bytes) -> None:
        """Print and count."""
        self.bytes += len(data)
        self.digest.update(data)
        _write(data)

    def draw(self) -> None:
        """Show the box: always, or once, so that the session becomes idle."""
        if self.kind == "box" or not self.bytes:
            self.print(self.picture())

    def read(self) -> str:
        """Wait for keys, and do meanwhile what is to be done; only a box's keys are returned."""
        while True:
            wait_s = self.due - time.monotonic()
            ready, _, _ = select.select([0, self.control], [], [], None if wait_s > 1e6 else max(wait_s, 0))
            if self.control in ready:
                for word in os.read(self.control, 4096).split():
                    self.obey(word)
            if time.monotonic() >= self.due:
                self.load()
                self.due = time.monotonic() + self.random.uniform(*_PAUSES_S[self.kind])
            if 0 in ready:
                keys = os.read(0, 65536)
                if self.kind == "box" or not keys:
                    return keys.decode(errors="replace")
                if self.kind == "echo":
                    self.print(keys)

    def load(self) -> None:
        """Print what a program of this kind prints at once."""
        self.number += 1
        if self.kind == "drip":
            self.print(b"%d " % self.number + _LINE * self.random.randint(1, 3))
        elif self.kind == "burst":
            self.print((b"%d " % self.number + _LINE * (BURST_BYTES // len(_LINE) + 1))[:BURST_BYTES])
        else:
            rows = (
                b"\x1b[%d;1H\x1b[4%dm%-76s\x1b[0m" % (row, row % 8, b"%d %d" % (self.number, row))
                for row in range(1, 25)
            )
            self.print(b"\x1b[H" + b"".join(rows))

    def obey(self, word: bytes) -> None:
        """Do what was heard by the fifo."""
        with open("printed.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps({"bytes": self.bytes, "sha256": self.digest.hexdigest()}) + "\n")
        self.bytes, self.digest = 0, hashlib.sha256()
        if word == b"end":
            sys.exit(0)
        _write(MARK)


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    Program(sys.argv[1:]).run()
