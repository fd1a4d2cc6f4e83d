"""Output projects, and GSD in them."""

from __future__ import annotations

from typing import Any

from ...models import OutputProject
from ...service.projects import OPTIONS
from ..base import PROJECT, SESSION, WxcodeHandler, endpoint, to_json


class ProjectJson(WxcodeHandler):
    """How a project is written."""

    async def project(self, project: OutputProject) -> dict[str, Any]:
        """Return a project with its options."""
        options = await self.service.store.get_options(project.id)
        return {**to_json(project), "options": to_json(options)}


class ProjectsHandler(ProjectJson):
    """``/output-projects``."""

    @endpoint("read", PROJECT)
    async def get(self) -> None:
        """List projects, or find one by name or folder."""
        name = self.get_query_argument("name", "", strip=False)
        folder = self.get_query_argument("workspace_path", "", strip=False)
        if name or folder:
            store = self.service.store
            found = await (store.find_project(name=name) if name else store.find_project(workspace_path=folder))
            items: tuple[OutputProject, ...] = (found,) if found else ()
            total = len(items)
        else:
            page = await self.service.store.list_projects(**self.page())
            items, total = page.items, page.total
        self.reply({"projects": [await self.project(item) for item in items], "total": total})

    @endpoint("write", PROJECT)
    async def post(self) -> None:
        """Create a project."""
        body = self.body()
        project = await self.service.projects.create(
            body["name"],
            workspace_path=body.get("workspace_path"),
            kb_id=body.get("kb_id"),
            stack_id=body.get("stack_id"),
            options={name: body[name] for name in OPTIONS if name in body},
            project_id=body.get("id"),
        )
        self.reply(await self.project(project), 201)


class ProjectHandler(ProjectJson):
    """``/output-projects/{id}``."""

    @endpoint("read", PROJECT)
    async def get(self, project_id: str) -> None:
        """Return a project."""
        self.reply(await self.project(await self.service.store.get_project(project_id)))

    @endpoint("write", PROJECT)
    async def patch(self, project_id: str) -> None:
        """Change a project."""
        self.reply(await self.project(await self.service.projects.change(project_id, self.body())))

    @endpoint("write", PROJECT)
    async def delete(self, project_id: str) -> None:
        """Delete a project."""
        await self.service.projects.delete(project_id)
        self.set_status(204)


class GsdHandler(WxcodeHandler):
    """``/output-projects/{id}/gsd``."""

    @endpoint("read", PROJECT)
    async def get(self, project_id: str) -> None:
        """Say what is installed, how far the milestone is, and what comes next."""
        self.reply(await self.service.gsd.look(project_id, self.get_query_argument("until", "")))


class GsdInitHandler(WxcodeHandler):
    """``/output-projects/{id}/gsd/init``."""

    @endpoint("execute", SESSION)
    async def post(self, project_id: str) -> None:
        """Queue GSD's new-project with a brief."""
        self.reply(await self.service.gsd.init(project_id, self.body()["brief"]), 202)
