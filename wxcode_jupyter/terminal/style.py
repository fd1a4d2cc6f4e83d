"""How a cell is drawn, and the sequence (SGR) that says so."""

from __future__ import annotations

import functools
from typing import NamedTuple

# An index of the palette (0 to 255), three components of 0 to 255, or the default.
Color = int | tuple[int, int, int] | None

# The attributes that are there or not, by their code.
FLAGS = {
    "bold": 1, "faint": 2, "italic": 3, "blink": 5, "inverse": 7, "invisible": 8, "strikethrough": 9, "overline": 53,
}  # fmt: skip


class Style(NamedTuple):
    """The look of a cell; ``underline`` is none, single, double, curly, dotted or dashed (0 to 5)."""

    foreground: Color = None
    background: Color = None
    underline_color: Color = None
    underline: int = 0
    bold: bool = False
    faint: bool = False
    italic: bool = False
    blink: bool = False
    inverse: bool = False
    invisible: bool = False
    strikethrough: bool = False
    overline: bool = False
    link: str = ""


PLAIN = Style()


class Run(NamedTuple):
    """Neighbouring cells of one look; blank ones are spaces."""

    text: str
    style: Style = PLAIN


@functools.lru_cache(1 << 12)
def sgr(style: Style) -> str:
    """Return the sequence that makes this look out of any other, the link excepted."""
    codes = ["0", *(str(code) for name, code in FLAGS.items() if getattr(style, name))]
    if style.underline:
        codes.append("4" if style.underline == 1 else f"4:{style.underline}")
    codes += _color(style.foreground, 30) + _color(style.background, 40) + _color(style.underline_color, 50)
    return f"\x1b[{';'.join(codes)}m"


def _color(color: Color, base: int) -> list[str]:
    if color is None:
        return []
    if not isinstance(color, int):
        return [f"{base + 8};2;{color[0]};{color[1]};{color[2]}"]
    if color >= 16 or base == 50:
        return [f"{base + 8};5;{color}"]
    return [str(base + color if color < 8 else base + 52 + color)]
