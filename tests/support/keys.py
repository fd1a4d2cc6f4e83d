"""Keys of a user at a terminal, pressed until they have had their effect."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable

from tests.support.job import Job, until
from tests.support.socket import TerminalClient
from wxcode_jupyter.client.values import Project

ENTER, ESCAPE, DOWN, UP, CLEAR_LINE, CTRL_C = "\r", "\x1b", "\x1b[B", "\x1b[A", "\x15", "\x03"

_AGAIN_S = 3.0
_GIVE_UP_S = 40.0


def press(terminal: TerminalClient, key: str, done: Callable[[], object]) -> int:
    """Send a key until ``done()``, where a second key does no harm, and return how often it was sent.

    2.1.330 swallows keys now and then while a menu is new.
    """
    deadline = time.monotonic() + _GIVE_UP_S
    times = 0
    while time.monotonic() < deadline and not done():
        terminal.type(key)
        times += 1
        again = time.monotonic() + _AGAIN_S
        while time.monotonic() < again:
            if done():
                return times
            time.sleep(0.02)
    assert done(), f"{key!r} had no effect; {terminal.text[-2000:]!r}"
    return times


def choose(job: Job, project: Project, terminal: TerminalClient, label: str) -> None:
    """Choose the line of the menu that begins with ``label``: move there, then Enter until it, or the CLI, is gone."""

    def rows() -> list[str]:
        return job.client.screen(project).replace("\xa0", " ").split("\n")

    def row(pattern: str) -> int | None:
        return next((number for number, line in enumerate(rows()) if re.match(pattern, line)), None)

    def marked() -> bool:
        return row(rf"\s*❯ (\d\. )?{label}") is not None

    mark, target = row(r"\s*❯ "), row(rf"[\s❯]*(\d\. )?{label}")
    assert mark is not None and target is not None, job.client.screen(project)
    line = rows()[target].replace("❯", "").strip()
    if mark != target and press(terminal, DOWN if mark < target else UP, marked) > 1:
        # The key was not swallowed, perhaps, only slow: then the mark goes on.
        with contextlib.suppress(AssertionError):
            until(lambda: not marked(), timeout_s=_AGAIN_S)
            press(terminal, DOWN if mark < target else UP, marked)

    def gone() -> bool:
        # A row can be missing for a moment while the screen is drawn: the session's own word counts too.
        attention = job.client.session(project).attention
        asks = attention is not None and line in attention.screen
        return terminal.code is not None or not (marked() or asks)

    press(terminal, ENTER, gone)


def write_line(job: Job, project: Project, terminal: TerminalClient, text: str) -> None:
    """Type a prompt, see it in the box, press Enter."""
    put_draft(job, project, terminal, text)
    terminal.type(ENTER)


def put_draft(job: Job, project: Project, terminal: TerminalClient, text: str) -> None:
    """Type a text of one short line and return when it stands in the box."""
    terminal.type(text)
    deadline = time.monotonic() + _GIVE_UP_S
    while f"❯ {text}" not in (screen := job.client.screen(project).replace("\xa0", " ")):
        assert time.monotonic() < deadline, screen
        time.sleep(0.02)
