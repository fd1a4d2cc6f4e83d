"""Documents as MongoDB has them: ``_id``, ObjectIds, and what wxcode left out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from bson import ObjectId

from ..models import check_id
from .documents import ID_FIELDS, Document, M, Model, decode, decode_moment, encode


def object_id(value: str) -> ObjectId:
    """Return the ObjectId of an id. Raises ``InvalidId``."""
    return ObjectId(check_id(value))


def to_mongo(value: Model) -> Document:
    """Return the document of a value as MongoDB keeps it."""
    return {
        "_id" if name == "id" else name: ObjectId(field) if name in ID_FIELDS and field is not None else field
        for name, field in encode(value).items()
    }


def from_mongo(kind: type[M], document: Mapping[str, Any]) -> M:
    """Return the value of a document. Times that are missing, or none, come from the ObjectId."""
    identifier = document["_id"]
    created_at = _moment(document.get("created_at"))
    if created_at is None and isinstance(identifier, ObjectId):
        created_at = identifier.generation_time
    updated_at = _moment(document.get("updated_at")) or created_at
    return decode(kind, {**document, "id": identifier, "created_at": created_at, "updated_at": updated_at})


def _moment(raw: Any) -> datetime | None:
    try:
        return decode_moment(raw)
    except (TypeError, OverflowError):
        return None


def among(statuses: Collection[StrEnum], default: StrEnum | None = None) -> Document:
    """Return the condition that a status is one of these; one that is missing counts as ``default``."""
    values: list[str | None] = [status.value for status in statuses]
    return {"$in": [*values, None] if default in statuses else values}
