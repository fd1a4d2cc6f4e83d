"""The REST routes of ``openapi.yaml``: each method says who may, and hands on."""

from __future__ import annotations

import os
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from tornado import web

from .._version import __version__
from ..errors import InvalidBody
from ..models import CommandStatus, MilestoneStatus, OutputProject, check_id
from ..service.projects import OPTIONS
from ..terminal import render
from ..terminal.attachment import Role
from ..terminal.screen import ScreenView
from .accept import preferred
from .base import WxcodeHandler, endpoint, to_json
from .terminal import MilestoneTerminalHandler, ProjectTerminalHandler
from .websocket import EventsHandler

#: What a screen is returned as, by content type; the first one where the client does not say.
SCREEN_FORMS: dict[str, Callable[[ScreenView], str]] = {
    "text/plain": attrgetter("text"),
    "text/html": render.to_html,
    "text/x-ansi": render.to_ansi,
}

PROJECT, SESSION, MILESTONE = "wxcode:project", "wxcode:session", "wxcode:milestone"


class InfoHandler(WxcodeHandler):
    """``/info``."""

    @endpoint("read", PROJECT)
    async def get(self) -> None:
        """Say what this server is."""
        config, store = self.service.config, self.service.store
        self.reply(
            {
                "version": __version__,
                "store_url": store.url,
                "store_kind": "mongodb" if store.url.startswith("mongodb") else "embedded",
                "workspace_root": config.workspace_root,
                "pid": os.getpid(),
                "headless": self.settings.get("wxcode_headless", False),
            }
        )


class DoctorHandler(WxcodeHandler):
    """``/doctor``."""

    @endpoint("read", PROJECT)
    async def get(self) -> None:
        """Check what a project needs."""
        project_id = self.get_query_argument("project_id", "")
        checks = await self.service.doctor.examine(check_id(project_id) if project_id else None)
        self.reply({"checks": checks})


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
        body = self.body("ProjectCreate")
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
        await self.service.store.get_project(project_id)
        body = self.body("ProjectChange")
        self.reply(await self.project(await self.service.projects.change(project_id, body)))

    @endpoint("write", PROJECT)
    async def delete(self, project_id: str) -> None:
        """Delete a project."""
        await self.service.projects.delete(project_id)
        self.set_status(204)


class SessionHandler(WxcodeHandler):
    """``/output-projects/{id}/session``."""

    @endpoint("read", SESSION)
    async def get(self, project_id: str) -> None:
        """Return the session."""
        self.reply(await self.service.sessions.info(project_id))

    @endpoint("execute", SESSION)
    async def post(self, project_id: str) -> None:
        """Start or resume it."""
        body = self.body("SessionStart")
        if body.get("now"):
            await self.service.sessions.lift_limit(project_id)
        self.reply(await self.service.sessions.start(project_id, fresh=bool(body.get("fresh", False))))

    @endpoint("execute", SESSION)
    async def delete(self, project_id: str) -> None:
        """End it."""
        self.reply(await self.service.sessions.stop(project_id))


class InterruptHandler(WxcodeHandler):
    """``/output-projects/{id}/session/interrupt``."""

    @endpoint("execute", SESSION)
    async def post(self, project_id: str) -> None:
        """Press Esc."""
        await (await self.service.sessions.require_live(project_id)).interrupt()
        self.reply(await self.service.sessions.info(project_id))


class TrustHandler(WxcodeHandler):
    """``/output-projects/{id}/session/trust``."""

    @endpoint("execute", SESSION)
    async def post(self, project_id: str) -> None:
        """Choose Yes."""
        await (await self.service.sessions.require_live(project_id)).trust()
        self.reply(await self.service.sessions.info(project_id))


