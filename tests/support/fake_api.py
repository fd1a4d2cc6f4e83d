"""The REST API in memory: what a kernel meets, when the subject is the kernel's side and not the server's.

It keeps the promises of the wire format (ids, statuses, reasons) and nothing else. Time does not pass in it: the world
moves one step with every request for events, so that a test says exactly what happens during a wait.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from bson import ObjectId

from wxcode_jupyter.client.transport import API_PATH

TOKEN = "a-token-that-never-shows"
TRUST_SCREEN = "Do you trust the files in this folder?\n❯ 1. Yes, proceed\n  2. No, exit"
OUTPUT = b"\x1b[31mred\x1b[0m \xff"
Answer = tuple[int, Any]


class FakeApi:
    """A server of one user; ``steps`` are what happens next, one with each request for events."""

    def __init__(self) -> None:
        self.projects: dict[str, dict[str, Any]] = {}
        self.milestones: dict[str, dict[str, Any]] = {}
        self.commands: dict[str, dict[str, Any]] = {}
        self.sessions: dict[str, dict[str, Any]] = {}
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.gsd: dict[str, Any] = no_gsd()
        self.questions: dict[str, list[dict[str, Any]]] = {}
        self.steps: deque[Callable[[], None]] = deque()
        self.requests: list[tuple[str, str, Any]] = []
        self.queries: list[str] = []  # paths with their queries
        self.headers: list[dict[str, str]] = []
        self.failures: deque[Answer | Exception] = deque()
        self.summary: dict[str, Any] = {}  # what the summary of every command has
        self.summary_of: dict[str, dict[str, Any]] = {}  # and what that of one command has besides
        self.changes: dict[str, Any] = {}  # what every milestone has changed
        self.changed_since = False  # whether a workspace was changed after a milestone's last command
        self.trusts = True
        self.base_path = "/" + API_PATH
        self.store_url = "sqlite:////nowhere/wxcode.sqlite3"
        self.store_kind = "embedded"
        self._seq = 0

    # -- carriers -------------------------------------------------------------------------------------------------

    def transport(self) -> httpx.MockTransport:
        """Carry a client's requests to this object."""

        def handle(request: httpx.Request) -> httpx.Response:
            self.headers.append(dict(request.headers))
            if self.failures:
                failure = self.failures.popleft()
                if isinstance(failure, Exception):
                    raise failure
                return httpx.Response(failure[0], json=failure[1])
            body = json.loads(request.content) if request.content else None
            status, answer = self.answer(request.method, str(request.url), body)
            return (
                httpx.Response(status, content=answer)
                if isinstance(answer, str | bytes)
                else httpx.Response(status, json=answer)
            )

        return httpx.MockTransport(handle)

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Serve on loopback, with the token required, for a kernel in another process; yield the URL."""
        api, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def _handle(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                with lock:
                    if self.headers.get("Authorization") == f"token {TOKEN}":
                        status, answer = api.answer(self.command, self.path, body)
                    else:
                        status, answer = 403, {"message": "Forbidden"}
                payload = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            do_GET = do_POST = do_PATCH = do_DELETE = _handle  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    # -- what happens ---------------------------------------------------------------------------------------------

    def happen(self, *steps: Callable[[], None]) -> None:
        """Append steps."""
        self.steps.extend(steps)

    def emit(self, project_id: str, type: str, **data: Any) -> None:
        """Append an event."""
        self._seq += 1
        event = {"seq": self._seq, "type": type, "data": data, "created_at": _now()}
        self.events.setdefault(project_id, []).append(event)

    def set_session(self, project_id: str, state: str, **fields: Any) -> None:
        """Change the session, with its event."""
        session = self.sessions.setdefault(project_id, _session(project_id))
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
            "asked_at": _now(),
            "answered_at": None,
            "answer": [],
            "answered_by": None,
            **fields,
        }
        self.questions.setdefault(project_id, []).append(question)
        self.emit(project_id, "question", question_id=question["id"], kind=kind, title=question["title"])
        self.set_session(project_id, "waiting", screen="a menu")
        return question

    def _answer_question(self, identifier: str, body: dict[str, Any]) -> Answer:
        found = [each for asked in self.questions.values() for each in asked if each["id"] == identifier]
        if not found:
            return _missing("question")
        question = found[0]
        if question["answered_at"]:
            return 409, {"message": "It is answered already.", "reason": "already_answered", "details": {}}
        labels = [option["label"] for item in question["items"] for option in item["options"]]
        choices = body.get("choices") or []
        if any(isinstance(choice, str) and choice not in labels for choice in choices):
            return 400, {"message": f"There is {labels}.", "reason": "invalid_body", "details": {"field": "choices"}}
        answer = [str(choice) for choice in choices] or [body["text"]]
        question.update(answer=answer, answered_at=_now(), answered_by=body["by"])
        self.emit(
            question["output_project_id"],
            "answered",
            title=question["title"],
            answer=question["answer"],
            answered_by=body["by"],
        )
        self.set_session(question["output_project_id"], "busy")
        return 200, question

    def only_command(self) -> str:
        """Return the id of the latest command."""
        return next(reversed(self.commands))

    def accept(self, **fields: Any) -> Callable[[], None]:
        """Return the step in which the latest command is accepted and its milestone in progress."""

        def step() -> None:
            command = self.commands[self.only_command()]
            self.set_command(command["id"], "accepted", **{"accepted_at": _now(), **fields})
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

    # -- the routes -----------------------------------------------------------------------------------------------

    def answer(self, method: str, url: str, body: Any) -> Answer:
        """Answer one request: status and JSON, or text."""
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        if not parts.path.startswith(self.base_path):
            return 404, {"message": "Not Found"}
        path = parts.path.removeprefix(self.base_path).split("/")
        self.requests.append((method, "/".join(path), body))
        self.queries += [parts.path + "?" + parts.query] if parts.query else []
        match (method, path):
            case ("GET", ["info"]):
                return 200, self._info()
            case ("GET", ["doctor"]):
                ok = {"name": "cli", "ok": True, "detail": "2.1.330", "remedy": ""}
                bad = {"name": "gsd", "ok": False, "detail": "not installed", "remedy": "npx @opengsd/gsd-core"}
                soon = {"name": "trust", "ok": False, "detail": "not asked", "remedy": "trust it", "to_do": True}
                return 200, {"checks": [ok, bad, soon]}
            case ("GET", ["output-projects"]):
                return 200, _page("projects", self._filtered(self.projects, query, "name", "workspace_path"), query)
            case ("POST", ["output-projects"]):
                return self._create_project(body)
            case ("POST", ["milestones"]):
                return self._create_milestone(body)
            case ("GET", ["milestones"]):
                found = self._filtered(self.milestones, query, "output_project_id", "status")
                return 200, _page("milestones", [{**item, "context": None} for item in found], query)
            case (_, ["milestones", identifier, *rest]):
                if identifier not in self.milestones:
                    return _missing("milestone")
                return self._milestone(method, self.milestones[identifier], rest, body)
            case ("GET", ["commands", identifier, "summary"]):
                told = {**self.summary, **self.summary_of.get(identifier, {})}
                return 200, {"command": self.commands[identifier], "usage": None, **told}
            case ("GET", ["commands", identifier]):
                return (200, self.commands[identifier]) if identifier in self.commands else _missing("command")
            case ("POST", ["questions", identifier, "answer"]):
                return self._answer_question(identifier, body)
            case (_, ["output-projects", identifier, *rest]):
                if identifier not in self.projects:
                    return _missing("project")
                return self._project(method, self.projects[identifier], rest, body, query)
        return 404, {"message": "Not Found"}

    def _info(self) -> dict[str, Any]:
        return {
            "version": "0",
            "store_url": self.store_url,
            "store_kind": self.store_kind,
            "workspace_root": "/w",
            "pid": 1,
            "headless": False,
            "a_field_of_tomorrow": True,
        }

    def _create_project(self, body: dict[str, Any]) -> Answer:
        if body["id"] in self.projects:
            return 201, self.projects[body["id"]]
        if any(item["name"] == body["name"] for item in self.projects.values()):
            return 409, {"message": f"{body['name']} is taken.", "reason": "name_taken", "details": {}}
        options: dict[str, Any] = {"permission_mode": None, "model": None, "claude_args": [], "trust": False}
        project = {
            "id": body["id"],
            "name": body["name"],
            "workspace_path": body.get("workspace_path") or f"/w/{body['name']}",
            "status": "created",
            "claude_session_id": None,
            "kb_id": body.get("kb_id"),
            "stack_id": None,
            "configuration_id": None,
            "options": {key: body.get(key, default) for key, default in options.items()},
            "created_at": _now(),
            "updated_at": _now(),
        }
        self.projects[project["id"]] = project
        self.sessions[project["id"]] = _session(project["id"])
        return 201, project

    def _create_milestone(self, body: dict[str, Any]) -> Answer:
        if body["id"] not in self.milestones:
            fields = ("element_id", "wxcode_version", "milestone_folder_name", "context", "completed_at")
            self.milestones[body["id"]] = {
                **{key: body.get(key) for key in fields},
                "id": body["id"],
                "output_project_id": body["output_project_id"],
                "element_name": body["element_name"],
                "status": "pending",
                "created_at": _now(),
                "updated_at": _now(),
            }
        return 201, self.milestones[body["id"]]

    def _milestone(self, method: str, milestone: dict[str, Any], rest: list[str], body: Any) -> Answer:
        match (method, rest):
            case ("GET", []):
                return 200, milestone
            case ("POST", ["rewind"]) if not body["yes"] and self.changed_since:
                return 409, {"message": "a.txt changed.", "reason": "changed_since", "details": {"files": ["a.txt"]}}
            case ("POST", ["rewind"]):
                milestone["status"] = "pending"
                for command in self.commands.values():
                    command["taken_back_at"] = _now()
                saved = {"checkpoint": "refs/wxcode/m/1", "saved": "refs/wxcode/m/rewind-1", "claude_session_id": "s-2"}
                told = {"restored": 2, "removed": 1, "taken_back": ["letters"]}
                return 200, {"milestone_id": milestone["id"], **told, **saved}
            case ("POST", ["fork"]):
                made = {"project_id": str(ObjectId()), "copy_id": str(ObjectId()), "claude_session_id": "s-3"}
                folder = body.get("workspace_path") or f"/w/{body['name']}"
                told = {"milestone_id": milestone["id"], "checkpoint": "refs/wxcode/m/1", "name": body["name"]}
                return 201, {**told, **made, "workspace_path": folder, "note": ""}
            case ("GET", ["changes"]):
                none: dict[str, Any] = {
                    "checkpoint": None,
                    "reason": "The workspace is in no git repository.",
                    "files": [],
                }
                return 200, {"milestone_id": milestone["id"], **(self.changes or none)}
            case ("PATCH", []):
                milestone.update(body, completed_at=_now())
                return 200, milestone
            case ("DELETE", []):
                del self.milestones[milestone["id"]]
                return 204, ""
            case ("POST", ["prepare"]):
                path = f".milestones/{milestone['id']}/MILESTONE-CONTEXT.md"
                return 200, {"context_path": path, "milestone_id": milestone["id"], "bytes": 7}
            case ("POST", ["start"]):
                own = [item for item in self.commands.values() if item["milestone_id"] == milestone["id"]]
                own = [item for item in own if not item["taken_back_at"]]
                taken = [item for item in own if item["accepted_at"] or item["status"] in ("queued", "delivering")]
                if taken or milestone["status"] != "pending":
                    return 409, {"message": "It has started.", "reason": "already_started"}
                text = f"/gsd:new-milestone .milestones/{milestone['id']}/MILESTONE-CONTEXT.md"
                self._start(milestone["output_project_id"])
                return self._queue(
                    milestone["output_project_id"],
                    {"id": body.get("id"), "text": text, "milestone_id": milestone["id"]},
                )
        return 404, {"message": "Not Found"}

    def _project(
        self, method: str, project: dict[str, Any], rest: list[str], body: Any, query: dict[str, list[str]]
    ) -> Answer:
        identifier = project["id"]
        match (method, rest):
            case ("GET", []):
                return 200, project
            case ("PATCH", []):
                project["options"].update({k: v for k, v in body.items() if k in project["options"]})
                return 200, project
            case ("DELETE", []):
                del self.projects[identifier]
                return 204, ""
            case ("GET", ["session"]):
                return 200, self.sessions[identifier]
            case ("POST", ["session"]):
                if (body or {}).get("now"):
                    self.set_session(identifier, self.sessions[identifier]["state"], limited_until=None)
                self._start(identifier)
                return 200, self.sessions[identifier]
            case ("DELETE", ["session"]):
                self.set_session(identifier, "stopped", pid=None)
                return 200, self.sessions[identifier]
            case ("POST", ["session", "interrupt"]):
                self.set_session(identifier, "idle")
                return 200, self.sessions[identifier]
            case ("POST", ["session", "trust"]):
                if (self.sessions[identifier]["attention"] or {}).get("kind") != "trust":
                    return 409, {"message": "No trust screen.", "reason": "attention_needed"}
                self.trusts = True
                self.set_session(identifier, "idle")
                return 200, self.sessions[identifier]
            case ("POST", ["commands"]):
                self._start(identifier)
                return self._queue(identifier, body)
            case ("GET", ["commands"]):
                own = {key: item for key, item in self.commands.items() if item["output_project_id"] == identifier}
                return 200, _page("commands", self._filtered(own, query, "status", "milestone_id"), query)
            case ("GET", ["gsd"]):
                return 200, self.gsd
            case ("POST", ["gsd", "init"]):
                return self._init(identifier, body["brief"])
            case ("GET", ["questions"]):
                asked = self.questions.get(identifier, [])
                return 200, {"questions": asked, "total": len(asked)}
            case ("GET", ["events"]):
                return 200, self._events(identifier, int(query["after"][0]), int(query.get("limit", ["1000"])[0]))
            case ("GET", ["screen" | "output" | "recording"]) if self.sessions[identifier]["state"] == "stopped":
                return 409, {"message": "No session: `%wxmilestone resume`.", "reason": "session_not_running"}
            case ("GET", ["output"]):
                return 200, OUTPUT
            case ("GET", ["recording"]):
                return 200, b'{"version": 2}'
            case ("GET", ["screen"]) if self.headers and self.headers[-1]["accept"] == "text/html":
                return 200, '<pre><span style="color:red">red</span></pre>'
            case ("GET", ["screen"]):
                return 200, self.sessions[identifier]["screen"] or "❯ \x1b[31mred\x1b[0m"
        return 404, {"message": "Not Found"}

    def _init(self, project_id: str, brief: str) -> Answer:
        digest = hashlib.sha256(brief.rstrip().encode()).hexdigest()[:24]
        if digest not in self.commands and self.gsd["progress"]["has_project"]:
            return 409, {"message": "There is a PROJECT.md already.", "reason": "already_initialized"}
        self._start(project_id)
        return self._queue(project_id, {"id": digest, "text": f"/gsd:new-project @{digest}.md --auto"})

    def _start(self, project_id: str) -> None:
        if self.sessions[project_id]["state"] in ("stopped", "exited"):
            self.set_session(project_id, "starting", pid=4711, started_at=_now())
            if self.trusts or self.projects[project_id]["options"]["trust"]:
                self.set_session(project_id, "idle")
            else:
                self.show_trust_screen(project_id)

    def _queue(self, project_id: str, body: dict[str, Any]) -> Answer:
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
                "created_at": _now(),
            }
            self.emit(project_id, "command_queued", command_id=identifier)
        return 202, self.commands[identifier]

    def _events(self, project_id: str, after: int, limit: int) -> dict[str, Any]:
        if self.steps:
            self.steps.popleft()()
        events = [event for event in self.events.get(project_id, []) if event["seq"] > after][:limit]
        return {"events": events, "last_seq": events[-1]["seq"] if events else after}

    @staticmethod
    def _filtered(items: dict[str, dict[str, Any]], query: dict[str, list[str]], *keys: str) -> list[dict[str, Any]]:
        return [item for item in items.values() if all(item[key] in query[key] for key in keys if key in query)]


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


def _page(key: str, items: list[dict[str, Any]], query: dict[str, list[str]]) -> dict[str, Any]:
    skip, limit = int(query["skip"][0]), int(query["limit"][0])
    return {key: items[skip : skip + limit], "total": len(items)}


def _session(project_id: str) -> dict[str, Any]:
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


def _missing(what: str) -> Answer:
    return 404, {"message": f"There is no such {what}.", "reason": "not_found", "details": {"what": what}}


def _now() -> str:
    return datetime.now(UTC).isoformat()
