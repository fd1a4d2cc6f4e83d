from __future__ import annotations

from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from tests.magics.conftest import Notebook
from wxcode_jupyter.client import Progress
from wxcode_jupyter.magics.cards import Badge, Card
from wxcode_jupyter.magics.progress import ProgressPrinter

EVIL = "<script>alert('x')</script>\x1b]0;title\x07\x1b[31m\u202ered & \"quoted\"\x00\x9b5A"


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_every_text_is_escaped_and_moves_nothing() -> None:
    card = Card(EVIL, Badge(EVIL, "bad"), [(EVIL, EVIL)], [[[EVIL, Badge(EVIL)]]], EVIL, [EVIL])
    html = Tags(card.as_html())
    assert html.open == []
    assert html.seen <= {"div", "b", "span", "br", "pre"}
    assert html.attributes == {"style", "data-wx"}
    for shown in (card.as_html(), card.as_text()):
        assert not any(ord(char) < 32 and char != "\n" for char in shown)
        assert "\u202e" not in shown
        assert "\x9b" not in shown


def test_colours_are_the_front_ends_but_for_the_dot() -> None:
    html = Card("t", Badge("idle", "good"), [("a", "b")], block="c").as_html()
    assert html.count("color:#") == 1
    assert "background:#" not in html


def test_the_text_is_aligned() -> None:
    tables = [[["a", "bb"], ["ccc", "d"]], [], [["e", "f"]]]
    card = Card("demo", Badge("idle"), [("folder", "/w/demo"), ("id", "1\n2")], tables, "x\ny")
    assert card.as_text() == (
        "demo  [idle]\n  folder  /w/demo\n  id      1\n          2\n  a    bb\n  ccc  d\n  e  f\n  x\n  y"
    )


def test_results_have_both_forms(demo: Notebook) -> None:
    demo.run("%%wx new login\n# <b>\n")
    for line in ("projects", "list", "status", "log", "screen", "doctor", "start login", "send hi", ""):
        bundle = demo.run(f"%wxmilestone {line}")._repr_mimebundle_()
        assert set(bundle) == {"text/plain", "text/html"}
        assert Tags(bundle["text/html"]).open == []
        assert "object at" not in bundle["text/plain"]


class Printed:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.time = 0.0
        self.printer = ProgressPrinter(self.lines.append, clock=lambda: self.time)

    def tell(self, kind: str, text: str) -> None:
        self.printer(Progress(datetime.now(UTC), kind, text))


@pytest.fixture
def printed() -> Printed:
    return Printed()


def test_progress_is_one_short_line_each(printed: Printed) -> None:
    printed.tell("assistant_message", "one\ntwo " + 300 * "x")
    printed.tell("tool_finished", "Bash")
    printed.tell("session_state", "idle -> busy")
    assert len(printed.lines) == 2
    assert "Claude         one two xxx" in printed.lines[0]
    assert max(map(len, printed.lines)) < 130


def test_progress_is_never_a_flood(printed: Printed) -> None:
    for second in range(2):
        printed.time = second + 1.0
        for number in range(500):
            printed.tell("tool_started", f"Read: {number}")
        printed.tell("command_completed", "")
    printed.printer.flush()
    assert len(printed.lines) == 2 * (8 + 1 + 1)
    assert "command completed" in printed.lines[-2]
    assert "492 more" in printed.lines[-1]


def test_repetitions_are_told_once_and_needs_in_full(printed: Printed) -> None:
    for _ in range(3):
        printed.tell("session_state", "idle -> busy")
    printed.tell("needed", "Look:\n    1. Yes\n    2. No")
    assert len(printed.lines) == 2
    assert printed.lines[1].endswith("2. No")
