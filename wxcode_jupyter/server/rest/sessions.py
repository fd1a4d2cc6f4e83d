"""A project's session: its process, its terminal's screen."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter

from ...errors import InvalidBody
from ...terminal import render
from ...terminal.attachment import Role
from ...terminal.screen import ScreenView
from ..accept import preferred
from ..base import SESSION, WxcodeHandler, endpoint

#: What a screen is returned as, by content type; the first one where the client does not say.
SCREEN_FORMS: dict[str, Callable[[ScreenView], str]] = {
    "text/plain": attrgetter("text"),
    "text/html": render.to_html,
    "text/x-ansi": render.to_ansi,
}


class SessionHandler(WxcodeHandler):
    """``/output-projects/{id}/session``."""

    @endpoint("read", SESSION)
    async def get(self, project_id: str) -> None:
        """Return the session."""
        self.reply(await self.service.sessions.info(project_id))

    @endpoint("execute", SESSION)
    async def post(self, project_id: str) -> None:
        """Start or resume it."""
        body = self.body()
        fresh, earlier = bool(body.get("fresh", False)), body.get("claude_session_id")
        if fresh and earlier:
            raise InvalidBody("A new conversation and an earlier one: only one of them can go on.", field="fresh")
        if body.get("now"):
            await self.service.sessions.lift_limit(project_id)
        force = bool(body.get("force", False))
        start = self.service.sessions.start
        self.reply(await start(project_id, fresh=fresh, claude_session_id=earlier, force=force))

    @endpoint("execute", SESSION)
    async def delete(self, project_id: str) -> None:
        """End it."""
        self.reply(await self.service.sessions.stop(project_id))


class ConversationsHandler(WxcodeHandler):
    """``/output-projects/{id}/conversations``."""

    @endpoint("read", SESSION)
    async def get(self, project_id: str) -> None:
        """List the conversations that are the project's, or were."""
        self.reply({"conversations": await self.service.history.load(project_id)})


class InterruptHandler(WxcodeHandler):
    """``/output-projects/{id}/session/interrupt``."""

    @endpoint("execute", SESSION)
    async def post(self, project_id: str) -> None:
        """Press Esc, where it ends something."""
        await (await self.service.sessions.require_live(project_id)).interrupt()
        self.reply(await self.service.sessions.info(project_id))


class TrustHandler(WxcodeHandler):
    """``/output-projects/{id}/session/trust``."""

    @endpoint("execute", SESSION)
    async def post(self, project_id: str) -> None:
        """Choose Yes."""
        await (await self.service.sessions.require_live(project_id)).trust()
        self.reply(await self.service.sessions.info(project_id))


class ScreenHandler(WxcodeHandler):
    """``/output-projects/{id}/screen``."""

    @endpoint("read", SESSION)
    async def get(self, project_id: str) -> None:
        """Return the terminal's rows as text, HTML or ANSI; after the end, or a reboot, the last ones."""
        view = await self.service.sessions.screen(project_id)
        self.set_header("Wxcode-Session", "live" if await self.service.sessions.lives(project_id) else "ended")
        form = preferred(self.request.headers.get("Accept", ""), tuple(SCREEN_FORMS))
        self.set_header("Vary", "Accept")
        self.finish(SCREEN_FORMS[form](view), set_content_type=f"{form}; charset=utf-8")


class OutputHandler(WxcodeHandler):
    """``/output-projects/{id}/output``."""

    @endpoint("read", SESSION)
    async def get(self, project_id: str) -> None:
        """Return the bytes that are kept of what the terminal printed, up to now; it may end meanwhile."""
        live = await self.service.sessions.require_live(project_id)
        terminal = live.terminal
        async with live.attach(Role.OBSERVER) as reader:
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
        async with live.attach(Role.OBSERVER):
            self.set_header("Content-Type", "application/x-asciicast")
            for line in live.terminal.recording(live.project.name):
                self.write(line)
                await self.flush()
