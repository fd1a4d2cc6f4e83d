"""``%wxmilestone terminal``: where its widget connects to, and what stands in the notebook."""

from __future__ import annotations

import pytest

from tests.magics.conftest import Notebook
from wxcode_jupyter.ipyxterm import Terminal
from wxcode_jupyter.magics import LiveTerminal, UsageMistake


def test_the_page_connects_to_its_own_server_and_the_kernel_to_the_sessions(demo: Notebook) -> None:
    demo.run("%wxmilestone resume")
    [identifier] = demo.api.projects
    shown = demo.run("%wxmilestone terminal --rows 30 --cols 100")
    assert isinstance(shown, LiveTerminal)
    widget = shown.widget
    assert widget.page_url == f"wxcode/api/v1/output-projects/{identifier}/terminal"
    assert repr(widget) == f"<Terminal on ws://h:1/{widget.page_url}>"
    assert (widget.rows, widget.cols, widget.label) == (30, 100, "demo")


def test_programs_may_copy_where_somebody_says_so() -> None:
    assert not Terminal("ws://127.0.0.1:1/").clipboard
    assert Terminal("ws://127.0.0.1:1/", clipboard=True).clipboard


def test_the_magic_says_it(demo: Notebook) -> None:
    assert not demo.run("%wxmilestone terminal").widget.clipboard
    assert demo.run("%wxmilestone terminal --clipboard").widget.clipboard


def test_an_observer_asks_for_less(demo: Notebook) -> None:
    assert demo.run("%wxmilestone terminal --observer").widget.page_url.endswith("/terminal?role=observer")


def test_the_notebook_has_the_screen_as_text_and_html(demo: Notebook) -> None:
    demo.run("%wxmilestone resume")
    shown = demo.run("%wxmilestone terminal")
    data, _ = shown._repr_mimebundle_()
    assert "red" in data["text/plain"]
    assert "\x1b" not in data["text/plain"]
    assert '<span style="color:red">red</span>' in data["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "red" in str(shown)
    assert shown.refresh().widget is shown.widget


def test_without_a_session_it_is_shown_all_the_same(demo: Notebook) -> None:
    data, _ = demo.run("%wxmilestone terminal")._repr_mimebundle_()
    assert "No session" in data["text/plain"]


def test_sizes_are_checked(demo: Notebook) -> None:
    with pytest.raises(UsageMistake, match="--cols is a number from 1 to 500"):
        demo.run("%wxmilestone terminal --cols 501")
    with pytest.raises(UsageMistake, match="--rows"):
        demo.run("%wxmilestone terminal --rows many")
