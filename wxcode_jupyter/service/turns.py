"""Following Claude's turns: which command a prompt belongs to, whether it was taken, and how its turn ended.

Pure: hooks, transcript entries and looks at the screen go in; the values of `changes.py` come out of ``settle``. A
prompt counts as taken only when the transcript has it (by prompt id); the hook alone proves nothing, because another
hook may refuse the prompt after ours has fired. Nor does `Stop` prove that a turn is over: a hook of the user's may
send Claude on; the transcript says when it is (``ended``, within a tenth of a second). What it left running in the
background is then waited for (`background.py`). Hooks can be missing altogether; then the transcript tells which
command a prompt belongs to as well, and whether it was answered.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from ..claude.hooks import HookEvent
from ..claude.prompts import CliQueue, has_within, same_prompt
from ..claude.transcript import Entry
from ..models import Command, CommandStatus
from .background import Background, is_news, running
from .changes import Accepted, Answered, Bound, Change, Ended, Requeued, Unanswered
from .mixing import Others, mixed, unknown
from .own_command import OwnCommand
from .turn import End, Turn, begin_of

BLOCKED = (
    "The prompt was refused before Claude saw it (by a UserPromptSubmit hook of yours, or by the CLI); nothing of it "
    "is in the conversation."
)
CUT = "Claude Code ended in the middle of this turn. The prompt is in the conversation; `resume` goes on from there."
NOT_TAKEN = "Claude Code did not acknowledge the text, and its transcript does not have it. Look at the terminal."


class Turns:
    """The turn that runs, and the command that was submitted but not seen yet."""

    def __init__(self) -> None:
        self._submitted: Command | None = None
        self._standing: Command | None = None
        self._taken_over: Command | None = None  # whose Enter the server before may not have pressed any more
        self._own = OwnCommand()
        self._others = Others()  # since Enter was pressed for a command
        self._background = Background()
        self._turn: Turn | None = None
        self._next: list[Turn] = []  # reported while another turn seems to run
        self._taken: set[str] = set()
        self._newest = ""  # the last prompt in the transcript
        self._answers: dict[str, End | None] = {}  # how the transcript says that the turn of a prompt has ended
        self._known: set[str] = set()  # prompts of which a turn was made
        self._known_as: dict[str, str] = {}  # by the hooks' prompt id the transcript's, where it is another
        self._unannounced: dict[str, str] = {}  # prompts of the transcript that no hook has reported, and their texts
        self._left: dict[str, Mapping[str, str]] = {}  # what runs on, as the last Stop of a prompt's turn has said
        self._over: dict[str, End] = {}  # ends reported of prompts that are not known yet
        self._cli_queue = CliQueue()
        self._blocked = ""  # what the CLI says of the prompt that a hook refused
        self._changes: list[Change] = []

    @property
    def active(self) -> bool:
        """Whether a turn runs or is about to, a submitted command has not been seen in one yet, or a turn lingers."""
        return self._foreground or bool(self.background)

    @property
    def background(self) -> tuple[str, ...]:
        """What turns that are over have left running and is waited for, a line for each."""
        return self._background.tasks

    @property
    def lingers(self) -> bool:
        """Whether nothing is waited for but what runs in the background."""
        return bool(self.background) and not self._foreground

    @property
    def _foreground(self) -> bool:
        return bool(self._turn or self._submitted or self._own.command or self._unannounced or self._cli_queue)

    @property
    def unconfirmed(self) -> bool:
        """Whether the transcript has yet to show what was submitted."""
        own = self._own.command is not None and not self._own.begun
        return bool(self._submitted or own or self._unannounced) or (self._turn is not None and not self._turn.accepted)

    @property
    def stopped(self) -> bool:
        """Whether Claude has stopped in the turn that runs, and nothing has told yet that it is not sent on."""
        return self._turn is not None and self._turn.end is not None and not self._turn.end.over

    @property
    def ending(self) -> bool:
        """Whether an end was reported of a turn that has not ended as far as ``settle`` has told."""
        return any(turn.end is not None for turn in (*filter(None, (self._turn,)), *self._next))

    @property
    def unannounced(self) -> frozenset[str]:
        """The prompts in the transcript that no hook has reported so far; see ``begin_unannounced``."""
        return frozenset(self._unannounced)

    @property
    def noted(self) -> str | None:
        """The prompt of the turn that runs where it is over, and no `Stop` was heard of it."""
        turn = self._turn
        return turn.prompt_id if turn and turn.end and turn.end.over and turn.prompt_id not in self._left else None

    @property
    def awaits_hook(self) -> bool:
        """Whether Enter was pressed for a command and no hook has told what became of it."""
        return self._submitted is not None or self._own.command is not None

    @property
    def standing(self) -> Command | None:
        """The command whose text was put into the terminal without an Enter; the user may press it."""
        return self._standing

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
        return self._submitted or self._own.command or (self._turn.command if self._turn else None)

    def submit(self, command: Command) -> None:
        """Note that Enter was pressed for this command."""
        self._standing = self._taken_over = None
        self._submitted = None if self._own.submit(command) else command
        self._others.clear()
        self._blocked = ""

    def stand(self, command: Command | None) -> None:
        """Note that the text of this command was typed, and Enter was not pressed; None: it stands there no longer."""
        self._standing = command

    @property
    def inherited(self) -> bool:
        """Whether what stands in the terminal was typed by the server before, perhaps not to its end."""
        return self._standing is not None and self._standing is self._taken_over

    def take_over(self, command: Command | None, entries: Sequence[Entry], *, entered: bool = True) -> None:
        """Go on where another server has stopped following.

        Args:
            command: The one that is ``delivering`` or ``accepted``, if there is one.
            entries: The whole transcript so far.
            entered: Whether that server may have pressed Enter for one that is ``delivering``.
        """
        begin = begin_of(command, entries)
        for entry in entries[:begin]:
            if entry.kind == "prompt" and entry.prompt_id:
                self._note_known(entry.prompt_id)
        if command is not None and not entered:
            self._standing = self._taken_over = command
        elif command is not None and not self._own.submit(command):
            if command.status is CommandStatus.ACCEPTED and command.prompt_id:
                self._note_known(command.prompt_id)
                self._turn = Turn(command, command.prompt_id, command.text, accepted=True)
            else:
                self._submitted = self._taken_over = command
        for entry in entries[begin:]:
            self.on_entry(entry)

    def _note_known(self, prompt_id: str) -> None:
        self._known.add(prompt_id)
        self._taken.add(prompt_id)
        self._newest = prompt_id

    def on_hook(self, event: HookEvent) -> None:
        """Take a hook event of the CLI."""
        if self._standing is not None and OwnCommand.shows(event, self._standing):
            self.submit(self._standing)  # the user has pressed Enter himself
        self._changes += self._own.on_hook(event)
        prompt_id = self._known_as.get(event.prompt_id or "", event.prompt_id)
        match event.name:
            case "UserPromptSubmit" if prompt_id:
                self._report(prompt_id, str(event.data.get("prompt", "")))
            case "Stop":
                message = event.data.get("last_assistant_message")
                said = message if isinstance(message, str) else None
                self._left[prompt_id or (self._turn.prompt_id if self._turn else "")] = running(event.data)
                self._end_reported(prompt_id, End(CommandStatus.COMPLETED, said, over=False))
            case "StopFailure":
                error = event.data.get("error") or event.data.get("error_details") or "The turn failed."
                message = event.data.get("last_assistant_message")
                said = f"{error}: {message}" if message and message != error else str(error)
                self._end_reported(prompt_id, End(CommandStatus.FAILED, error=said))
            case "SessionStart" if event.data.get("source") != "compact":  # which happens in the middle of a turn
                self._cli_queue.clear()
                self._unannounced.clear()
                while self._turn is not None:
                    self._abandon()
                    self._advance()
                self.let_go()
            case "PreToolUse" | "PostToolUse" | "PermissionRequest":
                self._skip_to(prompt_id)
                if "agent_id" not in event.data:  # an agent in the background has the id of the turn that began it
                    self._goes_on(prompt_id)

    def on_entry(self, entry: Entry) -> None:
        """Take a new entry of the transcript."""
        self._changes += self._own.on_entry(entry)
        match entry.kind:
            case "prompt" if entry.prompt_id:
                self._take(entry.prompt_id, entry.text)
            case "assistant":
                self._goes_on(self._newest)
                self._answers[self._newest] = End(CommandStatus.COMPLETED, entry.text) if entry.final else None
            case "failed":
                self._answers[self._newest] = End(CommandStatus.FAILED, error=entry.text)
            case "ended":
                self._end_noted(self._newest)
            case "interrupt":
                # With a prompt in the CLI's queue, the entry has the id of that one, which comes next.
                ahead = entry.prompt_id not in self._known
                self._end(None if ahead else entry.prompt_id, End(CommandStatus.INTERRUPTED, error="Interrupted."))
            case "unknown_command":
                self._refuse_named(entry.text)
            case "blocked":
                self._blocked = entry.text.partition("Original prompt:")[0].strip()
            case "stopped":
                self._end(None, End(CommandStatus.FAILED, error=entry.text))
            case "queued" if not self._has_begun(entry.text):
                self._cli_queue.add(entry.text)
            case "unqueued":
                self._cli_queue.remove(entry.text)
            case "emptied":
                self._cli_queue.clear()
            case "joined":
                self._join(entry.text)

    def begin_unannounced(self, prompt_ids: Collection[str]) -> None:
        """Begin the turns of these prompts: all hook events from before their entries have been taken.

        2.1.330 reports what is typed during a turn at once, under that turn's id; the prompt's own id is first seen in
        the transcript, when its turn begins.
        """
        for prompt_id in prompt_ids:
            if prompt_id in self._unannounced:
                self._begin(prompt_id, self._unannounced.pop(prompt_id))

    def let_go(self) -> None:
        """Wait no longer for what runs in the background."""
        self._changes += self._background.let_go()

    def refuse(self, reason: str) -> None:
        """The CLI said that it does not know the submitted command (no hook fires for that)."""
        if self._submitted is not None:
            self._changes.append(Ended(self._submitted, CommandStatus.FAILED, error=reason))
            self._submitted = None

    def on_idle_box(self) -> None:
        """The screen shows that the turn was ended without a hook: given back to the box, refused, or long idle."""
        if self.stopped:
            self._close()
        elif self._turn is not None and self._turn.end is None:
            if self._turn.prompt_id in self._taken:
                self._end(self._turn.prompt_id, self._end_without_hook("Interrupted before the first token."))
            else:
                self._fail_unaccepted(f"{BLOCKED} {self._blocked}".strip())
                self._blocked = ""
        elif self._turn is None:
            self._cli_queue.clear()

    def let_stand(self) -> bool:
        """Count what was taken over as not submitted, because it stands in the box still; tell whether it can be so."""
        if self._submitted is None or self._submitted is not self._taken_over:
            return False
        self._submitted, self._standing = None, self._submitted
        return True

    def give_up(self) -> None:
        """Nothing confirmed the submitted text in time, and the box is idle."""
        self._changes += self._own.give_up()
        if self._submitted is not None:
            self.refuse(self._others.reason(self._submitted) or NOT_TAKEN)
        elif self._turn is not None and not self._turn.accepted:
            self._fail_unaccepted(NOT_TAKEN)

    def on_exit(self) -> None:
        """The process is dead, and everything it wrote has been read."""
        self.begin_unannounced(self.unannounced)
        self._cli_queue.clear()
        if self._submitted is not None and self._others.have(self._submitted):
            self.refuse(self._others.reason(self._submitted))
        for command in filter(None, (self._submitted, self._standing)):
            self._changes.append(Requeued(command))
        self._submitted = self._standing = None
        self._changes += self._own.on_exit()
        while (turn := self._turn) is not None:
            # Not even a Stop proves it: a CLI that was told to end goes on for a moment, and writes nothing any more.
            if turn.prompt_id in self._taken:
                self._close()
                self._end(turn.prompt_id, self._end_without_hook(CUT))
            elif turn.command:
                self._changes.append(Requeued(turn.command))
            self._conclude()
            self._turn = None
            self._advance()
        self.let_go()

    def settle(self, *, more_hooks: bool = False) -> list[Change]:
        """Return what has become certain since the last call, in order.

        With ``more_hooks`` (some may not have been taken yet) an end that is ``noted`` waits for its `Stop`, which says
        what runs on.
        """
        self._conclude(more_hooks=more_hooks)
        self._advance()
        changes, self._changes = self._changes, []
        return changes

    def _conclude(self, *, more_hooks: bool = False) -> None:
        """Draw the conclusions about the turn that runs."""
        turn = self._turn
        if turn is not None and not turn.accepted and turn.prompt_id in self._taken:
            turn.accepted = True
            self._changes.append(Accepted(turn.command, turn.prompt_id))
        ended = turn is not None and turn.accepted and not (more_hooks and self.noted)
        if ended and turn is not None and turn.end is not None and turn.end.over:
            self._answers.pop(turn.prompt_id, None)
            self._turn = None
            self._finish(turn, turn.end)

    def _finish(self, turn: Turn, end: End) -> None:
        left = self._left.pop(turn.prompt_id, None)
        if turn.command is not None:
            ended = Ended(turn.command, end.status, end.last_message, end.error)
            self._changes += self._background.end(ended, left or {})
            return
        if end.status is CommandStatus.COMPLETED:
            self._changes.append(Answered(turn.prompt_id))
        elif end.status is CommandStatus.FAILED and end.error:
            self._changes.append(Unanswered(turn.prompt_id, end.error))
        self._changes += self._background.end_other(
            end.status, end.last_message, end.error, left, news=is_news(turn.text)
        )

    def _take(self, prompt_id: str, text: str) -> None:
        """A prompt is in the transcript."""
        self._newest = prompt_id
        if prompt_id in self._taken:
            return  # 2.1.197 adds what a hook said under the same id
        self._taken.add(prompt_id)
        turn = self._turn
        if turn is not None and turn.prompt_id != prompt_id:
            self._close()
        if prompt_id not in self._known:
            self._unannounced[prompt_id] = text
        elif turn and turn.prompt_id == prompt_id and turn.is_of_another(text):
            # Ours was reported under the id of a turn that we did not know of: it waits behind that one.
            self._submitted, turn.command, turn.text = turn.command, None, text

    def _report(self, prompt_id: str, text: str) -> None:
        turn = self._turn
        if prompt_id not in self._known:
            self._unannounced.pop(prompt_id, None)
            self._begin(prompt_id, text)
        elif turn and turn.prompt_id == prompt_id and not same_prompt(text, turn.text):
            self._cli_queue.report(text)  # 2.1.330 does it under the id of the turn that runs

    def _begin(self, prompt_id: str, text: str) -> None:
        self._known.add(prompt_id)
        self._cli_queue.remove(text)
        command, ended_before = None, self._take_over(prompt_id, text)
        ours = self._submitted or self._standing
        if ours is not None and same_prompt(text, ours.text):
            command, self._submitted, self._standing = ours, None, None
            self._changes.append(Bound(command, prompt_id))
        else:
            self._is_another(text)
        # While a turn runs this one waits in the CLI's queue, or the running one was ended without a word: what is
        # heard next, of which of the two, tells.
        self._next.append(Turn(command, prompt_id, text, end=self._over.pop(prompt_id, None) or ended_before))
        self._advance()

    def _take_over(self, prompt_id: str, text: str) -> End | None:
        """Follow the turn that runs as this prompt's where that is the same, and return how it has ended, if it has.

        2.1.197 has a prompt that runs into a usage limit in the transcript under an id that no hook knows, and behind
        the entries of its end where it is the conversation's first.
        """
        turn = self._turn
        if turn is None or turn.prompt_id in self._taken or prompt_id not in self._taken:
            return None
        if not same_prompt(text, turn.text):
            return None
        self._submitted, self._turn = turn.command or self._submitted, None
        self._known_as[turn.prompt_id] = prompt_id
        if turn.prompt_id in self._left:
            self._left[prompt_id] = self._left.pop(turn.prompt_id)
        return turn.end

    def _join(self, text: str) -> None:
        """A prompt from the CLI's queue went into the turn that runs: ours, perhaps, which ends with it then."""
        turn, command = self._turn, self._submitted
        if turn and turn.accepted and turn.command is None and command and same_prompt(text, command.text):
            turn.command, self._submitted = command, None
            self._changes += (Bound(command, turn.prompt_id), Accepted(command, turn.prompt_id))
        else:
            self._is_another(text)

    def _is_another(self, text: str) -> None:
        """A prompt is no command's; but what stood in the box may have gone in with what somebody typed there."""
        if self._standing is not None and has_within(text, self._standing.text):
            self._changes.append(Ended(self._standing, CommandStatus.FAILED, error=mixed(text)))
            self._standing = None
        elif self._submitted is not None:
            self._others.add(text)

    def _has_begun(self, text: str) -> bool:
        """Whether the turn of what the CLI has queued was reported before the transcript told that it was queued."""
        turns = (*filter(None, (self._turn,)), *self._next)
        return any(turn.prompt_id not in self._taken and same_prompt(turn.text, text) for turn in turns)

    def _advance(self) -> None:
        if self._turn is None and self._next:
            self._turn = self._next.pop(0)

    def _skip_to(self, prompt_id: str | None) -> None:
        """Something is heard of a prompt that waited: those before it are over."""
        while prompt_id in [turn.prompt_id for turn in self._next]:
            self._abandon()
            self._advance()

    def _end_reported(self, prompt_id: str | None, end: End) -> None:
        """A hook says that a turn is over."""
        if prompt_id in self._unannounced:
            self._begin(prompt_id, self._unannounced.pop(prompt_id))
        elif prompt_id is not None and prompt_id not in self._known:
            self._over[prompt_id] = end
        self._end(prompt_id, end)

    def _end_noted(self, prompt_id: str) -> None:
        """The transcript says that a turn is over; where hooks fire they have said so before."""
        end = self._answers.get(prompt_id) or End(CommandStatus.COMPLETED)
        if self._turn is not None and self._turn.prompt_id == prompt_id:
            self._close()
        if prompt_id in self._unannounced:
            self._over[prompt_id] = end
        else:
            self._end(prompt_id, end)

    def _end(self, prompt_id: str | None, end: End) -> None:
        self._skip_to(prompt_id)
        turn = self._turn
        if turn is None or prompt_id not in (None, turn.prompt_id):
            return
        if turn.end is None or not turn.end.over:
            turn.end = end
        elif turn.end == End(CommandStatus.COMPLETED) and end.status is CommandStatus.COMPLETED:
            turn.end = replace(end, over=True)  # the transcript may tell of it without the text

    def _close(self) -> None:
        """The turn in which Claude has stopped is over: it was not sent on."""
        if self._turn is not None and self._turn.end is not None:
            self._turn.end = replace(self._turn.end, over=True)

    def _goes_on(self, prompt_id: str | None) -> None:
        """Something is heard of a turn in which Claude had stopped: it was sent on."""
        if self._turn is not None and self._turn.prompt_id == prompt_id and self.stopped:
            self._turn.end = None

    def _end_without_hook(self, otherwise: str) -> End:
        """Return how the turn that runs has ended: as the transcript says, else it was interrupted."""
        answer = self._answers.get(self._turn.prompt_id) if self._turn else None
        return answer or End(CommandStatus.INTERRUPTED, error=otherwise)

    def _abandon(self) -> None:
        """Another turn or conversation has begun: the turn before was ended without a word."""
        self._trust_its_end()
        self.on_idle_box()
        self._conclude()
        self._turn = None

    def _trust_its_end(self) -> None:
        """Count a turn whose end was reported as taken, because nobody waits for its entry any longer."""
        if self._turn is not None and self._turn.end is not None:
            self._taken.add(self._turn.prompt_id)

    def _refuse_named(self, said: str) -> None:
        """The CLI does not know a command: ours, if it has its name; the entry of an earlier one may be read late."""
        if self._submitted is not None and (error := unknown(said, self._submitted)):
            self.refuse(error)
        elif self._standing is not None and (error := unknown(said, self._standing)):
            self._changes.append(Ended(self._standing, CommandStatus.FAILED, error=error))
            self._standing = None

    def _fail_unaccepted(self, reason: str) -> None:
        if self._turn is not None and self._turn.command is not None:
            self._changes.append(Ended(self._turn.command, CommandStatus.FAILED, error=reason))
        self._turn = None
