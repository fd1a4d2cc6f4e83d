"""The CLI's numbered menus as the screen shows them: what is asked above, the lines, the mark, the ticks.

Read off 2.1.197 and 2.1.330 (`tests/data/screens/`): the menu of `AskUserQuestion`, its page "Review your answers", and
the menus that ask for a permission. A menu whose first line is not on the screen is no sheet.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from .screens import ScreenLike

_MARKED = re.compile(r"^(?P<column>\s?)❯ +(?:\d+\. \S|(?:Submit|Next)$)")
_NUMBERED = re.compile(r"(?P<number>\d+)\. (?P<box>\[(?P<tick>[^\]])\] )?(?P<label>\S.*)")
_RULE = re.compile(r"\s*─{8,}.*")
_HINT = re.compile(r"\s*(?:Enter to |Esc to )")
_CHOSEN = re.compile(r"\s✔$")  # stands behind what was chosen, when a question is looked at again


@dataclass(frozen=True, slots=True)
class Line:
    """One line that can be marked.

    Attributes:
        label: Its first row, without number and box.
        text: All its rows, joined by blanks: the label and, below it, a description or the rest of a long label.
        marked: Whether the mark stands there.
        ticked: Whether its box is ticked; None where it has none.
        numbered: False for the line that ends a choice of several: ``Submit`` or ``Next``.
    """

    label: str
    text: str
    marked: bool
    ticked: bool | None
    numbered: bool = True


@dataclass(frozen=True, slots=True)
class Sheet:
    """One menu: the text between the rule above it and its first line, and its lines from top to bottom."""

    above: str
    lines: tuple[Line, ...]

    @property
    def mark(self) -> int:
        """Which line is marked."""
        return next(number for number, line in enumerate(self.lines) if line.marked)

    def same_menu(self, other: Sheet) -> bool:
        """Whether both ask the same and have the same lines, wherever the mark stands and however they are wrapped."""
        lines, others = ([squeeze(line.text) for line in sheet.lines] for sheet in (self, other))
        return lines == others and squeeze(self.above) == squeeze(other.above)


def squeeze(text: str) -> str:
    """Return a text without white space, which the CLI's wrapping changes."""
    return re.sub(r"\s+", "", text)


def read_sheet(screen: ScreenLike) -> Sheet | None:
    """Read the menu that a screen shows; None where none is recognised."""
    rows = [row.replace("\xa0", " ").rstrip() for row in screen.lines]
    marks = [number for number, row in enumerate(rows) if _MARKED.match(row)]
    if not marks:
        return None
    column = rows[marks[-1]].index("❯")
    first = next((n for n in range(marks[-1], -1, -1) if _number(rows[n], column) == 1), None)
    if first is None:
        return None
    lines = _read_lines(rows[first:], column)
    if not any(line.marked for line in lines):
        return None
    top = next((n + 1 for n in range(first - 1, -1, -1) if _RULE.fullmatch(rows[n])), 0)
    return Sheet("\n".join(row for row in rows[top:first] if row), lines)


def _read_lines(rows: Sequence[str], column: int) -> tuple[Line, ...]:
    starts = [n for n, row in enumerate(rows) if _starts(row, column)]
    lines = []
    for start, end in pairwise([*starts, len(rows)]):
        below = []
        for row in rows[start + 1 : end]:
            if _HINT.match(row):
                break
            if row and not _RULE.fullmatch(row):
                below.append(row.strip())
        lines.append(_read_line(rows[start], column, below))
    return tuple(lines)


def _read_line(row: str, column: int, below: Sequence[str]) -> Line:
    marked = row[column] == "❯"
    found = _NUMBERED.match(row[column + 2 :])
    if found is None:
        return Line(row[column + 2 :].strip(), row[column + 2 :].strip(), marked, None, numbered=False)
    label = _CHOSEN.sub("", found["label"])
    ticked = None if found["box"] is None else found["tick"] != " "
    return Line(label, " ".join([label, *below]), marked, ticked)


def _starts(row: str, column: int) -> bool:
    if row[:column].strip() or row[column : column + 2] not in ("❯ ", "  "):
        return False
    return _number(row, column) is not None or row[column + 2 :].strip() in ("Submit", "Next")


def _number(row: str, column: int) -> int | None:
    found = _NUMBERED.match(row[column + 2 :]) if row[column : column + 2] in ("❯ ", "  ") else None
    return int(found["number"]) if found else None
