"""What a screen looks like outside a terminal."""

from __future__ import annotations

import pytest

from wxcode_jupyter.models import TermSize
from wxcode_jupyter.terminal import render
from wxcode_jupyter.terminal.screen import ScreenView, find_emulator, view


def shown(output: bytes, kind: str = "ghostty") -> ScreenView:
    screen = find_emulator(kind)(TermSize(4, 20))
    screen.feed(output)
    shown = view(screen, 0, exact=True, styled=True)
    screen.close()
    return shown


def html(output: bytes, kind: str = "ghostty") -> str:
    text = render.to_html(shown(output, kind))
    assert text.startswith('<pre style="')
    assert text.endswith("</pre>")
    return text[text.index(">") + 1 : -len("</pre>")]


@pytest.mark.parametrize("kind", ["ghostty", "pyte"])
def test_rows_as_they_stand_without_blanks_at_the_end(kind: str) -> None:
    output = b"one\r\n\r\n  \x1b[1mthree\x1b[m  \x1b[1;10Hx"
    assert shown(output, kind).text == "one      x\n\n  three"
    assert render.to_ansi(shown(output, kind)) == "one      x\n\n  \x1b[0;1mthree\x1b[0m"
    assert html(output, kind) == 'one      x\n\n  <span style="font-weight:bold;">three</span>'


@pytest.mark.parametrize("kind", ["ghostty", "pyte"])
@pytest.mark.parametrize(
    ("codes", "look"),
    [
        ("31", "color:#cc0000;"),
        ("93;104", "color:#fce94f;background:#729fcf;"),
        ("48;5;16", "background:#000000;"),
        ("38;5;110", "color:#87afd7;"),
        ("38;5;255", "color:#eeeeee;"),
        ("38;2;1;2;3", "color:#010203;"),
        ("7", "color:#000000;background:#e5e5e5;"),
        ("7;31", "color:#000000;background:#cc0000;"),
        ("3;9", "font-style:italic;text-decoration:line-through;"),
        ("4", "text-decoration:underline solid;"),
    ],
)
def test_colours_and_attributes(codes: str, look: str, kind: str) -> None:
    output = f"\x1b[{codes}mx".encode()
    assert html(output, kind) == f'<span style="{look}">x</span>'
    if kind == "ghostty":  # pyte forgets which of its colours had a number
        again = shown(render.to_ansi(shown(output)).encode())
        assert again.runs == shown(output).runs


def test_what_only_the_native_emulator_knows() -> None:
    assert html(b"\x1b[2;8;53mx") == '<span style="color:transparent;opacity:0.6;text-decoration:overline;">x</span>'
    assert html(b"\x1b[4:3;58;2;1;2;3mx") == '<span style="text-decoration:underline wavy #010203;">x</span>'


def test_text_is_escaped_and_links_lead_to_the_web_only() -> None:
    assert html(b"<b>&\"'") == "&lt;b&gt;&amp;&quot;&#x27;"
    link = html(b'\x1b]8;;http://a.b/?"<c>&d\x07<x>\x1b]8;;\x07')
    url = "http://a.b/?&quot;&lt;c&gt;&amp;d"
    safety = f'title="{url}" target="_blank" rel="noopener noreferrer"'
    assert link == f'<a href="{url}" {safety} style="color:inherit;">&lt;x&gt;</a>'
    for refused in (
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc",
        "http://a/\x9cb",
        f"http://a/{'b' * 2000}",
    ):
        output = f"\x1b]8;;{refused}\x07x".encode()
        assert html(output) == render.to_ansi(shown(output)) == "x"
    assert render.to_ansi(shown(b"\x1b]8;;http://a\x07x")) == "\x1b]8;;http://a\x1b\\x\x1b]8;;\x1b\\"


def test_wide_characters_and_backgrounds_to_the_margin() -> None:
    assert html("日本".encode()) == "日本"
    assert html(b"\x1b[44m\x1b[K") == f'<span style="background:#3465a4;">{" " * 20}</span>'
