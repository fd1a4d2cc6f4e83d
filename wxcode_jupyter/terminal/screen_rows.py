"""Rows of a libghostty terminal: as cells, and as bytes that paint them in xterm.js cell by cell.

A cell that was never written and one that holds a blank look alike, but are copied and wrapped differently: the painted
rows keep the difference, and which row goes on in the next.
"""

from __future__ import annotations

import itertools
import operator
import re
import unicodedata
from typing import Any, NamedTuple

from pyghostty import Terminal
from pyghostty._ffi import check, ffi, lib
from pyghostty.core import init_sized

from .style import FLAGS, PLAIN, Color, Run, Style, sgr

_MAX_CODEPOINTS = 128  # libghostty keeps 65 of a cell's and tells when there is no room for them
_URI_BYTES = 1 << 12
_WIDTHS = {
    lib.GHOSTTY_CELL_WIDE_NARROW: 1,
    lib.GHOSTTY_CELL_WIDE_WIDE: 2,
    lib.GHOSTTY_CELL_WIDE_SPACER_TAIL: 0,
    lib.GHOSTTY_CELL_WIDE_SPACER_HEAD: -1,
}


class Pen(NamedTuple):
    """How a cell is written: its look, and whether it is protected."""

    style: Style = PLAIN
    protected: bool = False

    def after(self, other: Pen) -> str:
        """Return what to write to get from ``other`` here."""
        if self == other:
            return ""
        link = f"\x1b]8;;{self.style.link}\x1b\\" if self.style.link != other.style.link else ""
        # SGR 0 takes the protection away in xterm.js and leaves it elsewhere: it is always said.
        protection = '\x1b[1"q' if self.protected else '\x1b[0"q' if other.protected else ""
        return f"{sgr(self.style)}{protection}{link}"


PLAIN_PEN = Pen()


class Cell(NamedTuple):
    """One cell: ``text`` is empty where nothing was written.

    ``width`` is 2 for a wide one, 0 for its second half, -1 for the blank at the margin where a wide one did not fit.
    """

    text: str
    width: int
    pen: Pen


class Row(NamedTuple):
    """A row, and whether its text goes on in the next one because the line was full."""

    cells: list[Cell]
    wraps: bool


