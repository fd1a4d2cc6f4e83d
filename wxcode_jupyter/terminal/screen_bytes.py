"""A libghostty terminal as bytes that make the same screen in another terminal, xterm.js above all.

The order is: what stands outside the grid (tab stops, colours, title), the primary screen from its history down, the
alternate one over it where that shows, the saved cursor, and last the state in which the next byte is read: region,
modes, pen, cursor, and the last character once more when the program may yet add to it.
"""

from __future__ import annotations

import re

from pyghostty import Terminal
from pyghostty._ffi import lib

from . import ghostty
from .screen_rows import PLAIN_PEN, Pen, Rows, paint, style_of

# xterm.js has one mouse protocol and one encoding, those set last: so they come in the order of what they can do.
_PRIVATE_MODES = (1, 45, 66, 9, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 2004, 2026)
_ORIGIN, _AUTOWRAP, _BLINKS, _VISIBLE = 6, 7, 12, 25
_INSERT, _NEWLINE = 4, 20  # ANSI modes
_SHAPES = {
    lib.GHOSTTY_RENDER_STATE_CURSOR_VISUAL_STYLE_BLOCK: 2,
    lib.GHOSTTY_RENDER_STATE_CURSOR_VISUAL_STYLE_UNDERLINE: 4,
    lib.GHOSTTY_RENDER_STATE_CURSOR_VISUAL_STYLE_BAR: 6,
}
_COLORS = (("FOREGROUND", 10), ("BACKGROUND", 11), ("CURSOR", 12))
_ASCII = "\x1b(B\x1b)B\x1b*B\x1b+B\x0f"
# Modes off and on, then pen, protection, character sets and region; last the saved cursor, at home.
_SOFT_RESET = f'\x1b[?1;6;45;66;1004;2004;2026l\x1b[?7;25h\x1b[4l\x1b[0 q\x1b[0m\x1b[0"q{_ASCII}\x1b[r\x1b7'
_REGION_TOP = re.compile(r"\x1b\[(\d+);")
_LINK = re.compile(r"\x1b\]8;[^;]*;([^\x1b\x07]*)")


def dump(terminal: Terminal, history: int, after_text: bool) -> bytes:
    """Return the whole state, for a terminal of the same size that was reset.

    Args:
        history: How many rows of scrollback at most.
        after_text: The last thing that was fed is a printed character, to which more may be joined (a combining mark,
            the second half of a flag), or which the next sequence may repeat.

    Raises:
        GhosttyError: See ``ghostty.encode``.
    """
    visible = terminal.size[1]
    tabs = _tabs(terminal)
    parts = [tabs, _colors(terminal), _title(terminal)]
    with ghostty.clone(terminal) as past:
        past.feed(b"\x18\x1b8")  # the saved cursor shows by being restored only
        saved = _excursion(past, "\x1b7")
        if ghostty.is_alternate(terminal):
            past.feed(b"\x1b[?1049l")
            parts += [paint(Rows(past), history, visible), _excursion(past, "\x1b[?1049h"), "\x1b[H", tabs]
    rows = Rows(terminal)
    parts += [paint(rows, history, visible), saved, _modes(terminal), _end(terminal, rows, after_text)]
    return "".join(parts).encode()


def before_resize(terminal: Terminal, cols: int) -> bytes:
    """Return what blanks the wide characters of which a narrower screen would have one half only.

    libghostty leaves that half where rows are not broken anew, and can then neither encode nor copy the state.
    """
    if cols >= terminal.size[0] or (terminal.mode(_AUTOWRAP) and not ghostty.is_alternate(terminal)):
        return b""
    rows = Rows(terminal)
    halves = [row for row in range(terminal.size[1]) if rows.read(row).cells[cols - 1].width == 2]
    if not halves:
        return b""
    leave, enter = (f"\x1b[?{_ORIGIN}l", f"\x1b[?{_ORIGIN}h") if terminal.mode(_ORIGIN) else ("", "")
    blanks = [_position(row, cols - 1) + "\x1b[2X" for row in halves]
    return "".join(["\x1b[0m", leave, *blanks, enter, _end(terminal, rows, after_text=False)]).encode()


def soft_reset(terminal: Terminal) -> bytes:
    """Return what does the same as DECSTR in xterm.js, which leaves the cursor where it is."""
    col, row = terminal.cursor
    return (_SOFT_RESET + _position(row, col)).encode()


