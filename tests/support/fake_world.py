"""The world behind ``FakeApi``: projects, sessions, commands, questions, and what happens to them.

Time does not pass in it: it moves one step with every request for events, so that a test says exactly what happens
during a wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId

TRUST_SCREEN = "Do you trust the files in this folder?\n❯ 1. Yes, proceed\n  2. No, exit"


class FakeWorld:
    """All that a server of one user knows, as JSON has it; ``steps`` are what happens next."""

    def __init__(self) -> None:
        self.projects: dict[str, dict[str, Any]] = {}
        self.milestones: dict[str, dict[str, Any]] = {}
        self.commands: dict[str, dict[str, Any]] = {}
        self.sessions: dict[str, dict[str, Any]] = {}
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.gsd: dict[str, Any] = no_gsd()
        self.conversations: list[dict[str, Any]] = []  # every project's
        self.questions: dict[str, list[dict[str, Any]]] = {}
        self.steps: deque[Callable[[], None]] = deque()
        self.summary: dict[str, Any] = {}  # what the summary of every command has
        self.summary_of: dict[str, dict[str, Any]] = {}  # and what that of one command has besides
        self.changes: dict[str, Any] = {}  # what every milestone has changed
        self.held_elsewhere: dict[str, Any] | None = None  # the details, where another host's server has the projects
        self.changed_since = False  # whether a workspace was changed after a milestone's last command
        self.trusts = True
        self._seq = 0

    def happen(self, *steps: Callable[[], None]) -> None:
        """Append steps."""
        self.steps.extend(steps)

    def emit(self, project_id: str, type: str, **data: Any) -> None:
        """Append an event."""
        self._seq += 1
        event = {"seq": self._seq, "type": type, "data": data, "created_at": now_json()}
        self.events.setdefault(project_id, []).append(event)

    def set_session(self, project_id: str, state: str, **fields: Any) -> None:
        """Change the session, with its event."""
        session = self.sessions.setdefault(project_id, session_json(project_id))
        previous = session["state"]
        session.update({"state": state, "attention": None, "message": "", "screen": None, **fields})
        self.emit(project_id, "session_state", state=state, previous=previous)

    def set_command(self, command_id: str, status: str, **fields: Any) -> None:
        """Change a command, with its event."""
        command = self.commands[command_id]
        command.update({"status": status, **fields})
        self.emit(command["output_project_id"], f"command_{status}", command_id=command_id)

    def show_trust_screen(self, project_id: str) -> None:
        """The CLI asks whether the folder is trusted."""
        shown = {"kind": "trust", "message": "Claude Code asks for trust.", "screen": TRUST_SCREEN}
        self.set_session(project_id, "attention", attention=shown, screen=TRUST_SCREEN)

    def ask(self, project_id: str, *items: dict[str, Any], kind: str = "question", **fields: Any) -> dict[str, Any]:
        """Claude asks: the session waits, and an answer lets it go on."""
        full = [{"header": "", "multi_select": False, "free_text": kind == "question", **item} for item in items]
        question = {
            "id": str(ObjectId()),
            "output_project_id": project_id,
            "kind": kind,
            "title": fields.pop("title", full[0]["question"]),
            "items": full,
            "tool_name": None,
            "subject": "",
            "asked_at": now_json(),
            "answered_at": None,
            "answer": [],
            "answered_by": None,
            **fields,
        }
        self.questions.setdefault(project_id, []).append(question)
        self.emit(project_id, "question", question_id=question["id"], kind=kind, title=question["title"])
        self.set_session(project_id, "waiting", screen="a menu")
        return question

    def only_command(self) -> str:
        """Return the id of the latest command."""
        return next(reversed(self.commands))

    def accept(self, **fields: Any) -> Callable[[], None]:
        """Return the step in which the latest command is accepted and its milestone in progress."""

        def step() -> None:
            command = self.commands[self.only_command()]
            self.set_command(
                command["id"], "accepted", **{"delivering_at": now_json(), "accepted_at": now_json(), **fields}
            )
            self.set_session(command["output_project_id"], "busy")
            if command["milestone_id"]:
                self.milestones[command["milestone_id"]]["status"] = "in_progress"

        return step

    def end(self, status: str = "completed", **fields: Any) -> Callable[[], None]:
        """Return the step in which the latest command ends, and the session is idle."""

        def step() -> None:
            command = self.commands[self.only_command()]
            self.set_command(command["id"], status, **fields)
            self.set_session(command["output_project_id"], "idle")

        return step

    def start(self, project_id: str) -> None:
        """Start the session, unless one lives; a folder that is not trusted is asked about."""
        if self.sessions[project_id]["state"] in ("stopped", "exited"):
            self.set_session(project_id, "starting", pid=4711, started_at=now_json())
            if self.trusts or self.projects[project_id]["options"]["trust"]:
                self.set_session(project_id, "idle")
            else:
                self.show_trust_screen(project_id)

    def queue(self, project_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """Queue a command and return it; one with an id that is there is returned as it is."""
        identifier = body.get("id") or str(ObjectId())
        if identifier not in self.commands:
            fields = ("outcome", "missing", "last_message", "prompt_id", "claude_session_id", "error")
            times = ("delivering_at", "accepted_at", "completed_at", "taken_back_at")
            self.commands[identifier] = {
                **dict.fromkeys((*fields, *times)),
                "id": identifier,
                "output_project_id": project_id,
                "text": body["text"],
                "seq": len(self.commands) + 1,
                "milestone_id": body.get("milestone_id"),
                "status": "queued",
                "created_at": now_json(),
            }
            self.emit(project_id, "command_queued", command_id=identifier)
        return self.commands[identifier]


def no_gsd() -> dict[str, Any]:
    """Return what a server says of a folder without GSD."""
    return {
        "installed": False,
        "layout": None,
        "version": None,
        "commands": [],
        "progress": {"has_project": False, "phases": [], "phases_done": 0, "a_field_of_tomorrow": 1},
        "next": None,
        "reached": None,
        "warning": None,
    }


def session_json(project_id: str) -> dict[str, Any]:
    """Return a session that was never started."""
    return {
        "project_id": project_id,
        "state": "stopped",
        "claude_session_id": None,
        "pid": None,
        "started_at": None,
        "exit_code": None,
        "clients": 0,
        "rows": None,
        "cols": None,
        "queued": 0,
        "limited_until": None,
        "background": [],
        "attention": None,
        "message": "",
        "screen": None,
    }


def now_json() -> str:
    """Return the time as JSON has it."""
    return datetime.now(UTC).isoformat()
