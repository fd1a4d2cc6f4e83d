"""A HOME for the real Claude Code CLI, made from scratch: nothing of the user's own account or settings is in it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

API_KEY = "sk-ant-scripted-model-no-real-key"
"""A key in the form that the CLI expects; the scripted model takes any."""

SUBSCRIBER = "sk-ant-oat01-scripted-model-no-real-token"
"""A subscriber's token in the form that the CLI expects: with it, and not with a key, it tells of usage limits."""

_KEY_TAIL = 20  # the CLI remembers an approved key by its last characters
_FOLDER_NAME = 200
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


class ClaudeHome:
    """The CLI's HOME and environment.

    Args:
        path: The folder that becomes HOME; made where it is missing.
        api_url: Where the Messages API answers: ``ScriptedModel.url``.
        claude: The CLI's executable; its folder comes first in PATH, so that ``claude`` is this one.
        trusted: Workspaces whose trust question is answered already.
        onboarded: Whether the first-run screens (theme, login) are behind the user.
        key_approved: Whether the user has allowed the use of the API key from the environment.
        bypass_accepted: Whether the warning of ``--dangerously-skip-permissions`` was accepted before.
        subscriber: Whether the user has a subscription instead of an API key.
    """

    def __init__(
        self,
        path: Path,
        api_url: str,
        claude: Path | None = None,
        *,
        trusted: Iterable[Path] = (),
        onboarded: bool = True,
        key_approved: bool = True,
        bypass_accepted: bool = True,
        subscriber: bool = False,
    ) -> None:
        self.path = path.absolute()
        self.api_url = api_url
        self.claude = claude
        self.subscriber = subscriber
        self.path.mkdir(parents=True, exist_ok=True)
        state: dict[str, Any] = {"projects": {}}
        if onboarded:
            state |= {"hasCompletedOnboarding": True, "theme": "dark"}
        if key_approved:
            state["customApiKeyResponses"] = {"approved": [API_KEY[-_KEY_TAIL:]], "rejected": []}
        if bypass_accepted:
            state["bypassPermissionsModeAccepted"] = True
        if not self._state_file.exists():
            self._save(state)
        for workspace in trusted:
            self.trust(workspace)

    def env(self, **extra: str) -> dict[str, str]:
        """Return the whole environment for the CLI; of this process's own, only PATH is in it."""
        path = os.environ.get("PATH", _SYSTEM_PATH)
        if self.claude is not None:
            path = f"{self.claude.parent}:{path}"
        return {
            "HOME": str(self.path),
            "PATH": path,
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "ANTHROPIC_BASE_URL": self.api_url,
            **({"CLAUDE_CODE_OAUTH_TOKEN": SUBSCRIBER} if self.subscriber else {"ANTHROPIC_API_KEY": API_KEY}),
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL": "1",  # else git clones it from the net all the same
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_TELEMETRY": "1",
            "IS_SANDBOX": "1",
            **extra,
        }

    def trust(self, workspace: Path) -> None:
        """Answer the trust question of a workspace, as if the user had chosen Yes."""
        state = self._load()
        state.setdefault("projects", {}).setdefault(_real(workspace), {})["hasTrustDialogAccepted"] = True
        self._save(state)

    def trusts(self, workspace: Path) -> bool:
        """Return whether the CLI's state says that the workspace is trusted."""
        project = self._load().get("projects", {}).get(_real(workspace), {})
        return bool(project.get("hasTrustDialogAccepted"))

    def transcripts(self, workspace: Path) -> list[Path]:
        """Return the transcripts of a workspace's conversations, the oldest first; their stems are the session ids."""
        name = re.sub(r"[^A-Za-z0-9]", "-", _real(workspace))
        if len(name) > _FOLDER_NAME:  # the CLI cuts it there and adds a dash and a hash (2.1.197, 2.1.330)
            name = f"{name[:_FOLDER_NAME]}-*"
        found = self.path.glob(f".claude/projects/{name}/*.jsonl")
        return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))

    @staticmethod
    def read_transcript(path: Path) -> list[dict[str, Any]]:
        """Return the entries of a transcript; a last line that is still being written is left out."""
        *lines, _ = path.read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines if line]

    @property
    def _state_file(self) -> Path:
        return self.path / ".claude.json"

    def _load(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self._state_file.read_text(encoding="utf-8"))
        return state

    def _save(self, state: dict[str, Any]) -> None:
        draft = self._state_file.with_suffix(".draft")
        draft.write_text(json.dumps(state, indent=2), encoding="utf-8")
        draft.replace(self._state_file)


def _real(workspace: Path) -> str:
    return os.path.realpath(workspace)
