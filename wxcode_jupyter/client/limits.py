"""What a wait does when Claude has reached a usage limit: fail with the time of its end, or wait for that and go on.

Going on is one short text, sent once: its id follows from the command that was stopped, so that of any number of waits
for that command only one sends it. Nothing is sent where something was asked since: 2.1.330 goes on by itself if its
terminal is left alone, and so may the user.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from ..errors import UsageLimited
from ..models import Command, SessionInfo

if TYPE_CHECKING:
    from .api import Client
    from .waiting import Watch

OnLimit = Literal["fail", "wait"]
LIMITED = "limited"
GO_ON = "The usage limit is over. Please go on where you were stopped."
GRACE_S = 180.0  # the CLI tells the minute only, and goes on by itself "shortly" after it


def handle(client: Client, watch: Watch, command: Command, on_limit: OnLimit) -> Command:
    """Return the command that brought the work to its end, or raise ``UsageLimited``.

    Raises:
        UsageLimited: ``on_limit`` is ``fail``, or the CLI did not say when the limit ends.
        Whatever ``Client.wait_for`` raises: while it was waited for.
    """
    while command.outcome == LIMITED:
        if on_limit == "fail" or command.resets_at is None or command.completed_at is None:
            raise limited(command)
        watch.tell("limit", f"{_said(command)} Waiting until {_until(command)}, then it goes on.")
        watch.until_moment(command.resets_at + timedelta(seconds=GRACE_S))
        if watch.asked_since(command.completed_at):
            watch.tell("limit", "Something was asked since: nothing is sent.")
            watch.until_idle()
            return client.command(command)
        watch.tell("limit", "The limit is over: asking Claude to go on.")
        following = client.send(command.output_project_id, GO_ON, command_id=_following_id(command))
        command = watch.until_final(following)
    return command


def limited(command: Command) -> UsageLimited:
    """Return the error that says which limit was reached, and until when."""
    when = f"It resets at {_until(command)}." if command.resets_at else "The CLI does not say when it resets."
    return UsageLimited(
        f"{_said(command)} {when} What was asked is in the conversation and not done: send a text to go on after that, "
        "or wait with `--on-limit wait`.",
        command_id=command.id,
        resets_at=command.resets_at.isoformat() if command.resets_at else None,
    )


def held(session: SessionInfo, command: Command | None) -> UsageLimited:
    """Return the error that says until when a usage limit keeps what is queued, this command among it."""
    until = session.limited_until
    return UsageLimited(
        f"{hold(session)} `%wxmilestone resume --now` sends it at once; `--on-limit wait` waits for it.",
        command_id=command.id if command else None,
        resets_at=until.isoformat() if until else None,
    )


def hold(session: SessionInfo) -> str:
    """Return a sentence about what a usage limit holds."""
    until = session.limited_until
    when = f"{until.astimezone():%Y-%m-%d %H:%M %Z}" if until else "?"
    return f"A usage limit lasts until {when}: what is queued ({session.queued}) goes out by itself then."


def _said(command: Command) -> str:
    return f"{(command.last_message or 'A usage limit was reached').strip().rstrip('.')}."


def _until(command: Command) -> str:
    return f"{command.resets_at.astimezone():%Y-%m-%d %H:%M %Z}" if command.resets_at else "?"


def _following_id(command: Command) -> str:
    return hashlib.sha256(f"go on after {command.id}".encode()).hexdigest()[:24]
