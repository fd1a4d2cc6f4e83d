"""What the CLI's screen says, where no hook or transcript can: the input box, a menu, a first-run screen, a spinner.

The glyphs were read off 2.1.197 and 2.1.330 (`tests/data/screens/`). Nothing is ever typed because of a guess: a
screen that is not recognised is ``Kind.OTHER``, and then a person is asked.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Protocol

from .letters import without_invisible


class ScreenLike(Protocol):
    """The part of a screen that is read here: rows of text without trailing blanks, cursor as (row, column) from 0."""

    @property
    def lines(self) -> Sequence[str]:
        """The rows."""

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column."""


class Kind(StrEnum):
    """What the screen shows; each but BOX and OTHER is a question that only a person should answer."""

    BOX = "box"  # the input box, ready to take text
    TRUST = "trust"
    BYPASS = "bypass"
    LOGIN = "login"
    CONNECTION = "connection"
    MENU = "menu"
    OTHER = "other"  # nothing recognised: still starting, or something new


#: Looked for from top to bottom, the first that matches wins: of each group one phrase must be there, in small letters.
#: The message tells the user what to do. Plain phrases: a session that works is looked at several times a second.
_SCREENS: tuple[tuple[Kind, tuple[tuple[str, ...], ...], str], ...] = (
    (
        Kind.TRUST,
        # "No, exit" tells it from a permission menu whose command quotes it: the CLI takes a Yes there for more.
        (("trust this folder", "do you trust the files in this folder"), ("no, exit",)),
        "Claude Code asks whether this folder is trusted. Choose Yes in the terminal, or run `%wxmilestone trust`.",
    ),
    (
        Kind.BYPASS,
        (("bypass permissions mode",), ("yes, i accept", "no, exit")),
        "Claude Code warns of bypassPermissions. Accept it in the terminal, or choose another permission_mode.",
    ),
    (
        Kind.LOGIN,
        (
            (
                "select login method",
                "choose the text style",
                "do you want to use this api key",
                "paste code here",
                "let's get started",
            ),
        ),
        "Claude Code is not set up yet for this user (theme, login or API key). Answer it in the terminal.",
    ),
    (
        Kind.CONNECTION,
        (("unable to connect to anthropic services",),),
        "Claude Code cannot reach its service. Check the network of the server (proxy, ANTHROPIC_BASE_URL).",
    ),
)
_NOT_LOGGED_IN = re.compile(r"Not logged in\b", re.I)
_NOT_LOGGED_IN_MESSAGE = "Claude Code is not logged in. Type /login in the terminal."
_MENU = re.compile(r"Enter to (?:confirm|select|continue)|Esc to (?:cancel|exit)|Press Enter to continue", re.I)
_MENU_MESSAGE = "Claude Code shows a menu. Answer it in the terminal."
#: The first line of the menu that both versions open by themselves at a usage limit; it is what Esc does too.
LIMIT_MENU = "Stop and wait for limit to reset"
_CHOSEN = re.compile(r"^\s*❯ \S")
_RULE = re.compile(r"─{8,}.*─|─{8,}")
_PROMPT = re.compile(r"^\s?[❯>!]\s?")
_IN_BOX = re.compile(r"  |$")  # what the second and later rows of the box begin with
_BLOCK = re.compile(r"\[Pastedtext#\d+(?:\+\d+lines?)?\]")  # a pasted text, without its blanks
_HIGH = 10  # rows of a box that may be cut off at its head
_SPINNER = re.compile(r"^\s?[·✢✳✶✻✽*∗+●◐◓◑◒⠀-⣿] \S.*…")


@dataclass(frozen=True, slots=True)
class Reading:
    """What one screen says.

    Attributes:
        kind: What is shown.
        box: The text in the input box, its rows joined by newlines; empty for an empty box or its placeholder; None
            where
            no box is shown.
        busy: Whether a spinner or "esc to interrupt" stands above or below the box. False proves nothing by itself: the
            CLI draws it late, and rarely.
        message: What to tell the user where ``kind`` is a question; else empty.
    """

    kind: Kind
    box: str | None
    busy: bool
    message: str

    @property
    def asks(self) -> bool:
        """Whether somebody must answer before anything may be typed."""
        return self.kind not in (Kind.BOX, Kind.OTHER)

    @property
    def free(self) -> bool:
        """Whether the box is there, empty, and no turn shows."""
        return self.kind is Kind.BOX and not self.box and not self.busy


def read(screen: ScreenLike) -> Reading:
    """Read a screen."""
    lines = [line.replace("\xa0", " ") for line in screen.lines]
    row, column = screen.cursor
    box = _find_box(lines, row)
    if box is None:
        return _read_without_box("\n".join(lines), lines)
    top, bottom = box
    below = lines[bottom + 1 :]
    if _MENU.search("\n".join(below)) and any(_CHOSEN.match(line) for line in below):
        return _read_without_box("\n".join(below), below)  # what looks like a box above is left over from a redraw
    rows = [_PROMPT.sub("", lines[top + 1]), *lines[top + 2 : bottom]]
    text = "\n".join(line.removeprefix("  ") for line in rows).rstrip()
    if row == top + 1 and column <= 2:
        text = ""  # a hint in grey ("Press up to edit queued messages"): a draft has the cursor behind it
    if any(_NOT_LOGGED_IN.search(line) for line in below):
        return Reading(Kind.LOGIN, text, False, _NOT_LOGGED_IN_MESSAGE)
    busy = any("to interrupt" in line for line in below) or any(
        _SPINNER.match(line) for line in lines[max(0, top - 12) : top]
    )
    return Reading(Kind.BOX, text, busy, "")


