"""Giving an answer by the keys of the CLI's menus: look, press one key, look what it has done.

Which key comes next follows from what the screen shows alone, so that a key that was swallowed, came late, or was
pressed by somebody else is put right by the next look. 2.1.330 drops keys while a menu, or the line for a text, is new:
so Enter goes out only once an arrow has moved the mark, a text once its first character stands there, and neither is
sent twice as arrows are: a second Enter that comes late would confirm whatever is asked next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from ..errors import AttentionNeeded
from ..models import QuestionItem
from .asking import Reply
from .delivery import ENTER, Terminal
from .menu import DOWN, UP
from .sheet import Sheet, read_sheet, squeeze

LEFT, BACKSPACE = b"\x1b[D", b"\x7f"
_NEW_S = 0.3  # a menu that has not changed for so long reads its keys
_ARROW_S = 3.0  # how long an arrow may take to have its effect, before it is pressed again
_ENTER_S = 12.0  # and how long Enter and a text may take, which are not lost any more
_PLACEHOLDER = "Type something"


class MenuScript:
    """Chooses one line of a menu that was seen before: of this one, and not of one like it that comes next.

    Args:
        menu: The menu as it was seen.
        wanted: The text of the line to choose.
    """

    #: Whether Enter has been pressed.
    confirmed = False

    def __init__(self, menu: Sheet, wanted: str) -> None:
        self._menu = menu
        self._wanted = [line.text for line in menu.lines].index(wanted)

    def next_key(self, sheet: Sheet) -> bytes | None:
        """Move to the line, then Enter."""
        if not sheet.same_menu(self._menu):
            return None
        return _to(sheet, self._wanted) or ENTER

    def pressed(self, key: bytes) -> None:
        """Note what has been pressed."""
        self.confirmed = self.confirmed or key == ENTER


class AskScript:
    """Answers ``AskUserQuestion``: each question on its page, then the page that reviews them, where there is one.

    Args:
        items: What is asked.
        answers: One reply per item.
    """

    #: Whether Enter has been pressed.
    confirmed = False

    def __init__(self, items: Sequence[QuestionItem], answers: Sequence[Reply]) -> None:
        self._items = items
        self._answers = answers
        self._wrong: set[int] | None = None  # what the review has shown; None before it was seen
        self._typed: set[int] = set()

    def next_key(self, sheet: Sheet) -> bytes | None:
        """Return the key that brings the answer nearer."""
        above = squeeze(sheet.above)
        if sheet.lines[0].label == "Submit answers" and "Reviewyouranswers" in above:
            self._wrong = {number for number in range(len(self._items)) if not self._reviewed(number, above)}
            return LEFT if self._wrong else _to(sheet, 0) or ENTER
        number = self._page(sheet, above)
        if number is None:
            return None
        if self._wrong is not None and number not in self._wrong:
            return LEFT
        return self._answer(number, sheet)

    def _reviewed(self, number: int, above: str) -> bool:
        shown = squeeze(f"● {self._items[number].question} → {self._answers[number].shown}")
        return f"{shown}●" in above or f"{shown}Ready" in above or above.endswith(shown)

    def _page(self, sheet: Sheet, above: str) -> int | None:
        """Return whose page it is: of several that fit, the one with the longest question."""
        fitting = [
            number
            for number, item in enumerate(self._items)
            if squeeze(item.question) in above
            and len(sheet.lines) > len(item.options)
            and all(
                squeeze(line.text).startswith(squeeze(option.label))
                for option, line in zip(item.options, sheet.lines, strict=False)
            )
        ]
        return max(fitting, key=lambda number: len(self._items[number].question), default=None)

    def _answer(self, number: int, sheet: Sheet) -> bytes | None:
        item, reply = self._items[number], self._answers[number]
        labels = [option.label for option in item.options]
        own = len(labels)  # the line for a text of one's own stands below the options
        text = squeeze(reply.text or "")
        empty = sheet.lines[own].label.startswith(_PLACEHOLDER)
        shown = "" if empty else squeeze(sheet.lines[own].text)
        written = bool(text) and shown == text
        if shown and (not text or not (text.startswith(shown) or shown == text[0] * len(shown))):
            return None  # somebody has begun to write there
        if not item.multi_select:
            if reply.text is None:
                return _to(sheet, labels.index(reply.labels[0])) or ENTER
            return _to(sheet, own) or (ENTER if written else self._type(number, reply.text, shown))
        for line, label in enumerate(labels):
            if sheet.lines[line].ticked is None:
                return None
            if sheet.lines[line].ticked != (label in reply.labels):
                return _to(sheet, line) or ENTER
        if reply.text is not None and not written:
            return _to(sheet, own) or self._type(number, reply.text, shown)
        end = next((line for line, each in enumerate(sheet.lines) if not each.numbered), None)
        return None if end is None else _to(sheet, end) or ENTER

    def _type(self, number: int, text: str, shown: str) -> bytes | None:
        """Return the first character until it stands there (2.1.330 drops it while the line is new), then the rest."""
        if not shown:
            return text[0].encode()
        if shown == text[0]:
            return None if number in self._typed else text[1:].encode()  # the rest goes out once, never doubled
        return BACKSPACE if shown == text[0] * len(shown) else None

    def pressed(self, key: bytes) -> None:
        """Note what has been pressed."""
        self.confirmed = self.confirmed or key == ENTER
        rest = {number for number, reply in enumerate(self._answers) if reply.text and reply.text[1:].encode() == key}
        self._typed |= rest


def _to(sheet: Sheet, line: int) -> bytes | None:
    """Return the arrow that moves the mark towards a line; None when it is there."""
    if sheet.mark == line:
        return None
    return DOWN if sheet.mark < line else UP


async def give(
    terminal: Terminal,
    script: MenuScript | AskScript,
    *,
    changed: Callable[[], Awaitable[None]],
    is_open: Callable[[], bool],
    settle_s: float = 60.0,
) -> None:
    """Press the keys of a script until the menu has gone.

    Args:
        terminal: Where the menu is.
        script: Which keys.
        changed: Returns when the screen may have changed, within a tenth of a second at the latest.
        is_open: Whether the question is still asked, by what hooks say; no key is pressed once it is not.
        settle_s: After how many seconds no further key is pressed.

    Raises:
        AttentionNeeded: The screen does not show what it should, so nothing (more) was pressed.
    """
    desk = _Desk(terminal, changed, is_open)
    deadline = asyncio.get_running_loop().time() + settle_s
    await desk.look()
    await desk.changes(_NEW_S)
    live = doubtful = False
    while is_open():
        sheet = desk.sheet
        key = script.next_key(sheet) if sheet is not None else None
        if sheet is None or key is None or asyncio.get_running_loop().time() > deadline:
            if await desk.changes(_ARROW_S):
                continue
            if script.confirmed and not _shows(sheet, script):
                return
            raise AttentionNeeded(
                "The menu on the screen is not the one that was to be answered, or did not follow the keys; nothing "
                "more was pressed. Look with `%wxmilestone screen`, and answer it in the terminal.",
                screen=desk.text,
            )
        if doubtful and not _bears_repetition(key):  # a key was pressed twice, and both may yet have their effect
            doubtful = await desk.changes(_ARROW_S)
            continue
        if not (live or _bears_repetition(key)):
            key = DOWN if sheet.mark == 0 else UP  # away and back: the menu reads its keys then
        await terminal.write(key)
        script.pressed(key)
        moved = await desk.changes(_ARROW_S if _bears_repetition(key) else _ENTER_S)
        if key == ENTER and not moved and isinstance(script, MenuScript):  # again, it might give another permission
            raise AttentionNeeded(
                "Enter was pressed, and the menu has not followed; nothing more was pressed. Look with "
                "`%wxmilestone screen`, and answer it in the terminal.",
                screen=desk.text,
            )
        if key == ENTER and isinstance(script, MenuScript):
            return  # what comes next is another question, even where it looks the same
        live = live or moved
        doubtful = doubtful or (_bears_repetition(key) and not moved)


def _bears_repetition(key: bytes) -> bool:
    """Whether a look tells that a key had its effect twice, and another key takes that back."""
    return key in (UP, DOWN, LEFT, BACKSPACE) or (key != ENTER and len(key.decode()) == 1)


def _shows(sheet: Sheet | None, script: MenuScript | AskScript) -> bool:
    return sheet is not None and script.next_key(sheet) is not None


class _Desk:
    """The menu as it was at the last look."""

    def __init__(self, terminal: Terminal, changed: Callable[[], Awaitable[None]], is_open: Callable[[], bool]) -> None:
        self._terminal = terminal
        self._changed = changed
        self._is_open = is_open
        self.sheet: Sheet | None = None
        self.text = ""

    async def look(self) -> None:
        """Take the screen as it is now."""
        screen = await self._terminal.screen()
        self.sheet = read_sheet(screen)
        self.text = "\n".join(screen.lines)

    async def changes(self, within_s: float) -> bool:
        """Tell whether the menu changes within this time, or is over, as soon as it does."""
        loop = asyncio.get_running_loop()
        deadline, before = loop.time() + within_s, self.sheet
        while self.sheet == before and self._is_open():
            if loop.time() > deadline:
                return False
            await self._changed()
            await self.look()
        return True
