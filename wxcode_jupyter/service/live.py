"""One live session: a task that follows one CLI and owns everything that is known of it.

It wakes when a hook event arrives, when the terminal prints (only while that matters: an idle session costs nothing),
or when it is asked; then it reads transcript, hooks and screen, in this order, draws its conclusions, and delivers
the next command when the box is free. Writes to the store go through the outbox, so that the store's absence stops
nothing here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from ..claude import menu, screens
from ..claude.hooks import HookSpool
from ..claude.screens import Kind
from ..claude.sheet import Sheet, read_sheet
from ..errors import AttentionNeeded, SessionNotRunning, TerminalClosed, TerminalError, TooManyClients
from ..models import Attention, OutputProject, Question, SessionInfo, SessionState, TermSize
from ..terminal.attachment import Attachment, Role
from ..terminal.screen import ScreenView
from ..terminal.session import TerminalSession
from ..terminal.subscribers import Subscribers
from .answering import answer_on
from .backlog import Backlog
from .deliverer import Deliverer
from .delivery_note import DeliveryNote
from .escape import Escape
from .listener import Listener, TakenOver
from .questions import Questions
from .recorder import Recorder
from .state import may_follow
from .turns import Turns
from .watch import ScreenWatch
from .witness import Witness

log = logging.getLogger(__name__)

_HURRY_S = 2.0  # how long it is looked every 20 ms for what is about to be heard; it may never come
_LAST_SCREEN_S = 5.0  # how long the last screen is waited for
_TRUST_SETTLES_S = 3.0  # how long an answered trust screen may take to go away
_UNKNOWN = "No conversation found with session ID"
_LOSING = (
    "What Claude Code prints is being lost: the disk is full. It works on; make room, and the screen is drawn again."
)


class LiveSession:
    """A CLI in its terminal, followed.

    Created by `launcher.py`; ``run`` is its task and returns when the process is dead and all is recorded.
    """

    def __init__(
        self,
        project: OutputProject,
        terminal: TerminalSession,
        spool: HookSpool,
        recorder: Recorder,
        *,
        claude_session_id: str,
        resumes: bool,
        trust: bool,
        ready_timeout_s: float,
        background_wait_s: float,
        max_clients: int,
        input_limit_bytes: int,
        opened: Callable[[], frozenset[str]],
        takes_over: TakenOver | None = None,
    ) -> None:
        self.project = project
        self.terminal = terminal
        self.recorder = recorder
        self.state = SessionState.STARTING
        self.resumes = resumes
        self.trust_requested = trust
        self.closed = asyncio.Event()
        self._turns = Turns()
        self._attention: Attention | None = None
        self._message = ""
        self._displaced: str | None = None
        self._loop = asyncio.get_running_loop()
        self._watch = ScreenWatch(self._loop.time, ready_timeout_s=ready_timeout_s)
        self._background_wait_s = background_wait_s
        self._max_clients = max_clients
        self.backlog = Backlog(input_limit_bytes)
        self._trusted_until = 0.0
        self._looked_at = (-1, 0.0)  # journal offset and time of the last look
        self._limit_menu_at = -1  # journal offset after the last try to leave it
        self._look_due: asyncio.TimerHandle | None = None
        self._ending = False
        self._takes_over = takes_over is not None
        self.left = False
        self.questions = Questions(project.id, recorder, self._loop.time, spool.open_hook)
        self._sheet: Sheet | None = None
        self._listener = Listener(
            spool,
            recorder,
            self._turns,
            self._watch,
            self.questions,
            claude_session_id=claude_session_id,
            witness=Witness(opened, self._loop.time),
            takes_over=takes_over,
        )
        self._wake = asyncio.Event()
        self._watchers = Subscribers()
        self._last_screen: ScreenView | None = None
        self._deliverer = Deliverer(
            project.id, terminal, recorder, self._turns, self._watch, DeliveryNote(spool.folder), wake=self._wake.set
        )
        self._escape = Escape(
            terminal,
            self._turns,
            self._watch,
            self.questions,
            changed=self._deliverer.changed,
            clock=self._loop.time,
        )

    # -- what others see and ask --------------------------------------------------------------------------------

    @property
    def claude_session_id(self) -> str:
        """The id of the conversation."""
        return self._listener.claude_session_id

    def info(self) -> SessionInfo:
        """Return the session as it is now (what the queue is like is left to the caller)."""
        size = self.terminal.size
        return SessionInfo(
            project_id=self.project.id,
            state=self.state,
            claude_session_id=self.claude_session_id,
            pid=self.terminal.pid if self.state.live else None,
            started_at=self.terminal.started_at,
            exit_code=self.terminal.exit_code,
            clients=self.terminal.clients,
            rows=size.rows,
            cols=size.cols,
            background=self._turns.background,
            attention=self._attention,
            message=self._message
            or (self._attention.message if self._attention else "")
            or (_LOSING if self.terminal.losing else ""),
            screen=self._watch.text if self.state in (SessionState.EXITED, SessionState.ATTENTION) else None,
        )

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have ``callback`` called when anything of ``info`` or of the questions may have changed, on the loop.

        It has to be quick, and is called often; returns how to stop that.
        """
        return self._watchers.add(callback)

    async def screen(self) -> ScreenView:
        """Return what the terminal shows, with its looks; after the end, what it showed last.

        Raises:
            SessionNotRunning: It has ended, and what it showed last is not known.
        """
        if not self.terminal.closed:
            with contextlib.suppress(TerminalClosed):  # it ends meanwhile
                return await self.terminal.screen(styled=True)
        await self.closed.wait()  # its last screen is taken until then
        if self._last_screen is None:
            raise SessionNotRunning("The session has ended, and its last screen is not known.")
        return self._last_screen

    def attach(self, role: Role, size: TermSize | None = None) -> Attachment:
        """Add a client of the terminal. Raises ``TooManyClients``; those that are there go on."""
        if self.terminal.clients >= self._max_clients:
            raise TooManyClients(
                f"{self._max_clients} terminals are attached to this session already (c.WxcodeApp.max_clients); close "
                "one, or have the limit raised.",
                limit=self._max_clients,
            )
        return self.terminal.attach(role, size)

    def enqueued(self) -> None:
        """A command was queued: look whether it can go out."""
        self._deliverer.maybe_queued = True
        self._wake.set()

    async def write_from_client(self, data: bytes) -> None:
        """Pass on a client's keys, never into the middle of a delivery."""
        await self._deliverer.write_from_client(data)

    def write_now(self, data: bytes) -> bool:
        """Pass on a client's few keys at once; False, and nothing is typed, where ``write_from_client`` has to."""
        return self._deliverer.write_now(data)

    async def interrupt(self) -> None:
        """Press Esc where it ends something (`escape.py`); a text that is being delivered is submitted first.

        What runs in the background of turns that are over goes on, and is waited for no longer. Raises
        ``SessionNotRunning`` when the process has ended.
        """
        if self.terminal.closed:
            raise SessionNotRunning("The session has ended; there is nothing to interrupt.")
        await self._deliverer.until_free()
        await self._escape.press()
        self._let_go()
        self._wake.set()

    async def answer(self, question_id: str, choices: list[Any] | None, text: str | None, by: str) -> Question:
        """Answer a question; see `answers.py`."""
        answer = question_id, choices, text, by
        return await answer_on(self.terminal, self._deliverer, self.questions, answer, self._wake.set)

    async def trust(self) -> None:
        """Choose Yes on the trust screen, checked before Enter. Raises ``AttentionNeeded`` when none is shown."""
        screen = await self.terminal.screen()
        # It comes before SessionStart: what looks like it later only quotes it, and a Yes would grant something else.
        if self._listener.started or screens.read(screen).kind is not Kind.TRUST:
            raise AttentionNeeded(
                "No trust screen is shown, so there is nothing to say Yes to.", screen="\n".join(screen.lines)
            )
        await menu.choose(self.terminal, "Yes", changed=self._deliverer.changed)
        self._wake.set()

    async def end(self, grace_s: float) -> None:
        """End the process: `/exit` when the box is free, then SIGTERM, then SIGKILL, ``grace_s`` seconds each."""
        free = self.state is SessionState.IDLE and not self._turns.active and not self._deliverer.typing
        self._ending = True
        self.questions.interrupted()
        with self._deliverer.hold():
            await self.terminal.end(self._deliverer.leave if free else None, grace_s)
        await self.closed.wait()

    async def displace(self, message: str, grace_s: float) -> None:
        """End the process because the project is another server's now; ``message`` says so afterwards."""
        self._displaced, self._ending = message, True
        await self.terminal.end(None, grace_s)

    async def leave(self) -> None:
        """Stop following; the process goes on, and another server may take it over. A delivery is finished first."""
        self._ending = True
        await self._deliverer.until_free()
        self.left = True
        self._wake.set()
        await self.closed.wait()

    def abort(self) -> None:
        """Say that the session is over although ``run`` failed."""
        self._attention = None
        self.questions.drop_all()
        self._message = "The server lost track of the session and ended it; the server's log says why. Resume it."
        self._set_state(SessionState.EXITED)

    # -- the task -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow the CLI until it is dead."""
        unsubscribe = self.terminal.subscribe(self._printed)
        unwatch = self.terminal.watch_clients(self._watchers.call)
        if self._takes_over:
            self.recorder.emit("session_taken_over", {"pid": self.terminal.pid})
        else:
            self._record_state(SessionState.STARTING, before=SessionState.STOPPED)
        try:
            with self._listener.woken(self._wake.set):
                while not self.terminal.closed and not self.left:
                    await self._step()
                    self._watchers.call()
                    await self._wait()
                if not self.left:
                    await self._finish()
        finally:
            unsubscribe()
            unwatch()
            self._watchers.call()
            self.closed.set()

    def _printed(self) -> None:
        self._deliverer.printed()
        if self.terminal.closed:
            self._wake.set()
        elif self._watches_screen():
            # At most one look in 50 ms (200 ms in a turn), however much is printed.
            spacing = 0.0 if self._hurries() else 0.2 if self.state is SessionState.BUSY else 0.05
            if self._look_due is None:
                self._look_due = self._loop.call_at(self._looked_at[1] + spacing, self._look_again)

    def _look_again(self) -> None:
        self._look_due = None
        self._wake.set()

    def _watches_screen(self) -> bool:
        idle = self.state is SessionState.IDLE and not self._deliverer.maybe_queued
        return not idle or self.questions.pending or self._escape.shows

    def _hurries(self) -> bool:
        """Whether the transcript is about to show what was submitted, or that a turn is over."""
        return (self._turns.unconfirmed or self._turns.stopped) and self._watch.quiet_s < _HURRY_S

    async def _wait(self) -> None:
        if self._hurries() or self._listener.waits:
            timeout: float | None = 0.02
        elif self._watches_screen():
            timeout = 0.25
        else:
            timeout = None
        try:
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _step(self) -> None:
        if self._listener.listen():
            self._deliverer.maybe_queued = True
        try:
            await self._look()
            await self._act_on_screen()
        except TerminalClosed:
            return
        self._settle()
        self._update_state()
        if self.state is SessionState.IDLE and self._deliverer.maybe_queued and not self._ending:
            await self._deliver_next()

    def _let_go(self) -> None:
        if self._turns.background:
            self.recorder.emit("background_let_go", {"tasks": list(self._turns.background)})
            self._turns.let_go()

    def _settle(self) -> None:
        if self._turns.lingers and self._watch.unworked_s >= self._background_wait_s:
            self._let_go()
        if self._listener.settle():
            self._deliverer.maybe_queued = True

    # -- the screen -------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        if not self._watches_screen():
            return
        head = self.terminal.head
        if head != self._looked_at[0]:
            view = await self.terminal.screen()
            self._watch.see(view)
            self._sheet = read_sheet(view)
            self._looked_at = (head, self._loop.time())

    async def _act_on_screen(self) -> None:
        reading = self._watch.reading
        if not self._watches_screen():
            return
        self.questions.see(self._sheet, reading.kind, turn=self._turns.active)
        if reading.kind is Kind.TRUST and self.trust_requested and not self._listener.started:
            self.trust_requested = False
            try:
                await self.trust()
            except AttentionNeeded as error:
                log.warning("Project %s: the folder could not be trusted by itself: %s", self.project.id, error)
            else:
                self._trusted_until = self._loop.time() + _TRUST_SETTLES_S
        if screens.is_limit_menu(self._watch.text) and not self._turns.active and not self.terminal.clients:
            await self._leave_limit_menu()
        if reading.kind is Kind.TRUST and self._loop.time() < self._trusted_until:
            return  # answered: what still shows of it is on its way out
        await self._deliverer.follow_standing()
        await self._deliverer.empty_kept_box()
        self._attention = self._watch.attention(started=self._listener.started, turn=self._turns.active)
        if self._watch.mark_ready(started=self._listener.started):
            self.recorder.emit("session_ready", {"claude_session_id": self.claude_session_id})
        if self._watch.silent_end(self._turns):
            await self._end_silent_turn()

    async def _leave_limit_menu(self) -> None:
        """Choose, where nobody looks, the line of the usage limit's menu that does nothing: commands wait behind it."""
        if self.terminal.head == self._limit_menu_at:
            return  # it has been tried, and nothing has moved since
        try:
            await menu.choose(self.terminal, screens.LIMIT_MENU, changed=self._deliverer.changed)
        except AttentionNeeded as error:
            log.warning("Project %s: the menu of the usage limit stays: %s", self.project.id, error)
        self._limit_menu_at = self.terminal.head
        self._watch.see(await self.terminal.screen())

    async def _end_silent_turn(self) -> None:
        ours = self._turns.command is not None and self._watch.holds(self._turns.text)
        self._listener.read_transcript()
        if ours and self._turns.let_stand():
            return  # Enter is pressed for it now
        if self._turns.awaits_hook:
            self._turns.give_up()
        else:
            self._turns.on_idle_box()
        if ours:
            await self._deliverer.clear_box()

    # -- the state ----------------------------------------------------------------------------------------------------

    def _update_state(self) -> None:
        if self._attention is not None:
            state = SessionState.ATTENTION
        elif not self._watch.ready:
            state = SessionState.STARTING
        elif self._turns.active:
            state = SessionState.WAITING if self.questions.waiting else SessionState.BUSY
        else:
            state = SessionState.IDLE
        if state is SessionState.WAITING is not self.state and not may_follow(self.state, state):
            self._set_state(SessionState.BUSY)  # prompt and question were read in one step
        self._set_state(state)

    def _set_state(self, state: SessionState) -> None:
        if state is self.state:
            return
        before, self.state = self.state, state
        if not may_follow(before, state):
            log.error(
                "Project %s: the session went from %s to %s, which the table forbids.", self.project.id, before, state
            )
        if state is SessionState.IDLE:
            self._deliverer.maybe_queued = True
        self._record_state(state, before=before)

    def _record_state(self, state: SessionState, *, before: SessionState) -> None:
        self.recorder.emit("session_state", {"state": state.value, "previous": before.value})
        if state is SessionState.ATTENTION and self._attention is not None:
            self.recorder.emit("attention", {"kind": self._attention.kind, "message": self._attention.message})

    # -- delivery -----------------------------------------------------------------------------------------------------

    async def _deliver_next(self) -> None:
        if await self._deliverer.deliver_next(self.claude_session_id, begin=self._listener.begin_delivery):
            self._looked_at = (-1, self._looked_at[1])
            self._attention = self._watch.attention(started=self._listener.started, turn=self._turns.active)
            self._update_state()
            self._wake.set()

    # -- the end ------------------------------------------------------------------------------------------------------

    async def _finish(self) -> None:
        try:
            async with asyncio.timeout(_LAST_SCREEN_S):
                self._last_screen = await self.terminal.screen(styled=True)
            self._watch.see(self._last_screen)
        except (TimeoutError, TerminalError) as error:  # an emulator that hangs must not hold up a shutdown
            log.warning("Project %s: the last screen of the session is not known: %r", self.project.id, error)
        self._listener.listen()
        self.questions.drop_all()
        self._turns.on_exit()
        self._settle()
        said = [line.strip() for line in self._watch.text.splitlines() if line.strip()]
        code = self.terminal.exit_code
        self._message = self._displaced or f"Claude Code ended (exit code {'unknown' if code is None else code})."
        if self._displaced is None and self.resumes and any(_UNKNOWN in line for line in said):
            self._message = (
                f"Claude Code does not know the conversation {self.claude_session_id} (its transcript was deleted, or "
                "the project was in another folder or HOME). The id is kept. Bring the transcript back and resume, or "
                "begin a new conversation with `%wxmilestone resume --fresh`; the old id stays in the lineage."
            )
            self._attention = Attention("conversation_unknown", self._message, self._watch.text)
        else:
            self._attention = None
            if not self._watch.ready and said and self._displaced is None:
                self._message += " It said: " + " ".join(said[-3:])[:400]
        self._set_state(SessionState.EXITED)
        self.recorder.emit("session_exited", {"exit_code": code, "message": self._message})
        self.terminal.discard()
