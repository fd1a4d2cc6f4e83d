"""The real CLI in a PTY, seen through an emulated screen: what tests wait for instead of sleeping."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ptyprocess
from pyghostty import Terminal

from tests.support.recorded_screens import Screen
from wxcode_jupyter.claude import screens

HOOK_EVENTS = (
    "SessionStart",
    "UserPromptExpansion",
    "UserPromptSubmit",
    "PreToolUse",
    "PostToolUse",
    "PermissionRequest",
    "Notification",
    "PreCompact",
    "Stop",
    "StopFailure",
    "SubagentStop",
    "SessionEnd",
)
PASTE = "\x1b[200~{}\x1b[201~"
START_TIMEOUT_S = 60.0  # two seconds are usual; a busy machine was seen to need twenty
ENTER, ESCAPE, INTERRUPT, DOWN = "\r", "\x1b", "\x03", "\x1b[B"

_TITLE = re.compile(rb"\x1b\][02];([^\x07\x1b]*)(?:\x07|\x1b\\)")


class HookSpool:
    """Receives the CLI's hook events, each in a file of its own.

    Args:
        folder: Where the events are kept; made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def settings(self, **others: Any) -> str:
        """Return the text for ``--settings``: our hooks, beside the other settings given."""
        # Written under a hidden name and renamed, so that a reader never sees half an event; never fails, says nothing.
        draft = f"f=$(date +%s%N)-$$; cat > {self.folder}/.$f && mv {self.folder}/.$f {self.folder}/$f.json; exit 0"
        hook = [{"hooks": [{"type": "command", "command": draft}]}]
        return json.dumps({**others, "hooks": dict.fromkeys(HOOK_EVENTS, hook)})

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Return the events so far in order, those of one name where given."""
        events = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(self.folder.glob("*.json"))]
        return [event for event in events if name in (None, event["hook_event_name"])]


class CliTerminal:
    """A program in a PTY whose output feeds an emulated screen; as a context manager it kills the child at the end.

    Args:
        argv: Program and arguments.
        env: The whole environment.
        cwd: Working directory.
        rows: Height in cells.
        cols: Width in cells.
    """

    def __init__(
        self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, rows: int = 24, cols: int = 80
    ) -> None:
        self.raw = bytearray()
        self.sizes = [(0, rows, cols)]
        self._changed = threading.Condition()
        self._emulator = Terminal(cols=cols, rows=rows)
        self._emulator.on_reply(self._reply)
        self._child = ptyprocess.PtyProcess.spawn(list(argv), cwd=str(cwd), env=dict(env), dimensions=(rows, cols))
        self._ended = False
        self._reader = threading.Thread(target=self._read, name="cli-terminal")
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The child's process id."""
        return int(self._child.pid)

    @property
    def screen(self) -> str:
        """What the emulated screen shows: its rows, spaces at their ends removed (the CLI's non-breaking ones stay)."""
        with self._changed:
            rows = self._emulator.text().split("\n")
        return "\n".join(row.rstrip(" ") for row in rows).rstrip("\n")

    @property
    def title(self) -> str:
        """The window title set last, or the empty text."""
        with self._changed:
            found = _TITLE.findall(bytes(self.raw))
        return found[-1].decode("utf-8", "replace") if found else ""

    @property
    def titles(self) -> list[str]:
        """All window titles set, in order, repetitions left out."""
        with self._changed:
            found = [title.decode("utf-8", "replace") for title in _TITLE.findall(bytes(self.raw))]
        return [title for index, title in enumerate(found) if index == 0 or found[index - 1] != title]

    @property
    def takes_paste(self) -> bool:
        """Whether bracketed paste is on now."""
        with self._changed:
            return bool(self._emulator.mode(2004))

    @property
    def alternate(self) -> bool:
        """Whether the alternate screen is shown now."""
        with self._changed:
            return bool(self._emulator.mode(1049))

    @property
    def cursor(self) -> tuple[int, int]:
        """Column and row of the cursor, from 0."""
        with self._changed:
            column, row = self._emulator.cursor
        return int(column), int(row)

    @property
    def free(self) -> bool:
        """Whether the input box is there, empty, and neither a spinner nor the title tells of a turn."""
        with self._changed:
            column, row = self.cursor
            quiet = not self.title or self.title.startswith("✳")
            return quiet and screens.read(Screen(tuple(self.screen.split("\n")), (row, column))).free

    def resize(self, rows: int, cols: int) -> None:
        """Give the program another size; ``sizes`` has how many bytes had come before each."""
        with self._changed:
            self.sizes.append((len(self.raw), rows, cols))
            self._emulator.resize(cols, rows)
            self._child.setwinsize(rows, cols)

    def type(self, text: str) -> None:
        """Send text as typed, in one write."""
        self._write(text.encode())

    def paste(self, text: str) -> None:
        """Send text as a bracketed paste, without Enter."""
        self._write(PASTE.format(text).encode())

    def wait_for(self, condition: Callable[[], object], timeout_s: float = 30.0, what: str = "") -> None:
        """Block until ``condition()`` is true; it is looked at after each output and every 50 ms.

        Raises:
            TimeoutError: It was not after ``timeout_s`` seconds, or the child ended first; the message has the screen.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not condition():
                if time.monotonic() > deadline or (self._ended and not condition()):
                    state = f"ended ({self.exit_code})" if self._ended else "runs"
                    raise TimeoutError(
                        f"{what or condition}: not within {timeout_s:g} s; child {state}:\n{self.screen}"
                    )
                self._changed.wait(0.05)

    def wait_text(self, pattern: str, timeout_s: float = 30.0) -> re.Match[str]:
        """Block until the screen has text that matches the expression, and return the match."""
        found: list[re.Match[str]] = []

        def seen() -> bool:
            match = re.search(pattern, self.screen)
            found[:] = [match] if match else []
            return match is not None

        self.wait_for(seen, timeout_s, f"{pattern!r} on the screen")
        return found[0]

    def press(self, key: str, until: Callable[[], object], what: str = "") -> None:
        """Send a key, and again each two seconds until it has had its effect.

        2.1.330 swallows keys now and then while a menu is new on the screen; use it where a second key does no harm.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            self.type(key)
            try:
                return self.wait_for(until, 2.0, what)
            except TimeoutError:
                if self._ended or time.monotonic() > deadline:
                    raise

    def wait_exit(self, timeout_s: float = 30.0) -> int:
        """Block until the child has ended, and return its exit status, or minus the signal that ended it."""
        self.wait_for(lambda: self._ended, timeout_s, "exit")
        return self.exit_code

    @property
    def exit_code(self) -> int:
        """The exit status of a child that has ended, or minus the signal."""
        self._child.wait()
        signalled: int | None = self._child.signalstatus
        return -signalled if signalled is not None else int(self._child.exitstatus)

    def close(self) -> None:
        """Kill the child's process group and release everything. A repeated call does nothing."""
        if not self._ended:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        self._reader.join()
        if not self._child.closed:
            self._child.wait()
            self._child.fileobj.close()
            self._child.closed = True

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._child.fd, data) :]

    def _reply(self, answer: bytes) -> None:
        with contextlib.suppress(OSError):  # the child may have ended since it asked
            self._write(answer)

    def _read(self) -> None:
        while True:
            try:
                chunk = os.read(self._child.fd, 65536)
            except OSError:
                chunk = b""  # EIO: the last process on the other side has gone
            with self._changed:
                if not chunk:
                    self._ended = True
                else:
                    self.raw += chunk
                    self._emulator.feed(chunk)
                self._changed.notify_all()
            if not chunk:
                return
