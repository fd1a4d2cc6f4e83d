"""The REST routes of ``openapi.yaml``, a file per resource: each method says who may, and hands on."""

from __future__ import annotations

from typing import Any

from tornado import web

from ..base import WxcodeHandler
from ..terminal import MilestoneTerminalHandler, ProjectTerminalHandler
from ..websocket import EventsHandler
from .about import DoctorHandler, InfoHandler
from .commands import AnswerHandler, CommandHandler, CommandsHandler, QuestionsHandler, SummaryHandler
from .milestones import (
    ChangesHandler,
    ForkHandler,
    MilestoneHandler,
    MilestonesHandler,
    PrepareHandler,
    RewindHandler,
    StartHandler,
)
from .moving import ExportHandler, ImportHandler
from .projects import GsdHandler, GsdInitHandler, ProjectHandler, ProjectsHandler
from .sessions import (
    ConversationsHandler,
    InterruptHandler,
    OutputHandler,
    RecordingHandler,
    ScreenHandler,
    SessionHandler,
    TrustHandler,
)

#: Ids are matched loosely here and strictly in ``endpoint``, so that a bad one is 400 and not 404.
_ID = r"([^/]+)"

#: The routes of ``openapi.yaml``, relative to ``<base_url>wxcode/api/v1``.
ROUTES: tuple[tuple[str, type[Any]], ...] = (
    ("/info", InfoHandler),
    ("/doctor", DoctorHandler),
    ("/output-projects", ProjectsHandler),
    (f"/output-projects/{_ID}", ProjectHandler),
    (f"/output-projects/{_ID}/export", ExportHandler),
    ("/imports", ImportHandler),
    (f"/output-projects/{_ID}/session", SessionHandler),
    (f"/output-projects/{_ID}/session/interrupt", InterruptHandler),
    (f"/output-projects/{_ID}/session/trust", TrustHandler),
    (f"/output-projects/{_ID}/conversations", ConversationsHandler),
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


def documented(pattern: str) -> str:
    """Return a route as ``openapi.yaml`` writes it."""
    return pattern.replace(_ID, "{id}")


class UnknownHandler(WxcodeHandler):
    """Every other path under the API."""

    async def prepare(self) -> None:  # type: ignore[override]
        """Say in JSON that there is nothing here, to those who may know."""
        await super().prepare()
        if not self.current_user:  # not even a preflight, which all other routes answer
            raise web.HTTPError(403)
        self.set_status(404)
        self.finish({"message": "There is no such route; see openapi.yaml.", "reason": "not_found", "details": {}})
