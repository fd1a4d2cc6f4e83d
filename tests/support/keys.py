"""Keys of a user at a terminal, pressed until they have had their effect."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from tests.support.job import Job
from tests.support.socket import TerminalClient
from wxcode_jupyter.client.values import Project

ENTER, ESCAPE, DOWN, UP, CLEAR_LINE = "\r", "\x1b", "\x1b[B", "\x1b[A", "\x15"

_AGAIN_S = 2.0
_GIVE_UP_S = 40.0


def press(terminal: TerminalClient, key: str, done: Callable[[], object]) -> None:
    """Send a key until ``done()``, where a second key does no harm.

    2.1.330 swallows keys now and then while a menu is new.
    """
    deadline = time.monotonic() + _GIVE_UP_S
    while time.monotonic() < deadline and not done():
        terminal.type(key)
        again = time.monotonic() + _AGAIN_S
        while time.monotonic() < again:
            if done():
                return
            time.sleep(0.02)
    assert done(), f"{key!r} had no effect; {terminal.text[-2000:]!r}"


def choose(job: Job, project: Project, terminal: TerminalClient, label: str) -> None:
    """Choose the line of the menu that begins with ``label``: move there, then Enter until it, or the CLI, is gone."""

    def row(pattern: str) -> int | None:
        lines = job.client.screen(project).replace("\xa0", " ").split("\n")
        return next((number for number, line in enumerate(lines) if re.match(pattern, line)), None)

    def marked() -> bool:
        return row(rf"\s*❯ (\d\. )?{label}") is not None

    mark, target = row(r"\s*❯ "), row(rf"[\s❯]*(\d\. )?{label}")
    assert mark is not None and target is not None, job.client.screen(project)
    if mark != target:
        press(terminal, DOWN if mark < target else UP, marked)

    def gone() -> bool:
        # A row can be missing for a moment while the screen is drawn: the session's own word counts too.
        attention = job.client.session(project).attention
        asks = attention is not None and label in attention.screen
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
