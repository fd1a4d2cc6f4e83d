"""Keys of a user at a terminal, pressed until they have had their effect."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.support.job import Job
from tests.support.recorded_screens import Screen
from tests.support.socket import TerminalClient
from wxcode_jupyter.claude import menu, screens
from wxcode_jupyter.client.values import Project
from wxcode_jupyter.errors import AttentionNeeded

ENTER, ESCAPE, DOWN, UP, CLEAR_LINE, CTRL_C = "\r", "\x1b", "\x1b[B", "\x1b[A", "\x15", "\x03"

_AGAIN_S = 3.0
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
    """Choose the line of the menu that begins with ``label``, as somebody who looks before each key.

    2.1.330 draws a new menu again now and then, with the mark where it was at first.
    """
    user = _User(job, project, terminal)
    line = next(choice.label for choice in user.choices() if choice.label.startswith(label))

    def asks() -> bool:
        # A row can be missing for a moment while the screen is drawn: the session's own word counts too.
        attention = job.client.session(project).attention
        told = attention is not None and line in attention.screen
        return terminal.code is None and (told or line in [choice.label for choice in user.choices()])

    deadline = time.monotonic() + _GIVE_UP_S
    while asks():
        assert time.monotonic() < deadline, f"{label!r} could not be chosen; {terminal.text[-2000:]!r}"
        with contextlib.suppress(AttentionNeeded):  # it went away, or is drawn just now
            asyncio.run(menu.choose(user, line, changed=user.changed))


@dataclass
class _User:
    """Somebody at the terminal, for `claude/menu.py`."""

    job: Job
    project: Project
    terminal: TerminalClient

    def choices(self) -> tuple[screens.Choice, ...]:
        return screens.choices(self.look())

    def look(self) -> Screen:
        ended = self.terminal.code is not None  # its last screen asks nobody any more
        return Screen(() if ended else tuple(self.job.client.screen(self.project).split("\n")), (0, 0))

    async def screen(self) -> Screen:
        return self.look()

    async def write(self, data: bytes) -> None:
        self.terminal.type(data.decode())

    async def changed(self) -> None:
        await asyncio.sleep(0.05)


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
