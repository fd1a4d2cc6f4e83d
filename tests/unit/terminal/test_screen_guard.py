"""What pyte is not given: sequences of which it would keep all, or show the contents."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxcode_jupyter.models import TermSize
from wxcode_jupyter.terminal.screen import TITLE_LIMIT, find_emulator
from wxcode_jupyter.terminal.screen_guard import SequenceGuard

PIECES = st.sampled_from(
    [
        *(b"\x1b", b"[", b"]", b"P", b"_", b"^", b"X", b"\\", b"\x07", b"\x18", b"\x9c", b"\xc2", b"\x9b", b"1;", b"m"),
        *(b"text", "é日".encode(), b"\x1b[1m", b"\x1b]2;title\x07", b"\x1b[" + b"9" * 300, b"\x1b]0;" + b"t" * 5000),
    ]
)
OUTPUTS = st.lists(PIECES | st.binary(max_size=3), max_size=30).map(b"".join)


@given(OUTPUTS, st.data())
def test_where_it_is_cut_does_not_matter(output: bytes, data: st.DataObject) -> None:
    whole, cut = SequenceGuard(), SequenceGuard()
    place = data.draw(st.integers(0, len(output)))
    assert whole.feed(output + b"\x18.") == cut.feed(output[:place]) + cut.feed(output[place:] + b"\x18.")


@given(OUTPUTS)
def test_what_has_no_sequence_passes_whole(output: bytes) -> None:
    plain = output.replace(b"\x1b", b"").replace(b"\xc2", b"")
    assert SequenceGuard().feed(plain) == plain


@pytest.mark.parametrize(
    ("output", "passed"),
    [
        (b"a\x1b[1;31mb\x1b]2;title\x07c\x1b(Bd\x1b7", b"a\x1b[1;31mb\x1b]2;title\x07c\x1b(Bd\x1b7"),
        (b"a\x1b]2;title\x1b\\b", b"a\x1b]2;title\x1b\\b"),
        (b"a\x1bPqcontents\x1b\\b\x1b_apc\x1b\\c\x1b^pm\x1b\\d\x1bXsos\x1b\\e", b"abcde"),
        (b"a\x1b]2;" + b"t" * 5000 + b"\x07b", b"ab"),
        (b"a\x1b[" + b"9" * 300 + b"mb", b"ab"),
        (b"a\x1b[" + b"1;" * 33 + b"mb", b"ab"),
        (b"a\x1b]2;title\x1b[1mb", b"a\x1b[1mb"),
        (b"a\x1b]2;title\x18b\x1b[1\x1ac", b"abc"),
        ("a\x9b31mb\x9d2;t\x9cé".encode(), "a31mb2;té".encode()),
    ],
)
def test_what_passes(output: bytes, passed: bytes) -> None:
    guard = SequenceGuard()
    assert guard.feed(output) == passed
    single = SequenceGuard()
    assert b"".join(single.feed(bytes((byte,))) for byte in output) == passed


@pytest.mark.parametrize("begin", [b"\x1b]0;", b"\x1b[", b"\x1bP", b"\x1b_", b"\x1b^", b"\x1bX", b"\xc2\x9d0;"])
def test_a_sequence_without_an_end_costs_nothing(begin: bytes) -> None:
    guard = SequenceGuard()
    guard.feed(begin)
    chunk = b"1" * 65_536
    tracemalloc.start()
    try:
        for _ in range(500):
            guard.feed(chunk)
        kept, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 50_000
    assert guard.feed(b"\x18\x1b\\text").endswith(b"text")


def test_pyte_is_behind_it() -> None:
    screen = find_emulator("pyte")(TermSize())
    screen.feed(b"\x1bPqcontents\x1b\\\x1b_more\x1b\\shown\x1b]0;")
    assert screen.lines()[0].rstrip() == "shown"
    tracemalloc.start()
    try:
        for _ in range(32):
            screen.feed(b"1" * 65_536)
        kept, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 500_000


@pytest.mark.parametrize("kind", ["ghostty", "pyte"])
@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("✳ Claude", "✳ Claude"),
        ("a\x9b2J\x85b\u202ec\u2028d", "a2Jbc d"),
        ("x" * 900, "x" * (TITLE_LIMIT - 1) + "…"),
        ("<script>", "<script>"),
    ],
)
def test_a_title_is_one_line(title: str, shown: str, kind: str) -> None:
    screen = find_emulator(kind)(TermSize())
    screen.feed(f"\x1b]2;{title}\x07".encode())
    assert screen.title == shown
    snapshot = screen.snapshot(0)
    if snapshot is not None:
        assert snapshot[0].startswith(f"\x1b]2;{screen.title}\x1b\\".encode())
    screen.close()
