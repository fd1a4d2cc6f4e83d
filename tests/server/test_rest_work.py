"""Sessions, commands and milestones over REST, with every kind of mistake."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.server.api import UNKNOWN_ID, Api, install_gsd
from tests.support.job import alive, until
from tests.support.server import WxServer

NewProject = Callable[..., dict[str, Any]]


def new_milestone(api: Api, project: dict[str, Any], name: str = "one", **fields: Any) -> dict[str, Any]:
    body = {"output_project_id": project["id"], "element_name": name, **fields}
    return api.json("POST", "/milestones", 201, json=body)


class TestSessions:
    def test_a_session_from_its_start_to_its_end(self, api: Api, path: str) -> None:
        session = f"{path}/session"
        assert api.json("GET", session)["state"] == "stopped"

        started = api.json("POST", session)
        assert started["state"] == "starting"
        assert (started["rows"], started["cols"]) == (40, 120)
        os.kill(started["pid"], 0)
        assert api.json("POST", session, json={})["pid"] == started["pid"]
        api.refused("POST", session, 409, "session_alive", json={"fresh": True})

        ended = api.json("DELETE", session)
        assert (ended["state"], ended["pid"], ended["exit_code"]) == ("exited", None, -15)
        assert api.json("DELETE", session)["state"] == "exited"
        until(lambda: not alive(started["pid"]), what="the process to be gone")

        assert api.json("POST", session)["pid"] != started["pid"]

    def test_without_a_session(self, api: Api, path: str) -> None:
        for method, route in [("POST", "interrupt"), ("POST", "trust")]:
            error = api.refused(method, f"{path}/session/{route}", 409, "session_not_running")
            assert "resume" in error["message"]
        api.refused("GET", f"{path}/screen", 409, "session_not_running")
        assert api.json("DELETE", f"{path}/session")["state"] == "stopped"

    def test_trust_without_a_trust_screen(self, api: Api, path: str) -> None:
        api.json("POST", f"{path}/session")

        error = api.refused("POST", f"{path}/session/trust", 409, "attention_needed")

        assert "screen" in error["details"]

    def test_too_many(self, other_server: WxServer) -> None:
        with Api(other_server) as api:
            first = api.create_project("first")
            second = api.create_project("second")
            api.json("POST", f"/output-projects/{first['id']}/session")

            error = api.refused("POST", f"/output-projects/{second['id']}/session", 409, "too_many_sessions")
            assert "max_sessions" in error["message"]

            api.json("DELETE", f"/output-projects/{first['id']}/session")
            api.json("POST", f"/output-projects/{second['id']}/session")
            api.json("DELETE", f"/output-projects/{second['id']}/session")

    def test_too_many_at_once(self, other_server: WxServer) -> None:
        with Api(other_server) as api, ThreadPoolExecutor(5) as threads:
            routes = [f"/output-projects/{api.create_project(f'at once {n}')['id']}/session" for n in range(5)]
            statuses = sorted(response.status_code for response in threads.map(api.post, routes))
            for route in routes:
                api.json("DELETE", route)

        assert statuses == [200, 409, 409, 409, 409]

    def test_many_calls_give_one_process(self, api: Api, path: str) -> None:
        with ThreadPoolExecutor(10) as threads:
            started = list(threads.map(lambda _: api.json("POST", f"{path}/session")["pid"], range(30)))

        assert len(set(started)) == 1

    def test_a_folder_that_is_gone_is_made_again(self, api: Api, project: dict[str, Any], path: str) -> None:
        os.rmdir(project["workspace_path"])

        assert api.json("POST", f"{path}/session")["state"] == "starting"

    def test_a_folder_that_became_a_file(self, api: Api, project: dict[str, Any], path: str) -> None:
        os.rmdir(project["workspace_path"])
        Path(project["workspace_path"]).touch()

        api.refused("POST", f"{path}/session", 400, "invalid_path")

    @pytest.mark.parametrize("fresh", ["yes", 1, None])
    def test_fresh_is_a_boolean(self, fresh: Any, api: Api, path: str) -> None:
        error = api.refused("POST", f"{path}/session", 400, "invalid_body", json={"fresh": fresh})

        assert error["details"] == {"field": "fresh"}

    def test_a_new_conversation_and_an_earlier_one(self, api: Api, path: str) -> None:
        body = {"fresh": True, "claude_session_id": "11111111-2222-4333-8444-555555555555"}
        assert "only one" in api.refused("POST", f"{path}/session", 400, "invalid_body", json=body)["message"]

    def test_the_way_back_to_what_was_never_the_projects_or_never_asked(self, api: Api, path: str) -> None:
        body = {"claude_session_id": "11111111-2222-4333-8444-555555555555"}
        assert "history" in api.refused("POST", f"{path}/session", 404, "not_found", json=body)["message"]
        assert api.get(f"{path}/conversations").json()["conversations"] == []


class TestCommands:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "invalid_body"),
            ("  \n ", "invalid_request"),
            ("a\x07b", "invalid_request"),
            ("a\x1b[201~b", "invalid_request"),
            ("x" * 65537, "invalid_request"),
            ("word " * 200_000, "invalid_request"),
            ("lone \ud800 surrogate", "invalid_request"),
            ("exit", "unsupported_command"),
            ("/clear everything", "unsupported_command"),
            ("/model opus", "unsupported_command"),
            (7, "invalid_body"),
            (None, "invalid_body"),
        ],
    )
    def test_texts_that_cannot_be_sent(self, text: Any, reason: str, api: Api, path: str) -> None:
        api.refused("POST", f"{path}/commands", 400, reason, content=json.dumps({"text": text}))

        assert api.json("GET", f"{path}/commands") == {"commands": [], "total": 0}
        assert api.json("GET", f"{path}/session")["state"] == "stopped"

    def test_a_command_waits_in_the_queue(self, api: Api, path: str) -> None:
        command = api.json("POST", f"{path}/commands", 202, json={"text": "do it\r\nnow "})

        assert command["text"] == "do it\nnow"
        assert command["status"] == "queued"
        assert api.json("GET", f"/commands/{command['id']}") == command
        session = api.json("GET", f"{path}/session")
        assert session["queued"] == 1
        assert session["pid"]

    def test_the_same_id_twice_is_one_command(self, api: Api, path: str) -> None:
        body = {"text": "once", "id": os.urandom(12).hex()}

        first, second = (api.json("POST", f"{path}/commands", 202, json=body) for _ in range(2))

        assert first == second
        assert first["id"] == body["id"]
        assert api.json("GET", f"{path}/commands")["total"] == 1

    def test_an_id_of_another_project_is_refused(self, api: Api, path: str, new_project: NewProject) -> None:
        body = {"text": "mine", "id": os.urandom(12).hex()}
        api.json("POST", f"{path}/commands", 202, json=body)

        other = new_project()
        api.refused("POST", f"/output-projects/{other['id']}/commands", 409, "conflict", json=body)

    def test_list(self, api: Api, project: dict[str, Any], path: str) -> None:
        milestone = new_milestone(api, project)
        sent = [
            api.json("POST", f"{path}/commands", 202, json={"text": f"{number}", **fields})
            for number, fields in enumerate([{}, {"milestone_id": milestone["id"]}, {}])
        ]

        def listed(**query: Any) -> list[str]:
            page = api.json("GET", f"{path}/commands", params=query)
            return [command["text"] for command in page["commands"]]

        assert listed() == ["0", "1", "2"]
        assert listed(skip=1, limit=1) == ["1"]
        assert listed(status="queued") == ["0", "1", "2"]
        assert listed(status=["completed", "failed"]) == []
        assert listed(milestone_id=milestone["id"]) == ["1"]
        assert [command["seq"] for command in sent] == sorted(command["seq"] for command in sent)
        error = api.refused("GET", f"{path}/commands", 400, "invalid_body", params={"status": "lost"})
        assert error["details"] == {"field": "status"}
        api.refused("GET", f"{path}/commands", 400, "invalid_id", params={"milestone_id": "x"})

    def test_what_waits_can_be_withdrawn(self, api: Api, path: str) -> None:
        command = api.json("POST", f"{path}/commands", 202, json={"text": "hello"})

        withdrawn = [api.json("DELETE", f"/commands/{command['id']}") for _ in range(2)]

        assert (withdrawn[0]["status"], withdrawn[0]["delivering_at"]) == ("interrupted", None)
        assert withdrawn[0] == withdrawn[1] == api.json("GET", f"/commands/{command['id']}")
        assert api.json("GET", f"{path}/session")["queued"] == 0
        api.refused("DELETE", f"/commands/{UNKNOWN_ID}", 404, "not_found")

    def test_a_milestone_of_another_project_is_refused(self, api: Api, path: str, new_project: NewProject) -> None:
        milestone = new_milestone(api, new_project())

        body = {"text": "x", "milestone_id": milestone["id"]}
        api.refused("POST", f"{path}/commands", 400, "invalid_body", json=body)
        body["milestone_id"] = UNKNOWN_ID
        api.refused("POST", f"{path}/commands", 404, "not_found", json=body)
        assert api.json("GET", f"{path}/commands")["total"] == 0


class TestMilestones:
    def test_a_milestone_from_its_making_to_its_end(self, api: Api, project: dict[str, Any]) -> None:
        milestone = new_milestone(api, project, "Orders", context="# Orders\n\nAll of them: é, ✓.\n")
        path = f"/milestones/{milestone['id']}"
        assert milestone["status"] == "pending"

        prepared = api.json("POST", f"{path}/prepare")
        relative = f".milestones/{milestone['id']}/MILESTONE-CONTEXT.md"
        assert prepared["context_path"] == relative
        written = Path(project["workspace_path"], relative).read_bytes()
        assert written.decode() == "# Orders\n\nAll of them: é, ✓.\n"
        assert prepared["bytes"] == len(written)

        completed = api.json("PATCH", path, json={"status": "completed"})
        assert completed["status"] == "completed"
        assert completed["completed_at"]
        assert api.json("PATCH", path, json={"status": "failed"})["status"] == "failed"
        api.refused("DELETE", path, 409, "not_pending")

    def test_delete_while_pending(self, api: Api, project: dict[str, Any]) -> None:
        milestone = new_milestone(api, project)

        assert api.delete(f"/milestones/{milestone['id']}").status_code == 204
        api.refused("GET", f"/milestones/{milestone['id']}", 404, "not_found")

    def test_the_same_request_again_does_nothing_twice(self, api: Api, project: dict[str, Any]) -> None:
        identifier = os.urandom(12).hex()

        made = [new_milestone(api, project, id=identifier) for _ in range(2)]

        assert made[0] == made[1]
        assert api.json("GET", "/milestones", params={"output_project_id": project["id"]})["total"] == 1

    def test_list(self, api: Api, project: dict[str, Any]) -> None:
        made = [new_milestone(api, project, name)["id"] for name in "abc"]
        api.json("PATCH", f"/milestones/{made[1]}", json={"status": "completed"})

        def listed(**query: Any) -> list[str]:
            page = api.json("GET", "/milestones", params={"output_project_id": project["id"], **query})
            return [milestone["id"] for milestone in page["milestones"]]

        assert listed() == made
        assert listed(status="pending") == [made[0], made[2]]
        assert listed(skip=2) == made[2:]
        api.refused("GET", "/milestones", 400, "invalid_body", params={"status": "lost"})
        api.refused("GET", "/milestones", 400, "invalid_id", params={"output_project_id": "x"})

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"element_name": ""}, "element_name"),
            ({"element_name": " "}, "element_name"),
            ({"element_id": "x"}, "element_id"),
            ({"context": "x" * (1024 * 1024 + 1)}, "context"),
            ({"context": "\ud800"}, "context"),
            ({"status": "pending"}, "status"),
        ],
    )
    def test_what_does_not_fit_is_named(
        self, fields: dict[str, Any], field: str, api: Api, project: dict[str, Any]
    ) -> None:
        body = {"output_project_id": project["id"], "element_name": "x", **fields}

        error = api.refused("POST", "/milestones", 400, "invalid_body", content=json.dumps(body))

        assert error["details"]["field"] == field
        assert api.json("GET", "/milestones", params={"output_project_id": project["id"]})["total"] == 0

    @pytest.mark.parametrize("status", ["pending", "in_progress", "done", None])
    def test_only_an_end_can_be_set(self, status: Any, api: Api, project: dict[str, Any]) -> None:
        milestone = new_milestone(api, project)

        error = api.refused("PATCH", f"/milestones/{milestone['id']}", 400, "invalid_body", json={"status": status})

        assert error["details"] == {"field": "status"}

    def test_a_project_that_does_not_exist(self, api: Api) -> None:
        body = {"output_project_id": UNKNOWN_ID, "element_name": "x"}
        api.refused("POST", "/milestones", 404, "not_found", json=body)

    def test_start_without_gsd_types_nothing(self, api: Api, project: dict[str, Any], path: str) -> None:
        milestone = new_milestone(api, project)

        error = api.refused("POST", f"/milestones/{milestone['id']}/start", 409, "gsd_missing")

        assert "npx" in error["message"]
        assert api.json("GET", f"{path}/session")["state"] == "stopped"
        assert api.json("GET", f"{path}/commands")["total"] == 0

    def test_start_is_once(self, api: Api, project: dict[str, Any], path: str) -> None:
        install_gsd(project)
        milestone = new_milestone(api, project)
        start = f"/milestones/{milestone['id']}/start"
        body = {"id": os.urandom(12).hex()}

        command = api.json("POST", start, 202, json=body)
        assert command["text"] == f"/gsd:new-milestone .milestones/{milestone['id']}/MILESTONE-CONTEXT.md"
        assert command["milestone_id"] == milestone["id"]

        assert api.json("POST", start, 202, json=body) == command
        error = api.refused("POST", start, 409, "already_started")
        assert error["details"]["command_id"] == command["id"]
        api.refused("DELETE", f"/milestones/{milestone['id']}", 409, "not_pending")
        assert api.json("GET", f"{path}/commands")["total"] == 1

    def test_start_without_a_plan_says_what_to_run(self, api: Api, project: dict[str, Any]) -> None:
        install_gsd(project)
        Path(project["workspace_path"], ".planning", "PROJECT.md").unlink()
        milestone = new_milestone(api, project)

        error = api.refused("POST", f"/milestones/{milestone['id']}/start", 409, "project_not_initialized")

        assert "new-project" in error["message"]


class TestEvidence:
    def test_changes_since_the_checkpoint_of_a_start(self, api: Api, project: dict[str, Any]) -> None:
        workspace = Path(project["workspace_path"])
        subprocess.run(["git", "init", "-q"], cwd=workspace, check=True)
        install_gsd(project)
        milestone = new_milestone(api, project)
        changes = f"/milestones/{milestone['id']}/changes"
        assert api.json("GET", changes)["reason"] == "The milestone has no checkpoint."
        api.json("POST", f"/milestones/{milestone['id']}/start", 202)
        (workspace / "made.txt").write_text("1\n2\n")

        found = api.json("GET", changes)

        assert found["checkpoint"] == f"refs/wxcode/{milestone['id']}/1"
        made = [item for item in found["files"] if item["path"] == "made.txt"]
        assert made == [{"path": "made.txt", "kind": "added", "added_lines": 2, "deleted_lines": 0}]
        (workspace / ".git" / "index").write_bytes(b"nonsense")
        api.refused("GET", changes, 409, "git_unavailable")

    def test_the_summary_of_a_command_that_was_not_accepted_yet(self, api: Api, path: str) -> None:
        command = api.json("POST", f"{path}/commands", 202, json={"text": "hello"})

        summary = api.json("GET", f"/commands/{command['id']}/summary")

        assert (summary["command"]["id"], summary["usage"]) == (command["id"], None)
        assert (summary["questions"], summary["warnings"]) == ([], [])
        assert [summary[name] for name in ("planning", "missing_still", "conversation_cost_usd")] == [None, None, None]
