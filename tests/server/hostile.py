"""JSON that means something to a database, to a parser or to a terminal, and nothing to us."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.server.api import UNKNOWN_ID
from wxcode_jupyter.server.schemas import openapi, operation

#: As they are sent: Python's own ``json`` would not write some of them.
VALUES = (
    '{"$ne": 1}',
    '{"$gt": ""}',
    '{"$where": "sleep(100000)"}',
    '{"$regex": ".*"}',
    '{"a.b": 1}',
    '{"\\u0000": 1}',
    '{"": 1}',
    '{"__proto__": {"name": "x"}}',
    '{"$oid": "0123456789abcdef01234567"}',
    '[{"$ne": 1}]',
    '["$ne"]',
    "1" * 400,
    "9" * 5000,
    "-9223372036854775809",
    "1e999",
    "NaN",
    "-Infinity",
    "true",
    "null",
    '{"a":' * 3000 + "1" + "}" * 3000,
    "[" * 3000 + "]" * 3000,
)

#: Texts that are sent as they stand here.
TEXTS = (
    '"$where"',
    '"$ne"',
    '"{\\"$ne\\": 1}"',
    '"a.b.$[]"',
    '"__proto__"',
    '"\\u0000"',
    '"x\\u0000y"',
    '"\\ud800"',
    '"\\udfff\\ud800"',
    '"\\u202e\\ufeff"',
    "\"x' OR '1'='1\"",
    '"\\"; DROP TABLE output_projects; --"',
    '"%00%s%n{0.__class__}"',
    '"../../../etc/passwd"',
    '"\\u001b]52;c;AAAA\\u0007"',
    '""',
    '"' + "x" * 300 + '"',
)

#: What a query may have for the name of something.
QUERIES = ('{"$ne":null}', "$ne", "[$ne]", '{"$where":"1"}', "\x00", "'; --", "%", "_", "*", ".*", "null", "1e9")

#: Members that no schema has.
MEMBERS = ("$where", "$set", "a.b", "\\u0000", "__proto__", "", "_id", "constructor")

_FITTING = {
    "name": '"x"',
    "text": '"x"',
    "brief": '"x"',
    "status": '"completed"',
    "element_name": '"x"',
    "output_project_id": f'"{UNKNOWN_ID}"',
}


def with_bodies() -> list[tuple[str, str, str]]:
    """Return method, path on the page and schema of every operation that has a JSON body."""
    found = []
    for route, path in openapi()["paths"].items():
        for method in path:
            if method != "parameters" and (schema := operation(route, method).body):
                found.append((method.upper(), route, schema))
    return found


def bodies(schema: str, values: tuple[str, ...], **fitting: str) -> Iterator[tuple[str, str, str]]:
    """Yield field, value and body for each field of a schema and each value; the other fields are those that fit.

    Args:
        schema: Its name.
        values: As JSON.
        fitting: What fits in a field of this name, as JSON.
    """
    given: dict[str, Any] = openapi()["components"]["schemas"][schema]
    fits = _FITTING | fitting
    for field in given["properties"]:
        for value in values:
            members = {name: fits[name] for name in given.get("required", ())} | {field: value}
            yield field, value, write(members)


def write(members: dict[str, str]) -> str:
    """Return an object of members that are JSON already."""
    return "{" + ", ".join(f'"{name}": {value}' for name, value in members.items()) + "}"
