"""How results look: one description, written as plain text and as HTML.

The HTML has no script, no class and no colour of its own but the dot: it takes the front end's colours, so that it is
readable in a light theme and a dark one, and in a trusted notebook and an untrusted one. Every text is escaped, and
control characters are taken out in both forms: what Claude or a terminal wrote must not move a cursor. Two marks,
``data-wx``, tell the script of a card that follows the server (`live.py`) which parts are for it to replace.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Literal

from ..plain import clean, clean_line

Tone = Literal["good", "busy", "needed", "bad", "quiet"]

_DOTS: dict[Tone, str] = {
    "good": "#2da44e",
    "busy": "#388bfd",
    "needed": "#d29922",
    "bad": "#e5534b",
    "quiet": "#8b949e",
}
_CODE, _AS_CODE = re.compile(r"`([^`]+)`"), r"<code>\1</code>"
_FONT = "font-family:var(--jp-code-font-family,monospace);font-size:var(--jp-code-font-size,13px)"
_BORDER = "border:1px solid rgba(128,128,128,.4);border-radius:4px"
# What is used here has to pass JupyterLab's sanitizer, which takes properties that it does not know, or values such as
# ``overflow-wrap:anywhere``, out of the outputs of a notebook that is not trusted: one that papermill has run.
_FRAME = f"{_BORDER};padding:6px 10px;margin:2px 0;max-width:60em;line-height:1.5;overflow-wrap:break-word"
_GRID = "display:grid;column-gap:1em;grid-template-columns"
_LABELS = "minmax(6.5em,auto)"  # so that the rows of several grids stand below each other
_PRE = f"{_FONT};white-space:pre;overflow-x:auto;margin:4px 0;padding:0;background:none;color:inherit;line-height:1.3"


@dataclass(frozen=True, slots=True)
class Badge:
    """A state: its word, and how it is meant."""

    word: str
    tone: Tone = "quiet"


@dataclass(frozen=True, slots=True)
class Now:
    """The part of a card that holds for a moment: named values, text as it is, hints."""

    rows: Sequence[tuple[str, str]] = ()
    block: str = ""
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Card:
    """What a result shows: a title, a state, named values, what holds for the moment, tables, text as it is, hints.

    A table's last column is the one whose texts are wrapped. ``code`` in a hint stands between backticks.
    """

    title: str
    badge: Badge | None = None
    rows: Sequence[tuple[str, str]] = ()
    tables: Sequence[Sequence[Sequence[str | Badge]]] = ()
    block: str = ""
    notes: Sequence[str] = ()
    now: Now = Now()

    def as_text(self) -> str:
        """Return the plain text, without a line break at its end."""
        head = clean_line(self.title) + (f"  [{clean_line(self.badge.word)}]" if self.badge else "")
        lines = [head]
        rows = [(clean_line(label), clean(value)) for label, value in (*self.rows, *self.now.rows)]
        width = max((len(label) for label, _ in rows), default=0)
        for label, value in rows:
            first, *more = value.split("\n")
            lines.append(f"  {label:<{width}}  {first}".rstrip())
            lines += [f"  {'':<{width}}  {line}".rstrip() for line in more]
        for table in self.tables:
            cells = [[clean_line(_word(cell)) for cell in row] for row in table]
            widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
            for row in cells:
                lines.append(("  " + "  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True))).rstrip())
        for block in filter(None, (self.now.block, self.block)):
            lines += [f"  {line}".rstrip() for line in clean(block).split("\n")]
        lines += [f"  {line}" for note in (*self.now.notes, *self.notes) for line in clean(note).split("\n")]
        return "\n".join(lines)

    def as_html(self) -> str:
        """Return the HTML: one ``div``."""
        badge = _badge(self.badge, ' data-wx="badge"') if self.badge else ""
        parts = [f"<div><b>{_html(self.title)}</b>{badge}</div>"]
        parts += _html_rows(self.rows)
        now = [*_html_rows(self.now.rows), *_html_block(self.now.block), *_html_notes(self.now.notes)]
        parts.append(f'<div data-wx="now">{"".join(now)}</div>')
        for table in filter(None, self.tables):
            items = "".join(
                f"<div>{_badge(cell) if isinstance(cell, Badge) else _html(cell)}</div>"
                for row in table
                for cell in row
            )
            columns = "auto " * (len(table[0]) - 1) + "minmax(0,1fr)"
            parts.append(f'<div style="{_GRID}:{columns}">{items}</div>')
        parts += [*_html_block(self.block), *_html_notes(self.notes)]
        return f'<div style="{_FRAME}">{"".join(parts)}</div>'


def clock(moment: datetime | None) -> str:
    """Return the local time of day, with the date where it is not today's."""
    if moment is None:
        return ""
    local = moment.astimezone()
    return local.strftime("%H:%M:%S" if local.date() == datetime.now(local.tzinfo).date() else "%Y-%m-%d %H:%M:%S")


def _word(cell: str | Badge) -> str:
    return cell.word if isinstance(cell, Badge) else cell


def _html(text: str) -> str:
    return escape(clean(text)).replace("\n", "<br>")


def _html_rows(rows: Sequence[tuple[str, str]]) -> list[str]:
    if not rows:
        return []
    items = "".join(f'<div style="opacity:.7">{_html(label)}</div><div>{_html(value)}</div>' for label, value in rows)
    return [f'<div style="{_GRID}:{_LABELS} minmax(0,1fr)">{items}</div>']


def _html_block(block: str) -> list[str]:
    return [f'<pre style="{_PRE}">{escape(clean(block))}</pre>'] if block else []


def _html_notes(notes: Sequence[str]) -> list[str]:
    return [f'<div style="opacity:.85">{_CODE.sub(_AS_CODE, _html(note))}</div>' for note in notes]


def _badge(badge: Badge, mark: str = "") -> str:
    dot = f'<span style="color:{_DOTS[badge.tone]}">●</span>'
    return f'<span{mark} style="margin-left:.6em">{dot} {_html(badge.word)}</span>'
