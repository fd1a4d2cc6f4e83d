"""A project's session: its process, its terminal's screen."""

from __future__ import annotations

from ..base import SESSION, WxcodeHandler, endpoint


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
        """Return the terminal's rows as text; after the end, the last ones."""
        text = await self.service.sessions.screen_text(project_id)
        self.finish(text, set_content_type="text/plain; charset=utf-8")
