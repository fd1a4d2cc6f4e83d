"""A command of the CLI's own (`/clear`, `/compact`) from Enter to its effect; pure, as `turns.py` is, which owns it."""

from __future__ import annotations

from ..claude.builtins import Effect, effect_of, refusal
from ..claude.hooks import HookEvent
from ..claude.transcript import Entry
from ..models import Command, CommandStatus
from .changes import Accepted, Change, Ended, Requeued
from .mixing import unknown

NO_EFFECT = "Claude Code did not show that it carried this command out. Look at the terminal."
BROKEN_OFF = "Claude Code ended while it carried this command out."


class OwnCommand:
    """The one command of the CLI's own that was submitted, as long as its effect has not come.

    Its effect is a hook's word, or the transcript's where that is heard first; the other one, heard later, changes
    nothing.
    """

    def __init__(self) -> None:
        self.command: Command | None = None
        self._effect: Effect | None = None
        self._begun = False
        self._noted = False

    @property
    def begun(self) -> bool:
        """Whether the CLI is at it; false for one that is only submitted."""
        return self._begun

    def submit(self, command: Command) -> bool:
        """Note that Enter was pressed for this command; False for a prompt, which is none of ours."""
        self._effect = effect_of(command.text)
        if self._effect is None:
            return False
        self.command, self._begun, self._noted = command, command.status is CommandStatus.ACCEPTED, False
        return True

    @staticmethod
    def shows(event: HookEvent, command: Command | None) -> bool:
        """Whether this event shows that the CLI carries this command out."""
        effect = effect_of(command.text) if command else None
        if effect is None:
            return False
        return event.name == effect.begins or (
            event.name == "SessionStart" and event.data.get("source") == effect.source
        )

    def on_hook(self, event: HookEvent) -> list[Change]:
        """Take a hook event of the CLI, and return what follows from it."""
        if not self.shows(event, self.command):
            return []
        return self._end(CommandStatus.COMPLETED) if event.name == "SessionStart" else self._begin()

    def on_entry(self, entry: Entry) -> list[Change]:
        """Take a new entry of the transcript, and return what follows from it."""
        if self.command is None or self._effect is None:
            return []
        if entry.kind == "own_command":
            self._noted = entry.text.split() == self.command.text.split()
        elif entry.kind == "own_output" and self._noted:
            reason = refusal(self._effect, entry.text)
            return self._end(CommandStatus.COMPLETED if reason is None else CommandStatus.FAILED, reason)
        elif entry.kind == "unknown_command" and (error := unknown(entry.text, self.command)):
            return self._end(CommandStatus.FAILED, error, begun=False)
        return []

    def give_up(self) -> list[Change]:
        """The box has been idle for long, and nothing has come."""
        return self._end(CommandStatus.FAILED, NO_EFFECT, begun=False) if self.command else []

    def on_exit(self) -> list[Change]:
        """The process is dead: what had not begun can be sent again."""
        if self.command is None:
            return []
        if self._begun:
            return self._end(CommandStatus.INTERRUPTED, BROKEN_OFF)
        command, self.command = self.command, None
        return [Requeued(command)]

    def _begin(self) -> list[Change]:
        if self._begun or self.command is None:
            return []
        self._begun = True
        return [Accepted(self.command, None)]

    def _end(self, status: CommandStatus, error: str | None = None, *, begun: bool = True) -> list[Change]:
        taken = self._begin() if begun else []
        command, self.command = self.command, None
        return [*taken, Ended(command, status, error=error)] if command else []
