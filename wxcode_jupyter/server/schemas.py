"""Queries and request bodies, checked against ``openapi.yaml``: the page and the code cannot disagree."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import jsonschema
import yaml

from ..errors import InvalidBody
from ..models import check_id

_ID = "#/components/schemas/Id"
_DIGITS = 19  # of a number in a query: more are no number that anything here counts


@dataclass(frozen=True)
class Operation:
    """What the page has of one method of one route.

    Attributes:
        query: The schemas of what may stand in the query; whatever else is there is Jupyter's (``token``) or nobody's.
        body: The name of the schema of a JSON body; None for no body, and for a file.
    """

    query: Mapping[str, Mapping[str, Any]]
    body: str | None

    def check_query(self, given: Mapping[str, Sequence[str]]) -> None:
        """Raise ``InvalidBody``, or ``InvalidId`` of an id, for the first value that does not fit."""
        for name, schema in self.query.items():
            for text in given.get(name, ()):
                _check_value(name, schema, text)

    def check_body(self, body: Any) -> dict[str, Any]:
        """Return the body when it fits; raise ``InvalidBody`` with the field that does not."""
        assert self.body is not None
        return check(self.body, body)


@functools.cache
def operation(route: str, method: str) -> Operation:
    """Return what the page has of ``method`` (in lower case) of ``route``."""
    path = openapi()["paths"][route]
    found = path[method]
    parameters = [_resolve(each) for each in (*path.get("parameters", ()), *found.get("parameters", ()))]
    content = _resolve(found.get("requestBody", {})).get("content", {})
    body = content["application/json"]["schema"]["$ref"].rpartition("/")[2] if "application/json" in content else None
    return Operation({each["name"]: each["schema"] for each in parameters if each["in"] == "query"}, body)


@functools.cache
def openapi() -> dict[str, Any]:
    """Return the parsed ``openapi.yaml``."""
    text = resources.files(__package__).joinpath("openapi.yaml").read_text(encoding="utf-8")
    document: dict[str, Any] = yaml.safe_load(text)
    return document


@functools.cache
def _validator(name: str) -> jsonschema.Draft202012Validator:
    schemas = {key: _plain(value) for key, value in openapi()["components"]["schemas"].items()}
    return jsonschema.Draft202012Validator({"components": {"schemas": schemas}, **schemas[name]})


def _plain(schema: Any) -> Any:
    """Turn OpenAPI 3.0's ``nullable`` into JSON Schema."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _plain(value) for key, value in schema.items() if key != "nullable"}
    if schema.get("nullable"):
        plain["type"] = [plain["type"], "null"]
    return plain


def _resolve(item: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in item:
        found: Any = openapi()
        for name in item["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        item = found
    return item


def _check_value(name: str, schema: Mapping[str, Any], text: str) -> None:
    if schema.get("$ref") == _ID:
        check_id(text)
        return
    schema = _resolve(dict(schema))
    match schema["type"]:
        case "array":
            _check_value(name, schema["items"], text)
        case "integer":
            low, high = schema["minimum"], schema["maximum"]
            if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS and low <= int(text) <= high):
                raise InvalidBody(f"{name} is a whole number from {low} to {high}.", field=name)
        case "string" if "enum" in schema:
            if text not in schema["enum"]:
                raise InvalidBody(f"{name} is one of {', '.join(schema['enum'])}.", field=name)
        case "string":
            low, high = schema["minLength"], schema["maxLength"]
            if not low <= len(text) <= high:
                raise InvalidBody(f"{name} has {low} to {high} characters.", field=name)


def check(name: str, body: Any) -> dict[str, Any]:
    """Return the body when it fits the schema of this name; raise ``InvalidBody`` with the field that does not."""
    error = jsonschema.exceptions.best_match(_validator(name).iter_errors(body))
    if error is not None:
        field = ".".join(str(part) for part in error.absolute_path)
        if error.validator == "required":
            field = next((key for key in error.validator_value if key not in error.instance), field)
        elif error.validator == "additionalProperties":
            field = next((key for key in error.instance if key not in error.schema["properties"]), field)
        raise InvalidBody(f"The body does not fit: {field or 'it'}: {error.message[:200]}", field=field)
    fitting: dict[str, Any] = body
    return fitting
