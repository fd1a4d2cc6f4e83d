"""A terminal of canned screens, for what reads screens and presses keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.support.recorded_screens import Screen, load

RULE = "─" * 40


def box(text: str = "", *, above: str = "") -> Screen:
    rows = text.split("\n")
    return Screen((above, RULE, f"❯ {rows[0]}", *rows[1:], RULE), (1 + len(rows), len(rows[-1]) + 2))


IDLE, TRUST = box(), load("2.1.330", "trust-80x24")


class ScriptedTerminal:
    """A terminal that shows what the test says: the screens of a step, one after another, the last one for ever.

    ``on_write`` gives the screens that follow a write.
    """

    def __init__(self, *screens: Screen, on_write: Callable[[bytes], Sequence[Screen]] | None = None) -> None:
        self.written: list[bytes] = []
        self._screens = list(screens)
        self._on_write = on_write or (lambda data: ())

    async def write(self, data: bytes) -> None:
        self.written.append(data)
        self._screens = list(self._on_write(data)) or self._screens[:1]

    async def screen(self) -> Screen:
        return self._screens.pop(0) if len(self._screens) > 1 else self._screens[0]

    async def changed(self) -> None:
        """Let the time pass that a settling needs to end."""


def menu_of(labels: Sequence[str], marked: int) -> Screen:
    rows = [f" {'❯' if number == marked else ' '} {number + 1}. {label}" for number, label in enumerate(labels)]
    return Screen(("Which?", "", *rows, "", "Enter to confirm · Esc to cancel"), (0, 0))
