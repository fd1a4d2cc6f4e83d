"""Screens of the real CLI, recorded from pinned versions (`tests/data/screens/`), and screens made by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "data" / "screens"
VERSIONS = ("2.1.197", "2.1.330")


@dataclass(frozen=True)
class Screen:
    """What `screens.ScreenLike` asks for, and the window title."""

    lines: tuple[str, ...]
    cursor: tuple[int, int]  # row and column, from 0
    title: str = ""


def names(version: str) -> list[str]:
    """Return the names of a version's screens: what is shown, then columns and rows."""
    return sorted(path.stem for path in (FOLDER / version).glob("*.txt"))


def load(version: str, name: str) -> Screen:
    """Return a recorded screen, its rows without the blanks at their ends."""
    column, row, title = _marks(version)[name]
    text = (FOLDER / version / f"{name}.txt").read_text(encoding="utf-8")
    return Screen(tuple(line.rstrip() for line in text.split("\n")), (row, column), title)


def _marks(version: str) -> dict[str, tuple[int, int, str]]:
    data = json.loads((FOLDER / version / "meta.json").read_bytes())
    return {name: (*each["cursor"], each["title"]) for name, each in data.items()}
