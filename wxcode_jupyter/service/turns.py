"""Following Claude's turns: which command a prompt belongs to, whether it was taken, and how its turn ended.

Pure: hooks, transcript entries and looks at the screen go in; ``Bound``, ``Accepted``, ``Ended`` and ``Requeued`` come
out of ``settle``. A prompt counts as taken only when the transcript has it (by prompt id); the hook alone
    proves nothing, because another hook may refuse the prompt after ours has fired.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..claude.hooks import HookEvent
from ..claude.screens import holds
from ..claude.transcript import Entry
from ..models import Command, CommandStatus

BLOCKED = (
    "The prompt was refused before Claude saw it (by a UserPromptSubmit hook of yours, or by the CLI); nothing of it "
    "is in the conversation."
)
CUT = "Claude Code ended in the middle of this turn. The prompt is in the conversation; `resume` goes on from there."
NOT_TAKEN = "Claude Code did not acknowledge the text, and its transcript does not have it. Look at the terminal."


_WRAPPING = re.compile(r"</?pasted_content\b[^>]*>")
_TELLING = 40  # characters


@dataclass(frozen=True, slots=True)
class Bound:
    """The CLI reported the prompt of a command under this id; whether it is taken is not known yet."""

    command: Command
    prompt_id: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A prompt is in the transcript; ``command`` is None for one that the user typed."""

    command: Command | None
    prompt_id: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A command is done, one way or another."""

    command: Command
    status: CommandStatus
    last_message: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Requeued:
    """A command provably did not get into the conversation and may be delivered again."""

    command: Command


Change = Bound | Accepted | Ended | Requeued


@dataclass(slots=True)
class _Turn:
    command: Command | None
    prompt_id: str
    text: str
    accepted: bool = False
    status: CommandStatus | None = None  # how it ended
    last_message: str | None = None
    error: str | None = None


class Turns:
    """The turn that runs, and the command that was submitted but not seen yet."""

    def __init__(self) -> None:
        self._submitted: Command | None = None
        self._turn: _Turn | None = None
        self._next: list[_Turn] = []  # prompts that the CLI has queued itself (2.1.330 reports them at once)
        self._taken: set[str] = set()
        self._blocked = ""  # what the CLI says of the prompt that a hook refused
        self._changes: list[Change] = []

    @property
    def active(self) -> bool:
        """Whether a turn runs, or a submitted command has not been seen in one yet."""
        return self._turn is not None or self._submitted is not None

    @property
    def unconfirmed(self) -> bool:
        """Whether the transcript has yet to show what was submitted."""
        return self._submitted is not None or (self._turn is not None and not self._turn.accepted)

    @property
    def awaits_hook(self) -> bool:
        """Whether Enter was pressed for a command and no ``UserPromptSubmit`` has come for it."""
        return self._submitted is not None

    @property
    def blocked(self) -> bool:
        """Whether the transcript says that a hook refused the prompt of the turn that should run."""
        return bool(self._blocked) and self._turn is not None and not self._turn.accepted

    @property
    def text(self) -> str:
        """What was asked in the turn that runs, as delivered, or as the hook reported it for a user's."""
        command = self.command
        return command.text if command else self._turn.text if self._turn else ""

    @property
    def command(self) -> Command | None:
        """The command of the turn that runs, None for a user's."""
        return self._submitted or (self._turn.command if self._turn else None)

    def submit(self, command: Command) -> None:
        """Note that Enter was pressed for this command."""
        self._submitted = command
        self._blocked = ""

    def on_hook(self, event: HookEvent) -> None:
        """Take a hook event of the CLI."""
        match event.name:
            case "UserPromptSubmit" if event.prompt_id:
                self._begin(event.prompt_id, str(event.data.get("prompt", "")))
            case "Stop":
                self._end(event.prompt_id, CommandStatus.COMPLETED, message=event.data.get("last_assistant_message"))
            case "StopFailure":
                error = event.data.get("error") or event.data.get("error_details") or "The turn failed."
                message = event.data.get("last_assistant_message")
                said = f"{error}: {message}" if message and message != error else str(error)
                self._end(event.prompt_id, CommandStatus.FAILED, error=said)
            case "SessionStart":
                while self._turn is not None:
                    self._abandon()
                    self._advance()
            case "PreToolUse" | "PostToolUse" | "PermissionRequest":
                self._skip_to(event.prompt_id)

    def on_entry(self, entry: Entry) -> None:
        """Take a new entry of the transcript."""
        if entry.kind == "prompt" and entry.prompt_id:
            self._taken.add(entry.prompt_id)
        elif entry.kind == "interrupt":
            self._end(entry.prompt_id, CommandStatus.INTERRUPTED, error="Interrupted.")
        elif entry.kind == "unknown_command" and self._names_submitted(entry.text):
            self.refuse(entry.text)
        elif entry.kind == "blocked":
            self._blocked = entry.text.partition("Original prompt:")[0].strip()
        elif entry.kind == "stopped":
            self._end(None, CommandStatus.FAILED, error=entry.text)

    def refuse(self, reason: str) -> None:
        """The CLI said that it does not know the submitted command (no hook fires for that)."""
        if self._submitted is not None:
            self._changes.append(Ended(self._submitted, CommandStatus.FAILED, error=reason))
            self._submitted = None

    def on_idle_box(self) -> None:
        """The screen shows that the turn was ended without a hook: given back to the box, refused, or long idle."""
        if self._turn is not None and self._turn.status is None:
            if self._turn.prompt_id in self._taken:
                self._end(self._turn.prompt_id, CommandStatus.INTERRUPTED, error="Interrupted before the first token.")
            else:
                self._fail_unaccepted(f"{BLOCKED} {self._blocked}".strip())
                self._blocked = ""

    def give_up(self) -> None:
        """Nothing confirmed the submitted text in time, and the box is idle."""
        if self._submitted is not None:
            self.refuse(NOT_TAKEN)
        elif self._turn is not None and not self._turn.accepted:
            self._fail_unaccepted(NOT_TAKEN)

    def on_exit(self) -> None:
        """The process is dead, and everything it wrote has been read."""
        if self._submitted is not None:
            self._changes.append(Requeued(self._submitted))
            self._submitted = None
        while (turn := self._turn) is not None:
            self._trust_its_end()
            if turn.prompt_id in self._taken:
                self._end(turn.prompt_id, CommandStatus.INTERRUPTED, error=CUT)
            elif turn.command:
                self._changes.append(Requeued(turn.command))
            self._conclude()
            self._turn = None
            self._advance()

    def settle(self) -> list[Change]:
        """Return what has become certain since the last call, in order."""
        self._conclude()
        self._advance()
        changes, self._changes = self._changes, []
        return changes

    def _conclude(self) -> None:
        """Draw the conclusions about the turn that runs."""
        turn = self._turn
        if turn is not None and not turn.accepted and turn.prompt_id in self._taken:
            turn.accepted = True
            self._changes.append(Accepted(turn.command, turn.prompt_id))
        if turn is not None and turn.accepted and turn.status is not None:
            if turn.command is not None:
                self._changes.append(Ended(turn.command, turn.status, turn.last_message, turn.error))
            self._turn = None

    def _begin(self, prompt_id: str, text: str) -> None:
        if prompt_id in (turn.prompt_id for turn in (self._turn, *self._next) if turn is not None):
            return
        command = None
        if self._submitted is not None and same_prompt(text, self._submitted.text):
            command, self._submitted = self._submitted, None
            self._changes.append(Bound(command, prompt_id))
        # While a turn runs this one waits in the CLI's queue (2.1.330), or the running one was ended without a word:
        # what is heard next, of which of the two, tells.
        self._next.append(_Turn(command, prompt_id, text))
        self._advance()

    def _advance(self) -> None:
        if self._turn is None and self._next:
            self._turn = self._next.pop(0)

    def _skip_to(self, prompt_id: str | None) -> None:
        """Something is heard of a prompt that waited: those before it are over."""
        while prompt_id in [turn.prompt_id for turn in self._next]:
            self._abandon()
            self._advance()

    def _end(
        self, prompt_id: str | None, status: CommandStatus, *, message: object = None, error: str | None = None
    ) -> None:
        self._skip_to(prompt_id)
        turn = self._turn
        if turn is None or turn.status is not None or (prompt_id is not None and prompt_id != turn.prompt_id):
            return
        turn.status, turn.error = status, error
        turn.last_message = message if isinstance(message, str) else None

    def _abandon(self) -> None:
        """Another turn or conversation has begun: the turn before was ended without a word."""
        self._trust_its_end()
        self.on_idle_box()
        self._conclude()
        self._turn = None

    def _trust_its_end(self) -> None:
        """Count a turn whose end was reported as taken, because nobody waits for its entry any longer."""
        if self._turn is not None and self._turn.status is not None:
            self._taken.add(self._turn.prompt_id)

    def _names_submitted(self, reason: str) -> bool:
        """Whether it is our command that the CLI does not know: the entry of an earlier one may be read late."""
        return self._submitted is not None and reason.startswith(f"Unknown command: {self._submitted.text.split()[0]}")

    def _fail_unaccepted(self, reason: str) -> None:
        if self._turn is not None and self._turn.command is not None:
            self._changes.append(Ended(self._turn.command, CommandStatus.FAILED, error=reason))
        self._turn = None


def same_prompt(reported: str, meant: str) -> bool:
    """Whether the prompt that the hook reports is the text that was delivered (2.1.330 wraps what was pasted)."""
    shown, text = (_WRAPPING.sub("", each) for each in (reported, meant))
    # Within others only a long text is looked for: a "yes" may well be part of what the user asked instead.
    return holds(shown, text) or (len(text) >= _TELLING and "".join(text.split()) in "".join(shown.split()))
