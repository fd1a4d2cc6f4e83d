"""Answers of the clients' terminals go, everything that a person typed stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxcode_jupyter.terminal.replies import ReplyFilter, strip_replies

REPLIES = {
    "DA1 of xterm.js": b"\x1b[?1;2c",
    "DA1 of a VT420": b"\x1b[?64;1;2;6;22c",
    "DA2": b"\x1b[>0;276;0c",
    "DA3": b"\x1bP!|00000000\x1b\\",
    "DSR": b"\x1b[0n",
    "colour scheme": b"\x1b[?997;1n",
    "CPR": b"\x1b[24;80R",
    "CPR in the first row": b"\x1b[1;1R",
    "CPR far right in the first row": b"\x1b[1;17R",
    "DECXCPR": b"\x1b[?12;4;1R",
    "DECRPM": b"\x1b[?2026;2$y",
    "DECRPM of an ANSI mode": b"\x1b[4;2$y",
    "DECRQSS": b"\x1bP1$r0m\x1b\\",
    "XTGETTCAP": b"\x1bP1+r544e=787465726d\x1b\\",
    "XTVERSION": b"\x1bP>|xterm.js(6.0.0)\x1b\\",
    "background": b"\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\",
    "foreground, BEL": b"\x1b]10;rgb:ffff/ffff/ffff\x07",
    "palette": b"\x1b]4;12;rgb:0000/0000/ffff\x1b\\",
    "size in characters": b"\x1b[8;24;80t",
    "cell size": b"\x1b[6;17;9t",
    "kitty keyboard": b"\x1b[?0u",
}
KEYS = {
    "text": "héllo 你 🙂".encode(),
    "Esc": b"\x1b",
    "Esc Esc": b"\x1b\x1b",
    "arrow": b"\x1b[A",
    "application arrow": b"\x1bOA",
    "Ctrl-arrow": b"\x1b[1;5C",
    "Home": b"\x1b[1~",
    "F3": b"\x1bOR",
    "Shift-F3": b"\x1b[1;2R",
    "all modifiers F3": b"\x1b[1;16R",
    "F5 with Ctrl": b"\x1b[15;5~",
    "Alt-[": b"\x1b[",
    "Alt-]": b"\x1b]",
    "Alt-P": b"\x1bP",
    "Alt-c": b"\x1bc",
    "Enter": b"\r",
    "Ctrl-C": b"\x03",
    "focus in": b"\x1b[I",
    "focus out": b"\x1b[O",
    "SGR mouse": b"\x1b[<0;10;12M",
    "kitty key": b"\x1b[97;5u",
    "modifyOtherKeys": b"\x1b[27;5;13~",
    "shift tab": b"\x1b[Z",
}
PASTE = b"\x1b[200~" + b"".join(REPLIES.values()) + b"\x1b[201~"


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_an_answer_is_taken_out_wherever_it_is_cut(reply: bytes) -> None:
    assert strip_replies(b"a" + reply + b"b") == b"ab"
    for cut in range(len(reply) + 1):
        split = ReplyFilter()
        assert split.feed(b"a" + reply[:cut]) + split.feed(reply[cut:] + b"b") + split.flush() == b"ab"


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_key_stays(key: bytes) -> None:
    assert strip_replies(key) == key


def test_what_is_pasted_stays_even_if_it_looks_like_an_answer() -> None:
    assert strip_replies(PASTE) == PASTE
    assert strip_replies(PASTE + REPLIES["DA1 of xterm.js"]) == PASTE


def test_a_lone_escape_is_held_for_the_caller_to_flush() -> None:
    keys = ReplyFilter()
    assert (keys.feed(b"\x1b"), keys.pending) == (b"", True)
    assert (keys.flush(), keys.pending) == (b"\x1b", False)


def test_what_is_held_is_bounded() -> None:
    keys = ReplyFilter()
    endless = b"\x1bP>|" + b"x" * 10_000
    assert keys.feed(endless) + keys.flush() == endless


# Keys that together could spell an answer (Alt-[ and then digits) are not what a person types in one piece.
WHOLE_KEYS = [key for name, key in KEYS.items() if not name.startswith(("Alt-", "Esc"))]


@given(st.data())
def test_keys_and_pastes_pass_unharmed_at_any_split(data: st.DataObject) -> None:
    paste = (
        st.binary(max_size=60)
        .filter(lambda text: b"\x1b[201~" not in text + b"\x1b[201")
        .map(lambda text: b"\x1b[200~" + text + b"\x1b[201~")
    )
    plain = st.text(st.characters(exclude_characters="\x1b", exclude_categories=["Cs"]), max_size=10).map(str.encode)
    parts = data.draw(st.lists(st.one_of(st.sampled_from(WHOLE_KEYS), st.just(PASTE), paste, plain), max_size=8))
    typed = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(typed)), max_size=6)))
    keys = ReplyFilter()
    passed = b"".join(keys.feed(typed[a:b]) for a, b in zip([0, *cuts], [*cuts, len(typed)], strict=True))
    assert passed + keys.flush() == typed


@given(st.data())
def test_answers_between_keys_go_at_any_split(data: st.DataObject) -> None:
    pieces = st.one_of(
        st.sampled_from(WHOLE_KEYS).map(lambda key: (key, key)),
        st.sampled_from(list(REPLIES.values())).map(lambda reply: (reply, b"")),
        st.just((PASTE, PASTE)),
    )
    parts = data.draw(st.lists(pieces, max_size=8))
    typed = b"".join(part for part, _ in parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(typed)), max_size=6)))
    keys = ReplyFilter()
    passed = b"".join(keys.feed(typed[a:b]) for a, b in zip([0, *cuts], [*cuts, len(typed)], strict=True))
    assert passed + keys.flush() == b"".join(kept for _, kept in parts)


def test_hostile_keys_take_no_more_than_their_length() -> None:
    """With a backtracking pattern it would be hours."""
    for letter in (b"a", b"b", b"0", b";"):
        keys = b"\x1b]4;1;r" + letter * 300_000 + b"!"
        assert ReplyFilter().feed(keys) == keys
        assert ReplyFilter().feed(b"\x1b]4;1;rgba:" + letter * 300_000 + b"!").endswith(b"!")
