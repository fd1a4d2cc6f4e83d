"""``resume --force``: a project is taken from another host's server only once somebody has agreed."""

from __future__ import annotations

from typing import Protocol

from ..errors import HeldElsewhere
from ..models import SessionInfo
from .context import Context
from .grammar import Line

_AGREED = ("y", "yes")


class Start(Protocol):
    """Starts the session."""

    def __call__(self, *, force: bool = False) -> SessionInfo:
        """Start it."""


def with_force(context: Context, line: Line, start: Start) -> None:
    """Start a session; where another host has the project, and the line says ``--force``, take it once that is agreed.

    Who sits there is asked; where nobody does, ``--yes`` says it.

    Raises:
        HeldElsewhere: Another server has it, and it was not agreed to, or it is one of this host: that is never forced.
    """
    if line["force"] and line["yes"]:
        start(force=True)
        return
    try:
        start()
    except HeldElsewhere as error:
        if not line["force"] or "silent_s" not in error.details:
            raise
        risk = _risk(error)
        if not context.attended:
            raise HeldElsewhere(f"{risk} `%wxmilestone resume --force --yes` takes it.", **error.details) from error
        if input(f"{risk} Take it? [y/N] ").strip().lower() not in _AGREED:
            raise HeldElsewhere(f"Nothing was taken. {error.message}", **error.details) from error
        start(force=True)


def _risk(error: HeldElsewhere) -> str:
    holder = error.details.get("holder") or {}
    return (
        f"The project is held by {holder.get('url') or 'a server'} on {holder.get('host') or 'another host'}, from "
        f"which the store has heard nothing for {error.details['silent_s']} s. Should it live, it records nothing more "
        "of the project once you have taken it, and ends its session when it notices; until then its Claude works on: "
        "in a folder that both hosts have, both would change the same files and continue the same conversation. A "
        "command that it was delivering may be delivered again."
    )
