"""The fields that a command gets when it ends: one place, for the live session and for what is found after a death."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..claude.outcome import ASKS, FINISHED, LIMITED, asks, limit_of
from ..models import CommandStatus, now
from .mixing import quotes


def ended(
    status: CommandStatus, message: str | None = None, error: str | None = None, *, said_at: datetime | None = None
) -> dict[str, Any]:
    """Return status, outcome, message and error of a command whose turn is over.

    A turn that a usage limit has ended is ``completed`` with the outcome ``limited``: nothing went wrong, and it goes
    on later. ``said_at`` is when its end was told, now by default.
    """
    found: dict[str, Any] = {"status": status, "last_message": message, "error": error}
    of_the_cli = status is CommandStatus.FAILED and not quotes(error or "")
    limit = limit_of(error, said_at=said_at or now()) if of_the_cli else None
    if limit is not None:
        said = str(error).removeprefix("rate_limit: ")
        return found | {
            "status": CommandStatus.COMPLETED,
            "outcome": LIMITED,
            "resets_at": limit.resets_at,
            "last_message": said,
            "error": None,
        }
    if status is CommandStatus.COMPLETED:
        found["outcome"] = ASKS if asks(message) else FINISHED
    return found


def judged(fields: Mapping[str, Any], missing: str | None) -> dict[str, Any]:
    """Return the fields of a command's end judged by GSD's artefact, which ``missing`` names where it is not there.

    A turn that was completed without it asks, whatever was said last: GSD stops where it wants to be told something.
    """
    if missing is None or fields.get("outcome") not in (FINISHED, ASKS):
        return dict(fields)
    return {**fields, "outcome": ASKS, "missing": missing}