def _tabs(terminal: Terminal) -> str:
    stops = ghostty.tab_stops(terminal).decode()
    default = "".join(f"\x1b[{col}G\x1bH" for col in range(9, terminal.size[0], 8))
    return "" if stops == f"\x1b[3g{default}\x1b[H" else stops


def _colors(terminal: Terminal) -> str:
    """Return the colours that the program has changed."""
    parts = []
    for name, command in _COLORS:
        color = ghostty.color(terminal, name)
        if color and color != ghostty.color(terminal, f"{name}_DEFAULT"):
            parts.append(f"\x1b]{command};rgb:{color}\x1b\\")
    changed = zip(ghostty.palette(terminal), ghostty.palette(terminal, "_DEFAULT"), strict=True)
    parts += [f"\x1b]4;{index};rgb:{color}\x1b\\" for index, (color, default) in enumerate(changed) if color != default]
    return "".join(parts)


def _title(terminal: Terminal) -> str:
    title: str = ghostty.title(terminal)
    return f"\x1b]2;{title}\x1b\\" if title else ""


def _excursion(past: Terminal, save: str) -> str:
    """Return how to save the cursor of ``past``; the pen is plain before and after."""
    pen, charsets = _pen(past, links=False), _describe(past, "charsets")
    back = PLAIN_PEN.after(pen) + (_ASCII if charsets else "")
    return pen.after(PLAIN_PEN) + charsets + _position(past.cursor[1], past.cursor[0]) + save + back


def _modes(terminal: Terminal) -> str:
    """Return the region (which moves the cursor) and the modes, but insertion."""
    parts = [_describe(terminal, "scrolling_region")]
    parts += [f"\x1b[?{mode}h" for mode in _PRIVATE_MODES if terminal.mode(mode)]
    parts += [f"\x1b[?{mode}l" for mode in (_AUTOWRAP, _VISIBLE) if not terminal.mode(mode)]
    if terminal.mode(_NEWLINE, ansi=True):
        parts.append(f"\x1b[{_NEWLINE}h")
    shape, blinks = ghostty.cursor_shape(terminal)
    if shape in _SHAPES:
        parts.append(f"\x1b[{_SHAPES[shape] - blinks} q")
    elif blinks:
        parts.append(f"\x1b[?{_BLINKS}h")
    parts.append(_describe(terminal, "kitty_keyboard"))
    if terminal.mode(_ORIGIN):
        parts.append(f"\x1b[?{_ORIGIN}h")
    return "".join(parts)


def _end(terminal: Terminal, rows: Rows, after_text: bool) -> str:
    """Return the cursor and the pen, and the character before the cursor once more where that makes a difference."""
    origin = _REGION_TOP.match(_describe(terminal, "scrolling_region")) if terminal.mode(_ORIGIN) else None
    col, row = terminal.cursor
    row -= int(origin[1]) - 1 if origin else 0
    pen, charsets = _pen(terminal), _describe(terminal, "charsets")
    pending, inserting = terminal.get("cursor_pending_wrap", "bool"), terminal.mode(_INSERT, ansi=True)
    insertion = f"\x1b[{_INSERT}h" if inserting else ""
    before: int = col if pending else col - 1
    if not pending and (not after_text or inserting or charsets or before < 0):
        return pen.after(PLAIN_PEN) + charsets + _position(row, col) + insertion
    cells = rows.read(terminal.cursor[1]).cells
    if not cells[before].width:
        before -= 1
    cell = cells[before]
    again = _position(row, before) + (cell.text or " ")
    if after_text and cell.pen == pen and not charsets:  # then nothing comes after it
        return pen.after(PLAIN_PEN) + again + insertion
    return cell.pen.after(PLAIN_PEN) + again + pen.after(cell.pen) + charsets + insertion


def _pen(terminal: Terminal, links: bool = True) -> Pen:
    style = style_of(terminal.get("cursor_style", "GhosttyStyle"))
    link = _LINK.match(_describe(terminal, "hyperlink")) if links else None
    return Pen(style._replace(link=link[1] if link else ""), bool(_describe(terminal, "protection")))


def _position(row: int, col: int) -> str:
    return f"\x1b[{row + 1};{col + 1}H"


def _describe(terminal: Terminal, extra: str) -> str:
    text: str = ghostty.describe(terminal, extra).decode(errors="replace")
    return text
