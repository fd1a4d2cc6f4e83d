"""Choosing a line of one of the CLI's menus by its keys: move the mark there, look, press Enter.

2.1.330 drops keys while a menu is new, and may draw it again with the mark where it was at first; a slow machine shows
late what a key has done, which cannot be told from a key that was dropped. So a menu is left alone until it has stood
still, a key is repeated only after seconds, and the mark must stand still before Enter confirms anything: for longer
after an arrow that was pressed twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ..errors import AttentionNeeded
from . import screens
from .delivery import ENTER, Terminal

UP, DOWN = b"\x1b[A", b"\x1b[B"
_NEW_S = 0.3  # a menu that has not changed for so long reads its keys
_KEY_S = 3.0  # how long a key may take to have its effect


async def choose(
    terminal: Terminal, label: str, *, changed: Callable[[], Awaitable[None]], settle_s: float = 20.0
) -> None:
    """Choose the first line of the menu whose label begins with ``label``.

    Args:
        terminal: Where the menu is.
        label: The beginning of the line, without its number.
        changed: Returns when the screen may have changed, within a tenth of a second at the latest.
        settle_s: After how many seconds no further key is pressed.

    Raises:
        AttentionNeeded: There is no such line, or the mark did not get there; Enter was not pressed.
    """
    menu = _Menu(terminal, changed)
    deadline = asyncio.get_running_loop().time() + settle_s
    await menu.look()
    await menu.moves(within_s=_NEW_S)
    still_s = 0.0  # how long the mark must stand still before it counts
    while True:
        target, mark = menu.target(label), menu.mark
        if target is None or mark is None or asyncio.get_running_loop().time() > deadline:
            raise AttentionNeeded(
                f"The menu has no line {label!r} that could be chosen; nothing was confirmed.", screen=menu.text
            )
        if mark != target:
            await terminal.write(DOWN if mark < target else UP)
            moved = await menu.moves(within_s=_KEY_S)
            still_s = max(still_s, _NEW_S if moved else _KEY_S)
        elif still_s:
            still_s = still_s if await menu.moves(within_s=still_s) else 0.0
        else:
            await terminal.write(ENTER)
            if await menu.goes(menu.lines[target].label, within_s=_KEY_S):
                return


class _Menu:
    """The menu that the screen shows, as it was at the last look."""

    def __init__(self, terminal: Terminal, changed: Callable[[], Awaitable[None]]) -> None:
        self._terminal = terminal
        self._changed = changed
        self.lines: tuple[screens.Choice, ...] = ()
        self.text = ""

    @property
    def mark(self) -> int | None:
        """Which line is marked."""
        return next((number for number, line in enumerate(self.lines) if line.selected), None)

    def target(self, label: str) -> int | None:
        """Return the first line that begins so."""
        return next((number for number, line in enumerate(self.lines) if line.label.startswith(label)), None)

    async def look(self) -> None:
        """Take the screen as it is now."""
        screen = await self._terminal.screen()
        self.lines = screens.choices(screen)
        self.text = "\n".join(screen.lines)

    async def moves(self, *, within_s: float) -> bool:
        """Tell whether the menu or its mark changes within this time, as soon as it does."""
        before = self.lines
        return await self._until(lambda: self.lines != before, within_s)

    async def goes(self, label: str, *, within_s: float) -> bool:
        """Tell whether the menu with this line goes away within this time, as soon as it does."""
        return await self._until(lambda: all(line.label != label for line in self.lines), within_s)

    async def _until(self, condition: Callable[[], bool], within_s: float) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while not condition():
            if loop.time() > deadline:
                return False
            await self._changed()
            await self.look()
        return True