class Rows:
    """Reads rows; good until the terminal is fed or resized.

    Attributes:
        history: How many rows have scrolled out of the active screen and are kept.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._cols = terminal.size[0]
        self.history = int(terminal.get("scrollback_rows", "size_t"))
        self._page: Any = None
        self._known: dict[int, Cell] = {}  # by the cell's raw value, which means the same within a page
        self._pens = {PLAIN_PEN: PLAIN_PEN}  # one object each: they are compared for every cell
        self._cell, self._row = ffi.new("GhosttyCell*"), ffi.new("GhosttyRow*")
        self._style = init_sized("GhosttyStyle")

    def read(self, y: int) -> Row:
        """Return a row of the active screen; negative ones are history."""
        ref = self._terminal.ref(0, y + self.history, "screen")
        if ref.node != self._page:
            self._page = ref.node
            self._known = {}
        check(lib.ghostty_grid_ref_row(ref, self._row), "grid_ref_row")
        wraps = ffi.new("bool*")
        check(lib.ghostty_row_get(self._row[0], lib.GHOSTTY_ROW_DATA_WRAP, wraps), "row_get")
        cells = []
        out, known, get_cell = self._cell, self._known, lib.ghostty_grid_ref_cell
        for x in range(self._cols):
            ref.x = x
            get_cell(ref, out)
            cell = known.get(out[0])
            if cell is None:
                raw = out[0]
                cell, lasting = self._decode(ref, raw)
                if lasting:
                    known[raw] = cell
            cells.append(cell)
        return Row(cells, bool(wraps[0]))

    def _decode(self, ref: Any, raw: int) -> tuple[Cell, bool]:
        """Return the cell, and whether every cell of the page with this raw value is the same."""
        tag = _cell_get(raw, "CONTENT_TAG", "GhosttyCellContentTag*")
        if tag == lib.GHOSTTY_CELL_CONTENT_BG_COLOR_PALETTE:
            return _erased(_cell_get(raw, "COLOR_PALETTE", "uint8_t*")), True
        if tag == lib.GHOSTTY_CELL_CONTENT_BG_COLOR_RGB:
            color = _cell_get(raw, "COLOR_RGB", "GhosttyColorRgb*")
            return _erased((color.r, color.g, color.b)), True
        check(lib.ghostty_grid_ref_style(ref, self._style), "grid_ref_style")
        wide = _cell_get(raw, "WIDE", "GhosttyCellWide*")
        linked = bool(_cell_get(raw, "HAS_HYPERLINK", "bool*"))
        style = style_of(self._style)._replace(link=_uri(ref) if linked else "")
        pen = Pen(style, bool(_cell_get(raw, "PROTECTED", "bool*")))
        pen = self._pens.setdefault(pen, pen)
        if tag == lib.GHOSTTY_CELL_CONTENT_CODEPOINT_GRAPHEME:
            return Cell(_grapheme(ref), _WIDTHS[wide], pen), False
        codepoint = _cell_get(raw, "CODEPOINT", "uint32_t*")
        return Cell(chr(codepoint) if codepoint else "", _WIDTHS[wide], pen), not linked


def paint(rows: Rows, history: int, visible: int) -> str:
    """Return what paints the screen on an empty one from its top, ``history`` rows of scrollback before it.

    The pen is plain before and after, the cursor somewhere in the last row.
    """
    return "".join(_paint_row(rows.read(y), last=y == visible - 1) for y in range(-min(history, rows.history), visible))


def runs(row: Row) -> list[Run]:
    """Return a row as text with its looks, without the plain blanks at its end."""
    grouped = itertools.groupby((cell for cell in row.cells if cell.width), key=lambda cell: cell.pen.style)
    found = [Run("".join(cell.text or " " for cell in cells), style) for style, cells in grouped]
    if found and found[-1].style == PLAIN:
        text = found.pop().text.rstrip(" ")
        found += [Run(text)] if text else []
    return found


def style_of(style: Any) -> Style:
    """Return the look that a ``GhosttyStyle`` says, which knows of no link."""
    colors = map(_color, (style.fg_color, style.bg_color, style.underline_color))
    return Style._make((*colors, style.underline, *(bool(getattr(style, name)) for name in FLAGS), ""))


def _paint_row(row: Row, last: bool) -> str:
    if last or not row.wraps:
        return _paint_cells(row.cells, to_margin=False) + ("" if last else "\r\n")
    # A line that goes on must be made by a character too many, else nothing joins the two rows. It is a plain one,
    # for the row that scrolls in takes its background; and it is taken away at once.
    if row.cells[-1].text or not row.cells[-1].width:
        return _paint_cells(row.cells, to_margin=True) + "-\b\x1b[X"
    # Its last cell is blank, or became so: it is made blank again once the line has got over the margin.
    margin, pen = f"\x1b[{len(row.cells)}G", row.cells[-1].pen
    over = f"{margin}一\b\b\x1b[2X" if row.cells[-1].width < 0 else f"{margin} -\b\x1b[X"
    blank = f"\x1b[A{margin}{pen.after(PLAIN_PEN)}\x1b[X{PLAIN_PEN.after(pen)}\x1b[B\r"
    keep = row.cells[-1].width < 0 and pen == PLAIN_PEN
    return _paint_cells(row.cells[:-1], to_margin=False) + over + ("" if keep else blank)


def _paint_cells(cells: list[Cell], to_margin: bool) -> str:
    end = len(cells)
    while not to_margin and end and cells[end - 1] == _EMPTY:
        end -= 1
    parts: list[str] = []
    before, x = PLAIN_PEN, 0
    for pen, group in itertools.groupby(cells[:end], key=_PEN):
        texts = [cell.text for cell in group]
        text = "".join(texts)
        if len(text) == len(texts) and text.isascii():  # nearly all that is written: a character a cell
            parts += (pen.after(before), text)
            before = pen
        else:
            before = _paint_others(parts, cells, x, x + len(texts), before, moves_on=x + len(texts) < end)
        x += len(texts)
    parts.append(PLAIN_PEN.after(before))
    return "".join(parts)


def _paint_others(parts: list[str], cells: list[Cell], x: int, end: int, before: Pen, *, moves_on: bool) -> Pen:
    """Paint cells of one pen that may be blank, wide, or of several characters; return the pen after them."""
    while x < end:
        cell = cells[x]
        if cell.text or not cell.width:
            if cell.text:
                change = cell.pen.after(before)
                if not change and x and _may_join(cells[x - 1].text or cells[x - 2].text, cell.text):
                    change = _NOTHING
                parts += (change, cell.text)
                if _HALF_A_FLAG.fullmatch(cell.text):  # two columns in libghostty, one in xterm.js
                    parts.append(f"\x1b[{x + cell.width + 1}G")
                before = cell.pen
            x += 1
            continue
        run = x
        while run < end and cells[run] == cell:
            run += 1
        parts += (cell.pen.after(before), _blank(cell.pen, run - x, run < end or moves_on))
        before, x = cell.pen, run
    return before


def _may_join(before: str, text: str) -> bool:
    """Say whether two cells become one when they are written in one go; in the program's output they were not."""
    if text.isascii() or not before:
        return False
    first = text[0]
    return before.endswith("\u200d") or unicodedata.category(first)[0] == "M" or bool(_JOINING.match(first))


