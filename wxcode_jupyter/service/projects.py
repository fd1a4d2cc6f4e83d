"""Output projects: a name, a folder, options."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..claude.command import check_arguments, check_permission_mode
from ..errors import InvalidBody
from ..models import OutputProject, ProjectOptions, ProjectStatus, check_id
from ..store.base import Store
from ..workspace import resolve_workspace, slug
from .config import Config
from .sessions import Sessions

_NAME_LIMIT = 200


class Projects:
    """Creates, changes and deletes output projects. Never deletes a file."""

    def __init__(self, config: Config, store: Store, sessions: Sessions) -> None:
        self._config = config
        self._store = store
        self._sessions = sessions

    async def create(
        self,
        name: str,
        *,
        workspace_path: str | None = None,
        kb_id: str | None = None,
        stack_id: str | None = None,
        configuration_id: str | None = None,
        options: Mapping[str, Any] | None = None,
        project_id: str | None = None,
    ) -> OutputProject:
        """Create a project and its folder (by default ``<workspace_root>/<slug of the name>``).

        Raises:
            InvalidBody, InvalidId, InvalidPath: what was given does not fit; the field or path is named.
            NameTaken, FolderTaken: another project has it.
        """
        checked = check_name(name)
        chosen = change_options(ProjectOptions(), options or {})  # before the folder is made
        if stack_id is not None and not stack_id.isprintable():
            raise InvalidBody("A stack is named by printable characters.", field="stack_id")
        path = workspace_path or os.path.join(self._config.workspace_root, slug(checked))
        project = OutputProject(
            check_id(project_id) if project_id else self._store.new_id(),
            checked,
            resolve_workspace(expand_home(path, self._config), self._config.roots, create=True),
            kb_id=check_id(kb_id) if kb_id else None,
            stack_id=stack_id,
            configuration_id=configuration_id,
        )
        await self._store.create_project(project, chosen)
        return project

    async def change(self, project_id: str, changes: Mapping[str, Any]) -> OutputProject:
        """Change ``name``, ``status`` and the options; the options hold from the next start on.

        Raises:
            NotFound, InvalidBody, NameTaken: nothing was changed.
        """
        fields: dict[str, Any] = {}
        if "name" in changes:
            fields["name"] = check_name(changes["name"])
        if "status" in changes:
            fields["status"] = ProjectStatus(changes["status"])
        options = {name: changes[name] for name in OPTIONS if name in changes}
        change_options(ProjectOptions(), options)  # before anything is looked for
        await self._store.get_project(project_id)
        changed = change_options(await self._store.get_options(project_id), options)
        if fields:  # first, because the name may be taken: then nothing is changed
            await self._store.update_project(project_id, fields)
        if options:
            await self._store.set_options(project_id, changed)
        return await self._store.get_project(project_id)

    async def delete(self, project_id: str) -> None:
        """Delete the project's records. Raises ``SessionAlive`` or ``HeldElsewhere`` while its session lives."""
        project = await self._store.get_project(project_id)
        async with self._sessions.without(project):
            await self._store.delete_project(project_id)


OPTIONS = ("permission_mode", "model", "claude_args", "trust")


def expand_home(path: str, config: Config) -> str:
    """Return the path with a leading ``~`` replaced by the server's HOME."""
    home = config.environment.get("HOME", "")
    return os.path.join(home, path.lstrip("~/")) if path == "~" or path.startswith("~/") else path


def check_name(name: str, *, field: str = "name") -> str:
    """Return a project's or milestone's name without surrounding blanks; raise ``InvalidBody`` when it is none."""
    stripped = name.strip()
    if not stripped or len(stripped) > _NAME_LIMIT or not stripped.isprintable():
        raise InvalidBody(f"A name has 1 to {_NAME_LIMIT} printable characters.", field=field)
    return stripped


def change_options(options: ProjectOptions, changes: Mapping[str, Any]) -> ProjectOptions:
    """Return the options with these changes. Raises ``InvalidBody`` naming the field."""
    fields = dict(changes)
    if fields.get("permission_mode") is not None:
        check_permission_mode(fields["permission_mode"])
    if "claude_args" in fields:
        fields["claude_args"] = check_arguments(fields["claude_args"] or ())
    model = fields.get("model")
    if model is not None and (not model.strip() or not model.isprintable() or model.startswith("-")):
        raise InvalidBody("A model is named by printable characters and does not begin with a dash.", field="model")
    return replace(options, **fields)
