"""What a terminal shows: the contract of an emulator, and the value that it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..models import TermSize
from .style import Run

TITLE_LIMIT = 256


@dataclass(frozen=True, slots=True)
class ScreenView:
    """The screen at one moment.

    Attributes:
        lines: The rows as text, each without trailing blanks; exactly ``size.rows`` of them.
        cursor: Row and column, from 0.
        title: The window title (OSC 0 and 2), on one line, without control characters, cut to ``TITLE_LIMIT``.
        alternate: Whether the alternate screen shows.
        bracketed_paste: Whether the program asked for bracketed paste (mode 2004).
        offset: All output of the journal before this offset is in, and nothing after it.
        exact: ``False`` when some output is missing in it (too old, lost, or it crashed the emulator) and the program
            has not cleared the screen since.
        runs: The rows with their looks, each without plain blanks at its end, where that was asked for; else empty.
    """

    lines: tuple[str, ...]
    cursor: tuple[int, int]
    title: str
    alternate: bool
    bracketed_paste: bool
    offset: int
    exact: bool
    size: TermSize
    runs: tuple[tuple[Run, ...], ...] = ()

    @property
    def text(self) -> str:
        """All rows as one string, without the blank ones at the end."""
        return "\n".join(self.lines).rstrip("\n")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The screen at one moment, for a terminal that shows it and what follows.

    Attributes:
        offset: Where to go on in the journal: at the sequence or the character that had only begun.
        size: The size that the terminal has to have.
        data: Written to a terminal that was reset, it makes the cells with their colours and links, cursor, pen, modes,
            tab stops, character sets, title, and the primary screen beneath the alternate one. Empty where no emulator
            can tell: then all that is kept of the journal follows, from ``offset`` on.
        exact: ``False`` when what it makes may differ from the true screen; the program has been asked to draw again.
    """

    offset: int
    size: TermSize
    data: bytes
    exact: bool


class Screen(Protocol):
    """An emulator of one terminal.

    Attributes:
        slice_bytes: How much may be fed at once without making other sessions wait for more than a few milliseconds.
        backlog_bytes: How far it may lag behind before the rest is skipped; ``None``: any.
    """

    slice_bytes: int
    backlog_bytes: int | None

    def feed(self, data: bytes) -> None:
        """Take output; sequences may be split anywhere."""

    def resize(self, size: TermSize) -> None:
        """Take a new size; sizes that no terminal can have are clamped."""

    def take_replies(self) -> bytes:
        """Return what the terminal answered to the program's queries since the last call."""

    def lines(self) -> list[str]:
        """Return the rows of the active screen as text; blank ones at the end may be missing."""

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column, from 0."""

    @property
    def title(self) -> str:
        """The window title: one line of at most ``TITLE_LIMIT`` characters, none of them a control."""

    @property
    def alternate(self) -> bool:
        """Whether the alternate screen shows."""

    @property
    def bracketed_paste(self) -> bool:
        """Whether mode 2004 is set."""

    @property
    def size(self) -> TermSize:
        """The present size."""

    def runs(self) -> list[list[Run]]:
        """Return the rows of the active screen with their looks; blank ones at the end may be missing."""

    def snapshot(self, history: int) -> tuple[bytes, int] | None:
        """Return ``Snapshot.data`` with at most so many rows of scrollback; ``None`` when it cannot be told.

        With it, how many of the bytes that were fed last are not in it, as they are the beginning of something. (They
        are not its end: xterm.js loses a character that is cut between two writes, when a middle byte of it is 0x80.)
        """

    def save(self) -> bytes | None:
        """Return the whole state, for ``restore`` of the same emulator; ``None`` when it cannot be told."""

    def close(self) -> None:
        """Free what it holds."""


class ScreenFactory(Protocol):
    """Makes emulators of one kind."""

    def __call__(self, size: TermSize) -> Screen:
        """Return one that has been fed nothing."""

    def restore(self, state: bytes) -> Screen:
        """Return one as it was when it was saved; raise ``ValueError`` when this is no state that it knows."""


def find_emulator(kind: str = "") -> ScreenFactory:
    """Return the best emulator that is installed, or the one that is named (``ghostty`` or ``pyte``)."""
    if kind != "pyte":
        try:
            from .screen_ghostty import GhosttyScreen

            return GhosttyScreen
        except (ImportError, OSError):  # no wheel for this platform, or its library does not load
            if kind:
                raise
    from .screen_pyte import PyteScreen

    return PyteScreen


def view(screen: Screen, offset: int, exact: bool, styled: bool = False) -> ScreenView:
    """Return what ``screen`` shows, ``styled`` with ``ScreenView.runs``."""
    size = screen.size
    lines = [line.rstrip() for line in screen.lines()[: size.rows]]
    lines += [""] * (size.rows - len(lines))
    return ScreenView(
        tuple(lines),
        screen.cursor,
        screen.title,
        screen.alternate,
        screen.bracketed_paste,
        offset,
        exact,
        size,
        tuple(map(tuple, screen.runs())) if styled else (),
    )
