"""What the REST API says beyond the models: options of a project, the server, its checks."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..models import OutputProject, ProjectOptions, SessionInfo


@dataclass(frozen=True, slots=True)
class Project(OutputProject):
    """An output project with the options that its CLI is started with."""

    options: ProjectOptions = field(default_factory=ProjectOptions)


def asks_for_trust(session: SessionInfo) -> bool:
    """Whether the CLI asks if the workspace folder is trusted."""
    return session.attention is not None and session.attention.kind == "trust"


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """Which server answers; ``store_url`` comes without its password."""

    version: str
    store_url: str
    store_kind: str
    workspace_root: str
    pid: int
    headless: bool = False


@dataclass(frozen=True, slots=True)
class PreparedContext:
    """A written context file; ``context_path`` is relative to the workspace."""

    milestone_id: str
    context_path: str
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """One line of ``doctor``: what was looked at, and how to mend it.

    One that is not ``ok`` but ``to_do`` is a first step that the project has yet to take: nothing is missing.
    """

    name: str
    ok: bool
    detail: str = ""
    remedy: str = ""
    to_do: bool = False
