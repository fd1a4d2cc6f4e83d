"""When the input box is said to show a text: the only moment after which Enter is pressed."""

from __future__ import annotations

import textwrap
import unicodedata

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.support.recorded_screens import VERSIONS, load
from wxcode_jupyter.claude.screens import holds, read

#: What people write, and what a terminal shows as it is.
TEXT = st.text(
    st.characters(codec="utf-8", categories=("L", "M", "N", "P", "S", "Zs")) | st.sampled_from("\n\t "), min_size=1
)

PLAIN = st.text(st.characters(max_codepoint=0x24F, categories=("L", "N", "P", "Sc", "Sm")) | st.sampled_from("\n\t "))


@pytest.mark.parametrize(
    ("box", "text"),
    [
        ("hello", "hello"),
        ("first line\nsecond line", "first line\nsecond line"),
        ("a    b", "a\tb"),  # tabs become spaces
        ("a long line that the box\nwraps", "a long line that the box wraps"),
        ("averyveryverylon\ngword", "averyveryverylongword"),
        ("[Pasted text #1 +39 lines]", "line\n" * 40),
        ("[Pasted text #12 +1 line]", "a\nb"),
        ("[Pasted text #3]", "x" * 4000),
        ("[Pasted text\n#1 +39 lines]", "line\n" * 40),
        ("begin[...Truncated text #1 +12 lines...]end", "begin" + "\nx" * 12 + "end"),
        ("\n".join(f"line {n}" for n in range(50, 100)), "\n".join(f"line {n}" for n in range(100))),  # its tail
        ("", ""),
    ],
)
def test_a_box_that_shows_the_text(box: str, text: str) -> None:
    assert holds(box, text)


@pytest.mark.parametrize(
    ("box", "text"),
    [
        ("", "hello"),
        ("hell", "hello"),  # not all of it yet
        ("hello", ""),
        ("a draft hello", "hello"),  # glued to something of the user's
        ("hello a draft", "hello"),
        ("a draft [Pasted text #1 +39 lines]", "line\n" * 40),
        ("[Pasted text #1 +39 lines] [Pasted text #2 +3 lines]", "line\n" * 40),
        ("[Image #1]", "hello"),
        ("Pasted text #1", "hello"),
        ("begin[...Truncated text #1 +12 lines...]END", "begin" + "\nx" * 12 + "end"),
        ("the end", "a long text with the end"),  # a tail is only believed in a box that is full
        ("Hello", "hello"),
        ("exit", "exlt"),
    ],
)
def test_a_box_that_does_not(box: str, text: str) -> None:
    assert not holds(box, text)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("size", ["80x24", "120x40"])
def test_a_paste_behind_a_draft_is_not_held(version: str, size: str) -> None:
    reading = read(load(version, f"paste-4000-chars-one-line-{size}"))
    assert reading.box is not None
    assert not holds(reading.box, "x" * 4000)


@pytest.mark.parametrize(
    ("box", "text"),
    [
        ("\xe9t\xe9", "e\u0301te\u0301"),
        ("\ud55c", "\u1112\u1161\u11ab"),
        ("family \U0001f468\u200d end", "family \U0001f468\u200d\U0001f469\u200d\U0001f467 end"),
        ("\U0001f44d ok", "\U0001f44d\U0001f3fd ok"),
        ("\U0001f1e7 x", "\U0001f1e7\U0001f1f7 x"),
        ("1\u20e3  ok", "1\ufe0f\u20e3 ok"),
        ("heart \u2764\ufe0f  end", "heart \u2764\ufe0f end"),
        ("thumb \U0001f44d\U0001f3fdheart", "thumb \U0001f44d\U0001f3fd, heart"),
        ("a \U0001f469\u200d\U0001f469\u200dflag", "a \U0001f469\u200d\U0001f469\u200d\U0001f467, flag"),
        ("family \U0001f469\u200d, end", "family \U0001f469\u200d\U0001f469\u200d\U0001f467, end"),
        ("ab", "a\u200bb"),
        ("ab", "\ufeffa\u00adb"),
    ],
)
def test_characters_that_do_not_arrive_as_they_were_sent(box: str, text: str) -> None:
    # Each pair was seen with 2.1.197 and 2.1.330 in the emulator that we use.
    assert holds(box, text)


def test_an_emoji_alone_is_not_held_by_an_empty_box() -> None:
    assert not holds("", "\U0001f44d")
    assert holds("\U0001f44d", "\U0001f44d")


@settings(deadline=None)  # a busy machine is no failure
@given(TEXT, st.integers(20, 500), st.sampled_from([2, 4, 8]))
@example("a\u00a0b\u3000c", 20, 8)
def test_a_text_is_held_by_the_box_that_wraps_it(text: str, width: int, tab: int) -> None:
    rows = [row for line in text.expandtabs(tab).split("\n") for row in (textwrap.wrap(line, width) or [""])]
    assume(any(rows))
    assert holds("\n".join(rows).rstrip(), text)


@settings(deadline=None)  # a busy machine is no failure
@given(TEXT, st.integers(20, 500))
@example("x" * 19 + "e\u0301", 20)
def test_a_text_is_held_by_the_box_that_breaks_within_words(text: str, width: int) -> None:
    rows = [line[start : start + width] for line in text.split("\n") for start in range(0, max(1, len(line)), width)]
    assume("".join(rows).strip())
    assert holds("\n".join(rows).rstrip(), text)


@settings(deadline=None)  # a busy machine is no failure
@given(TEXT)
def test_a_text_is_held_by_the_box_that_composes_it(text: str) -> None:
    assume(text.strip())
    assert holds(unicodedata.normalize("NFC", text), text)


@settings(deadline=None)  # a busy machine is no failure
@given(PLAIN, PLAIN)
@example("hello", "hello world")
@example("hello world", "hello")
@example("i", "\u00ec")
def test_no_text_is_held_by_a_box_with_another_but_for_accents(box: str, text: str) -> None:
    first, second = (unicodedata.normalize("NFD", "".join(each.split())) for each in (box, text))
    assert holds(box, text) is (without_accents(first) == without_accents(second))


def without_accents(text: str) -> str:
    return "".join(each for each in text if unicodedata.category(each) != "Mn")
