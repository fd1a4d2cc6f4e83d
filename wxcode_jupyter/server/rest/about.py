"""The server itself: what it is, and what it lacks."""

from __future__ import annotations

import os

from ..._version import __version__
from ..base import PROJECT, WxcodeHandler, endpoint


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
        checks = await self.service.doctor.examine(project_id or None)
        self.reply({"checks": checks})
