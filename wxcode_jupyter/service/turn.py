"""One turn of Claude's, how it has ended, and where in a transcript who takes it over has to begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..claude.prompts import same_prompt
from ..claude.transcript import Entry
from ..models import Command, CommandStatus

_OVER = ("ended", "interrupt", "failed", "stopped")  # entries after which a turn does not go on


@dataclass(frozen=True, slots=True)
class End:
    """How a turn has ended; ``over`` is false where Claude has stopped, and may be sent on."""

    status: CommandStatus
    last_message: str | None = None
    error: str | None = None
    over: bool = True


@dataclass(slots=True)
class Turn:
    """A prompt's turn: ours where it has a command; ``accepted`` once that was told."""

    command: Command | None
    prompt_id: str
    text: str
    end: End | None = None
    accepted: bool = False

    def is_of_another(self, text: str) -> bool:
        """Whether the text of its entry in the transcript shows that this turn is not the command's."""
        command = None if self.accepted else self.command
        plain = not text.startswith("<")  # else some form of the CLI's own that is not known here
        return (
            command is not None and plain and not same_prompt(text, self.text) and not same_prompt(text, command.text)
        )


def begin_of(command: Command | None, entries: Sequence[Entry]) -> int:
    """Return how much of a transcript is no news to who takes over with this command."""
    prompts = [number for number, entry in enumerate(entries) if entry.kind == "prompt"]
    if command is None:
        last = prompts[-1] if prompts else len(entries)
        over = any(entry.kind in _OVER or entry.final for entry in entries[last:])
        return len(entries) if over else last
    if command.status is CommandStatus.ACCEPTED:
        for number in prompts:
            if entries[number].prompt_id == command.prompt_id:
                return number + 1
    since = command.delivering_at
    later = (n for n, entry in enumerate(entries) if since and entry.at and entry.at >= since)
    return next(later, len(entries))
