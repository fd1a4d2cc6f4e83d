"""Getting a project's queued commands into the box of its CLI, one at a time, each with one Enter.

A command whose text did not appear in the box as it should is neither lost nor typed again: it *stands* there, as
``delivering``, until the text appears after all (Enter is pressed then), the user presses Enter himself (the hook or
the transcript tells), or the box has been emptied (it goes back to its place in the queue, or fails where it was typed
twice and nobody typed at it).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime

from ..claude import delivery, screens
from ..errors import AttentionNeeded, StoreUnavailable, TerminalClosed
from ..fault_points import FaultPoint, reach
from ..models import Command, now
from ..terminal.session import TerminalSession
from .delivery_note import DeliveryNote
from .recorder import Recorder
from .turns import Turns
from .watch import ScreenWatch

log = logging.getLogger(__name__)

_ENTER_READ_S = 1.0  # how long the CLI may take to read Enter
_INPUT_HOLD_S = 2.0  # how long a client's keys wait for a delivery
_NO_KEYS = re.compile(rb"\x1b\[(?:<[\d;]*[Mm]|[IO])")  # the mouse, and the window's focus
_HELD_LOOK_S = 30.0  # how often it is looked whether a usage limit is over
_TRIES = 2  # how often a text is typed that does not appear
_ALONE_S = 1.0  # how long ago a client's keys must be for the box to show all that stands in it
NEVER_APPEARED = (
    "The text was typed twice and did not appear in Claude's input box as it should, so Enter was not pressed: nothing "
    "of it was submitted. Send it in other words, or put it into a file and name that."
)
PERHAPS_A_PART = (
    "The server ended while it typed a command: what stands in Claude's input box may be a part of it, beside what was "
    "typed since. Look at the terminal, and clear the box; the command is sent again then."
)


class Deliverer:
    """Types for one session, and keeps clients' keys apart from what it types.

    Args:
        wake: Is called when a command may be waiting of which nothing else tells.

    Attributes:
        maybe_queued: Whether a command may be waiting; false spares the store a question.
    """

    def __init__(
        self,
        project_id: str,
        terminal: TerminalSession,
        recorder: Recorder,
        turns: Turns,
        watch: ScreenWatch,
        note: DeliveryNote,
        *,
        wake: Callable[[], None],
    ) -> None:
        self.maybe_queued = True
        self._project_id = project_id
        self._terminal = terminal
        self._recorder = recorder
        self._turns = turns
        self._watch = watch
        self._note = note
        self._wake = wake
        self._held_until: datetime | None = None  # as it was told last
        self._hold_look: asyncio.TimerHandle | None = None
        self._free = asyncio.Event()
        self._free.set()
        self._output = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._client_typed_at = self._stands_since = self._sent_at = float("-inf")
        self._unseen: Counter[str] = Counter()  # how often a command's text was typed, by nobody else, and not seen
        self._sent = ""  # the text for which Enter was pressed last

    @property
    def typing(self) -> bool:
        """Whether something is being typed now."""
        return not self._free.is_set()

    def printed(self) -> None:
        """Note that the terminal has printed something."""
        self._output.set()

    async def changed(self) -> None:
        """Return when the terminal has printed something, or after a tenth of a second."""
        self._output.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                await self._output.wait()

    async def write_from_client(self, data: bytes) -> None:
        """Pass on a client's keys; during a delivery they wait, two seconds at most, so that nothing is interleaved."""
        if not await self.until_free():
            log.warning("Project %s: a delivery took long; a client's input is let through.", self._project_id)
        await self._terminal.write(data)
        self._note_keys(data)

    def write_now(self, data: bytes) -> bool:
        """Pass on a client's few keys at once, outside a delivery; False where ``write_from_client`` has to."""
        if self.typing or not self._terminal.write_now(data):
            return False
        self._note_keys(data)
        return True

    def _note_keys(self, data: bytes) -> None:
        if _NO_KEYS.sub(b"", data):
            self._client_typed_at = self._loop.time()

    async def until_quiet(self, seconds: float) -> None:
        """Wait until no client has typed anything for so long; to be called while clients' keys are held."""
        await asyncio.sleep(max(self._client_typed_at + seconds - self._loop.time(), 0))

    async def until_free(self) -> bool:
        """Wait until nothing is being typed, for two seconds at most, and tell whether it is so."""
        if not self.typing:
            return True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_INPUT_HOLD_S):
                await self._free.wait()
        return not self.typing

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Let clients' keys wait meanwhile."""
        self._free.clear()
        try:
            yield
        finally:
            self._free.set()

    async def deliver_next(self, claude_session_id: str, *, begin: Callable[[], None]) -> bool:
        """Deliver the command that waits longest, if one does and the box is free; tell whether it was tried.

        ``begin`` is called when nothing but typing is left to do.
        """
        if self._recorder.pending or self._turns.standing or not self._watch.reading.free:
            return False  # the id is not saved yet, or the box is not free: the next change wakes us
        try:
            command = await self._recorder.next_command()
            if command is None:
                self.maybe_queued = False
                return False
            if (until := await self._recorder.held_until()) is not None:
                self._wait_for_limit(until)
                return False
            self._note.begin(command)
            if not await self._recorder.delivering(command, claude_session_id):
                return False
        except StoreUnavailable:
            return False
        begin()
        began = self._loop.time()
        with self.hold():
            reach(FaultPoint.INPUT_HELD)
            try:
                await delivery.put(
                    self._terminal,
                    command.text,
                    changed=self.changed,
                    alone=self._is_alone,
                    typing=self._note.typing,
                    entering=self._note.entering,
                )
            except delivery.NotFree:
                self._recorder.requeue(command, "The input box was not free after all.")
            except AttentionNeeded as error:
                self._turns.stand(command)
                self._stands_since = self._loop.time()
                self._unseen[command.id] += self._client_typed_at + _ALONE_S < began
                self._watch.undelivered(error.message, await self._terminal.screen())
            except TerminalClosed:
                self._turns.submit(command)  # how far it got, the transcript will tell
            else:
                await self._submitted(command)
        return True

    async def _submitted(self, command: Command) -> None:
        """Note that Enter was pressed for this command."""
        self._turns.submit(command)
        self._sent, self._sent_at = command.text, self._loop.time()
        self._watch.heard()
        await self._until_read(command.text)

    def _wait_for_limit(self, until: datetime) -> None:
        """Look again when the limit is over; in between too, because the clock may jump (a laptop's sleep)."""
        self.maybe_queued = False
        if until != self._held_until:
            self._held_until = until
            self._recorder.emit("queue_held", {"until": until.isoformat()}, key=f"held:{until.isoformat()}")
        if self._hold_look is not None:
            self._hold_look.cancel()
        left_s = (until - now()).total_seconds()
        self._hold_look = self._loop.call_later(min(max(left_s, 0.0), _HELD_LOOK_S), self._look_for_queued)

    def _look_for_queued(self) -> None:
        self.maybe_queued = True
        self._wake()

    async def _until_read(self, text: str) -> None:
        """Hold clients' keys until the CLI has read Enter: it takes what comes in one piece with it for the text's."""
        deadline = self._loop.time() + _ENTER_READ_S
        with contextlib.suppress(TerminalClosed):
            while self._loop.time() < deadline and screens.holds(
                screens.read(await self._terminal.screen()).box or "", text
            ):
                await self.changed()

    async def follow_standing(self) -> None:
        """Look what has become of a text that stands in the terminal without Enter."""
        command = self._turns.standing
        if command is None:
            self._watch.delivered()
        elif self._may_be_a_part():
            if self._watch.is_left():
                await self._remove_part()
        elif self._watch.stands(command.text) and self._is_alone() and not self._may_be_a_draft():
            with self.hold():
                if await delivery.confirm(self._terminal, command.text, entering=self._note.entering):
                    await self._submitted(command)
        elif self._watch.withdrawn(turn=self._turns.active, inherited=self._turns.inherited):
            self._turns.stand(None)
            self._put_back(command)
            self.maybe_queued = True

    async def _remove_part(self) -> None:
        """Take out of the box what a server that died has typed, not to its end perhaps: it is typed again then."""
        if self._client_typed_at == float("-inf"):
            await self.clear_box()
        else:
            self._watch.undelivered(PERHAPS_A_PART, await self._terminal.screen())

    def _put_back(self, command: Command) -> None:
        if self._unseen[command.id] < _TRIES:
            self._recorder.requeue(command, "The text was taken out of the box before Enter was pressed.")
        else:
            self._recorder.fail(command, NEVER_APPEARED)

    async def empty_kept_box(self) -> None:
        """Take out of the box what the CLI has taken and yet left there, or nothing could be delivered any more.

        2.1.197 leaves a text there whose Enter came just when a turn ended. What a client has typed since is his.
        """
        ours = self._client_typed_at < self._sent_at
        if ours and self._watch.keeps(self._sent, turn=self._turns.active or self._turns.standing is not None):
            self._sent = ""
            await self.clear_box()

    def _may_be_a_draft(self) -> bool:
        """Whether a pasted block, which does not show its text, may be a client's own."""
        return self._shows_block and self._client_typed_at > self._stands_since

    def _may_be_a_part(self) -> bool:
        """Whether the box has something that a server that died may not have typed to its end."""
        standing, box = self._turns.standing, self._watch.reading.box
        shown = standing is not None and self._watch.holds(standing.text) and not self._shows_block
        return self._turns.inherited and bool(box) and not shown

    @property
    def _shows_block(self) -> bool:
        return (self._watch.reading.box or "").startswith("[Pasted text")

    def _is_alone(self) -> bool:
        return self._loop.time() - self._client_typed_at >= _ALONE_S

    async def clear_box(self) -> None:
        """Remove our own text that the CLI put back into the box."""
        with self.hold():
            if not await delivery.clear(self._terminal, changed=self.changed):
                log.warning("Project %s: the box could not be emptied; commands wait until it is.", self._project_id)

    async def leave(self) -> None:
        """Ask the CLI to end, by its own command, if the box takes it."""
        with contextlib.suppress(delivery.NotFree, AttentionNeeded):
            await delivery.put(self._terminal, "/exit", changed=self.changed, settle_s=1.0)
