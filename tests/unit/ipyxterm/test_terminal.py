"""The widget as Python has it: what a page is told, and what stands in a notebook."""

from __future__ import annotations

from typing import Any

import pytest

from wxcode_jupyter.ipyxterm import Terminal

URL = "ws://127.0.0.1:1/terminal"
VIEW = "application/vnd.jupyter.widget-view+json"


def bundle(terminal: Terminal) -> dict[str, Any]:
    shown = terminal._repr_mimebundle_()
    assert shown is not None
    return shown[0]


def test_a_page_connects_itself_where_it_needs_no_secret() -> None:
    assert Terminal(URL).page_url == URL
    assert Terminal(f"{URL}?role=observer").page_url == f"{URL}?role=observer"
    assert Terminal(URL, headers={"Authorization": "token secret"}).page_url == ""
    assert Terminal(URL, headers={"Authorization": "token secret"}, page_url="api/terminal").page_url == "api/terminal"
    assert Terminal(read=lambda: b"", write=len).page_url == ""


def test_what_is_secret_never_leaves_the_kernel() -> None:
    terminal = Terminal(URL, headers={"Authorization": "token secret"}, page_url="api/terminal")
    assert "secret" not in repr(terminal.get_state())
    assert "secret" not in repr(bundle(terminal))
    terminal = Terminal("ws://user:secret@127.0.0.1:1/terminal?token=secret")
    assert terminal.page_url == ""
    assert "secret" not in repr(terminal.get_state()) + repr(terminal) + repr(bundle(terminal))


def test_a_notebook_keeps_the_last_screen_and_no_javascript() -> None:
    screens = iter(["first", "<last>"])
    terminal = Terminal(URL, picture=lambda: {"text/plain": next(screens)})
    assert bundle(terminal)["text/plain"] == "first"
    shown = bundle(terminal)
    assert shown["text/html"] == "<pre>&lt;last&gt;</pre>"
    assert set(shown) == {"text/plain", "text/html", VIEW}
    assert sum(len(value) for value in terminal.get_state().values() if isinstance(value, str)) < 2048


def test_a_picture_may_have_its_own_html() -> None:
    terminal = Terminal(URL, picture=lambda: {"text/plain": "a", "text/html": "<b>a</b>"})
    assert bundle(terminal)["text/html"] == "<b>a</b>"


def test_without_a_picture_it_says_what_it_is() -> None:
    assert bundle(Terminal(URL))["text/plain"] == f"<Terminal on {URL}>"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"read": lambda: b""},
        {"write": len},
        {"url": URL, "read": lambda: b"", "write": len},
        {"url": URL, "write": len},
    ],
)
def test_it_is_on_a_url_or_on_a_program(given: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="read and write"):
        Terminal(**given)
