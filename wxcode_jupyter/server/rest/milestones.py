"""Milestones: their records, their start, their checkpoints."""

from __future__ import annotations

from ...models import MilestoneStatus
from ..base import MILESTONE, PROJECT, WxcodeHandler, endpoint


class MilestonesHandler(WxcodeHandler):
    """``/milestones``."""

    @endpoint("read", MILESTONE)
    async def get(self) -> None:
        """List milestones."""
        project_id = self.get_query_argument("output_project_id", "")
        status = self.get_query_argument("status", "")
        page = await self.service.store.list_milestones(
            output_project_id=project_id or None,
            status=MilestoneStatus(status) if status else None,
            **self.page(),
        )
        self.reply({"milestones": page.items, "total": page.total})

    @endpoint("write", MILESTONE)
    async def post(self) -> None:
        """Create a milestone."""
        body = self.body()
        milestone = await self.service.milestones.create(
            body["output_project_id"],
            body["element_name"],
            element_id=body.get("element_id"),
            context=body.get("context"),
            milestone_id=body.get("id"),
        )
        self.reply(milestone, 201)


class MilestoneHandler(WxcodeHandler):
    """``/milestones/{id}``."""

    @endpoint("read", MILESTONE)
    async def get(self, milestone_id: str) -> None:
        """Return a milestone."""
        self.reply(await self.service.store.get_milestone(milestone_id))

    @endpoint("write", MILESTONE)
    async def patch(self, milestone_id: str) -> None:
        """Mark it completed or failed."""
        status = MilestoneStatus(self.body()["status"])
        self.reply(await self.service.milestones.close(milestone_id, status))

    @endpoint("write", MILESTONE)
    async def delete(self, milestone_id: str) -> None:
        """Delete it while it is pending."""
        await self.service.milestones.delete(milestone_id)
        self.set_status(204)


class ChangesHandler(WxcodeHandler):
    """``/milestones/{id}/changes``."""

    @endpoint("read", MILESTONE)
    async def get(self, milestone_id: str) -> None:
        """Compare the workspace with the milestone's checkpoint."""
        self.reply(await self.service.checkpoints.changes(milestone_id))


class PrepareHandler(WxcodeHandler):
    """``/milestones/{id}/prepare``."""

    @endpoint("write", MILESTONE)
    async def post(self, milestone_id: str) -> None:
        """Write the context file."""
        self.reply(await self.service.milestones.prepare(milestone_id))


class StartHandler(WxcodeHandler):
    """``/milestones/{id}/start``."""

    @endpoint("execute", MILESTONE)
    async def post(self, milestone_id: str) -> None:
        """Queue its command."""
        command_id = self.body().get("id")
        self.reply(await self.service.milestones.start(milestone_id, command_id=command_id), 202)


class RewindHandler(WxcodeHandler):
    """``/milestones/{id}/rewind``."""

    @endpoint("execute", MILESTONE)
    async def post(self, milestone_id: str) -> None:
        """Bring workspace and conversation back to before it."""
        yes = bool(self.body().get("yes", False))
        self.reply(await self.service.rewinds.rewind(milestone_id, yes=yes))


class ForkHandler(WxcodeHandler):
    """``/milestones/{id}/fork``: makes a project."""

    @endpoint("execute", MILESTONE, ("write", PROJECT))
    async def post(self, milestone_id: str) -> None:
        """Make a second project of what the first was before it."""
        body = self.body()
        forks = self.service.forks
        self.reply(await forks.fork(milestone_id, body["name"], workspace_path=body.get("workspace_path")), 201)
