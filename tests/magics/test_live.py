"""Which results get a card that follows the server, and what stands in it."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from tests.magics.conftest import Notebook
from tests.support.fake_api import TOKEN
from wxcode_jupyter.magics import Result
from wxcode_jupyter.magics.cards import Badge, Card, Now
from wxcode_jupyter.magics.live import Live

MADE = "%%wx new login --start\nA page to log in.\n"


class Elements(HTMLParser):
    """The attributes of the first element of each name, and the text of scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.attributes: dict[str, dict[str, str | None]] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.setdefault(tag, dict(attrs))


def html(result: Result) -> str:
    shown: str = result._repr_mimebundle_()["text/html"]
    return shown


def followed(result: Result) -> dict[str, str | None]:
    """Return what the card follows; nothing for one that stays as it is."""
    found = Elements(html(result)).attributes
    assert ("script" in found) == ("wxcode-card" in found)
    return found.get("wxcode-card", {})


@pytest.mark.parametrize(
    ("line", "subject"),
    [
        ("%wx status", "session"),
        ("%wx resume", "session"),
        ("%wx questions", "questions"),
        ("%wx send hello", "command"),
        (MADE, "milestone"),
        ("%wx start login", "milestone"),
    ],
)
def test_with_a_front_end_it_follows(demo: Notebook, line: str, subject: str) -> None:
    demo.run("%%wx new login\nA page to log in.\n")
    demo.attended = True
    result = demo.run(line)
    seen = followed(result)
    assert seen["data-subject"] == subject
    assert seen["data-project"] == next(iter(demo.api.projects))
    assert seen["data-server"] == str(demo.magics.context.client.info().pid)
    assert (seen.get("data-command") in demo.api.commands) == (subject in ("command", "milestone"))
    assert (seen.get("data-milestone") in demo.api.milestones) == (subject == "milestone")
    picture = result.follows(None)
    assert html(picture) in html(result)
    assert followed(picture) == {}
    assert repr(picture) == repr(result)


@pytest.mark.parametrize("line", ["%wx status", "%wx resume", "%wx questions", "%wx send hello", MADE])
def test_without_a_front_end_it_stays_as_it_is(demo: Notebook, line: str) -> None:
    result = demo.run(line)
    assert followed(result) == {}
    assert html(result).startswith('<div style="')


@pytest.mark.parametrize("line", ["%wx projects", "%wx list", "%wx log", "%wx interrupt", "%wx stop"])
def test_what_has_nothing_to_follow_stays_as_it_is(demo: Notebook, line: str) -> None:
    demo.run("%wx resume")
    demo.attended = True
    assert followed(demo.run(line)) == {}


def test_what_was_waited_for_stays_as_it_is(demo: Notebook) -> None:
    demo.attended = True
    demo.api.happen(demo.api.accept(), demo.api.end())
    assert followed(demo.run("%wx send --wait hello")) == {}


def test_a_later_picture_follows_nothing(demo: Notebook) -> None:
    demo.attended = True
    assert followed(demo.run("%wx status").refresh()) == {}


def test_no_token_and_no_address_is_in_it(demo: Notebook) -> None:
    demo.attended = True
    shown = html(demo.run("%wx send hello"))
    assert TOKEN not in shown
    assert "http" not in shown


def test_what_a_script_may_replace_is_marked() -> None:
    card = Card("t", Badge("idle"), [("kept", "1")], now=Now([("passing", "2")], "screen", ["note"]))
    before, _, now = card.as_html().partition('<div data-wx="now">')
    assert 'data-wx="badge"' in before
    assert "kept" in before
    for text in ("passing", "screen", "note"):
        assert text in now
    assert card.as_text() == "t  [idle]\n  kept     1\n  passing  2\n  screen\n  note"


def test_attributes_are_escaped() -> None:
    wrapped = Live("session", '"><b>', 1).wrap("<div></div>")
    assert Elements(wrapped).attributes["wxcode-card"]["data-project"] == '"><b>'
