"""GSD in a project: what is installed, how far the milestone is, what comes next, and the project's first brief."""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..claude import gsd
from ..claude.gsd_package import package_of
from ..claude.planning import Goal, Planning, Step, is_reached, next_steps, read_tree, steps_towards, understand
from ..errors import AlreadyInitialized, InvalidBody, NotFound
from ..models import Command, CommandStatus, OutputProject
from ..store.base import Store
from ..workspace import has_project, resolve_workspace, write_brief
from .commands import Commands
from .config import Config
from .workspaces import workspace_for

_LOST = (CommandStatus.FAILED, CommandStatus.INTERRUPTED)


class Gsd:
    """Looks at GSD's files, and starts its new-project."""

    def __init__(self, config: Config, store: Store, commands: Commands) -> None:
        self._config = config
        self._store = store
        self._commands = commands
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def look(self, project_id: str, until: str = "") -> dict[str, Any]:
        """Return what ``openapi.yaml`` calls ``Gsd``. Only files are read; a session is not needed.

        Args:
            project_id: The project.
            until: A `Goal`: then the next step is the one towards it, and ``reached`` says whether none is needed.

        Raises:
            InvalidBody: no such goal.
            NotFound: no such project.
            InvalidPath: its folder is outside the allowed roots.
        """
        project = await self._store.get_project(project_id)
        workspace = resolve_workspace(project.workspace_path, self._config.roots)
        return await asyncio.to_thread(self._look, workspace, _goal(until) if until else None)

    async def init(self, project_id: str, brief: str) -> Command:
        """Queue GSD's new-project with a brief, which becomes a file of the workspace.

        The same brief gives the command that exists, unless it failed or was interrupted: then it is queued once more.

        Raises:
            AlreadyInitialized: GSD's new-project has been here with another brief, or runs with one.
            GsdMissing: nothing was queued.
            InvalidPath: the workspace is gone, or is none.
            ContextTaken: the brief's file was changed by hand since an attempt that failed; it stays as it is.
            InvalidBody: a brief without text, or with more bytes than the configuration allows.
        """
        if not brief.strip():
            raise InvalidBody("The brief has no text.", field="brief")
        project = await self._store.get_project(project_id)
        workspace = await workspace_for(self._config, self._store, project)
        async with self._locks[project_id]:
            known, identifier = await self._find(project, brief)
            if known is not None:
                return known
            await self._check_uninitialized(project, workspace)
            path = await asyncio.to_thread(write_brief, workspace, brief, self._config.context_limit_bytes)
            text = await asyncio.to_thread(self._new_project, project, workspace, path)
            return await self._commands.enqueue(project_id, text, command_id=identifier)

    async def _find(self, project: OutputProject, brief: str) -> tuple[Command | None, str]:
        """Return the command of this brief that counts, and else the id that the next one has.

        Ids follow from the brief: kernels that give the same one at the same time get one command, however many ask.
        """
        digest = hashlib.sha256(f"{project.id} {brief.rstrip()}".encode(errors="replace")).hexdigest()
        for attempt in range(1000):
            identifier = project.id[:8] + hashlib.sha256(f"{attempt} {digest}".encode()).hexdigest()[:16]
            try:
                command = await self._store.get_command(identifier)
            except NotFound:
                return None, identifier
            if command.status not in _LOST:
                return command, identifier
        raise AlreadyInitialized("GSD's new-project failed a thousand times with this brief; change it.")

    async def _check_uninitialized(self, project: OutputProject, workspace: str) -> None:
        if has_project(workspace):
            raise AlreadyInitialized(
                f"There is a .planning/PROJECT.md in {workspace} already, and it was not made from this text: the next "
                "milestone is `%%wxmilestone new NAME --start`.",
                workspace_path=workspace,
            )
        running = await self._store.list_commands(
            project.id,
            statuses={CommandStatus.QUEUED, CommandStatus.DELIVERING, CommandStatus.ACCEPTED},
            limit=1000,
        )
        spelling = self._commands_of(workspace).get("new-project")
        if spelling and any(command.text.split()[0] == spelling.spelling for command in running.items):
            raise AlreadyInitialized(
                "GSD's new-project runs already, with another text: wait for it, or `%wxmilestone interrupt`.",
                workspace_path=workspace,
            )

    def _new_project(self, project: OutputProject, workspace: str, brief_path: str) -> str:
        return gsd.new_project_command(
            self._config.new_project_command or None,
            workspace,
            self._config.environment.get("HOME", ""),
            brief_path=brief_path,
            project_id=project.id,
            project_name=project.name,
            config_dir=self._config.environment.get("CLAUDE_CONFIG_DIR"),
        )

    def _commands_of(self, workspace: str) -> dict[str, gsd.GsdCommand]:
        return _installed(self._config, workspace)

    def _look(self, workspace: str, goal: Goal | None) -> dict[str, Any]:
        commands, planning = self._commands_of(workspace), understand(read_tree(workspace))
        main = commands.get("new-milestone") or next(iter(commands.values()), None)
        package = package_of(main) if main else None
        return {
            "installed": bool(commands),
            "layout": package.layout if package else None,
            "version": package.version if package else None,
            "commands": [
                {
                    "name": command.name,
                    "spelling": command.spelling,
                    "description": command.description,
                    "argument_hint": command.argument_hint,
                }
                for command in commands.values()
            ],
            "progress": _progress(planning),
            "next": _next(next_steps(planning) if goal is None else steps_towards(planning, goal), commands),
            "reached": None if goal is None else is_reached(planning, goal),
            "warning": _warning(planning, clears=package is not None and package.clears_phases),
        }


