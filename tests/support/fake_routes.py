"""The routes of ``FakeApi``: they keep the promises of the wire format (ids, statuses, reasons) and nothing else."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bson import ObjectId

from tests.support.fake_world import FakeWorld, now_json, session_json
from wxcode_jupyter.client.transport import API_PATH

OUTPUT = b"\x1b[31mred\x1b[0m \xff"
Answer = tuple[int, Any]


class FakeRoutes(FakeWorld):
    """Answers requests out of the world, and changes it."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[tuple[str, str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.queries: list[str] = []  # paths with their queries
        self.base_path = "/" + API_PATH
        self.store_url = "sqlite:////nowhere/wxcode.sqlite3"
        self.store_kind = "embedded"

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
            case ("DELETE", ["commands", identifier]):
                return self._withdraw(self.commands[identifier]) if identifier in self.commands else _missing("command")
            case ("POST", ["questions", identifier, "answer"]):
                return self._answer_question(identifier, body)
            case ("GET", ["output-projects", identifier, "export"]) if identifier in self.projects:
                return 200, b"PK, and so on"
            case ("POST", ["imports"]):
                return self._import(query)
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

    def _import(self, query: dict[str, list[str]]) -> Answer:
        name, folder = query.get("name", ["exported"])[0], query.get("workspace_path", [None])[0]
        status, made = self._create_project({"id": str(ObjectId()), "name": name, "workspace_path": folder})
        if status != 201:
            return status, made
        told = {"project_id": made["id"], "name": name, "workspace_path": made["workspace_path"]}
        left = {"permission_mode": "bypassPermissions", "claude_args": ["--add-dir", "a b"], "trust": True}
        return 201, {**told, "claude_session_id": "s-1", "conversations": 2, "milestones": 3, "commands": 4} | {
            "left_out": left
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
            "created_at": now_json(),
            "updated_at": now_json(),
        }
        self.projects[project["id"]] = project
        self.sessions[project["id"]] = session_json(project["id"])
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
                "created_at": now_json(),
                "updated_at": now_json(),
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
                    command["taken_back_at"] = now_json()
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
                milestone.update(body, completed_at=now_json())
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
                self.start(milestone["output_project_id"])
                queued = {"id": body.get("id"), "text": text, "milestone_id": milestone["id"]}
                return 202, self.queue(milestone["output_project_id"], queued)
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
            case ("POST", ["session"]) if self.held_elsewhere and not (body or {}).get("force"):
                return 409, {"message": "Held there.", "reason": "held_elsewhere", "details": self.held_elsewhere}
            case ("POST", ["session"]):
                if (body or {}).get("now"):
                    self.set_session(identifier, self.sessions[identifier]["state"], limited_until=None)
                self.start(identifier)
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
                self.start(identifier)
                return 202, self.queue(identifier, body)
            case ("GET", ["commands"]):
                own = {key: item for key, item in self.commands.items() if item["output_project_id"] == identifier}
                return 200, _page("commands", self._filtered(own, query, "status", "milestone_id"), query)
            case ("GET", ["gsd"]):
                return 200, self.gsd
            case ("POST", ["gsd", "init"]):
                return self._init(identifier, body["brief"])
            case ("GET", ["conversations"]):
                return 200, {"conversations": self.conversations}
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
        question.update(answer=answer, answered_at=now_json(), answered_by=body["by"])
        self.emit(
            question["output_project_id"],
            "answered",
            title=question["title"],
            answer=question["answer"],
            answered_by=body["by"],
        )
        self.set_session(question["output_project_id"], "busy")
        return 200, question

    def _init(self, project_id: str, brief: str) -> Answer:
        digest = hashlib.sha256(brief.rstrip().encode()).hexdigest()[:24]
        if digest not in self.commands and self.gsd["progress"]["has_project"]:
            return 409, {"message": "There is a PROJECT.md already.", "reason": "already_initialized"}
        self.start(project_id)
        return 202, self.queue(project_id, {"id": digest, "text": f"/gsd:new-project @{digest}.md --auto"})

    def _withdraw(self, command: dict[str, Any]) -> Answer:
        if command["status"] != "queued":
            details = {"command_id": command["id"], "status": command["status"]}
            return 409, {"message": "It does not wait.", "reason": "not_queued", "details": details}
        command.update(status="interrupted", error="It was withdrawn.", completed_at=now_json())
        return 200, command

    def _events(self, project_id: str, after: int, limit: int) -> dict[str, Any]:
        if self.steps:
            self.steps.popleft()()
        events = [event for event in self.events.get(project_id, []) if event["seq"] > after][:limit]
        return {"events": events, "last_seq": events[-1]["seq"] if events else after}

    @staticmethod
    def _filtered(items: dict[str, dict[str, Any]], query: dict[str, list[str]], *keys: str) -> list[dict[str, Any]]:
        return [item for item in items.values() if all(item[key] in query[key] for key in keys if key in query)]


def _page(key: str, items: list[dict[str, Any]], query: dict[str, list[str]]) -> dict[str, Any]:
    skip, limit = int(query["skip"][0]), int(query["limit"][0])
    return {key: items[skip : skip + limit], "total": len(items)}


def _missing(what: str) -> Answer:
    return 404, {"message": f"There is no such {what}.", "reason": "not_found", "details": {"what": what}}
