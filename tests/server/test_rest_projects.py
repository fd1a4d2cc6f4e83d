"""Output projects over REST, with every kind of mistake."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.server.api import Api
from tests.support.server import WxServer

NewProject = Callable[..., dict[str, Any]]


def new_milestone(api: Api, project: dict[str, Any], name: str = "one", **fields: Any) -> dict[str, Any]:
    body = {"output_project_id": project["id"], "element_name": name, **fields}
    return api.json("POST", "/milestones", 201, json=body)


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
