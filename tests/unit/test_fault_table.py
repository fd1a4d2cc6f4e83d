"""The table of faults names tests that are there, and all that are about faults."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "faults.md"
ROWS = [
    line
    for line in PAGE.read_text().splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| fault |"))
]


def named(row: str) -> list[tuple[Path, str]]:
    """Return the tests that a row names, as file and function."""
    *_, shown_by, _ = row.split("|")
    found = []
    for link in shown_by.split(";"):
        [path] = re.findall(r"\]\(([^)]+)\)", link)
        found += [((PAGE.parent / path).resolve(), name) for name in re.findall(r"`(\w+)`", link)]
    return found


@pytest.mark.parametrize("row", ROWS, ids=[row.split("|")[1].strip() for row in ROWS])
def test_every_row_names_tests_that_exist(row: str) -> None:
    assert len(row.split("|")) == 6, "fault, what survives, what does not, shown by"
    assert named(row)
    for path, name in named(row):
        assert re.search(rf"(?m)^ *(async )?def {name}\(", path.read_text()), f"{path.name} has no {name}"


def test_all_tests_of_faults_are_named() -> None:
    listed = {path.name for row in ROWS for path, _ in named(row)}
    assert {path.name for path in ROOT.glob("tests/faults/test_*.py")} - listed == set()
