from __future__ import annotations

import pickle
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxcode_jupyter.errors import MilestoneFailed
from wxcode_jupyter.plain import clean, clean_line, visible
from wxcode_jupyter.terminal.complaint import complain, complain_of

#: Any characters, halves of them too, with many of those that matter.
TEXTS = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("\x00\x07\x08\t\n\r\x1b[]PX^_\\;m\x7f\x85\x9b\x9c\u200e\u2028\u2029\u202e\u2066\ud800\udcff"),
    )
)
SEPARATORS = "\u2028\u2029"


def hostile(text: str) -> set[str]:
    """Return the characters that must not be there, by what Unicode says of them."""
    reordering = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    marks = "\u200e\u200f\u061c" + SEPARATORS
    return {
        char
        for char in text
        if unicodedata.category(char) in ("Cc", "Cs") or unicodedata.bidirectional(char) in reordering or char in marks
    }


@given(TEXTS)
def test_what_is_clean_has_lines_and_nothing_else_that_moves(text: str) -> None:
    assert hostile(clean(text)) <= {"\n"}
    assert not hostile(clean_line(text))
    clean(text).encode()


@given(TEXTS)
def test_what_is_visible_is_one_line_and_says_all(text: str) -> None:
    assert not hostile(visible(text))
    assert hostile(visible(text, keep="\n\t")) <= {"\n", "\t"}
    if "\\" not in text:
        escapes = visible(text).encode("ascii", "backslashreplace").decode("ascii")
        assert escapes.encode("ascii").decode("unicode_escape") == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\r\nb\x1bc", "a\nb"),
        ("a\u2028b\u2029c", "a\nb\nc"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]no end, and all of this shows", "no end, and all of this shows"),
        ("\x9b31mred", "31mred"),
        ("user\u202egpj.exe", "usergpj.exe"),
        ("half \ud83d", "half \ufffd"),
        ("a\tb", "a   b"),
    ],
)
def test_what_is_taken_out(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_one_line_is_one_line() -> None:
    assert clean_line("a\n b\tc\x1b[1m", 0) == "a b c"
    assert clean_line("abcdef", 4) == "abc…"


@pytest.mark.parametrize("text", ["\x1b]" * 500_000, "\x1b[" * 500_000, "\x1b[" + "1;" * 500_000, "\x1b]" + "a" * 999])
def test_a_megabyte_of_beginnings_takes_no_time(text: str) -> None:
    began = time.process_time()
    clean(text)
    assert time.process_time() - began < 5


def test_an_error_shows_what_others_wrote_into_it() -> None:
    error = MilestoneFailed("Claude said:\n\tdone\x1b[2J\u202e\x9b", answer="\x1b")
    assert str(error) == "Claude said:\n\tdone\\x1b[2J\\u202e\\x9b"
    assert pickle.loads(pickle.dumps(error)).message == error.message == "Claude said:\n\tdone\x1b[2J\u202e\x9b"


def test_a_complaint_of_the_keeper_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    complain("journal /w/a\nkeeper: all is well\x1b[2J: no room")
    assert capsys.readouterr().err == "journal /w/a\\nkeeper: all is well\\x1b[2J: no room\n"


def test_so_is_what_ends_it_below_where_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise OSError("/w/a\nkeeper: all is well\x1b[2J")
    except OSError as error:
        complain_of(type(error), error, error.__traceback__)
    first, *calls, last = capsys.readouterr().err.splitlines()
    assert first == "Traceback (most recent call last):"
    assert all(line.startswith("  ") for line in calls)
    assert last == r"OSError: /w/a\nkeeper: all is well\x1b[2J"