def warn_of_clearing(config: Config, workspace: str, text: str) -> dict[str, Any] | None:
    """Return what to tell before a text is sent that makes GSD delete phases: ``folders`` and ``message``; or None."""
    command = _installed(config, workspace).get("new-milestone")
    if command is None or text.split()[:1] != [command.spelling]:
        return None
    planning = understand(read_tree(workspace))
    message = _warning(planning, clears=package_of(command).clears_phases)
    return {"folders": list(planning.folders), "message": message} if message else None


def _installed(config: Config, workspace: str) -> dict[str, gsd.GsdCommand]:
    home, config_dir = config.environment.get("HOME", ""), config.environment.get("CLAUDE_CONFIG_DIR")
    return gsd.installed_commands(workspace, home, config_dir=config_dir)


def _warning(planning: Planning, *, clears: bool) -> str | None:
    if not clears or not planning.folders:
        return None
    shown = ", ".join(planning.folders[:5]) + (", …" if len(planning.folders) > 5 else "")
    return (
        f"GSD's new-milestone deletes the phase folders that are not archived: {shown}. "
        "`%wxmilestone gsd complete-milestone` archives them."
    )


def _progress(planning: Planning) -> dict[str, Any]:
    return {
        **{name: value for name, value in asdict(planning).items() if name != "folders"},
        "phases_total": len(planning.phases),
        "phases_done": planning.phases_done,
        "current_phase": planning.current.number if planning.current else None,
        "unarchived_folders": planning.folders,
    }


def _goal(name: str) -> Goal:
    try:
        return Goal(name)
    except ValueError:
        raise InvalidBody(f"until is one of {', '.join(Goal)}.", field="until") from None


def _next(possible: Sequence[Step], commands: Mapping[str, gsd.GsdCommand]) -> dict[str, Any] | None:
    """Return the best step whose command is installed, in its spelling, and the texts of the others."""
    steps = [step for step in possible if step.command in commands]
    if not steps:
        return None
    texts = [f"{commands[step.command].spelling} {step.arguments}".rstrip() for step in steps]
    return {**asdict(steps[0]), "text": texts[0], "also": texts[1:]}
