"""`openapi.yaml` and `PROTOCOL.md` are what the handlers do: neither has what the other has not."""

from __future__ import annotations

import re
from dataclasses import fields
from importlib import resources
from typing import Any

import pytest
from openapi_spec_validator import validate

from tests.server.api import Api
from tests.server.routes import OPERATIONS, REQUESTS, Operation
from wxcode_jupyter.models import Command, Conversation, Event, Milestone, OutputProject, Question, SessionInfo
from wxcode_jupyter.protocol import frames, wxjson
from wxcode_jupyter.server.base import CLOSE_CODES
from wxcode_jupyter.server.schemas import openapi


def documented(operation: Operation) -> dict[str, Any]:
    """Return what the page says of an operation, its path's own parameters included."""
    path = openapi()["paths"][operation.pattern]
    found: dict[str, Any] = path[operation.method]
    return {**found, "parameters": path.get("parameters", []) + found.get("parameters", [])}


def resolve(item: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference within the page."""
    while "$ref" in item:
        target: Any = openapi()
        for name in item["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        item = target
    return item


def body_schema(operation: Operation) -> str | None:
    """Return the name of the schema that the page has for the body; None for none, and for a file."""
    if "requestBody" not in documented(operation):
        return None
    content = resolve(documented(operation)["requestBody"])["content"]
    if "application/json" not in content:
        return None
    schema: str = content["application/json"]["schema"]["$ref"]
    return schema.rpartition("/")[2]


def test_the_page_is_valid_openapi() -> None:
    validate(openapi())


def test_routes_and_methods_are_those_of_the_page() -> None:
    on_page = {
        (pattern, method) for pattern, path in openapi()["paths"].items() for method in path if method != "parameters"
    }

    assert {(operation.pattern, operation.method) for operation in OPERATIONS} == on_page


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_a_method_reads_a_body_where_the_page_has_one(operation: Operation) -> None:
    assert ("self.body()" in operation.source) == (body_schema(operation) is not None)


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_the_query_that_a_method_reads_is_the_one_on_the_page(operation: Operation) -> None:
    read = set(re.findall(r'(?:get_query_arguments?|integer)\("(\w+)"', operation.source))
    if "self.page()" in operation.source:
        read |= {"skip", "limit"}

    parameters = [resolve(parameter) for parameter in documented(operation)["parameters"]]
    assert read == {parameter["name"] for parameter in parameters if parameter["in"] == "query"}


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_every_operation_tells_how_errors_look(operation: Operation) -> None:
    errors = documented(operation)["responses"]["default"]

    schema = resolve(errors)["content"]["application/json"]["schema"]
    assert resolve(schema)["required"] == ["message", "reason"]


@pytest.mark.parametrize("operation", [each for each in REQUESTS if body_schema(each)], ids=str)
def test_a_field_that_is_not_on_the_page_is_refused_by_name(operation: Operation, api: Api, path: str) -> None:
    fields: dict[str, Any] = {"name": "x", "text": "x", "brief": "x", "status": "completed", "element_name": "x"}
    project_id = path.rpartition("/")[2]
    fields["output_project_id"] = project_id
    schema = openapi()["components"]["schemas"][body_schema(operation)]
    body = {name: fields[name] for name in schema.get("required", ())} | {"nonsense": 1}

    target = operation.pattern.replace("{id}", project_id)
    error = api.refused(operation.method.upper(), target, 400, "invalid_body", json=body)

    assert error["details"] == {"field": "nonsense"}
    assert "nonsense" in error["message"]


@pytest.mark.parametrize(
    ("name", "kind", "beside", "left_out"),
    [
        ("Project", OutputProject, {"options"}, set()),
        ("Session", SessionInfo, set(), set()),
        ("Command", Command, set(), set()),
        ("Milestone", Milestone, set(), set()),
        ("Event", Event, set(), {"output_project_id"}),
        ("Question", Question, set(), set()),
        ("Conversation", Conversation, set(), set()),
    ],
)
def test_what_is_returned_has_the_members_of_the_page(
    name: str, kind: Any, beside: set[str], left_out: set[str]
) -> None:
    members = {field.name for field in fields(kind)} | beside

    schema = openapi()["components"]["schemas"][name]
    assert set(schema["properties"]) == members - left_out
    assert set(schema["required"]) == members - left_out


def page() -> str:
    """Return PROTOCOL.md."""
    return resources.files("wxcode_jupyter").joinpath("PROTOCOL.md").read_text(encoding="utf-8")


def test_close_codes_are_those_of_the_page() -> None:
    on_page = {int(code) for code in re.findall(r"^\| (\d{4}) \|", page(), re.M)}

    assert set(CLOSE_CODES.values()) | {1000} == on_page


def test_frames_are_those_of_the_page() -> None:
    sent = [
        wxjson.status(connected=True, session_id=None, message=""),
        str(wxjson.OutputEncoder().encode(b"x")),
        wxjson.error("", ""),
        wxjson.closed(0),
    ]

    for frame in sent:
        start = re.match(r'\{"type": "(\w+)"', frame)
        assert start
        assert f'| `{{"type":"{start[1]}"' in page()
    assert all(f"`{name}`" in page() for name in frames.SIGNALS)
