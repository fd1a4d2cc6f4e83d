"""Types into sessions that echo, and writes how long each echo took: a process of its own, so that nothing else waits.

Called with the file that says where the server is (``url``, ``token``, ``paths``) and the file for what it measures: a
line for each echo, the monotonic time at which it was typed and the milliseconds that it took; ``lost`` where the
connection ended meanwhile, or nothing came for five seconds. It ends with its standard input.
"""

from __future__ import annotations

import json
import random
import select
import sys
import time
from pathlib import Path
from typing import TextIO

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.wire import Wire

_PATIENCE_S = 5.0
_PAUSE_S = (0.02, 0.06)


class Typist:
    """Types into all sessions, one after the other, and attaches again where it was cut off."""

    def __init__(self, told: Path, out: TextIO) -> None:
        self._told = told
        self._out = out
        self._wires: dict[str, Wire] = {}
        self._number = 0

    def run(self) -> None:
        """Type until standard input ends."""
        while not select.select([0], [], [], random.uniform(*_PAUSE_S))[0]:
            told = json.loads(self._told.read_text())
            paths = told["paths"]
            path = paths[self._number % len(paths)]
            self._number += 1
            began = time.monotonic()
            try:
                wire = self._attached(told, path)
                began = time.monotonic()
                text = b"<%d>" % self._number
                wire.type(text)
                wire.read_until(text)
            except (OSError, AssertionError, IndexError):  # cut off; a refused connection shows as one that ends
                self._wires.pop(path, None)
                self._out.write(f"{began} lost\n")
            else:
                self._out.write(f"{began} {(time.monotonic() - began) * 1000:.3f}\n")
            self._out.flush()

    def _attached(self, told: dict[str, str], path: str) -> Wire:
        if path not in self._wires:
            wire = Wire(told["url"] + path, told["token"], binary=True, attach=b'{"rows": 24, "cols": 80}')
            wire.patience(_PATIENCE_S)
            wire.read_screen()
            self._wires[path] = wire
        return self._wires[path]


if __name__ == "__main__":
    with open(sys.argv[2], "a", encoding="utf-8") as file:
        Typist(Path(sys.argv[1]), file).run()
