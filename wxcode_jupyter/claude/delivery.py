"""Putting a text into Claude's input box and submitting it, once.

The order that makes it safe: look (the box is there and empty), put the text in without Enter, look again until the
text stands in the box, send Enter once. Whether it was *taken* is not decided here but by the hook and the
transcript, because only they know (`claude-code-facts.md`, "Versions differ").
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Awaitable, Callable
from typing import Protocol

from ..errors import AttentionNeeded, InvalidRequest, UnsupportedCommand
from ..fault_points import FaultPoint, reach
from . import letters, screens
from .builtins import is_unsupported

ENTER = b"\r"
ESCAPE = b"\x1b"
CLEAR_BOX = b"\x03"  # Ctrl-C: empties a box with a text; a second one within 0.8 s ends the CLI
TEXT_LIMIT_BYTES = 64 * 1024
_MIXED_S = 1.0  # how long a text must stand in the box together with another: a slow CLI may draw it in between
_PASTE = (b"\x1b[200~", b"\x1b[201~")


class Terminal(Protocol):
    """The little that delivery needs of a terminal."""

    async def write(self, data: bytes) -> None:
        """Send bytes to the child: whole, in order."""

    async def screen(self) -> screens.ScreenLike:
        """Return the screen with everything in it that the child has printed by now."""


class NotFree(Exception):
    """The box cannot take a text now: a draft stands in it, a turn runs, or no box is shown."""


def check_text(text: str) -> str:
    """Return the text as it can be delivered, or say why it cannot.

    Line ends become ``\\n``, the ends of the text are trimmed of white space, and accents are composed (NFC): the CLI
    does both too, and so the text that is kept is the one that the model gets.

    Raises:
        InvalidRequest: nothing that can be seen, over 64 KiB as UTF-8, or with tabs, control characters or invisible
            ones (the CLI makes blanks of the first and drops the others, without a word). Those that shape an emoji or
            a letter of their script are passed on, and may be in the text.
        UnsupportedCommand: a text that the CLI would read as something else than a prompt.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    text = unicodedata.normalize("NFC", text)
    if letters.shows_nothing(text):
        raise InvalidRequest("There is no text to send: nothing of it can be seen.")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidRequest("The text has a lone surrogate, which cannot be sent as UTF-8.") from error
    if size > TEXT_LIMIT_BYTES:
        raise InvalidRequest(
            f"The text has {size} bytes; at most {TEXT_LIMIT_BYTES} can be typed as one command. Put it into a file of "
            "the workspace, and name that.",
            field="text",
            limit_bytes=TEXT_LIMIT_BYTES,
        )
    for character in text:
        if character == "\t":
            raise InvalidRequest("The text has a tab, which Claude Code turns into blanks: put blanks, or name a file.")
        if (ord(character) < 32 and character != "\n") or 0x7F <= ord(character) < 0xA0:
            raise InvalidRequest(f"The text has the control character U+{ord(character):04X}, which Claude Code drops.")
    if dropped := letters.first_dropped(text):
        name = f"U+{ord(dropped):04X} ({unicodedata.name(dropped, 'unnamed')})"
        raise InvalidRequest(f"The text has the invisible character {name}, which Claude Code drops: take it out.")
    for test, reason in _READ_OTHERWISE:
        if test(text):
            raise UnsupportedCommand(f"Claude Code would not take this as a prompt: {reason}")
    return text


_READ_OTHERWISE: tuple[tuple[Callable[[str], bool], str], ...] = (
    (
        lambda text: text.casefold() in ("exit", "quit", ":q", ":q!", ":wq", ":wq!"),
        "it ends the session. Use `%wxmilestone stop`.",
    ),
    (
        is_unsupported,
        "it is one of the CLI's own commands, which are not acknowledged. Type it in the terminal. (`/clear` can be "
        "sent, and `/compact` with at most 500 characters on the same line.)",
    ),
)


async def put(
    terminal: Terminal,
    text: str,
    *,
    changed: Callable[[], Awaitable[None]],
    settle_s: float = 5.0,
    alone: Callable[[], bool] = lambda: True,
    typing: Callable[[], None] = lambda: None,
    entering: Callable[[], None] = lambda: None,
) -> None:
    """Put a text into the empty box and press Enter, once.

    Args:
        terminal: Where the box is.
        text: What ``check_text`` returned.
        changed: Returns when the screen may have changed, within a tenth of a second at the latest.
        settle_s: How long the text may take to appear in the box, in seconds.
        alone: Whether nobody else has typed of late: else the box may not show yet what stands in it.
        typing: Is called before the first byte is typed, and
        entering: before Enter is pressed.

    Raises:
        NotFree: Nothing was typed; try again later.
        AttentionNeeded: The text did not appear as it should, or a menu came up: Enter was not pressed.
    """
    if not screens.read(await terminal.screen()).free:
        raise NotFree
    typing()
    await terminal.write(_PASTE[0] + defused(text).encode() + _PASTE[1])
    reach(FaultPoint.TEXT_TYPED)
    clock = asyncio.get_running_loop().time
    deadline, mixed_since = clock() + settle_s, None
    while not (alone() and await confirm(terminal, text, entering=entering)):
        screen = await terminal.screen()
        reading = screens.read(screen)
        if not (reading.box and screens.holds_more(reading.box, text)):
            mixed_since = None
        elif (mixed_since := mixed_since or clock()) + _MIXED_S < clock():
            raise AttentionNeeded(
                "Something else stands beside the text in Claude's input box; Enter was not pressed. Look at the "
                "terminal, and clear the box.",
                screen="\n".join(screen.lines),
            )
        if reading.asks or clock() > deadline:
            raise AttentionNeeded(
                "The text did not appear in Claude's input box as it should; Enter was not pressed. "
                "Look at the terminal, and clear the box or answer what is shown.",
                screen="\n".join(screen.lines),
            )
        await changed()


def defused(text: str) -> str:
    """Return a text with a blank where the CLI would read it as something else; it trims the ends of what it takes.

    A leading ! would run a shell command at once, a leading # was taken for a note. Behind a trailing backslash Enter
    is a new line, and 2.1.197 offers files after a last word with @, of which Enter would choose one.
    """
    ahead = " " if text[0] in "!#" else ""
    behind = " " if text.endswith("\\") or "@" in text.split()[-1] else ""
    return f"{ahead}{text}{behind}"


async def confirm(terminal: Terminal, text: str, *, entering: Callable[[], None] = lambda: None) -> bool:
    """Press Enter if the box holds this text, and tell whether it did; ``entering`` is called before."""
    reading = screens.read(await terminal.screen())
    if reading.kind is not screens.Kind.BOX or not reading.box or not screens.holds(reading.box, text):
        return False
    reach(FaultPoint.TEXT_SEEN)
    entering()
    await terminal.write(ENTER)
    reach(FaultPoint.ENTER_PRESSED)
    return True


async def clear(terminal: Terminal, *, changed: Callable[[], Awaitable[None]], settle_s: float = 2.0) -> bool:
    """Empty a box that holds a text, and wait until another Ctrl-C would not end the CLI; False after ``settle_s``."""
    if not screens.read(await terminal.screen()).box:
        return True
    await terminal.write(CLEAR_BOX)
    deadline = asyncio.get_running_loop().time() + settle_s
    while asyncio.get_running_loop().time() < deadline:
        await changed()
        screen = await terminal.screen()
        if screens.read(screen).free and not any("again to exit" in line for line in screen.lines):
            return True
    return False