class CommandsHandler(WxcodeHandler):
    """``/output-projects/{id}/commands``."""

    @endpoint("read", SESSION)
    async def get(self, project_id: str) -> None:
        """List commands."""
        await self.service.store.get_project(project_id)
        statuses = {_member(CommandStatus, text, "status") for text in self.get_query_arguments("status")}
        milestone_id = self.get_query_argument("milestone_id", "")
        page = await self.service.store.list_commands(
            project_id,
            statuses=statuses or None,
            milestone_id=check_id(milestone_id) if milestone_id else None,
            **self.page(),
        )
        self.reply({"commands": page.items, "total": page.total})

    @endpoint("execute", SESSION)
    async def post(self, project_id: str) -> None:
        """Queue a command."""
        body = self.body("CommandCreate")
        command = await self.service.commands.enqueue(
            project_id, body["text"], milestone_id=body.get("milestone_id"), command_id=body.get("id")
        )
        self.reply(command, 202)


class CommandHandler(WxcodeHandler):
    """``/commands/{id}``."""

    @endpoint("read", SESSION)
    async def get(self, command_id: str) -> None:
        """Return a command."""
        self.reply(await self.service.store.get_command(command_id))


class SummaryHandler(WxcodeHandler):
    """``/commands/{id}/summary``."""

    @endpoint("read", SESSION)
    async def get(self, command_id: str) -> None:
        """Return what became of a command."""
        self.reply(await self.service.summaries.summarize(command_id))


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
        self.reply(await self.service.gsd.init(project_id, self.body("GsdInit")["brief"]), 202)


class QuestionsHandler(WxcodeHandler):
    """``/output-projects/{id}/questions``."""

    @endpoint("read", SESSION)
    async def get(self, project_id: str) -> None:
        """List what Claude has asked."""
        questions = await self.service.answers.asked_in(project_id)
        page = self.page()
        self.reply({"questions": questions[page["skip"] :][: page["limit"]], "total": len(questions)})


class AnswerHandler(WxcodeHandler):
    """``/questions/{id}/answer``."""

    @endpoint("execute", SESSION)
    async def post(self, question_id: str) -> None:
        """Answer it."""
        body = self.body("Answer")
        answers = self.service.answers
        self.reply(
            await answers.give(
                question_id, choices=body.get("choices"), text=body.get("text"), by=body.get("by", "user")
            )
        )


class ScreenHandler(WxcodeHandler):
    """``/output-projects/{id}/screen``."""

    @endpoint("read", SESSION)
    async def get(self, project_id: str) -> None:
        """Return the terminal's rows as text, HTML or ANSI; after the end, the last ones."""
        view = await self.service.sessions.screen(project_id)
        form = preferred(self.request.headers.get("Accept", ""), tuple(SCREEN_FORMS))
        self.set_header("Vary", "Accept")
        self.finish(SCREEN_FORMS[form](view), set_content_type=f"{form}; charset=utf-8")


class OutputHandler(WxcodeHandler):
    """``/output-projects/{id}/output``."""

    @endpoint("read", SESSION)
    async def get(self, project_id: str) -> None:
        """Return the bytes that are kept of what the terminal printed, up to now; it may end meanwhile."""
        terminal = (await self.service.sessions.require_live(project_id)).terminal
        async with terminal.attach(Role.OBSERVER) as reader:
            head = terminal.head
            self.set_header("Content-Type", "application/octet-stream")
            self.set_header("Wxcode-Stream", terminal.stream)
            self.set_header("Wxcode-Offset", str(reader.offset))
            while reader.offset < head and (chunk := await reader.read()).data:
                self.write(chunk.data)
                await self.flush()


class RecordingHandler(WxcodeHandler):
    """``/output-projects/{id}/recording``."""

    @endpoint("read", SESSION)
    async def get(self, project_id: str) -> None:
        """Return what the terminal printed up to now with its times, as an asciicast v2; it may end meanwhile."""
        live = await self.service.sessions.require_live(project_id)
        async with live.terminal.attach(Role.OBSERVER):
            self.set_header("Content-Type", "application/x-asciicast")
            for line in live.terminal.recording(live.project.name):
                self.write(line)
                await self.flush()