def _blank(pen: Pen, count: int, moves_on: bool) -> str:
    if pen.style != Style(background=pen.style.background):  # underlined, inverse: xterm.js erases without these
        return " " * count
    return (f"\x1b[{count}X" if pen != PLAIN_PEN else "") + (f"\x1b[{count}C" if moves_on else "")


def _erased(background: Color) -> Cell:
    return Cell("", 1, Pen(Style(background=background)))


def _color(color: Any) -> Color:
    if color.tag == lib.GHOSTTY_STYLE_COLOR_PALETTE:
        return int(color.value.palette)
    if color.tag == lib.GHOSTTY_STYLE_COLOR_RGB:
        return (color.value.rgb.r, color.value.rgb.g, color.value.rgb.b)
    return None


def _cell_get(raw: int, key: str, ctype: str) -> Any:
    out = ffi.new(ctype)
    check(lib.ghostty_cell_get(raw, getattr(lib, f"GHOSTTY_CELL_DATA_{key}"), out), f"cell_get {key}")
    return out[0]


def _grapheme(ref: Any) -> str:
    codepoints, count = ffi.new("uint32_t[]", _MAX_CODEPOINTS), ffi.new("size_t*")
    check(lib.ghostty_grid_ref_graphemes(ref, codepoints, _MAX_CODEPOINTS, count), "grid_ref_graphemes")
    return "".join(map(chr, codepoints[0 : count[0]]))


def _uri(ref: Any) -> str:
    text, length = ffi.new("uint8_t[]", _URI_BYTES), ffi.new("size_t*")
    check(lib.ghostty_grid_ref_hyperlink_uri(ref, text, _URI_BYTES, length), "grid_ref_hyperlink_uri")
    return bytes(ffi.buffer(text, length[0])).decode(errors="replace")


_NOTHING = "\x1b\\"  # ends a string where none is; xterm.js joins no character to one before a sequence
# Regional indicators (flags), skin tones, parts of Hangul syllables, zero-width joiners.
_JOINING = re.compile("[\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff\u200c\u200d]")
_PEN = operator.attrgetter("pen")
_HALF_A_FLAG = re.compile("[\U0001f1e6-\U0001f1ff]")
_EMPTY = Cell("", 1, PLAIN_PEN)
