"""What means something to a database, in any field of any request, is data to both stores or refused; never a query."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.server.api import Api, install_gsd
from tests.server.conftest import make_server
from tests.server.hostile import MEMBERS, QUERIES, TEXTS, VALUES, bodies, with_bodies
from tests.support.mongod import Mongod
from tests.support.server import WxServer
from wxcode_jupyter.server.schemas import openapi, operation

BIG_TEXT = '"' + "x" * (10 << 20) + '"'
LONG_FIELDS = ("name", "text", "brief", "context", "element_name", "workspace_path")
REFUSED = (400, 404, 409, 413)


@pytest.fixture(scope="module", params=[pytest.param("mongodb", marks=pytest.mark.mongod), "embedded"])
def server(request: pytest.FixtureRequest, folder: Path) -> Iterator[WxServer]:
    url = ""
    if request.param == "mongodb":
        mongod: Mongod = request.getfixturevalue("mongod")
        url = f"{mongod.url}/hostile"
    with make_server(folder / f"hostile {request.param}", store_url=url) as server:
        yield server
        log = server.log()
    assert "Traceback" not in log
    assert "Uncaught" not in log


class World:
    """A project and a milestone that are asked about, and others that nobody asks about.

    Attributes:
        project: The one that is asked about.
        milestone: Of that.
    """

    def __init__(self, api: Api) -> None:
        self.api = api
        self.project = api.create_project("asked")
        install_gsd(self.project)
        self.milestone = self._milestone(self.project["id"])
        self._bystander = api.create_project("bystander")["id"]
        self._other = self._milestone(self._bystander)["id"]
        self._before = self._bystanders()

    def _milestone(self, project_id: str) -> dict[str, Any]:
        body = {"output_project_id": project_id, "element_name": "one", "context": "text"}
        return self.api.json("POST", "/milestones", 201, json=body)

    def _bystanders(self) -> list[Any]:
        path = f"/output-projects/{self._bystander}"
        rest = [self.api.json("GET", f"{path}/{each}") for each in ("commands", "events", "session")]
        return [self.api.json("GET", path), self.api.json("GET", f"/milestones/{self._other}"), *rest]

    def path(self, route: str) -> str:
        """Return a path of the page with the ids of this world."""
        return route.replace("{id}", self.milestone["id"] if "milestones" in route else self.project["id"])

    def check_others(self) -> None:
        """Nothing has become of what nobody asked about."""
        assert self._bystanders() == self._before


@pytest.fixture(scope="module")
def world(server: WxServer) -> Iterator[World]:
    with Api(server) as api:
        yield World(api)


def test_in_any_field_it_is_data_or_refused(world: World) -> None:
    project = f'"{world.project["id"]}"'
    accepted = 0
    for method, route, schema in with_bodies():
        for field, value, body in bodies(schema, (*VALUES, *TEXTS, BIG_TEXT), output_project_id=project):
            if value is BIG_TEXT and field not in LONG_FIELDS:
                continue
            response = world.api.request(method, world.path(route), content=body.encode())
            assert response.is_success or response.status_code in REFUSED, f"{method} {route} {body:.200}: {response}"
            if response.is_success and value in TEXTS and field in (given := response.json()):
                accepted += 1
                text = json.loads(value)
                assert given[field] in (text, text.strip()), f"{method} {route} {body:.200}"
                if "{id}" not in route:
                    stored = world.api.json("GET", f"{route}/{given['id']}")
                    assert stored[field] == given[field], f"{method} {route} {body:.200}"
    assert accepted > 20
    world.check_others()


def test_a_member_that_no_schema_has_is_refused(world: World) -> None:
    for method, route, schema in with_bodies():
        fields = openapi()["components"]["schemas"][schema]["properties"]
        for member in MEMBERS:
            field = next(iter(fields))
            [(_field, _value, body)] = [each for each in bodies(schema, ('"x"',)) if each[0] == field]
            with_member = f'{body[:-1]}, "{member}": {{"$ne": 1}}}}'
            response = world.api.request(method, world.path(route), content=with_member.encode())
            assert response.status_code == 400, f"{method} {route} {with_member}: {response.text}"
            assert response.json()["reason"] == "invalid_body"
    world.check_others()


def test_of_a_member_that_comes_twice_the_last_counts_and_is_checked(world: World) -> None:
    operators = '{"name": "fits", "name": {"$ne": 1}}'
    world.api.refused("POST", "/output-projects", 400, "invalid_body", content=operators.encode())
    text = '{"name": {"$ne": 1}, "name": "the last"}'
    assert world.api.json("POST", "/output-projects", 201, content=text.encode())["name"] == "the last"


def test_in_a_query_it_finds_what_has_this_name_and_nothing_else(world: World) -> None:
    for route, path in openapi()["paths"].items():
        for name, schema in operation(route, "get").query.items() if "get" in path else ():
            for text in QUERIES:
                for given in ({name: text}, {f"{name}[$ne]": text}, {f"{name}.$ne": text}):
                    response = world.api.get(world.path(route), params=given)
                    plain = name not in given  # which is nothing of ours, and has no effect
                    allowed = (200, 426, 409) if plain or schema.get("type") == "string" else REFUSED
                    assert response.status_code in (*REFUSED, *allowed), f"{route} {given}: {response.text}"
                    if not plain and response.status_code == 200:
                        found = response.json()["projects"]
                        assert all(project[name] == text for project in found), f"{route} {given}: {found}"
    world.check_others()


@pytest.mark.parametrize("text", ["{$ne: 1}", '{"$ne":1}', "$where", "0123456789ABCDEF01234567", "ObjectId()", "\x00"])
def test_in_an_id_it_is_none(text: str, world: World) -> None:
    for route, path in openapi()["paths"].items():
        for method in path if "{id}" in route else ():
            if method != "parameters" and not route.endswith("/terminal"):
                target = route.replace("{id}", quote(text, safe=""))
                world.api.refused(method.upper(), target, 400, "invalid_id", json={})
    world.check_others()
