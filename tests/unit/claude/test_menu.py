"""Moving the mark of a menu to a line and confirming it, on a machine that swallows and delays keys."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.support.recorded_screens import VERSIONS, Screen, load
from tests.support.scripted_terminal import IDLE, ScriptedTerminal, menu_of
from wxcode_jupyter.claude.delivery import ENTER
from wxcode_jupyter.claude.menu import DOWN, UP, choose
from wxcode_jupyter.errors import AttentionNeeded

SETTLE_S = 0.05


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that does everything within 20 ms."""
    monkeypatch.setattr("wxcode_jupyter.claude.menu._NEW_S", 0.001)
    monkeypatch.setattr("wxcode_jupyter.claude.menu._KEY_S", 0.02)


class Menu(ScriptedTerminal):
    """A menu that follows the arrow keys, around its ends too.

    ``deaf`` keys are swallowed first; ``slow`` ones have their effect together with the next, each drawn for itself.
    """

    def __init__(self, labels: Sequence[str], marked: int, *, deaf: int = 0, slow: int = 0) -> None:
        super().__init__(menu_of(labels, marked), on_write=self._press)
        self.labels, self.marked, self.deaf, self.slow = labels, marked, deaf, slow
        self.confirmed = ""
        self._late: list[bytes] = []

    def _press(self, key: bytes) -> Sequence[Screen]:
        before = menu_of(self.labels, self.marked)
        if self.deaf:
            self.deaf -= 1
            return [before]
        if key == ENTER:
            self.confirmed = self.labels[self.marked]
            return [before, IDLE]
        keys = [*self._late, key]
        if self.slow:
            self.slow -= 1
            self._late = keys
            return [before]
        self._late = []
        drawn = [before]  # and the rest a moment later
        for each in keys:
            self.marked = (self.marked + {DOWN: 1, UP: -1}[each]) % len(self.labels)
            drawn.append(menu_of(self.labels, self.marked))
        return drawn


async def pick(terminal: ScriptedTerminal, label: str, settle_s: float = 5.0) -> None:
    await choose(terminal, label, changed=terminal.changed, settle_s=settle_s)


class TestChoose:
    @pytest.mark.parametrize(
        ("labels", "marked", "keys"),
        [
            (["Yes, I trust this folder", "No, exit"], 0, []),
            (["No, exit", "Yes, I trust this folder"], 0, [DOWN]),
            (["Yes, I trust this folder", "No, exit"], 1, [UP]),
            (["No", "Maybe", "Later", "Yes, always"], 0, [DOWN] * 3),
            (["Yes", "Yes, always"], 1, [UP]),  # the first that begins so
        ],
    )
    async def test_the_mark_is_moved_there_and_then_enter_pressed(
        self, labels: list[str], marked: int, keys: list[bytes]
    ) -> None:
        menu = Menu(labels, marked)
        await pick(menu, "Yes")
        assert menu.written == [*keys, ENTER]

    async def test_a_key_that_was_swallowed_is_pressed_again(self) -> None:
        menu = Menu(["No, exit", "Yes"], 0, deaf=1)
        await pick(menu, "Yes")
        assert menu.written == [DOWN, DOWN, ENTER]

    async def test_an_arrow_that_was_only_slow_is_taken_back_before_enter(self) -> None:
        menu = Menu(["No, exit", "Yes"], 0, slow=1)
        await pick(menu, "Yes")
        assert (menu.written, menu.confirmed) == ([DOWN, DOWN, DOWN, ENTER], "Yes")

    async def test_a_menu_that_is_drawn_anew_is_looked_at_anew(self) -> None:
        first, moved = menu_of(["No, exit", "Yes"], 0), menu_of(["No, exit", "Yes"], 1)
        answers = iter([[first, moved, first], [first, moved], [moved, IDLE]])
        terminal = ScriptedTerminal(first, on_write=lambda key: next(answers))
        await pick(terminal, "Yes")
        assert terminal.written == [DOWN, DOWN, ENTER]

    async def test_an_enter_that_was_swallowed_is_pressed_again(self) -> None:
        menu = Menu(["Yes", "No, exit"], 0, deaf=1)
        await pick(menu, "Yes")
        assert menu.written == [ENTER, ENTER]

    @pytest.mark.parametrize("version", VERSIONS)
    async def test_a_recorded_trust_screen_with_yes_marked(self, version: str) -> None:
        screen = load(version, "trust-80x24" if version == "2.1.197" else "trust-after-down-80x24")
        bypass = load(version, "bypass-warning-80x24")  # what may come next: its default is "No, exit"
        terminal = ScriptedTerminal(screen, on_write=lambda key: [screen, bypass])
        await pick(terminal, "Yes, I trust")
        assert terminal.written == [ENTER]

    @pytest.mark.parametrize(
        "screen", [menu_of(["No", "Maybe"], 0), menu_of(["Yes", "No"], 7), IDLE, Screen((), (0, 0))]
    )
    async def test_where_there_is_no_such_line_nothing_is_pressed(self, screen: Screen) -> None:
        terminal = ScriptedTerminal(screen)
        with pytest.raises(AttentionNeeded) as caught:
            await pick(terminal, "Yes")
        assert terminal.written == []
        assert caught.value.screen == "\n".join(screen.lines)

    async def test_a_mark_that_does_not_move_is_not_confirmed(self) -> None:
        terminal = ScriptedTerminal(menu_of(["No", "Yes"], 0))
        with pytest.raises(AttentionNeeded):
            await pick(terminal, "Yes", settle_s=SETTLE_S)
        assert ENTER not in terminal.written

    async def test_a_menu_that_goes_away_is_not_confirmed(self) -> None:
        terminal = ScriptedTerminal(menu_of(["No", "Yes"], 0), on_write=lambda key: [IDLE])
        with pytest.raises(AttentionNeeded):
            await pick(terminal, "Yes")
        assert terminal.written == [DOWN]
