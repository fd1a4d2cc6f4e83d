"""Live sessions as terminals of Jupyter's: listed by ``api/terminals``, shown by JupyterLab's own terminal panel.

Our handlers stand before those of ``jupyter_server_terminals`` and answer for names that only sessions have; the list
has both. They ask the authorizer for ``wxcode:session``, as every terminal of a session, before they look whether the
session lives, and none of them ends one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import Any

from jupyter_server.utils import url_path_join
from tornado import web
from tornado.httputil import HTTPServerRequest
from tornado.routing import PathMatches, Rule
from tornado.websocket import WebSocketClosedError

from ..errors import SessionNotRunning
from ..models import OutputProject
from ..service.live import LiveSession
from ..service.sessions import Sessions
from .base import WxcodeHandler
from .dialect import Dialect
from .dialect_terminado import TerminadoDialect
from .terminal import TerminalHandler

log = logging.getLogger(__name__)

_LET_GO_S = 1.0  # how long a panel may take to be told that it is over
_SESSION = "wxcode:session"
_NAME = r"([A-Za-z0-9_]{1,40}_[0-9a-f]{24})"  # see name_of


class JupyterTerminals:
    """The live sessions under their names, and the clients that came by these."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._sockets: set[PanelHandler] = set()

    def add_routes(self, application: web.Application) -> None:
        """Answer for the names of live sessions from now on, before anybody else does."""
        base = application.settings["base_url"]
        rules = [
            Rule(_Read(url_path_join(base, "api/terminals")), ListHandler),
            Rule(_OfSession(url_path_join(base, f"api/terminals/{_NAME}"), application), ModelHandler),
            Rule(_OfSession(url_path_join(base, f"terminals/websocket/{_NAME}"), application), PanelHandler),
        ]
        application.settings["wxcode_terminals"] = self
        application.default_router.rules[:0] = rules

    def every(self) -> list[LiveSession]:
        """Return the live sessions."""
        return [live for live in self._sessions.every() if live.state.live]

    def find(self, name: str) -> LiveSession | None:
        """Return the live session of this name."""
        return next((live for live in self.every() if name_of(live.project) == name), None)

    def enter(self, socket: PanelHandler) -> None:
        """Note that a client has come by Jupyter's route."""
        self._sockets.add(socket)

    def leave(self, socket: PanelHandler) -> None:
        """Note that it has gone."""
        self._sockets.discard(socket)

    async def detach(self, name: str) -> None:
        """Let go whoever came by Jupyter's route and this name; the session lives on."""
        await asyncio.gather(*(socket.let_go() for socket in self._sockets if socket.name == name))


def name_of(project: OutputProject) -> str:
    """Return the name of a project's terminal: word characters, and another project has another one."""
    words = re.sub(r"\W+", "_", project.name, flags=re.ASCII).strip("_")[:40]
    return f"{words or 'project'}_{project.id}"


class _Read(PathMatches):
    """Matches what is read; to make a terminal is not ours."""

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return the path's arguments."""
        return super().match(request) if request.method in ("GET", "HEAD") else None


class _OfSession(PathMatches):
    """Matches the names of sessions, live or not, so that nobody learns by the answer which of them live; but not one
    that somebody has given a terminal of Jupyter's."""

    def __init__(self, pattern: str, application: web.Application) -> None:
        super().__init__(pattern)
        self._settings = application.settings

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return the path's arguments."""
        found = super().match(request)
        theirs = getattr(self._settings.get("terminal_manager"), "terminals", ())
        return found if found and found["path_args"][0].decode() not in theirs else None


class _Handler(WxcodeHandler):
    @property
    def terminals(self) -> JupyterTerminals:
        terminals: JupyterTerminals = self.settings["wxcode_terminals"]
        return terminals

    def require(self, name: str) -> LiveSession:
        """Return the live session of this name; for want of one the answer is 404."""
        live = self.terminals.find(name)
        if live is None:
            raise web.HTTPError(404, f"There is no terminal {name}.")
        return live


class ListHandler(_Handler):
    """``GET api/terminals``: Jupyter's and ours, as far as the user may see them."""

    @web.authenticated
    async def get(self) -> None:
        """List them."""
        manager = self.settings.get("terminal_manager")
        sees_ours = await self.may("read", _SESSION)
        models: list[dict[str, Any]] = []
        if manager is not None and await self.may("read", "terminals"):
            models += manager.list()
        elif not sees_ours:
            raise web.HTTPError(403)
        if sees_ours:
            models += [_model(live) for live in self.terminals.every()]
        self.finish(json.dumps(models))


class ModelHandler(_Handler):
    """``api/terminals/{name}`` of a session."""

    @web.authenticated
    async def get(self, name: str) -> None:
        """Return it."""
        await self._check("read")
        self.finish(json.dumps(_model(self.require(name))))

    @web.authenticated
    async def delete(self, name: str) -> None:
        """Detach those who came this way."""
        await self._check("execute")
        self.require(name)
        await self.terminals.detach(name)
        self.set_status(204)
        self.finish()

    async def _check(self, action: str) -> None:
        if not await self.may(action, _SESSION):
            raise web.HTTPError(403, f"Not authorized to {action} {_SESSION}.")


class PanelHandler(TerminalHandler, _Handler):
    """``terminals/websocket/{name}`` of a session, in terminado's protocol."""

    name = ""

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Speak the one protocol that is spoken here."""
        return None

    def check_request(self) -> None:
        """Have a terminal that is none refused before the protocol is switched, as Jupyter does."""
        self.require(self.path_args[0])

    def open(self, identifier: str) -> None:  # type: ignore[override]
        """Attach."""
        self.name = identifier
        self.terminals.enter(self)
        super().open(identifier)

    def on_close(self) -> None:
        """Detach."""
        self.terminals.leave(self)
        super().on_close()

    async def let_go(self) -> None:
        """Tell the client that it is over, and close."""
        try:
            async with asyncio.timeout(_LET_GO_S):
                await self._dialect.tell_closed(None)
        except (TimeoutError, WebSocketClosedError):
            log.info("A terminal panel that does not read is let go without being told.")
        if self._attachment is not None:
            self._attachment.detach()
        self.close(1000)

    def make_dialect(self) -> Dialect:
        """Return terminado's."""
        return TerminadoDialect(self._send_frame)

    async def find_or_start(self, identifier: str) -> LiveSession:
        """Return the session; here none is started."""
        live = self.terminals.find(identifier)
        if live is None:
            raise SessionNotRunning("The project has no live session.")
        return live


def _model(live: LiveSession) -> dict[str, str]:
    return {"name": name_of(live.project), "last_activity": live.terminal.active_at.isoformat().replace("+00:00", "Z")}
