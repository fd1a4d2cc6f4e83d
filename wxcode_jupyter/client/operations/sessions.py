"""The session of a project: its process, its terminal's screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...models import Conversation, SessionInfo
from .. import parse
from ..terminal import TerminalAddress
from ..values import Project
from .base import Operations, key_of


class SessionOperations(Operations):
    """Starts, interrupts and ends sessions, and looks at them."""

    def session(self, project: Project | str) -> SessionInfo:
        """Return the session as it is now; a project without one has state ``stopped``."""
        return self._session("GET", project)

    def start_session(
        self,
        project: Project | str,
        *,
        fresh: bool = False,
        now: bool = False,
        claude_session_id: str | None = None,
        force: bool = False,
    ) -> SessionInfo:
        """Start or resume the conversation, or return the live session; it may still be ``starting`` then.

        Args:
            project: Which.
            fresh: Begin a new conversation; the old id stays in the lineage.
            now: Send what a usage limit holds (``limited_until``) at once.
            claude_session_id: Go back to this conversation, one of ``conversations``; no session may live in another.
            force: Take the project from the server of another host, which may live and work on for a while: what it
                does is not recorded any more, but its Claude may still write files where both hosts have the folder.

        Raises:
            HeldElsewhere: Another server has it; where that is one of another host, ``silent_s`` is among the details.
        """
        options = {"fresh": fresh, "now": now, "force": force}
        body: dict[str, Any] = {name: True for name, given in options.items() if given}
        if claude_session_id is not None:
            body["claude_session_id"] = claude_session_id
        return self._session("POST", project, body=body, repeatable=not fresh)

    resume = start_session

    def conversations(self, project: Project | str) -> tuple[Conversation, ...]:
        """Return the project's history, oldest first: an entry for each time that a conversation became its own."""
        key = key_of(project)
        body = self._router.request("GET", f"output-projects/{key}/conversations", project_id=key)
        return parse.checked(
            lambda body: tuple(map(parse.conversation, body["conversations"])), body, "a project's conversations"
        )

    def stop(self, project: Project | str) -> SessionInfo:
        """End the session: politely, then SIGTERM, then SIGKILL. The conversation can be resumed."""
        return self._session("DELETE", project, repeatable=True)

    def interrupt(self, project: Project | str) -> SessionInfo:
        """Interrupt what Claude does, as Esc does; the session lives on. Where it does nothing, nothing happens."""
        return self._session("POST", project, "/interrupt")

    def screen(self, project: Project | str, *, accept: str = "text/plain") -> str:
        """Return what the terminal shows now; ``accept`` may ask for ``text/html`` or ``text/x-ansi``."""
        key = key_of(project)
        return self._router.read_text(f"output-projects/{key}/screen", project_id=key, accept=accept)

    def output(self, project: Project | str) -> bytes:
        """Return what is kept of all that the live session's terminal printed, as it was printed.

        Raises:
            SessionNotRunning: No session lives; the output goes with it.
        """
        key = key_of(project)
        return self._router.read_bytes(f"output-projects/{key}/output", project_id=key)

    def recording(self, project: Project | str) -> bytes:
        """Return the same with its times, as an asciicast v2 (for asciinema and its players). Raises as ``output``."""
        key = key_of(project)
        return self._router.read_bytes(f"output-projects/{key}/recording", project_id=key)

    def terminal(self, project: Project | str, *, observer: bool = False) -> TerminalAddress:
        """Return where the terminal of a project is: at the server that holds its session, once there is one."""
        self.session(project)
        key = key_of(project)
        return TerminalAddress(self._router.endpoint(key), f"output-projects/{key}/terminal", observer=observer)

    def _session(
        self,
        method: str,
        project: Project | str,
        action: str = "",
        *,
        body: Mapping[str, Any] | None = None,
        repeatable: bool = False,
    ) -> SessionInfo:
        key = key_of(project)
        path = f"output-projects/{key}/session{action}"
        answer = self._router.request(method, path, project_id=key, body=body, repeatable=repeatable)
        return parse.checked(lambda body: parse.session(body, key), answer, "a session")