class MilestonesHandler(WxcodeHandler):
    """``/milestones``."""

    @endpoint("read", MILESTONE)
    async def get(self) -> None:
        """List milestones."""
        project_id = self.get_query_argument("output_project_id", "")
        status = self.get_query_argument("status", "")
        page = await self.service.store.list_milestones(
            output_project_id=check_id(project_id) if project_id else None,
            status=_member(MilestoneStatus, status, "status") if status else None,
            **self.page(),
        )
        self.reply({"milestones": page.items, "total": page.total})

    @endpoint("write", MILESTONE)
    async def post(self) -> None:
        """Create a milestone."""
        body = self.body("MilestoneCreate")
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
        status = MilestoneStatus(self.body("MilestoneChange")["status"])
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
        command_id = self.body("MilestoneStart").get("id")
        self.reply(await self.service.milestones.start(milestone_id, command_id=command_id), 202)


class RewindHandler(WxcodeHandler):
    """``/milestones/{id}/rewind``."""

    @endpoint("execute", MILESTONE)
    async def post(self, milestone_id: str) -> None:
        """Bring workspace and conversation back to before it."""
        yes = bool(self.body("Rewind").get("yes", False))
        self.reply(await self.service.rewinds.rewind(milestone_id, yes=yes))


class ForkHandler(WxcodeHandler):
    """``/milestones/{id}/fork``."""

    @endpoint("execute", MILESTONE)
    async def post(self, milestone_id: str) -> None:
        """Make a second project of what the first was before it."""
        body = self.body("Fork")
        forks = self.service.forks
        self.reply(await forks.fork(milestone_id, body["name"], workspace_path=body.get("workspace_path")), 201)


class UnknownHandler(WxcodeHandler):
    """Every other path under the API."""

    async def prepare(self) -> None:  # type: ignore[override]
        """Say in JSON that there is nothing here, to those who may know."""
        await super().prepare()
        if not self.current_user:
            raise web.HTTPError(403)
        self.set_status(404)
        self.finish({"message": "There is no such route; see openapi.yaml.", "reason": "not_found", "details": {}})


def _member(enum: type[Any], text: str, field: str) -> Any:
    try:
        return enum(text)
    except ValueError:
        raise InvalidBody(f"{field} is one of {', '.join(member.value for member in enum)}.", field=field) from None


#: Ids are matched loosely here and strictly in ``endpoint``, so that a bad one is 400 and not 404.
_ID = r"([^/]+)"

#: The routes of ``openapi.yaml``, relative to ``<base_url>wxcode/api/v1``.
ROUTES: tuple[tuple[str, type[Any]], ...] = (
    ("/info", InfoHandler),
    ("/doctor", DoctorHandler),
    ("/output-projects", ProjectsHandler),
    (f"/output-projects/{_ID}", ProjectHandler),
    (f"/output-projects/{_ID}/session", SessionHandler),
    (f"/output-projects/{_ID}/session/interrupt", InterruptHandler),
    (f"/output-projects/{_ID}/session/trust", TrustHandler),
    (f"/output-projects/{_ID}/commands", CommandsHandler),
    (f"/output-projects/{_ID}/questions", QuestionsHandler),
    (f"/questions/{_ID}/answer", AnswerHandler),
    (f"/output-projects/{_ID}/events", EventsHandler),
    (f"/output-projects/{_ID}/gsd", GsdHandler),
    (f"/output-projects/{_ID}/gsd/init", GsdInitHandler),
    (f"/output-projects/{_ID}/screen", ScreenHandler),
    (f"/output-projects/{_ID}/output", OutputHandler),
    (f"/output-projects/{_ID}/recording", RecordingHandler),
    (f"/output-projects/{_ID}/terminal", ProjectTerminalHandler),
    (f"/commands/{_ID}", CommandHandler),
    (f"/commands/{_ID}/summary", SummaryHandler),
    ("/milestones", MilestonesHandler),
    (f"/milestones/{_ID}", MilestoneHandler),
    (f"/milestones/{_ID}/prepare", PrepareHandler),
    (f"/milestones/{_ID}/changes", ChangesHandler),
    (f"/milestones/{_ID}/start", StartHandler),
    (f"/milestones/{_ID}/rewind", RewindHandler),
    (f"/milestones/{_ID}/fork", ForkHandler),
    (f"/milestones/{_ID}/terminal", MilestoneTerminalHandler),
)
