"""A snapshot makes the same screen again: in the emulator here, and in xterm.js, see test_same_screen."""

from __future__ import annotations

import pytest

from wxcode_jupyter.models import TermSize
from wxcode_jupyter.terminal.screen_ghostty import GhosttyScreen

SIZE = TermSize(5, 20)

CASES = {
    "nothing": b"",
    "text": b"hello\r\nworld",
    "history": b"".join(b"%d\r\n" % number for number in range(50)),
    "a line that wraps": b"x" * 45,
    "a pending wrap": b"x" * 20,
    "colours": b"\x1b[31;1mred\x1b[44m on blue\x1b[K\r\n\x1b[38;5;200mx\x1b[38;2;1;2;3;48;2;4;5;6my\x1b[m\r\nz",
    "underlines": b"\x1b[4:3;58;2;1;2;3mcurly\x1b[4:2;58;5;7mdouble\x1b[m \x1b[21;53;9mx",
    "a link": b"\x1b]8;id=7;http://a.b/?c\x1b\\link\x1b]8;;\x1b\\ none \x1b]8;;http://d\x07open",
    "title": b"\x1b]0;a title\x07",
    "alternate screen": b"primary\x1b[31m\x1b[?1049h\x1b[Halternate\x1b[3;3H\x1b[32mx",
    "saved cursor": b"\x1b[2;3H\x1b[35m\x1b7\x1b[4;4H\x1b[mx",
    "modes": b"\x1b[?1h\x1b=\x1b[?1003h\x1b[?1006h\x1b[?1004h\x1b[?2004h\x1b[?25l\x1b[?7l\x1b[20h\x1b[4h",
    "origin and region": b"\x1b[2;4r\x1b[?6h\x1b[2;2Hx",
    "tab stops": b"\x1b[3g\x1b[1;5H\x1bH\x1b[3;1H",
    "line drawing": b"\x1b(0lqqk\x1b)0\x0ex",
    "cursor": b"\x1b[5 q",
    "blinking": b"\x1b[?12h",
    "palette": b"\x1b]4;1;rgb:11/22/33\x07\x1b]10;rgb:44/55/66\x07",
    "protected": b'\x1b[1"qprotected\x1b[0"q not',
    "graphemes": "e\u0301 \U0001f468\u200d\U0001f469 日本 \U0001f1e9\U0001f1ea".encode(),
}


def open_screen(*fed: bytes) -> GhosttyScreen:
    screen = GhosttyScreen(SIZE)
    for data in fed:
        screen.feed(data)
    return screen


def take(screen: GhosttyScreen, history: int = 1000) -> tuple[bytes, int]:
    taken = screen.snapshot(history)
    assert taken
    return taken


@pytest.mark.parametrize("output", CASES.values(), ids=CASES.keys())
def test_a_snapshot_makes_what_makes_the_same_snapshot(output: bytes) -> None:
    data, unread = take(open_screen(output))
    assert not unread
    assert take(open_screen(data)) == (data, 0)


@pytest.mark.parametrize("output", CASES.values(), ids=CASES.keys())
def test_it_leaves_out_what_has_only_begun(output: bytes) -> None:
    whole = open_screen(output)
    for cut in range(len(output)):
        data, unread = take(open_screen(output[:cut]))
        again = open_screen(data, output[cut - unread :])
        assert (again.lines(), again.cursor, again.title) == (whole.lines(), whole.cursor, whole.title), output[:cut]


@pytest.mark.parametrize("output", CASES.values(), ids=CASES.keys())
def test_it_does_not_depend_on_how_the_output_came_in_pieces(output: bytes) -> None:
    assert take(open_screen(*(bytes([byte]) for byte in output))) == take(open_screen(output))


@pytest.mark.parametrize("output", CASES.values(), ids=CASES.keys())
def test_a_screen_that_was_saved_goes_on_as_if_nothing_had_been(output: bytes) -> None:
    whole = take(open_screen(output))
    for cut in range(0, len(output), 3):
        state = open_screen(output[:cut]).save()
        assert state
        again = GhosttyScreen.restore(state)
        again.feed(output[cut:])
        assert take(again) == whole


def test_what_is_no_state_is_refused() -> None:
    for state in (b"", b"{}\n", b'["0.0.0", 0, "", "", ""]\nx', (open_screen(b"x").save() or b"")[:-9]):
        with pytest.raises(ValueError):
            GhosttyScreen.restore(state)


@pytest.mark.parametrize("history", [0, 3])
def test_history_is_as_long_as_asked_for(history: int) -> None:
    data, _ = take(open_screen(CASES["history"]), history)
    assert data.count(b"\r\n") == 4 + history


def test_a_sequence_without_an_end_has_no_snapshot() -> None:
    assert open_screen(b"\x1b]52;c;" + b"x" * (9 << 20)).snapshot(0) is None


def test_it_is_told_only_what_the_program_has_set() -> None:
    assert take(open_screen(b"x")) == (b"x\r\n\r\n\r\n\r\n\x1b[1;1H\x1b7\x1b[1;1Hx", 0)
