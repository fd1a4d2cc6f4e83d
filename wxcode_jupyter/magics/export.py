"""Results for other programs: as plain values, and as scraps that scrapbook reads out of a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from ..errors import WxcodeError

#: What ``scrapbook.glue`` displays for a value with the encoder "json"; version 1 is read by all of its releases.
SCRAP_TYPE = "application/scrapbook.scrap.json+json"


def to_plain(value: Any) -> Any:
    """Return a value as JSON has it: dataclasses as objects, times in ISO 8601, errors by type, message and code."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Enum):
        return to_plain(value.value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, BaseException):
        error = {"type": type(value).__name__, "message": str(value)}
        return {**error, "code": value.code} if isinstance(value, WxcodeError) else error
    if is_dataclass(value):
        return {item.name: to_plain(getattr(value, item.name)) for item in fields(value) if item.name[0] != "_"}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(item) for item in value]
    return str(value)


def scrap(name: str, data: Any) -> dict[str, Any]:
    """Return the part of a display by which ``scrapbook.read_notebook(...).scraps[name]`` finds ``data``."""
    return {SCRAP_TYPE: {"name": name, "data": data, "encoder": "json", "version": 1}}
