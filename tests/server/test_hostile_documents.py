"""Documents of other programs that would mean something in a query; and what is refused without asking the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
from bson import Int64, ObjectId, Regex

from tests.server.api import UNKNOWN_ID, Api
from tests.server.conftest import make_server
from tests.server.hostile import bodies, with_bodies
from tests.server.routes import OPERATIONS, REQUESTS
from tests.support.mongod import Mongod
from tests.support.server import WxServer
from wxcode_jupyter.server.schemas import operation

pytestmark = pytest.mark.mongod

STRANGE: list[Any] = [
    {"$ne": 1},
    {"$gt": ""},
    {"$where": "sleep(100000)"},
    {"$regex": ".*"},
    Regex(".*"),
    ["$ne"],
    "$name",
    "\x00",
    True,
    Int64(2**63 - 1),
    float("nan"),
    ObjectId(UNKNOWN_ID),
    b"\xff",
]
FIELDS = ("name", "workspace_path", "status", "claude_session_id", "kb_id", "stack_id", "created_at", "connections")


def plant(database: Any, folder: Path) -> list[ObjectId]:
    """Write projects and milestones as another program may, each with something strange in one field."""
    ids: list[ObjectId] = []
    for place, field in enumerate(FIELDS):
        for number, value in list(enumerate(STRANGE))[place % 3 :: 3]:
            project_id, path = ObjectId(), str(folder / f"{field}{number}")
            project = {"_id": project_id, "name": f"{field} {number}", "workspace_path": path, "$odd": {"a.b": 1}}
            database.output_projects.insert_one({**project, "claude_session_id": None, field: value})
            milestone = {"_id": ObjectId(), "output_project_id": project_id, "element_name": value, "status": value}
            database.milestones.insert_one(milestone)
            ids.append(project_id)
    return ids


@pytest.fixture(scope="module")
def mongod_of_its_own() -> Iterator[Mongod]:
    with Mongod() as mongod:
        yield mongod


@pytest.fixture(scope="module")
def server(folder: Path, mongod_of_its_own: Mongod) -> Iterator[WxServer]:
    with make_server(folder / "strange", store_url=f"{mongod_of_its_own.url}/wx") as server:
        yield server
        log = server.log()
    assert "Traceback" not in log
    assert "Uncaught" not in log


def test_what_stands_in_a_document_is_never_a_query(server: WxServer, mongod_of_its_own: Mongod) -> None:
    with Api(server) as api, pymongo.MongoClient[dict[str, Any]](mongod_of_its_own.url) as client:
        bystander = api.create_project("bystander")
        database = client.get_database("wx")
        ids = plant(database, server.folder / "workspaces")

        listed = api.json("GET", "/output-projects", params={"limit": 1000})
        assert listed["total"] == len(listed["projects"]) == len(ids) + 1
        assert api.json("GET", "/milestones", params={"limit": 1000})["total"] == len(ids)
        for project_id in map(str, ids):
            path = f"/output-projects/{project_id}"
            for route in ("", "/session", "/commands", "/events", "/conversations", "/questions", "/gsd", "/export"):
                response = api.get(path + route)
                assert response.status_code in (200, 400, 409), f"{route} {project_id}: {response.text}"
            response = api.post(f"{path}/session")
            assert response.status_code in (200, 400, 409), f"start {project_id}: {response.text}"
            assert api.json("PATCH", path, json={"name": f"renamed {project_id}"})["name"] == f"renamed {project_id}"
            for route in ("/session", ""):
                response = api.delete(path + route)
                assert response.status_code in (200, 204, 400, 409), f"DELETE {route} {project_id}: {response.text}"
        assert api.json("GET", f"/output-projects/{bystander['id']}") == bystander
        assert database.output_projects.count_documents({"name": "bystander"}) == 1


def test_what_does_not_fit_is_refused_without_asking_the_store(server: WxServer, mongod_of_its_own: Mongod) -> None:
    """A store that is away is asked for seconds before it is given up: what is told at once did not ask it."""
    with Api(server) as api:
        mongod_of_its_own.kill()
        try:
            for each in (each for each in REQUESTS if "{id}" in each.pattern):
                api.refused(each.method.upper(), each.pattern.replace("{id}", "none"), 400, "invalid_id")
            for method, route, schema in with_bodies():
                path = route.replace("{id}", UNKNOWN_ID)
                for _field, _value, body in bodies(schema, ('{"$ne": 1}',)):
                    api.refused(method, path, 400, "invalid_body", content=body.encode())
                api.refused(method, path, 400, "invalid_body", content=b"{")
            for each in OPERATIONS:
                for name in operation(each.pattern, each.method).query:
                    response = api.request(each.method.upper(), each.path, params={name: ""})
                    assert response.status_code == 400, f"{each} {name}: {response.text}"
            for route, field, given in NARROWER:
                error = api.json("POST", route.replace("{id}", UNKNOWN_ID), 400, json=given)
                assert error["details"].get("field", field) == field
            api.refused("GET", f"/output-projects/{UNKNOWN_ID}", 503, "store_unavailable")
        finally:
            mongod_of_its_own.start()


#: What is said in words on the page is checked as early.
NARROWER: list[tuple[str, str, dict[str, Any]]] = [
    ("/output-projects", "name", {"name": "\x00"}),
    ("/output-projects", "claude_args", {"name": "x", "claude_args": ["--resume"]}),
    ("/output-projects/{id}/commands", "text", {"text": "\x00"}),
    ("/output-projects/{id}/gsd/init", "brief", {"brief": " "}),
    ("/milestones", "element_name", {"output_project_id": UNKNOWN_ID, "element_name": "\x00"}),
    ("/milestones", "context", {"output_project_id": UNKNOWN_ID, "element_name": "x", "context": "é" * 600_000}),
    ("/milestones/{id}/fork", "name", {"name": "\x00"}),
    ("/output-projects/{id}/session", "fresh", {"fresh": True, "claude_session_id": "x", "now": True}),
]
