"""What is heard of one CLI: its hook events and its transcript, read in an order that tells a cause from its effect.

Nothing here waits or looks at the screen. What is heard goes to `turns.py`, which draws the conclusions, and to the
recorder, which writes them down.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from ..claude.hooks import HookEvent, HookSpool
from ..claude.transcript import Transcript
from ..fault_points import FaultPoint, reach
from ..models import Command
from .changes import Accepted, Ended, Lingers
from .questions import Questions
from .recorder import Recorder
from .turns import Turns
from .watch import ScreenWatch
from .witness import Witness

_TOOLS = ("PreToolUse", "PostToolUse")
_ENDS = ("Stop", "StopFailure")


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What another server has left of the session that is followed.

    ``command`` is the one that was under way; ``entered`` is false where it did not press Enter for it.
    """

    command: Command | None
    entered: bool = True


class Listener:
    """Reads the spool and the transcript of a live session.

    Attributes:
        claude_session_id: The conversation's id: the one that was asked for, then what the CLI says.
        started: Whether the conversation has begun (`SessionStart`).
    """

    def __init__(
        self,
        spool: HookSpool,
        recorder: Recorder,
        turns: Turns,
        watch: ScreenWatch,
        questions: Questions,
        *,
        claude_session_id: str,
        witness: Witness,
        takes_over: TakenOver | None = None,
    ) -> None:
        self.claude_session_id = claude_session_id
        self.started = False
        self._spool = spool
        self._recorder = recorder
        self._turns = turns
        self._watch = watch
        self._questions = questions
        self._witness = witness
        self._transcript: Transcript | None = None
        self._takes_over = takes_over
        self._began_by = ""  # key of the newest `SessionStart`, with which whoever takes over begins
        self._needed: list[str] = []  # keys of events that tell of what is asked
        self._ends: list[str] = []  # and of those that tell of ends from which nothing was concluded yet
        self._seen: set[str] = set()  # keys of hook events that are still in the spool
        self._heard = 0  # how many hook events have come
        self._more_hooks = False  # whether there may be some that were not read yet
        self._heard_before = 0  # and how many when the last delivery began

    @contextmanager
    def woken(self, wake: Callable[[], None]) -> Iterator[None]:
        """Call ``wake`` whenever the relay has left an event."""
        with suppress(FileExistsError):
            os.mkfifo(self._spool.poke_path, 0o600)  # of a session that is taken over somebody may have removed it
        poke = os.open(self._spool.poke_path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

        def poked() -> None:
            try:
                os.read(poke, 4096)
            except BlockingIOError:
                return
            wake()

        loop = asyncio.get_running_loop()
        loop.add_reader(poke, poked)
        try:
            yield
        finally:
            loop.remove_reader(poke)
            os.close(poke)

    @property
    def waits(self) -> bool:
        """Whether a conversation's begin has yet to be confirmed: look again soon."""
        return self._witness.waits

    def listen(self) -> bool:
        """Take everything that is there, and tell whether anything has become certain (see ``settle``)."""
        self.read_transcript()
        unannounced, noted = self._turns.unannounced, self._turns.noted
        certain = self._read_hooks()
        self._turns.begin_unannounced(unannounced)
        self.read_transcript()
        # The hooks of an end that is noted only now may have come after those that were read.
        self._more_hooks = self._turns.noted != noted
        return certain

    def begin_delivery(self) -> None:
        """Note that the next prompt may be ours: what the CLI has told until now is not about it."""
        self._heard_before = self._heard
        self._take_entries()

    def read_transcript(self) -> None:
        """Take new entries, while they can matter: an idle session costs nothing."""
        if self._turns.active or self._turns.standing:
            self._take_entries()

    def settle(self) -> bool:
        """Write down what has become certain, and tell whether anything has."""
        changes = self._turns.settle(more_hooks=self._more_hooks)
        for change in changes:
            if isinstance(change, Lingers):
                self._watch.worked()
            if isinstance(change, Accepted) and change.command is not None:
                reach(FaultPoint.PROMPT_SEEN)
                self._watch.hooks(missed=self._heard == self._heard_before)
            if isinstance(change, Ended):
                reach(FaultPoint.TURN_END_SEEN)
            path = self._transcript.path if self._transcript else None
            self._recorder.change(change, self.claude_session_id, path)
        if self._ends and not self._turns.ending:
            ends, self._ends = self._ends, []
            for key in ends:
                self._recorder.then(partial(self._forget, key))
        return bool(changes)

    def _read_hooks(self) -> bool:
        certain, self._more_hooks = False, True
        for event in self._admitted():
            self._seen.add(event.key)
            self._heard += 1
            reach(FaultPoint.HOOK_HEARD)
            self._watch.heard()
            self._watch.hooks(missed=False)
            if self._turns.lingers and event.name in _TOOLS:
                # News of it are no sign: a watch that is kept in the background would tell some for ever.
                self._watch.worked()
            self.read_transcript()
            was_heard = event.name == "SessionStart" and self._takes_over is not None  # by the server before
            if event.name == "SessionStart":
                self._begin_conversation(event)
            if not was_heard:
                self._turns.on_hook(event)
                self._questions.hear(event)
            certain = self.settle() or certain
            self._recorder.hook(event)
            self._finish(event)
        return certain

    def _admitted(self) -> list[HookEvent]:
        """Return what can be heard now; what is not believed is set aside, and told."""
        events = self._spool.load(self._seen)
        if events and (event := self._witness.reconsidered()):
            self._spool.take_back(event.key)
            events = self._spool.load(self._seen)
        heard, doubted = self._witness.admit(events, self.claude_session_id)
        for event in doubted:
            self._spool.set_aside(event.key)
            self._recorder.doubt(event, self.claude_session_id)
        return heard

    def _finish(self, event: HookEvent) -> None:
        """Have an event forgotten as soon as whoever takes the session over need not hear it any more.

        Needed are the newest `SessionStart`, what is asked, and an end until it is recorded (``settle``): a turn is not
        over before the transcript has its prompt.
        """
        finished = [key for key in self._needed if not self._questions.needs(key)]
        if event.name == "SessionStart":
            finished, self._began_by = [*finished, *filter(None, (self._began_by,))], event.key
        elif self._questions.needs(event.key):
            self._needed.append(event.key)
        elif event.name in _ENDS and self._turns.ending:
            self._ends.append(event.key)
        else:
            finished.append(event.key)
        self._needed = [key for key in self._needed if key not in finished]
        for key in finished:
            self._recorder.then(partial(self._forget, key))

    def _forget(self, key: str) -> None:
        """Everything that a hook event says is in the store."""
        self._spool.remove(key)
        reach(FaultPoint.HOOK_FORGOTTEN)
        self._seen.discard(key)

    def _begin_conversation(self, event: HookEvent) -> None:
        path = event.transcript_path or ""
        another = event.claude_session_id != self.claude_session_id
        if self._transcript is None or another or (path and self._transcript.path != path):
            self._transcript = Transcript(path)
            if self._takes_over is not None:
                left = self._takes_over
                self._turns.take_over(left.command, self._transcript.load(), entered=left.entered)
                self._watch.ready = True
                reach(FaultPoint.TAKEOVER_DONE)
            elif event.data.get("source") == "resume":
                self._transcript.skip()  # what was said before is no news
            self._takes_over = None
        if self.started and event.data.get("source") == "startup":
            self._watch.begin()  # the CLI has restarted itself
        self.claude_session_id = event.claude_session_id
        self._recorder.conversation(event, first=not self.started)
        self.started = True

    def _take_entries(self) -> None:
        if self._transcript is not None:
            before = self._transcript.offset
            for entry in self._transcript.load():
                self._turns.on_entry(entry)
            if self._transcript.offset != before:
                self._watch.heard()
