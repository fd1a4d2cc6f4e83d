"""Real xterm.js terminals, without a browser: what the tests of the exact screen compare with."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

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


def differences(expected: State, actual: State) -> list[str]:
    """Say where two states differ; of the history only what both have is compared."""
    found = [
        f"{key}: {expected[key]!r} != {actual[key]!r}"
        for key in expected
        if key not in ("normal", "alt") and expected[key] != actual[key]
    ]
    for name in ("normal", "alt"):
        if expected[name] and actual[name]:
            found += _buffer_differences(name, expected[name], actual[name], expected["alternate"])
    return found


def _buffer_differences(name: str, expected: State, actual: State, alternate: bool) -> list[str]:
    keys = ["cursor", "saved", "region", "tabs"]
    if name == "normal" and alternate:  # its cursor is the one that is saved
        keys = ["saved", "tabs"]
    found = [f"{name}.{key}: {expected[key]!r} != {actual[key]!r}" for key in keys if expected[key] != actual[key]]
    common = min(len(expected["rows"]), len(actual["rows"]))
    for y in range(-common, 0):
        # Whether rows belong together matters where they may be broken anew, which is not on the alternate screen.
        for key in ("rows", "wraps") if name == "normal" else ("rows",):
            if expected[key][y] != actual[key][y] and (key == "rows" or y > -common):
                found.append(f"{name}.{key}[{y}]: {expected[key][y]!r} != {actual[key][y]!r}")
    return found
