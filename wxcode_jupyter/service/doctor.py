"""What a project needs in order to run, checked one by one, each with how to mend it."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..claude import gsd
from ..errors import KeeperUnavailable, StoreUnavailable
from ..models import OutputProject
from ..store.base import Store
from ..workspace import has_project
from .config import Config
from .sessions import Sessions

_VERSION_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: ``ok``, what was found, and what to do when it is not.

    ``to_do`` tells that nothing is missing or broken: a step that every new project takes has not been taken yet.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    to_do: bool = False


class Doctor:
    """Checks the CLI, login, GSD, store, keeper, emulator and permissions. Changes nothing."""

    def __init__(self, config: Config, store: Store, sessions: Sessions) -> None:
        self._config = config
        self._store = store
        self._sessions = sessions

    async def examine(self, project_id: str | None = None) -> list[Check]:
        """Return the findings; those about GSD and the folder need a project."""
        environment = self._config.cli_environment()
        checks = [await self._cli(environment), self._login(environment), await self._check_store()]
        checks += [await self._check_keeper(), self._emulator()]
        checks += [_private("data folder", self._config.data_dir), _private("runtime folder", self._config.runtime_dir)]
        if project_id is not None:
            project = await self._store.get_project(project_id)
            checks += [self._folder(project), self._trust(environment, project), self._gsd(environment, project)]
        return checks

    async def _cli(self, environment: Mapping[str, str]) -> Check:
        program = shutil.which(self._config.claude_command[0], path=environment.get("PATH"))
        remedy = "npm install -g @anthropic-ai/claude-code, or set c.WxcodeApp.claude_command."
        if program is None:
            return Check("Claude Code", False, f"{self._config.claude_command[0]} is not on the server's PATH.", remedy)
        process = await asyncio.create_subprocess_exec(
            program,
            *self._config.claude_command[1:],
            "--version",
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), _VERSION_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()
            return Check("Claude Code", False, f"{program} --version does not answer.", remedy)
        said = output.decode(errors="replace").strip().splitlines()
        return Check("Claude Code", process.returncode == 0, f"{said[0] if said else 'no output'} ({program})", remedy)

    def _login(self, environment: Mapping[str, str]) -> Check:
        config = Path(environment.get("CLAUDE_CONFIG_DIR") or Path(environment.get("HOME", ""), ".claude"))
        by_variable = [name for name in _LOGIN_VARIABLES if environment.get(name)]
        if by_variable:
            return Check("login", True, f"by the environment ({', '.join(by_variable)})")
        if (config / ".credentials.json").exists() or "oauthAccount" in _user_settings(environment):
            return Check("login", True, "logged in")
        return Check("login", False, "no login and no API key was found.", "Run `claude` once and log in.")

    async def _check_store(self) -> Check:
        try:
            await self._store.ping()
        except StoreUnavailable as error:
            return Check("store", False, str(error), "Start it, or set WXCODE_STORE_URL / c.WxcodeApp.store_url.")
        return Check("store", True, self._store.url)

    async def _check_keeper(self) -> Check:
        try:
            pid, count = await self._sessions.describe_keeper()
        except KeeperUnavailable as error:
            return Check("keeper", False, error.message, "python -m wxcode_jupyter keeper stop --yes, and start again.")
        return Check("keeper", True, f"process {pid}, {count} session(s)" if pid else "the first session starts it")

    def _emulator(self) -> Check:
        if importlib.util.find_spec("pyghostty"):
            return Check("emulator", True, "libghostty")
        return Check("emulator", True, "pyte (no pyghostty wheel for this machine; screens may be inexact)")

    def _folder(self, project: OutputProject) -> Check:
        ok = os.access(project.workspace_path, os.R_OK | os.W_OK | os.X_OK)
        return Check("workspace", ok, project.workspace_path, "" if ok else "Make the folder writable for this user.")

    def _trust(self, environment: Mapping[str, str], project: OutputProject) -> Check:
        known = _user_settings(environment).get("projects")
        entry = known.get(project.workspace_path) if isinstance(known, Mapping) else None
        trusted = isinstance(entry, Mapping) and entry.get("hasTrustDialogAccepted") is True
        detail = "the CLI trusts the folder" if trusted else "the CLI will ask whether it trusts the folder."
        remedy = "" if trusted else "%wxmilestone trust, or project NAME --trust."
        return Check("trust", trusted, detail, remedy, to_do=not trusted)

    def _gsd(self, environment: Mapping[str, str], project: OutputProject) -> Check:
        home, config_dir = environment.get("HOME", ""), environment.get("CLAUDE_CONFIG_DIR")
        commands = gsd.installed_commands(project.workspace_path, home, config_dir=config_dir)
        found = commands.get("new-milestone")
        if found is None:
            remedy = f"cd {shlex.quote(project.workspace_path)} && {gsd.INSTALL_COMMAND}"
            return Check("GSD", False, "new-milestone is installed neither in the workspace nor in HOME.", remedy)
        initialized = has_project(project.workspace_path)
        detail = f"{found.spelling} and {len(commands) - 1} more" + (
            "" if initialized else "; no .planning/PROJECT.md yet"
        )
        remedy = gsd.new_project_by_hand(project.workspace_path, home, config_dir=config_dir)
        return Check("GSD", initialized, detail, "" if initialized else remedy, to_do=not initialized)


_LOGIN_VARIABLES = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
)


def _user_settings(environment: Mapping[str, str]) -> Mapping[str, object]:
    folder = environment.get("CLAUDE_CONFIG_DIR") or environment.get("HOME", "")
    try:
        data = json.loads(Path(folder, ".claude.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, Mapping) else {}


def _private(name: str, folder: str) -> Check:
    try:
        status = os.stat(folder)
    except OSError as error:
        return Check(name, False, str(error), "Make the folder, for this user alone (chmod 700).")
    ok = status.st_uid == os.getuid() and not status.st_mode & 0o077
    return Check(name, ok, folder, "" if ok else f"chmod 700 {folder}")
