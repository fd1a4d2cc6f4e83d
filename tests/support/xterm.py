"""Real xterm.js terminals, without a browser: what the tests of the exact screen compare with."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from wxcode_jupyter.models import TermSize

PACKAGES = Path(__file__).parents[2] / ".tools" / "xterm-6.0.0"
HOST = Path(__file__).with_name("xterm_host.js")

State = dict[str, Any]


class XtermHost:
    """A Node process with any number of terminals in it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["node", str(HOST), str(PACKAGES)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def call(self, op: str, **fields: Any) -> dict[str, Any]:
        """Do one thing and return what came of it."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"op": op, **fields}).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"xterm_host.js ended with {self._process.wait()}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    @contextmanager
    def terminal(self, size: TermSize, scrollback: int = 1000) -> Iterator[Xterm]:
        """Give a new terminal."""
        terminal = Xterm(self, size, scrollback)
        yield terminal
        terminal.close()

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


class Xterm:
    """One terminal."""

    def __init__(self, host: XtermHost, size: TermSize, scrollback: int) -> None:
        self._host = host
        self._number = host.call("open", rows=size.rows, cols=size.cols, scrollback=scrollback)["terminal"]

    def write(self, data: bytes) -> None:
        """Have ``data`` shown."""
        self._host.call("write", terminal=self._number, data=base64.b64encode(data).decode())

    def resize(self, size: TermSize) -> None:
        """Take another size."""
        self._host.call("resize", terminal=self._number, rows=size.rows, cols=size.cols)

    def state(self) -> State:
        """Return everything that a user can see or that decides how the next byte is read."""
        return self._host.call("state", terminal=self._number)

    def close(self) -> None:
        """Free it."""
        self._host.call("close", terminal=self._number)


class Cell(NamedTuple):
    """One cell; the second half of a wide one has no width."""

    text: str
    width: int
    look: str


def cells(row: str) -> list[Cell]:
    """Return the cells of a row of a state."""
    found, look = [], ""
    for changed, text, width in _CELL.findall(row):
        look = changed or look
        found.append(Cell(text, int(width), look))
    return found


@dataclass(frozen=True)
class Difference:
    """What is not the same: ``where`` names it, for a row with its number from the last one up (-1)."""

    where: str
    expected: Any
    actual: Any

    def __str__(self) -> str:
        return f"{self.where}: {self.expected!r}, not {self.actual!r}"


def differences(expected: State, actual: State) -> list[Difference]:
    """Say where two states differ; of the history only what both have is compared."""
    found = [
        Difference(key, expected[key], actual[key])
        for key in expected
        if key not in ("normal", "alt") and expected[key] != actual[key]
    ]
    for name in ("normal", "alt"):
        if expected[name] and actual[name]:
            found += _buffer_differences(name, expected[name], actual[name], expected["alternate"])
    return found


def _buffer_differences(name: str, expected: State, actual: State, alternate: bool) -> Iterator[Difference]:
    beneath = name == "normal" and alternate  # its cursor is the one that is saved
    for key in ("saved", "tabs") if beneath else ("cursor", "saved", "region", "tabs"):
        if expected[key] != actual[key]:
            yield Difference(f"{name}.{key}", expected[key], actual[key])
    common = min(len(expected["rows"]), len(actual["rows"]))
    for y in range(-common, 0):
        if expected["rows"][y] != actual["rows"][y]:
            yield Difference(f"{name}.rows[{y}]", cells(expected["rows"][y]), cells(actual["rows"][y]))
        # Whether rows belong together matters where they may be broken anew, which is not on the alternate screen.
        if name == "normal" and y > -common and expected["wraps"][y] != actual["wraps"][y]:
            yield Difference(f"{name}.wraps[{y}]", expected["wraps"][y], actual["wraps"][y])


_CELL = re.compile("(?:\x01([^\x02]*)\x02)?([^\x01\x03]*)\x03(\\d)")
