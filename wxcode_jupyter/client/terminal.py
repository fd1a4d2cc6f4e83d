"""Where the terminal of a project is, for those who speak ``wxterm.v1``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .transport import API_PATH, Endpoint


@dataclass(frozen=True, slots=True)
class TerminalAddress:
    """One terminal's WebSocket, as this process reaches it and as a page of that server does.

    Attributes:
        endpoint: The server.
        route: Under the API.
        observer: Whether only to look on.
    """

    endpoint: Endpoint
    route: str
    observer: bool = False

    @property
    def url(self) -> str:
        """The address; the token is in ``headers``."""
        return "ws" + self.endpoint.api_url.removeprefix("http") + self._asked

    @property
    def headers(self) -> Mapping[str, str]:
        """What a connection of this process sends."""
        return {"Authorization": f"token {self.endpoint.token}"} if self.endpoint.token else {}

    @property
    def page_url(self) -> str:
        """The address relative to the base URL of the server, for a page that comes from it."""
        return API_PATH + self._asked

    @property
    def _asked(self) -> str:
        return self.route + ("?role=observer" if self.observer else "")
