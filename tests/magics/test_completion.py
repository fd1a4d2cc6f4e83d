from __future__ import annotations

import httpx
import pytest
from IPython.core.completer import provisionalcompleter

from tests.magics.conftest import Notebook
from wxcode_jupyter.magics.completion import Completer
from wxcode_jupyter.magics.subcommands import SUBCOMMANDS

ALL = {
    *SUBCOMMANDS,
    *(name for item in SUBCOMMANDS.values() for option in item.options for name in option.names),
    *("Login", "'Sign up'", "demo"),
}


def complete(notebook: Notebook, line: str) -> list[str]:
    with provisionalcompleter():  # what a kernel does at a complete_request
        return [match.text for match in notebook.shell.Completer.completions(line, len(line))]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%wxmilestone st", {"start", "status", "stop"}),
        ("%%wxmilestone ne", {"new", "next"}),
        ("%wx tru", {"trust"}),
        ("%wx start --t", {"--timeout"}),
        ("%wx terminal --o", {"--observer", "--output"}),
        ("%wx start Log", {"Login"}),
        ("%wx start ", {"Login", "'Sign up'", "--wait"}),
        ("%wx status -p d", {"demo"}),
        ("%wx project de", {"demo"}),
    ],
)
def test_what_is_offered(demo: Notebook, line: str, expected: set[str]) -> None:
    demo.run("%%wx new Login\ntext")
    demo.run("%%wx new 'Sign up'\ntext")
    offered = set(complete(demo, line))
    assert expected <= offered
    if not line.endswith(" "):
        assert offered & ALL == expected


def test_names_are_asked_for_once_in_a_while(demo: Notebook) -> None:
    before = len(demo.api.requests)
    for _ in range(5):
        complete(demo, "%wx project d")
    assert len(demo.api.requests) == before + 1


def test_a_server_that_is_away_offers_nothing(demo: Notebook) -> None:
    demo.api.failures.extend([httpx.ConnectError("refused")] * 9)
    assert not ALL & set(complete(demo, "%wx status -p d"))


def test_completion_never_connects(notebook: Notebook) -> None:
    notebook.magics.context._client = None
    completer = Completer(notebook.magics.context)
    assert completer._projects() == []
    assert notebook.magics.context.connected is None


def test_what_can_be_answered_is_offered(demo: Notebook) -> None:
    demo.run("%wx resume")
    options = [{"label": "Red"}, {"label": "Dark blue"}]
    demo.api.ask(next(iter(demo.api.projects)), {"question": "Which colour?", "options": options})
    assert {"Red", "'Dark blue'", "--text"} <= set(complete(demo, "%wx answer "))
