"""The configuration as a value: made once, at the edge (`server/extension.py`), from traitlets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..claude.environment import child_environment
from ..store.redaction import secrets_of
from .machine import Machine


@dataclass(frozen=True, slots=True)
class Config:
    """What the use cases need to know; the traitlets of `WxcodeApp` have the same names and explain them.

    ``data_dir`` and ``runtime_dir`` are ours alone (0700); ``environment`` is the server's own.
    """

    data_dir: str
    runtime_dir: str
    workspace_root: str
    store_url: str | None = None
    claude_command: tuple[str, ...] = ("claude",)
    claude_args: tuple[str, ...] = ()
    permission_mode: str = "default"
    tui: str = "default"
    trust_own_workspaces: bool = False
    new_project_command: str = ""
    milestone_command: str = ""
    allowed_workspace_roots: tuple[str, ...] = ()
    max_sessions: int = 20
    max_clients: int = 64
    max_followers: int = 64
    max_queued_commands: int = 100
    max_uploads: int = 2
    max_events: int = 10_000
    context_limit_bytes: int = 1 << 20
    input_limit_bytes: int = 4 << 20
    attach_timeout_s: float = 30.0
    upload_timeout_s: float = 3600.0
    idle_timeout_s: float = 0.0
    keep_sessions: bool = True
    silence_limit_s: float = 86400.0
    headless: bool = False
    scrollback_limit_bytes: int = 64 << 20
    language: str = "en"
    env_allow: tuple[str, ...] = ()
    env_deny: tuple[str, ...] = ()
    ready_timeout_s: float = 60.0
    background_wait_s: float = 300.0
    lease_renewal_s: float = 15.0
    machine: Machine = field(default_factory=Machine.local)
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def roots(self) -> tuple[str, ...]:
        """The folders under which a workspace may lie."""
        return self.allowed_workspace_roots or (self.home, self.workspace_root)

    def cli_environment(self, **extra: str) -> dict[str, str]:
        """Return the environment of the CLI, and of whatever else runs programs that Claude may choose."""
        secrets = secrets_of(self.store_url) if self.store_url else ()
        return child_environment(
            self.environment, allow=self.env_allow, deny=self.env_deny, secrets=secrets, extra=extra
        )

    @property
    def body_limit_bytes(self) -> int:
        """The largest body of a request: a context of which JSON writes every byte as six, and the fields beside it."""
        return 6 * self.context_limit_bytes + (1 << 20)

    @property
    def frame_limit_bytes(self) -> int:
        """The largest message of a terminal's client: input, of which JSON may write half of the bytes as three."""
        return 2 * self.input_limit_bytes + (1 << 16)

    @property
    def home(self) -> str:
        """The home of the user as whom the server runs."""
        return self.environment.get("HOME") or os.path.expanduser("~")
