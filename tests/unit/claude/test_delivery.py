"""The order that makes delivery safe: look, put the text in, look again, press Enter once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tests.support.recorded_screens import VERSIONS, Screen, load
from wxcode_jupyter.claude.delivery import (
    BUILT_IN,
    ENTER,
    TEXT_LIMIT_BYTES,
    NotFree,
    check_text,
    choose,
    put,
)
from wxcode_jupyter.errors import AttentionNeeded, InvalidRequest, UnsupportedCommand

RULE = "─" * 40
DOWN, UP = b"\x1b[B", b"\x1b[A"
SETTLE_S = 0.05


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


def paste(text: str) -> bytes:
    return b"\x1b[200~" + text.encode() + b"\x1b[201~"


async def deliver(terminal: ScriptedTerminal, text: str) -> None:
    await put(terminal, text, changed=terminal.changed, settle_s=SETTLE_S)


class TestPut:
    @pytest.mark.parametrize(
        "screen",
        [
            box("a draft"),
            box(above="✻ Thinking…"),
            TRUST,
            load("2.1.330", "permission-bash-80x24"),
            load("2.1.330", "not-logged-in-80x24"),
            load("2.1.197", "busy-mid-stream-80x24"),
            Screen((), (0, 0)),
        ],
    )
    async def test_where_the_box_is_not_free_nothing_is_typed(self, screen: Screen) -> None:
        terminal = ScriptedTerminal(screen)
        with pytest.raises(NotFree):
            await deliver(terminal, "hello")
        assert terminal.written == []

    @pytest.mark.parametrize(
        "shown",
        [
            [box("hello")],
            [IDLE, IDLE, box("he"), box("hello")],
            [Screen((), (0, 0)), box("hello")],  # drawn anew
            [box("hello", above="✻ Thinking…")],
            [box("[Pasted text #1 +2 lines]")],
        ],
    )
    async def test_once_the_text_stands_in_the_box_enter_is_pressed_once(self, shown: list[Screen]) -> None:
        terminal = ScriptedTerminal(IDLE, on_write=lambda data: shown if data != ENTER else [IDLE])
        await deliver(terminal, "hello")
        assert terminal.written == [paste("hello"), ENTER]

    async def test_several_lines_go_in_as_one_paste(self) -> None:
        text = "first line\nsecond é line"
        terminal = ScriptedTerminal(IDLE, on_write=lambda data: [box("first line\n  second é line")])
        await deliver(terminal, text)
        assert terminal.written == [paste(text), ENTER]

    async def test_a_blank_closes_the_list_of_files_that_an_at_opens(self) -> None:
        terminal = ScriptedTerminal(IDLE, on_write=lambda data: [box("read @notes")])
        await deliver(terminal, "read @notes")
        assert terminal.written == [paste("read @notes "), ENTER]

    @pytest.mark.parametrize(
        "shown",
        [
            [IDLE],
            [box("hell")],
            [box("a draft hello")],
            [box("hello"[::-1])],
            [Screen(("hello",), (0, 5))],
            [IDLE, Screen((), (0, 0))],
        ],
    )
    async def test_a_text_that_does_not_appear_is_not_submitted(self, shown: list[Screen]) -> None:
        terminal = ScriptedTerminal(IDLE, on_write=lambda data: shown)
        with pytest.raises(AttentionNeeded) as caught:
            await deliver(terminal, "hello")
        assert terminal.written == [paste("hello")]
        assert caught.value.screen == "\n".join(shown[-1].lines)

    @pytest.mark.parametrize(
        "menu",
        [TRUST, load("2.1.330", "renderer-menu-used-home-80x24"), load("2.1.197", "ask-menu-80x24")],
    )
    async def test_a_menu_that_comes_up_is_not_answered(self, menu: Screen) -> None:
        terminal = ScriptedTerminal(IDLE, on_write=lambda data: [IDLE, menu, box("hello")])
        with pytest.raises(AttentionNeeded) as caught:
            await deliver(terminal, "hello")
        assert terminal.written == [paste("hello")]
        assert caught.value.screen == "\n".join(menu.lines)


def menu_of(labels: Sequence[str], marked: int) -> Screen:
    rows = [f" {'❯' if number == marked else ' '} {number + 1}. {label}" for number, label in enumerate(labels)]
    return Screen(("Which?", "", *rows, "", "Enter to confirm · Esc to cancel"), (0, 0))


class Menu(ScriptedTerminal):
    """A menu that follows the arrow keys; ``deaf`` keys are swallowed first."""

    def __init__(self, labels: Sequence[str], marked: int, *, deaf: int = 0) -> None:
        super().__init__(menu_of(labels, marked), on_write=self._press)
        self.labels, self.marked, self.deaf = labels, marked, deaf

    def _press(self, key: bytes) -> Sequence[Screen]:
        before = menu_of(self.labels, self.marked)
        if self.deaf:
            self.deaf -= 1
            return [before]
        if key == ENTER:
            return [before, IDLE]
        self.marked += {DOWN: 1, UP: -1}[key]
        return [before, menu_of(self.labels, self.marked)]  # drawn a moment later


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

    async def test_a_key_that_was_swallowed_is_pressed_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("wxcode_jupyter.claude.delivery._KEY_S", 0.02)
        menu = Menu(["No, exit", "Yes"], 0, deaf=1)
        await pick(menu, "Yes")
        assert menu.written == [DOWN, DOWN, ENTER]

    async def test_an_enter_that_was_swallowed_is_pressed_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("wxcode_jupyter.claude.delivery._KEY_S", 0.02)
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


@pytest.mark.parametrize(
    ("text", "delivered"),
    [
        ("hello", "hello"),
        ("  hello \n\n", "hello"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\tb", "a\tb"),
        ("/gsd:new-milestone x", "/gsd:new-milestone x"),
        ("/clearly not built in", "/clearly not built in"),
        ("why does it exit", "why does it exit"),
        ("C:\\temp\\x", "C:\\temp\\x"),
        ("first\n# a heading\n!important", "first\n# a heading\n!important"),
        ("@file", "@file"),
        ("日本語 é 👍", "日本語 é 👍"),
        ("x" * TEXT_LIMIT_BYTES, "x" * TEXT_LIMIT_BYTES),
        ("é" * (TEXT_LIMIT_BYTES // 2), "é" * (TEXT_LIMIT_BYTES // 2)),
    ],
)
def test_texts_that_can_be_sent(text: str, delivered: str) -> None:
    assert check_text(text) == delivered


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t",
        "x" * (TEXT_LIMIT_BYTES + 1),
        "é" * (TEXT_LIMIT_BYTES // 2) + "é",
        "a\x1bb",
        "a\0b",
        "a\x7fb",
        "a\x85b",
        "\ud800",
    ],
)
def test_texts_that_cannot_be_sent_at_all(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_text(text)
    assert caught.type is InvalidRequest


@pytest.mark.parametrize(
    "text",
    [
        "!ls",
        "  !ls",
        "# note",
        "#note",
        "a\\",
        "a\\ ",
        "exit",
        "EXIT",
        " quit\n",
        ":q",
        ":wq!",
        "/clear",
        "/model opus",
        "/exit\n",
    ],
)
def test_texts_that_the_cli_would_read_as_something_else(text: str) -> None:
    with pytest.raises(UnsupportedCommand):
        check_text(text)


@pytest.mark.parametrize("command", sorted(BUILT_IN))
def test_the_clis_own_commands_are_refused_with_and_without_arguments(command: str) -> None:
    for text in (command, f"{command} x", f"{command}\nx"):
        with pytest.raises(UnsupportedCommand, match="terminal"):
            check_text(text)
