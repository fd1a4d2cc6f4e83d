"""What every operation needs: somebody who carries requests, and how ids and bodies are written."""

from __future__ import annotations

from typing import Any

from ...models import Command, Milestone, OutputProject, Question
from ..routing import Router


class Operations:
    """Root of the operations: they go through one router."""

    def __init__(self, router: Router) -> None:
        self._router = router


def key_of(value: OutputProject | Milestone | Command | Question | str) -> str:
    """Return the id of a value, or the id that was given."""
    return value if isinstance(value, str) else value.id


def only_given(**values: Any) -> dict[str, Any]:
    """Return a body of the fields that were given; None is none."""
    return {key: value for key, value in values.items() if value is not None}
