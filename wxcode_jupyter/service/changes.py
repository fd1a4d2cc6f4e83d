"""What can be concluded about a command: the values that `turns.py` gives and `recorder.py` writes down."""

from __future__ import annotations

from dataclasses import dataclass

from ..models import Command, CommandStatus


@dataclass(frozen=True, slots=True)
class Bound:
    """The CLI reported the prompt of a command under this id; whether it is taken is not known yet."""

    command: Command
    prompt_id: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A prompt is in the transcript; ``command`` is None for one that the user typed.

    ``prompt_id`` is None for a command of the CLI's own: it was carried out, and is no prompt of the conversation.
    """

    command: Command | None
    prompt_id: str | None


@dataclass(frozen=True, slots=True)
class Ended:
    """A command is done, one way or another."""

    command: Command
    status: CommandStatus
    last_message: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """Claude has answered a prompt that is no command's."""

    prompt_id: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The turn of a prompt that is no command's has failed; ``error`` is what the CLI said."""

    prompt_id: str
    error: str


@dataclass(frozen=True, slots=True)
class Lingers:
    """A turn is over, and what it has left running in the background is waited for; ``tasks`` has a line for each.

    ``command`` is None for a turn that was no command's.
    """

    command: Command | None
    tasks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Requeued:
    """A command provably did not get into the conversation and may be delivered again."""

    command: Command


Change = Bound | Accepted | Ended | Answered | Unanswered | Lingers | Requeued
