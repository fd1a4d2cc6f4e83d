"""The order that makes delivery safe: look, put the text in, look again, press Enter once."""

from __future__ import annotations

import re

import pytest

from tests.support.recorded_screens import Screen, load
from tests.support.scripted_terminal import IDLE, TRUST, ScriptedTerminal, box
from wxcode_jupyter.claude import delivery
from wxcode_jupyter.claude.builtins import BUILT_IN
from wxcode_jupyter.claude.delivery import (
    ENTER,
    TEXT_LIMIT_BYTES,
    NotFree,
    check_text,
    defused,
    put,
)
from wxcode_jupyter.errors import AttentionNeeded, InvalidRequest, UnsupportedCommand


def paste(text: str) -> bytes:
    return b"\x1b[200~" + text.encode() + b"\x1b[201~"


SETTLE_S = 0.05


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

    @pytest.mark.parametrize("shown", ["a draft hello", "hellonow", "[Pasted text #1 +2 lines]now"])
    async def test_what_stands_beside_the_text_is_told_without_waiting_longer_for_it(
        self, shown: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(delivery, "_MIXED_S", 0.01)
        terminal = ScriptedTerminal(IDLE, on_write=lambda data: [box("hell"), box(shown)])
        with pytest.raises(AttentionNeeded, match="Something else stands beside the text"):
            await put(terminal, "hello", changed=terminal.changed, settle_s=60.0)
        assert terminal.written == [paste("hello")]

    async def test_what_is_drawn_in_between_is_not_beside_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(delivery, "_MIXED_S", 60.0)
        terminal = ScriptedTerminal(IDLE, on_write=lambda data: [box("hello [args]"), box("hello")])
        await put(terminal, "hello", changed=terminal.changed, settle_s=60.0)
        assert terminal.written == [paste("hello"), ENTER]

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


@pytest.mark.parametrize(
    ("text", "delivered"),
    [
        ("hello", "hello"),
        ("  hello \n\n", "hello"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("/gsd:new-milestone x", "/gsd:new-milestone x"),
        ("/clearly not built in", "/clearly not built in"),
        ("why does it exit", "why does it exit"),
        ("C:\\temp\\x", "C:\\temp\\x"),
        ("first\n# a heading\n!important", "first\n# a heading\n!important"),
        ("@file", "@file"),
        ("  !ls", "!ls"),
        ("# note", "# note"),
        ("a\\ ", "a\\"),
        ("日本語 é 👍", "日本語 é 👍"),
        ("e\u0301le\u0300ve", "\u00e9l\u00e8ve"),  # as the CLI passes it on
        ("\u1112\u1161\u11ab", "\ud55c"),
        ("x" * TEXT_LIMIT_BYTES, "x" * TEXT_LIMIT_BYTES),
        ("é" * (TEXT_LIMIT_BYTES // 2), "é" * (TEXT_LIMIT_BYTES // 2)),
    ],
)
def test_texts_that_can_be_sent(text: str, delivered: str) -> None:
    assert check_text(text) == delivered


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("hello", "hello"),
        ("!ls", " !ls"),
        ("# note\n\n!", " # note\n\n!"),
        ("a\\", "a\\ "),
        ("\\", "\\ "),
        ("!a\\", " !a\\ "),
        ("one \\\ntwo", "one \\\ntwo"),
        ("look at @notes.md", "look at @notes.md "),
        ("@notes.md, please", "@notes.md, please"),
    ],
)
def test_a_blank_defuses_what_the_cli_would_read_otherwise(text: str, typed: str) -> None:
    assert defused(text) == typed


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t",
        "x" * (TEXT_LIMIT_BYTES + 1),
        "é" * (TEXT_LIMIT_BYTES // 2) + "é",
        "a\x1bb",
        "a\tb",
        "a\0b",
        "a\x7fb",
        "a\x85b",
        "\ud800",
        "\u200b",
        "\ufeff \u202e\n",
        "\u2800",
    ],
)
def test_texts_that_cannot_be_sent_at_all(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_text(text)
    assert caught.type is InvalidRequest


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("pay\u3164 the invoice 12", "U+3164 (HANGUL FILLER)"),
        ("ok\u115f", "U+115F"),
        ("ok\u1160", "U+1160"),
        ("ok\uffa0", "U+FFA0"),
        ("\ufeffHello", "U+FEFF (ZERO WIDTH NO-BREAK SPACE)"),
        ("soft\u00adhyphen", "U+00AD"),
        ("a\u200bb", "U+200B"),
        ("a\u200db", "U+200D"),
        ("x \u2066isolate\u2069 y", "U+2066"),
        ("\u202ereversed\u202c", "U+202E"),
        ("x\ufe0f", "U+FE0F"),
        ("1\ufe0f", "U+FE0F"),
        ("👍\u200d x", "U+200D"),
        ("字\ufe00", "U+FE00"),
        ("葛\U000e0100", "U+E0100"),
        ("tag \U000e0041", "U+E0041"),
        ("line\u2028end", "U+2028"),
        ("a\ufff9b", "U+FFF9"),
    ],
)
def test_an_invisible_character_that_the_cli_drops_is_named(text: str, named: str) -> None:
    with pytest.raises(InvalidRequest, match=re.escape(named)):
        check_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "heart ❤️, ©️ ™️ ‼️ ▶️ 〰️, text ❤︎",
        "keys 1️⃣ #️⃣",
        "family 👩‍👩‍👧‍👦, couple 👩‍❤️‍👨, rainbow 🏳️‍🌈, judge 👩🏽‍⚖️, cat 🐈‍⬛",
        "England \U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f, Brazil 🇧🇷",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u0915\u094d\u200d\u0937",
        "\u1820\u180b\u1820 \u0e01\u200b\u0e02",
        "private \ue000, noncharacter \ufffe, braille x\u2800y",
    ],
)
def test_what_shapes_an_emoji_or_a_letter_is_sent(text: str) -> None:
    assert check_text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "exit",
        "EXIT",
        " quit\n",
        ":q",
        ":wq!",
        "/model",
        "/model opus",
        "/exit\n",
    ],
)
def test_texts_that_the_cli_would_read_as_something_else(text: str) -> None:
    with pytest.raises(UnsupportedCommand):
        check_text(text)


@pytest.mark.parametrize("command", sorted(BUILT_IN - {"/clear", "/compact"}))
def test_the_clis_own_commands_are_refused_with_and_without_arguments(command: str) -> None:
    for text in (command, f"{command} x", f"{command}\nx"):
        with pytest.raises(UnsupportedCommand, match="terminal"):
            check_text(text)


@pytest.mark.parametrize("text", ["/clear", "/compact", "/compact keep the names", " /clear "])
def test_those_whose_effect_can_be_seen_are_taken(text: str) -> None:
    assert check_text(text) == text.strip()


@pytest.mark.parametrize("text", ["/clear all", "/clear\nall", "/compact this\nand that", "/compact " + "x" * 501])
def test_those_that_would_be_read_otherwise_are_refused(text: str) -> None:
    with pytest.raises(UnsupportedCommand, match="/compact"):
        check_text(text)
