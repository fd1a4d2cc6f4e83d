"""The server's side of the emulator: one worker process for all sessions, respawned and refilled when it dies."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from ..errors import TerminalClosed, TerminalError
from ..models import TermSize
from .emulator_process import EmulatorProcess
from .screen import ScreenView, Snapshot
from .style import Run, Style

FEED_WINDOW_S = 0.005

_MAX_STARTS_WITHOUT_ANSWER = 3
_MAX_CRASHES_OF_SESSION = 20


class EmulatedScreen:
    """One session's emulator in the worker; made by ``Emulation.open``, ended by ``close``.

    Args:
        head: Gives the journal's present end.
        on_replies: Called with what the terminal answers to the program's queries, each answer once.
    """

    def __init__(
        self,
        emulation: Emulation,
        number: int,
        folder: str,
        head: Callable[[], int],
        on_replies: Callable[[bytes], None],
    ) -> None:
        self.number = number
        self.on_replies = on_replies
        self.answered = 0
        self.generation = 0  # of the worker that knows this session
        self.crashes = 0
        self._folder = folder
        self._head = head
        self._emulation = emulation
        self._start = 0
        self._suspects: list[list[int]] = []
        self._skips: list[list[int]] = []
        self._stuck_at: set[int] = set()
        self._distrusted: set[int] = set()
        self._busy = False
        self._again = False
        self._closed = False

    def follow(self) -> None:
        """Note that there is new output; it is fed soon, at most one request at a time.

        Not at once: the worker would compete with those who wait for the same bytes.
        """
        if self._busy:
            self._again = True
        elif not self._closed:
            self._busy = True
            asyncio.get_running_loop().call_later(FEED_WINDOW_S, self._feed)

    async def view(self, styled: bool = False) -> ScreenView:
        """Return the screen with everything in it that is in the journal now, ``styled`` with its looks."""
        fields = (await self._ask(view={"styled": styled}))["view"]
        fields.update(
            lines=tuple(fields["lines"]),
            cursor=tuple(fields["cursor"]),
            size=TermSize(**fields["size"]),
            runs=tuple(tuple(_run(*run) for run in row) for row in fields["runs"]),
        )
        return ScreenView(**fields)

    async def snapshot(self, history: int) -> Snapshot:
        """Return the screen as bytes, with everything in it that is in the journal now."""
        answer = await self._ask(snapshot={"history": history})
        fields = answer["snapshot"]
        return Snapshot(fields["offset"], TermSize(**fields["size"]), answer["data"], fields["exact"])

    def close(self) -> None:
        """Let the worker forget it."""
        if not self._closed:
            self._closed = True
            self._emulation.forget(self)

    def describe(self) -> dict[str, Any]:
        """Return what a worker needs to know, as its ``open`` request."""
        return {
            "op": "open",
            "session": self.number,
            "folder": self._folder,
            "start": self._start,
            "answered": self.answered,
            "suspects": self._suspects,
            "skips": self._skips,
            "distrusted": sorted(self._distrusted),
        }

    def note_crash(self, offset: int, length: int, checkpoint: int) -> None:
        """Remember what the worker died of.

        A checkpoint is not used again; without one, what kills it twice is skipped the next time.

        Args:
            offset: Where it was.
            length: How much it was being fed; 0 when it was looking at the screen, or making it from a checkpoint.
            checkpoint: Where the checkpoint is from which it had gone on, -1 for none.
        """
        self.crashes += 1
        if checkpoint >= 0:
            self._distrusted.add(checkpoint)
            return
        if any(begin <= offset < finish for begin, finish in self._suspects) and length:
            self._skips.append([offset, offset + length])
        elif length:
            self._suspects.append([offset, offset + length])
        elif offset in self._stuck_at:  # not a chunk but the state before it
            self._start = offset
        else:
            self._stuck_at.add(offset)

    async def _ask(self, **wanted: dict[str, Any]) -> dict[str, Any]:
        if self._closed:
            raise TerminalClosed("The session was discarded; its screen is gone.")
        return await self._emulation.request(self, self._head(), **wanted)

    def _feed(self) -> None:
        self._again = False
        if not self._closed:
            self._emulation.request(self, self._head()).add_done_callback(self._followed)

    def _followed(self, answer: asyncio.Future[dict[str, Any]]) -> None:
        self._busy = False
        if not answer.cancelled() and answer.exception() is None and self._again:
            self.follow()


class Emulation:
    """The worker: started when the first session needs it, one at a time."""

    def __init__(self, kind: str = "") -> None:
        self._kind = kind
        self._numbers = itertools.count(1)
        self._request_ids = itertools.count(1)
        self._screens: dict[int, EmulatedScreen] = {}
        self._requests: dict[int, tuple[EmulatedScreen, dict[str, Any], asyncio.Future[dict[str, Any]]]] = {}
        self._generation = 0
        self._starts_without_answer = 0
        self._worker: EmulatorProcess | None = None

    def open(self, folder: str, head: Callable[[], int], on_replies: Callable[[bytes], None]) -> EmulatedScreen:
        """Return the emulator of the session whose journal is in ``folder``."""
        screen = EmulatedScreen(self, next(self._numbers), folder, head, on_replies)
        self._screens[screen.number] = screen
        return screen

    @property
    def pid(self) -> int | None:
        """Process id of the worker, ``None`` when none runs."""
        return self._worker.helper.pid if self._worker else None

    async def close(self) -> None:
        """Stop the worker; what waits for it fails with ``TerminalClosed``."""
        for screen in list(self._screens.values()):
            screen.close()
        worker, self._worker = self._worker, None
        if worker:
            await worker.stop()

    def request(self, screen: EmulatedScreen, to: int, **wanted: dict[str, Any]) -> asyncio.Future[dict[str, Any]]:
        """Have ``screen`` fed up to ``to``; the future gets the worker's answer, however often it dies on the way.

        ``wanted`` are the members of the request that say what else to answer.
        """
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        if screen.crashes > _MAX_CRASHES_OF_SESSION:
            future.set_exception(TerminalError("The emulator cannot show this session's output."))
            return future
        number = next(self._request_ids)
        message = {"op": "sync", "session": screen.number, "id": number, "to": to, **wanted}
        self._requests[number] = (screen, message, future)
        self._send(screen, message)
        return future

    def forget(self, screen: EmulatedScreen) -> None:
        """Close one session's emulator."""
        del self._screens[screen.number]
        if self._worker and screen.generation == self._generation:
            self._worker.send({"op": "close", "session": screen.number})
        self._fail(lambda waiting: waiting is screen, TerminalClosed("The session was discarded; its screen is gone."))

    def _send(self, screen: EmulatedScreen, message: dict[str, Any]) -> None:
        if self._worker is None:
            self._generation += 1
            self._starts_without_answer += 1
            self._worker = EmulatorProcess(self._kind, self._receive, self._died)
        if screen.generation != self._generation:
            screen.generation = self._generation
            self._worker.send(screen.describe())
        self._worker.send(message)
        self._worker.expect()

    def _receive(self, answer: dict[str, Any]) -> bool:
        """Take one answer and return whether more are due."""
        self._starts_without_answer = 0
        screen, _message, future = self._requests.pop(answer["id"], (None, None, None))
        if screen and future:
            screen.answered = max(screen.answered, answer["offset"])
            if answer["replies"]:
                screen.on_replies(answer["replies"].encode("latin-1"))
            if not future.done():
                future.set_result(answer)
        return bool(self._requests)

    def _died(self, session: int, offset: int, length: int, checkpoint: int) -> None:
        self._worker = None
        culprit = self._screens.get(session)
        if culprit:
            culprit.note_crash(offset, length, checkpoint)
            if culprit.crashes > _MAX_CRASHES_OF_SESSION:
                gone = TerminalError("The emulator cannot show this session's output.")
                self._fail(lambda waiting: waiting is culprit, gone)
        elif self._starts_without_answer >= _MAX_STARTS_WITHOUT_ANSWER:
            if self._kind == "pyte":
                self._fail(lambda _waiting: True, TerminalError("The emulator's process does not start; see the log."))
            self._kind = "pyte"  # the native library does not even load
            self._starts_without_answer = 0
        for screen, message, _future in list(self._requests.values()):
            self._send(screen, message)

    def _fail(self, concerns: Callable[[EmulatedScreen], bool], error: TerminalError) -> None:
        for number, (screen, _message, future) in list(self._requests.items()):
            if concerns(screen):
                del self._requests[number]
                if not future.done():
                    future.set_exception(error)


def _run(text: str, style: list[Any]) -> Run:
    return Run(text, Style._make(tuple(field) if isinstance(field, list) else field for field in style))
