"""A ``ScreenView`` with styled rows as HTML and as ANSI; its plain text is ``ScreenView.text``."""

from __future__ import annotations

import html
from collections.abc import Callable

from ..plain import clean
from .screen import ScreenView
from .style import Color, Run, Style, sgr

_FOREGROUND, _BACKGROUND = "#e5e5e5", "#000000"
_FRAME = (
    f"background:{_BACKGROUND};color:{_FOREGROUND};font-family:monospace;line-height:1.2;white-space:pre;"
    "overflow-x:auto;padding:0.5em"
)
# xterm.js's own sixteen.
_SIXTEEN = (
    "#2e3436 #cc0000 #4e9a06 #c4a000 #3465a4 #75507b #06989a #d3d7cf "
    "#555753 #ef2929 #8ae234 #fce94f #729fcf #ad7fa8 #34e2e2 #eeeeec"
).split()
_LEVELS = (0, 95, 135, 175, 215, 255)
_UNDERLINES = ("", "solid", "double", "wavy", "dotted", "dashed")
_SAFE_LINKS = ("http://", "https://", "mailto:")
_LINK_LIMIT = 2000


def to_html(view: ScreenView) -> str:
    """Return one ``<pre>`` with inline colours; all text is escaped, and links go to the web or to a mailbox only."""
    return f'<pre style="{_FRAME}">{_join(view, _html_run)}</pre>'


def to_ansi(view: ScreenView) -> str:
    """Return the rows, one a line, with SGR sequences and, as above, OSC 8 links; each line ends with a plain pen."""
    return _join(view, _ansi_run)


def _join(view: ScreenView, render: Callable[[Run], str]) -> str:
    """Return all rows, without the blank ones at the end."""
    return "\n".join("".join(map(render, row)) for row in view.runs).rstrip("\n")


def _ansi_run(run: Run) -> str:
    look, shown, link = sgr(run.style), clean(run.text), _safe_link(run.style)
    text = f"{look}{shown}\x1b[0m" if look != "\x1b[0m" else shown
    return f"\x1b]8;;{link}\x1b\\{text}\x1b]8;;\x1b\\" if link else text


def _html_run(run: Run) -> str:
    text, look = html.escape(clean(run.text)), _css(run.style)
    if link := html.escape(_safe_link(run.style)):
        # Its text may name another place than it leads to. Without a colour of its own it would get the page's.
        safety = f'title="{link}" target="_blank" rel="noopener noreferrer"'
        return f'<a href="{link}" {safety} style="color:inherit;{look}">{text}</a>'
    return f'<span style="{look}">{text}</span>' if look else text


def _safe_link(style: Style) -> str:
    """Return where a run leads, "" for another place than the web or a mailbox, or one that nobody could read."""
    is_safe = style.link.startswith(_SAFE_LINKS) and len(style.link) <= _LINK_LIMIT and clean(style.link) == style.link
    return style.link if is_safe else ""


def _css(style: Style) -> str:
    foreground, background = _css_color(style.foreground), _css_color(style.background)
    if style.inverse:
        foreground, background = background or _BACKGROUND, foreground or _FOREGROUND
    lines = []
    if style.underline:
        lines.append(f"underline {_UNDERLINES[style.underline]} {_css_color(style.underline_color)}".rstrip())
    lines += ["line-through"] * style.strikethrough + ["overline"] * style.overline
    properties = {
        "color": "transparent" if style.invisible else foreground,
        "background": background,
        "font-weight": "bold" if style.bold else "",
        "font-style": "italic" if style.italic else "",
        "opacity": "0.6" if style.faint else "",
        "text-decoration": " ".join(lines),
    }
    return "".join(f"{name}:{value};" for name, value in properties.items() if value)


def _css_color(color: Color) -> str:
    if color is None:
        return ""
    if isinstance(color, int):
        if color < 16:
            return _SIXTEEN[color]
        if color < 232:
            cube = color - 16
            color = (_LEVELS[cube // 36], _LEVELS[cube // 6 % 6], _LEVELS[cube % 6])
        else:
            color = (8 + 10 * (color - 232),) * 3
    return "#{:02x}{:02x}{:02x}".format(*color)
