"""Output projects, and GSD in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bson import ObjectId

from ...errors import NameTaken, NotFound
from ...models import Command
from .. import parse
from ..gsd import GsdStatus, gsd_status
from ..runs import Until
from ..values import Project
from .base import Operations, key_of, only_given


class ProjectOperations(Operations):
    """Finds, makes and changes projects, and asks what GSD has in them."""

    def projects(self, *, name: str | None = None, workspace_path: str | None = None) -> tuple[Project, ...]:
        """Return all projects, oldest first; with a name or a folder, the one that has it, if any."""
        params = {"name": name, "workspace_path": workspace_path}
        return self._router.read_pages("output-projects", "projects", params, parse.project)

    def project(self, name: str) -> Project:
        """Return the project of this name. Raises ``NotFound``."""
        for found in self.projects(name=name):
            return found
        raise NotFound(f"There is no output project named {name!r}.", what="project", identifier=name)

    def get_project(self, project: Project | str) -> Project:
        """Return a project as it is now, by its id."""
        body = self._router.request("GET", f"output-projects/{key_of(project)}")
        return parse.checked(parse.project, body, "a project")

    def create_project(
        self,
        name: str,
        *,
        workspace_path: str | None = None,
        kb_id: str | None = None,
        stack_id: str | None = None,
        permission_mode: str | None = None,
        model: str | None = None,
        claude_args: Sequence[str] | None = None,
        trust: bool | None = None,
    ) -> Project:
        """Create a project; without a folder the server makes one under its workspace root.

        Raises:
            NameTaken: Another project has the name.
            FolderTaken: Another project has the folder.
            InvalidPath: The folder is outside the roots that the server allows.
        """
        body = only_given(
            id=str(ObjectId()),
            name=name,
            workspace_path=workspace_path,
            kb_id=kb_id,
            stack_id=stack_id,
            permission_mode=permission_mode,
            model=model,
            claude_args=None if claude_args is None else list(claude_args),
            trust=trust,
        )
        answer = self._router.request("POST", "output-projects", body=body, repeatable=True)
        return parse.checked(parse.project, answer, "a project")

    def ensure_project(self, name: str, **options: Any) -> Project:
        """Return the project of this name, creating it (arguments of ``create_project``) where it is new.

        An existing project is returned as it is; see ``update_project`` for its options.
        """
        for found in self.projects(name=name):
            return found
        try:
            return self.create_project(name, **options)
        except NameTaken:  # somebody was faster
            return self.project(name)

    def update_project(self, project: Project | str, **changes: Any) -> Project:
        """Set ``name``, ``status``, ``permission_mode``, ``model``, ``claude_args`` or ``trust``; never the folder."""
        key = key_of(project)
        path = f"output-projects/{key}"
        answer = self._router.request("PATCH", path, project_id=key, body=changes, repeatable=True)
        return parse.checked(parse.project, answer, "a project")

    def delete_project(self, project: Project | str) -> None:
        """Forget a project; its files stay. Raises ``SessionAlive`` while a session lives."""
        key = key_of(project)
        self._router.request("DELETE", f"output-projects/{key}", project_id=key)

    def gsd(self, project: Project | str, *, until: Until | None = None) -> GsdStatus:
        """Return GSD's commands as they are installed, the milestone's phases, and the next step; reads files only.

        With ``until`` the next step is the one that brings the milestone there (see ``run``), and ``reached`` says
        whether it is there already.
        """
        key = key_of(project)
        body = self._router.request("GET", f"output-projects/{key}/gsd", project_id=key, params={"until": until})
        return parse.checked(gsd_status, body, "GSD")

    def init(self, project: Project | str, brief: str) -> Command:
        """Queue GSD's new-project with a brief; the same brief gives the command that exists.

        Raises:
            AlreadyInitialized: There is a PROJECT.md that was made from another text.
            GsdMissing: Nothing was queued.
        """
        key = key_of(project)
        path = f"output-projects/{key}/gsd/init"
        answer = self._router.request("POST", path, project_id=key, body={"brief": brief}, repeatable=True)
        return parse.checked(parse.command, answer, "a command")
