"""What a server says of GSD in a project: values, and how they are read from its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class GsdCommand:
    """An installed command: its bare name, what is typed, and its help; the latter may be ""."""

    name: str
    spelling: str
    description: str = ""
    argument_hint: str = ""


@dataclass(frozen=True, slots=True)
class GsdPhase:
    """A phase of the milestone.

    ``status`` is ``not_started``, ``discussed``, ``planned``, ``in_progress``, ``built``, ``gaps_found``, ``verified``.
    """

    number: str
    name: str
    status: str
    goal: str = ""
    plans_total: int = 0
    plans_done: int = 0
    inserted: bool = False


@dataclass(frozen=True, slots=True)
class GsdProgress:
    """The milestone as ``.planning/`` tells it; ``position`` has STATE.md's fields that are there."""

    has_project: bool = False
    project: str | None = None
    version: str | None = None
    name: str = ""
    goal: str = ""
    phases: tuple[GsdPhase, ...] = ()
    phases_done: int = 0
    current_phase: str | None = None
    archived: tuple[str, ...] = ()  # versions, oldest first
    unarchived_folders: tuple[str, ...] = ()
    requirements_total: int = 0
    requirements_done: int = 0
    position: Mapping[str, Any] = field(default_factory=dict)

    @property
    def milestone(self) -> str:
        """Version and name of the milestone, as far as they are known."""
        return " ".join(filter(None, [self.version, self.name]))


@dataclass(frozen=True, slots=True)
class GsdStep:
    """What GSD's own ``progress`` would propose; ``text`` is the whole line, ``also`` are others that would do."""

    command: str
    arguments: str
    text: str
    reason: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GsdStatus:
    """GSD in a project: what is installed, how far the milestone is, and what comes next.

    ``warning`` tells what a new milestone would make GSD delete. ``reached`` is whether the milestone is as far as was
    asked for, None where nothing was.
    """

    installed: bool
    layout: str | None = None
    version: str | None = None
    commands: tuple[GsdCommand, ...] = ()
    progress: GsdProgress = field(default_factory=GsdProgress)
    next: GsdStep | None = None
    warning: str | None = None
    reached: bool | None = None

    def command(self, name: str) -> GsdCommand | None:
        """Return a command by its bare name or by any of its spellings (``/gsd:progress``, ``gsd-progress``)."""
        wanted = name.removeprefix("/")
        for prefix in ("gsd:", "gsd-"):
            wanted = wanted.removeprefix(prefix)
        return next((command for command in self.commands if command.name == wanted), None)


def gsd_status(body: Mapping[str, Any]) -> GsdStatus:
    """Read a server's answer."""
    step, progress = body.get("next"), body.get("progress") or {}
    return GsdStatus(
        installed=bool(body["installed"]),
        layout=body.get("layout"),
        version=body.get("version"),
        commands=tuple(_taken(GsdCommand, item) for item in body["commands"]),
        progress=_taken(
            GsdProgress,
            progress,
            phases=tuple(_taken(GsdPhase, item) for item in progress.get("phases") or ()),
            archived=tuple(str(item["version"]) for item in progress.get("archived") or ()),
            unarchived_folders=tuple(progress.get("unarchived_folders") or ()),
            position={key: value for key, value in (progress.get("position") or {}).items() if value is not None},
        ),
        next=_taken(GsdStep, step, also=tuple(step.get("also") or ())) if step else None,
        warning=body.get("warning"),
        reached=body.get("reached"),
    )


def _taken(kind: type[Any], body: Mapping[str, Any], **given: Any) -> Any:
    """Build a value from the fields that it knows."""
    known = {key: value for key, value in body.items() if key in kind.__dataclass_fields__}
    return kind(**{**known, **given})
