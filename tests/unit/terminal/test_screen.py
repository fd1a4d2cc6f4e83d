"""The contract of an emulator, for both that we have."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from wxcode_jupyter.models import TermSize
from wxcode_jupyter.terminal.screen import Screen, find_emulator, view


@pytest.fixture(params=["ghostty", "pyte"])
def screen(request: pytest.FixtureRequest) -> Iterator[Screen]:
    screen = find_emulator(request.param)(TermSize(5, 20))
    yield screen
    screen.close()


def test_the_native_one_is_preferred() -> None:
    assert find_emulator() is find_emulator("ghostty")


def test_rows_and_cursor(screen: Screen) -> None:
    screen.feed(b"one\r\n\r\n  three  \r\n\x1b[5;7Hx")
    shown = view(screen, 30, exact=True)
    assert shown.lines == ("one", "", "  three", "", "      x")
    assert (shown.cursor, shown.size, shown.offset, shown.exact) == ((4, 7), TermSize(5, 20), 30, True)
    assert shown.text == "one\n\n  three\n\n      x"


def test_an_empty_screen_has_all_its_rows(screen: Screen) -> None:
    assert view(screen, 0, exact=True).lines == ("",) * 5
    assert view(screen, 0, exact=True).text == ""


def test_a_full_row_leaves_the_cursor_on_it(screen: Screen) -> None:
    screen.feed(b"x" * 20)
    assert screen.cursor == (0, 19)
    screen.feed(b"y")
    assert view(screen, 21, exact=True).lines[:2] == ("x" * 20, "y")


def test_only_the_last_rows_show(screen: Screen) -> None:
    screen.feed(b"".join(b"%d\r\n" % number for number in range(100)))
    assert view(screen, 0, exact=True).lines == ("96", "97", "98", "99", "")


def test_sequences_and_characters_may_be_cut_anywhere(screen: Screen) -> None:
    for byte in "\x1b[2;3H日本\x1b]0;a title ✳\x07".encode():
        screen.feed(bytes([byte]))
    assert view(screen, 0, exact=True).lines[1] == "  日本"
    assert screen.title == "a title ✳"


@pytest.mark.parametrize("command", [b"0", b"2"])
def test_the_title_may_change(screen: Screen, command: bytes) -> None:
    assert screen.title == ""
    screen.feed(b"\x1b]" + command + b";first\x07\x1b]" + command + b";second\x1b\\")
    assert screen.title == "second"


def test_the_alternate_screen_comes_and_goes(screen: Screen) -> None:
    screen.feed(b"primary\x1b[?1049h\x1b[Halternate")
    shown = view(screen, 0, exact=True)
    assert (shown.alternate, shown.lines[0]) == (True, "alternate")
    screen.feed(b"\x1b[?1049l")
    shown = view(screen, 0, exact=True)
    assert (shown.alternate, shown.lines[0], shown.cursor) == (False, "primary", (0, 7))


def test_bracketed_paste(screen: Screen) -> None:
    seen = [screen.bracketed_paste]
    for change in (b"\x1b[?2004h", b"\x1b[?2004l"):
        screen.feed(change)
        seen.append(screen.bracketed_paste)
    assert seen == [False, True, False]


def test_queries_are_answered(screen: Screen) -> None:
    screen.feed(b"ab\x1b[6n")
    assert screen.take_replies() == b"\x1b[1;3R"
    assert screen.take_replies() == b""
    screen.feed(b"\x1b[c")
    assert screen.take_replies().startswith(b"\x1b[?")


@pytest.mark.parametrize("size", [TermSize(1, 1), TermSize(0, 0), TermSize(9999, 9999), TermSize(3, 7)])
def test_it_takes_any_size(screen: Screen, size: TermSize) -> None:
    screen.feed(b"hello world\r\n" * 10)
    screen.resize(size)
    assert screen.size == size.clamped()
    assert len(view(screen, 0, exact=True).lines) == screen.size.rows
    row, col = screen.cursor
    assert row < screen.size.rows
    assert col < screen.size.cols
    screen.feed(b"more")


def test_nothing_is_promised_that_the_clients_cannot_do() -> None:
    screen = find_emulator("ghostty")(TermSize())
    screen.feed(b"\x1b[?u\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[>0q\x1b[5n")
    assert screen.take_replies() == b"\x1bP>|wxcode_jupyter\x1b\\\x1b[0n"
    screen.feed(b"\x1b]11;?\x07")
    assert screen.take_replies().startswith(b"\x1b]11;rgb:0000/0000/0000")
    screen.close()
