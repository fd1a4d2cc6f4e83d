"""Projects, milestones, commands, events over REST, with every kind of mistake."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.server.api import UNKNOWN_ID, Api, install_gsd
from tests.server.routes import REQUESTS, Operation
from tests.support.server import WxServer
from wxcode_jupyter import __version__

NewProject = Callable[..., dict[str, Any]]


def new_milestone(api: Api, project: dict[str, Any], name: str = "one", **fields: Any) -> dict[str, Any]:
    body = {"output_project_id": project["id"], "element_name": name, **fields}
    return api.json("POST", "/milestones", 201, json=body)


class TestEveryRoute:
    @pytest.mark.parametrize("operation", [each for each in REQUESTS if "{id}" in each.pattern], ids=str)
    def test_ids_that_are_none(self, operation: Operation, api: Api) -> None:
        for bad in ("1", "0123456789ABCDEF01234567", "0" * 25, "%00", "..%2F..", "é"):
            api.refused(operation.method.upper(), operation.pattern.replace("{id}", bad), 400, "invalid_id")

    @pytest.mark.parametrize("operation", [each for each in REQUESTS if "{id}" in each.pattern], ids=str)
    def test_ids_that_nothing_has(self, operation: Operation, api: Api) -> None:
        body = {"/output-projects/{id}": {"name": "x"}, "/milestones/{id}": {"status": "failed"}}.get(operation.pattern)
        if operation.pattern.endswith("/commands"):
            body = {"text": "x"}

        api.refused(operation.method.upper(), operation.path, 404, "not_found", json=body or {})

    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"\xff\xfe",
            b'{"name": "x",}',
            b"[" * 100_000,
            b'{"name":' * 100_000,
            b"9" * 10_000,
        ],
        ids=["cut", "no UTF-8", "comma", "deep list", "deep object", "long number"],
    )
    def test_a_body_that_is_no_json(self, body: bytes, api: Api) -> None:
        error = api.refused("POST", "/output-projects", 400, "invalid_body", content=body)

        assert error["details"] == {"field": ""}

    @pytest.mark.parametrize("depth", [10, 300, 700, 900, 950, 990])
    def test_deep_json_in_a_field(self, depth: int, api: Api) -> None:
        nested = "[" * depth + "]" * depth
        api.refused("POST", "/output-projects", 400, "invalid_body", content=f'{{"name": {nested}}}')

    @pytest.mark.parametrize("body", ["[]", '"x"', "7", "null", "true", "[{}]"])
    def test_json_that_is_no_object(self, body: str, api: Api) -> None:
        api.refused("POST", "/output-projects", 400, "invalid_body", content=body)

    @pytest.mark.parametrize("path", ["/", "/nonsense", f"/output-projects/{UNKNOWN_ID}/nonsense", "/commands"])
    def test_routes_that_are_none(self, path: str, api: Api) -> None:
        for method in ("GET", "POST", "PATCH", "DELETE", "PUT"):
            api.refused(method, path, 404, "not_found")

    def test_methods_that_a_route_has_not(self, api: Api) -> None:
        response = api.put("/info", json={})

        assert response.status_code == 405
        assert response.json()["message"]

    @pytest.mark.parametrize("path", ["/output-projects", "/milestones"])
    @pytest.mark.parametrize(
        ("name", "value"), [("skip", "-1"), ("limit", "0"), ("limit", "1001"), ("limit", "x"), ("skip", "9" * 5000)]
    )
    def test_pages_that_cannot_be(self, path: str, name: str, value: str, api: Api) -> None:
        error = api.refused("GET", path, 400, "invalid_body", params={name: value})

        assert error["details"] == {"field": name}


class TestProjects:
    def test_a_project_gets_a_folder_of_its_own(self, server: WxServer, new_project: NewProject) -> None:
        project = new_project("Gestão de Pedidos")

        folder = server.folder / "workspaces" / "gestao-de-pedidos"
        assert project["workspace_path"] == str(folder.resolve())
        assert folder.is_dir()
        assert project["status"] == "created"
        assert project["claude_session_id"] is None
        assert project["options"] == {"permission_mode": None, "model": None, "claude_args": [], "trust": False}

    def test_all_that_can_be_given_comes_back(self, server: WxServer, api: Api, new_project: NewProject) -> None:
        given = {
            "id": "a" * 24,
            "kb_id": "b" * 24,
            "stack_id": "fastapi",
            "workspace_path": str(server.folder / "own" / "folder"),
        }
        options = {"permission_mode": "plan", "model": "opus", "claude_args": ["--add-dir", "/tmp"], "trust": True}

        project = new_project("full", **given, **options)

        assert {name: project[name] for name in given} == given
        assert project["options"] == options
        assert api.json("GET", f"/output-projects/{'a' * 24}") == project

    def test_the_same_request_again_does_nothing_twice(self, api: Api, new_project: NewProject) -> None:
        body = {"id": "c" * 24, "name": "again"}
        first = new_project(**body)

        assert api.json("POST", "/output-projects", 201, json=body)["id"] == first["id"]
        assert api.json("GET", "/output-projects", params={"name": "again"})["total"] == 1

    def test_names_and_folders_are_unique(self, api: Api, new_project: NewProject) -> None:
        first = new_project("taken")

        api.refused("POST", "/output-projects", 409, "name_taken", json={"name": "taken"})
        body = {"name": "other", "workspace_path": first["workspace_path"]}
        api.refused("POST", "/output-projects", 409, "folder_taken", json=body)
        api.refused("POST", "/output-projects", 409, "folder_taken", json={"name": "Taken!"})  # the same slug

    def test_one_folder_has_many_spellings(self, server: WxServer, api: Api, new_project: NewProject) -> None:
        first = new_project("real")
        link = server.folder / "link-to-real"
        link.symlink_to(first["workspace_path"])

        body = {"name": "by link", "workspace_path": f"{link}/../real/."}
        api.refused("POST", "/output-projects", 409, "folder_taken", json=body)

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({}, "name"),
            ({"name": ""}, "name"),
            ({"name": "   "}, "name"),
            ({"name": "two\nlines"}, "name"),
            ({"name": "x" * 201}, "name"),
            ({"name": 7}, "name"),
            ({"name": None}, "name"),
            ({"name": "lone \ud800 surrogate"}, "name"),
            ({"name": "x", "nonsense": 1}, "nonsense"),
            ({"name": "x", "claude_session_id": "y"}, "claude_session_id"),
            ({"name": "x", "status": "active"}, "status"),
            ({"name": "x", "id": "1"}, "id"),
            ({"name": "x", "kb_id": "z" * 24}, "kb_id"),
            ({"name": "x", "permission_mode": "yolo"}, "permission_mode"),
            ({"name": "x", "model": "--resume"}, "model"),
            ({"name": "x", "model": ""}, "model"),
            ({"name": "x", "stack_id": "\udfff"}, "stack_id"),
            ({"name": "x", "trust": "yes"}, "trust"),
            ({"name": "x", "claude_args": "--debug"}, "claude_args"),
            ({"name": "x", "claude_args": [7]}, "claude_args.0"),
            ({"name": "x", "claude_args": ["--resume", "id"]}, "claude_args"),
            ({"name": "x", "claude_args": ["--settings={}"]}, "claude_args"),
            ({"name": "x", "claude_args": ["-p"]}, "claude_args"),
            ({"name": "x", "claude_args": ["--dangerously-skip-permissions"]}, "claude_args"),
            ({"name": "x", "claude_args": ["do this"]}, "claude_args"),
            ({"name": "x", "claude_args": ["--add-dir", "a\0b"]}, "claude_args"),
        ],
    )
    def test_what_does_not_fit_is_named(self, fields: dict[str, Any], field: str, server: WxServer, api: Api) -> None:
        before = sorted(os.listdir(server.folder / "workspaces"))

        error = api.refused("POST", "/output-projects", 400, "invalid_body", content=json.dumps(fields))

        assert error["details"]["field"] == field
        assert sorted(os.listdir(server.folder / "workspaces")) == before

    @pytest.mark.parametrize(
        "outside", ["relative", "/", "/etc/wx", "~/../../../etc", "a\0b", "/proc/self/root/etc/wx"]
    )
    def test_folders_outside_the_roots_are_refused(self, outside: str, api: Api) -> None:
        error = api.refused(
            "POST", "/output-projects", 400, "invalid_path", json={"name": "outside", "workspace_path": outside}
        )

        assert error["message"]
        assert api.json("GET", "/output-projects", params={"name": "outside"})["total"] == 0

    def test_change(self, api: Api, path: str) -> None:
        changes = {"name": "changed", "status": "initialized", "model": "sonnet", "claude_args": ["--debug"]}

        changed = api.json("PATCH", path, json=changes)

        assert (changed["name"], changed["status"]) == ("changed", "initialized")
        assert changed["options"]["model"] == "sonnet"
        assert api.json("PATCH", path, json={"model": None})["options"] == changed["options"] | {"model": None}
        assert api.json("GET", path)["options"]["claude_args"] == ["--debug"]

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({}, ""),
            ({"workspace_path": "/tmp"}, "workspace_path"),
            ({"id": "a" * 24}, "id"),
            ({"status": "done"}, "status"),
            ({"name": ""}, "name"),
            ({"claude_args": ["--continue"]}, "claude_args"),
            ({"name": "half", "permission_mode": "yolo"}, "permission_mode"),
            ({"name": "\n", "model": "opus"}, "name"),
        ],
    )
    def test_a_change_that_does_not_fit_changes_nothing(
        self, changes: dict[str, Any], field: str, api: Api, path: str
    ) -> None:
        before = api.json("GET", path)

        error = api.refused("PATCH", path, 400, "invalid_body", json=changes)

        assert error["details"]["field"] == field
        assert api.json("GET", path) == before

    def test_a_name_that_is_taken_changes_nothing(self, api: Api, path: str, new_project: NewProject) -> None:
        new_project("somebody else's")
        before = api.json("GET", path)

        api.refused("PATCH", path, 409, "name_taken", json={"name": "somebody else's", "model": "opus"})

        assert api.json("GET", path) == before

    def test_list(self, api: Api, new_project: NewProject) -> None:
        made = [new_project()["id"] for _ in range(3)]
        total = api.json("GET", "/output-projects")["total"]

        page = api.json("GET", "/output-projects", params={"skip": total - 3, "limit": 2})

        assert [project["id"] for project in page["projects"]] == made[:2]
        assert page["total"] == total

    def test_find_by_name_or_folder(self, api: Api, project: dict[str, Any]) -> None:
        for query in ({"name": project["name"]}, {"workspace_path": project["workspace_path"]}):
            found = api.json("GET", "/output-projects", params=query)
            assert found == {"projects": [project], "total": 1}
        assert api.json("GET", "/output-projects", params={"name": "nobody"}) == {"projects": [], "total": 0}

    def test_delete_leaves_every_file(self, api: Api, project: dict[str, Any], path: str) -> None:
        work = Path(project["workspace_path"], "work.py")
        work.write_text("print()\n")
        milestone = new_milestone(api, project)

        assert api.delete(path).status_code == 204

        assert work.read_text() == "print()\n"
        api.refused("GET", path, 404, "not_found")
        api.refused("GET", f"/milestones/{milestone['id']}", 404, "not_found")

    def test_delete_waits_for_the_session_to_end(self, api: Api, path: str) -> None:
        api.json("POST", f"{path}/session", json={})

        error = api.refused("DELETE", path, 409, "session_alive")
        assert "stop it" in error["message"]

        assert api.json("DELETE", f"{path}/session")["state"] == "exited"
        assert api.delete(path).status_code == 204
        api.refused("GET", f"{path}/session", 404, "not_found")


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
        with pytest.raises(ProcessLookupError):
            os.kill(started["pid"], 0)

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


class TestCommands:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "invalid_body"),
            ("  \n ", "invalid_request"),
            ("a\x07b", "invalid_request"),
            ("a\x1b[201~b", "invalid_request"),
            ("x" * 65537, "invalid_request"),
            ("lone \ud800 surrogate", "invalid_request"),
            ("!ls", "unsupported_command"),
            ("  !ls", "unsupported_command"),
            ("#note", "unsupported_command"),
            ("go on\\", "unsupported_command"),
            ("exit", "unsupported_command"),
            ("/clear", "unsupported_command"),
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


class TestEvents:
    def test_pages(self, api: Api, path: str) -> None:
        for text in ("one", "two"):
            api.json("POST", f"{path}/commands", 202, json={"text": text})
        events = f"{path}/events"
        everything = api.json("GET", events)
        queued = [event for event in everything["events"] if event["type"] == "command_queued"]
        assert [event["data"]["text"] for event in queued] == ["one", "two"]
        assert set(queued[0]) == {"type", "seq", "created_at", "data"}
        seqs = [event["seq"] for event in everything["events"]]
        assert seqs == sorted(set(seqs))

        first = api.json("GET", events, params={"limit": 1})
        assert first["events"] == everything["events"][:1]
        rest = api.json("GET", events, params={"after": first["last_seq"], "limit": len(seqs) - 1})
        assert rest["events"] == everything["events"][1:]
        end = api.json("GET", events, params={"after": 10**12})
        assert end == {"events": [], "last_seq": 10**12}

    @pytest.mark.parametrize(
        ("name", "value"), [("after", "-1"), ("after", "x"), ("after", "²"), ("limit", "0"), ("limit", "1001")]
    )
    def test_pages_that_cannot_be(self, name: str, value: str, api: Api, path: str) -> None:
        error = api.refused("GET", f"{path}/events", 400, "invalid_body", params={name: value})

        assert error["details"] == {"field": name}


class TestServer:
    def test_info(self, server: WxServer, api: Api) -> None:
        info = api.json("GET", "/info")

        assert info["version"] == __version__
        assert info["pid"] == server.pid
        assert info["store_kind"] == "embedded"
        assert info["workspace_root"] == str(server.folder / "workspaces")
        assert info["headless"] is False

    def test_doctor(self, api: Api, project: dict[str, Any]) -> None:
        def checks(**query: str) -> dict[str, dict[str, Any]]:
            return {check["name"]: check for check in api.json("GET", "/doctor", params=query)["checks"]}

        general = checks()
        assert general["store"]["ok"]
        assert general["data folder"]["ok"]
        assert general["runtime folder"]["ok"]
        assert not general["login"]["ok"]

        of_project = checks(project_id=project["id"])
        assert set(general) < set(of_project)
        assert of_project["workspace"]["ok"]
        assert not of_project["GSD"]["ok"]
        assert all(check["ok"] or check["remedy"] for check in of_project.values())
        api.refused("GET", "/doctor", 400, "invalid_id", params={"project_id": "x"})
        api.refused("GET", "/doctor", 404, "not_found", params={"project_id": UNKNOWN_ID})

    def test_screen_is_text(self, api: Api, path: str) -> None:
        api.json("POST", f"{path}/session")

        response = api.get(f"{path}/screen")

        assert response.status_code == 200
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