def _find_box(lines: Sequence[str], cursor_row: int) -> tuple[int, int] | None:
    """Return the rows of the rules above and below the last input box; -1 for a rule above the screen."""
    rules = [number for number, line in enumerate(lines) if _RULE.fullmatch(line.strip()) and line.startswith("─")]
    for top, bottom in reversed(list(pairwise(rules))):
        if bottom - top >= 2 and _PROMPT.match(lines[top + 1]):
            return top, bottom
    # 2.1.197 gives a long text back as it is: the box can be higher than the screen, whose rows are all within it then.
    if len(rules) == 1 and cursor_row < rules[0] >= _HIGH:
        first, *others = lines[: rules[0]]
        if (_PROMPT.match(first) or _IN_BOX.match(first)) and all(map(_IN_BOX.match, others)):
            return -1, rules[0]
    return None


def _read_without_box(text: str, lines: Sequence[str]) -> Reading:
    flat = " ".join(text.split())
    small = flat.lower()
    for kind, groups, message in _SCREENS:
        if all(any(phrase in small for phrase in group) for group in groups):
            return Reading(kind, None, False, message)
    if _MENU.search(flat):
        return Reading(Kind.MENU, None, False, _MENU_MESSAGE)
    return Reading(Kind.OTHER, None, any(_SPINNER.match(line) for line in lines), "")


def is_limit_menu(text: str) -> bool:
    """Whether a screen's last lines are the menu of a usage limit, with its default marked."""
    marked = re.search(rf"^\s*❯ 1\. {LIMIT_MENU}\s*$", text.replace("\xa0", " "), re.M)
    return marked is not None and _MENU.search(text[marked.end() :]) is not None


def holds(box: str, text: str) -> bool:
    """Whether the input box shows ``text``: in full, its tail (a box higher than the screen), or as a pasted block.

    Compared is what surely arrives: the box wraps lines and turns tabs into spaces, the CLI composes accents, and of
    an emoji of several characters the emulator shows the first. CLI and emulator do not agree on the width of such an
    emoji, so that a few characters behind it may be painted over.
    """
    if not box.strip():
        return not text.strip()
    shown, meant = _compared(box), _compared(text)
    if shown == meant or _painted_over(shown, meant, most=2 * sum(map(_is_symbol, text))):
        return True
    if _BLOCK.fullmatch(shown):
        return True
    # A long text may be cut in its middle by the CLI: "head[...Truncated text #1 +12 lines...]tail".
    truncated = re.fullmatch(r"(.*?)\[\.\.\.Truncatedtext#\d+\+\d+lines\.\.\.\](.*)", shown, re.S)
    if truncated:
        return meant.startswith(truncated[1]) and meant.endswith(truncated[2])
    return (len(shown) > 200 or box.count("\n") + 1 >= _HIGH) and meant.endswith(shown)


def holds_more(box: str, text: str) -> bool:
    """Whether the input box shows ``text`` and something else beside it, as what somebody has typed there."""
    shown, meant = _compared(box), _compared(text)
    return not holds(box, text) and bool(meant) and (meant in shown or _BLOCK.search(shown) is not None)


_SKIN_TONES = frozenset(map(chr, range(0x1F3FB, 0x1F400)))
_JOINED = re.compile("\u200d[\u2190-\u2bff\U0001f000-\U0001faff]")
_UNSURE = frozenset("Cc Cf Cn Co Cs Me Mc Mn So Zl Zp Zs".split())


def _compared(text: str) -> str:
    """Return a text without white space, accents, invisible characters and emoji."""
    plain = unicodedata.normalize("NFD", without_invisible(_JOINED.sub("", text)))
    return "".join(each for each in plain if unicodedata.category(each) not in _UNSURE and each not in _SKIN_TONES)


def _is_symbol(character: str) -> bool:
    return unicodedata.category(character) == "So"


def _painted_over(shown: str, meant: str, *, most: int) -> bool:
    """Whether ``shown`` is ``meant`` without at most so many of its characters."""
    rest = iter(meant)
    return 0 < len(meant) - len(shown) <= most and all(character in rest for character in shown)


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of a menu."""

    label: str
    selected: bool


_CHOICE = re.compile(r"^\s*(?P<mark>❯)?\s*(?:\d+\.\s+)?(?P<label>\S.*?)\s*$")


def choices(screen: ScreenLike) -> tuple[Choice, ...]:
    """Return the choices of a menu, from top to bottom: the block of lines around the one that is marked with ``❯``."""
    lines = [line.replace("\xa0", " ") for line in screen.lines]
    marks = [number for number, line in enumerate(lines) if re.match(r"^\s*❯ \S", line)]
    if not marks:
        return ()
    first = last = marks[-1]  # prompts of the conversation above are marked as well
    while first > 0 and lines[first - 1].strip():
        first -= 1
    while last + 1 < len(lines) and lines[last + 1].strip():
        last += 1
    found = [_CHOICE.match(line) for line in lines[first : last + 1]]
    return tuple(Choice(match["label"], match["mark"] is not None) for match in found if match)
