"""Whatever others wrote, a display has the elements that we made, the text whole, and nothing that acts.

Every class of the package that displays itself is found by walking its modules, so that a new one is not forgotten.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import typing
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import mistune
import pytest

import wxcode_jupyter
from tests.support.hostile import TEXTS, check_elements, make, parse, squeeze
from wxcode_jupyter.client import Check, Project
from wxcode_jupyter.errors import MilestoneFailed
from wxcode_jupyter.ipyxterm import Terminal
from wxcode_jupyter.magics import LiveTerminal
from wxcode_jupyter.magics.context import Context
from wxcode_jupyter.magics.live import _SCRIPT, Live
from wxcode_jupyter.magics.report_formats import as_json, as_markdown
from wxcode_jupyter.magics.results import Listing, Result, Screen
from wxcode_jupyter.magics.verdicts import ProjectReport
from wxcode_jupyter.models import Command, Conversation, Event, Milestone, Question
from wxcode_jupyter.plain import clean

MIME = {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json", "application/scrapbook.scrap.json+json"}
ALLOWED = {
    **{key: {"style", "data-wx"} for key in ("div", "span", "pre")},
    **{key: set() for key in ("b", "br", "code")},
    "wxcode-card": {
        "style",
        *(f"data-{name}" for name in ("subject", "project", "server", "command", "milestone", "at")),
    },
}
ROWS = (Project, Milestone, Command, Conversation, Question, Event, Check)


def find_displayed() -> list[type]:
    """Return every class of the package with a ``_repr_*_`` of its own or a parent's."""
    found: set[type] = set()
    for module in pkgutil.walk_packages(wxcode_jupyter.__path__, "wxcode_jupyter."):
        if module.name.endswith("__main__"):
            continue
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            shows = any(re.fullmatch(r"_repr_\w+_", name) for name in dir(kind))
            if kind.__module__.startswith("wxcode_jupyter") and shows:
                found.add(kind)
    return sorted(found, key=lambda kind: kind.__name__)


def make_terminal(text: str) -> Terminal:
    shown = Screen(text=text, title=text)
    return Terminal(f"ws://127.0.0.1:1/{text}", label=text, picture=shown._repr_mimebundle_)


def make_live_terminal(text: str) -> LiveTerminal:
    return LiveTerminal(text=text, title=text, _widget=make_terminal(text))


#: Classes whose fields do not say how one is made.
MAKERS: Mapping[type, Callable[[str], Any]] = {Terminal: make_terminal, LiveTerminal: make_live_terminal}
DISPLAYED = find_displayed()


def variants(kind: type, text: str) -> list[Any]:
    """Return values of a class: with each kind of row, as it stands, and as a card that follows."""
    if kind in MAKERS:
        return [MAKERS[kind](text)]
    base = next((base for base in getattr(kind, "__orig_bases__", ()) if typing.get_origin(base) is Listing), None)
    items = typing.get_args(base) if base else ROWS if kind is Listing else (None,)
    made = [make(kind, text, {}, item) for item in items if not isinstance(item, typing.TypeVar)]
    live = Live("milestone", text, 1, command_id=text, milestone_id=text)
    return [*made, *(one.follows(live) for one in made), *(replace(one, error=None) for one in made)]


def check_plain(text: str) -> None:
    for char in text:
        assert char == "\n" or unicodedata.category(char) not in ("Cc", "Cs"), repr(char)
        assert char not in "\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def test_all_that_displays_itself_is_found() -> None:
    assert {Result, Screen, Terminal, LiveTerminal, Listing} < set(DISPLAYED)
    assert len(DISPLAYED) >= 20


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("kind", DISPLAYED, ids=lambda kind: kind.__name__)
def test_a_display_has_what_we_made_and_the_text_whole(kind: type, text: str) -> None:
    wanted = squeeze(clean(text))
    for value in variants(kind, text):
        bundle = value._repr_mimebundle_()
        bundle = bundle[0] if isinstance(bundle, tuple) else bundle
        assert set(bundle) <= MIME
        methods = {name for name in dir(value) if re.fullmatch(r"_repr_\w+_", name)}
        assert methods == {"_repr_mimebundle_"}, "there is no other way to display it"
        for plain in (bundle["text/plain"], repr(value)):
            check_plain(plain)
        assert wanted in squeeze(bundle["text/plain"])
        html = bundle["text/html"]
        check_plain(html)
        ours, script, rest = html.partition(_SCRIPT)
        assert not rest
        assert bool(script) == isinstance(getattr(value, "_live", None), Live)
        tree = parse(ours)
        check_elements(tree, ALLOWED, link=lambda _url: False)
        assert wanted in squeeze("".join(tree.itertext()))


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_screen_with_colours_has_nothing_else(text: str) -> None:
    markup = f"\x1b[31m{text}\x1b[0m\x1b]8;;javascript:x\x1b\\link\x1b]8;;\x1b\\"
    shown = Screen(text=text, title=text, format="ansi", markup=markup)._repr_mimebundle_()
    assert set(shown) == {"text/plain"}
    check_plain(re.sub(r"\x1b\[[0-9;]*m", "", shown["text/plain"]))
    assert shown["text/plain"].startswith("\x1b[31mfind")
    assert shown["text/plain"].endswith("\x1b[0mlink")


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_report_has_what_we_made(text: str) -> None:
    report: ProjectReport = make(ProjectReport, text, {})
    markdown, json = as_markdown(report), as_json(report)
    check_plain(markdown)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]", json)
    render = mistune.create_markdown(escape=False, plugins=["table", "url", "strikethrough", "footnotes", "math"])
    tree = parse(typing.cast(str, render(markdown)))
    elements = ("h1", "h2", "p", "table", "thead", "tbody", "tr", "blockquote", "pre")
    allowed: dict[str, set[str]] = {
        **{key: set() for key in elements},
        "th": {"style"},
        "td": {"style"},
        "code": {"class"},
    }
    check_elements(tree, allowed, link=lambda _url: False)
    assert squeeze("".join(tree.itertext())).count(squeeze(clean(text))) >= 4


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_line_that_is_printed_moves_nothing(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Context.say(typing.cast(Context, None), text)
    check_plain(capsys.readouterr().out)
    check_plain(str(MilestoneFailed(text)).replace("\t", ""))
