"""Request bodies, checked against ``openapi.yaml``: the page and the code cannot disagree."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any

import jsonschema
import yaml

from ..errors import InvalidBody


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
