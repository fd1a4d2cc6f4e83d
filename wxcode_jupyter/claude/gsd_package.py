"""Which GSD it is that is installed: its layout, its version, and what its new-milestone does to old phases."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .gsd import GsdCommand

_READ_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class GsdPackage:
    """What stands behind an installed command.

    Attributes:
        layout: Where its commands are, below ``.claude``: ``commands/gsd``, ``skills`` or ``commands``.
        version: What its VERSION file says; None where there is none.
        clears_phases: Whether its new-milestone deletes the phase folders that were not archived. get-shit-done-cc
            1.42.3 does (its workflow calls ``phases.clear``), 1.20.5 leaves them, gsd-core 1.14.0 archives them by the
            same call.
    """

    layout: str
    version: str | None = None
    clears_phases: bool = False


def package_of(command: GsdCommand) -> GsdPackage:
    """Return the package that a command is of, by the files beside it. What cannot be read is absent."""
    path = Path(command.path)
    if path.name == "SKILL.md":
        layout, folder = "skills", path.parents[2]
    elif path.parent.name == "gsd":
        layout, folder = "commands/gsd", path.parents[2]
    else:
        layout, folder = "commands", path.parents[1]
    for name in ("gsd-core", "get-shit-done"):
        version = _head(folder / name / "VERSION").strip()
        if version:
            workflow = _head(folder / name / "workflows" / "new-milestone.md")
            clears = name == "get-shit-done" and ("phases.clear" in workflow or "phases clear" in workflow)
            return GsdPackage(layout, version[:40], clears)
    return GsdPackage(layout)


def _head(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_READ_BYTES).decode("utf-8", "replace")
    except OSError:  # the CLI, run by the same user, sees nothing there either
        return ""
