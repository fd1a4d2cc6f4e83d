"""Following the work: one loop that polls the server, tells an observer, and knows when to give up.

Nothing here ends anything but itself: a limit, an error or a ``KeyboardInterrupt`` leaves Claude at work. Steps are at
most ``STEP_S`` long, so that an interrupt of the kernel is felt at once. A server that is away for a moment (a restart,
a laptop's sleep) is waited for ``OUTAGE_S`` seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ..errors import (
    AlreadyAnswered,
    AnswerNeeded,
    AttentionNeeded,
    CommandFailed,
    CommandTimeout,
    ConversationUnknown,
    InvalidRequest,
    NotFound,
    ServerUnreachable,
    SessionExited,
    SessionNotRunning,
    StoreUnavailable,
    TrustRequired,
    WxcodeError,
)
from ..models import Command, CommandStatus, Event, Question, SessionInfo, SessionState, now
from . import limits, policies
from .describe import describe
from .limits import OnLimit
from .policies import Policy
from .values import asks_for_trust

if TYPE_CHECKING:
    from .api import Client

STEP_S = 0.2
REFRESH_S = 1.0
OUTAGE_S = 30.0
UNNAMED_S = 10.0
_OPEN = (CommandStatus.QUEUED, CommandStatus.DELIVERING, CommandStatus.ACCEPTED)
_EVENTS_AT_ONCE = 1000
_RESUME = "`%wxmilestone resume` starts it again, and sends what is queued."
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Progress:
    """One thing that happened while something was waited for; ``text`` is a line or more, as Claude wrote it."""

    at: datetime
    kind: str  # the event's type; or "needed" (somebody must act), "server" (it is away, or back)
    text: str


Observer = Callable[[Progress], None]


class Watch:
    """Follows one project until something is reached.

    Args:
        client: Whom to ask.
        project_id: The project.
        timeout_s: Limit in seconds over the whole watch; None: none.
        attended: Whether somebody can answer the CLI. If so, what is needed is told and waited for, else it is raised.
        policy: What is said to questions, and done when the time is up; by default an attended watch waits for
            somebody, and any other raises.
        on_limit: Whether a usage limit that holds what is waited for is waited for as well, or raised; None raises it
            where nobody is there.
        observer: Told about the events since ``since``, in order, each once.
        clock: Seconds that only rise; injected by tests, as is ``sleep``.
        sleep: Waits that many seconds.
        wall: The time of day, in UTC.

    Attributes:
        limited: The command that a usage limit has stopped, where it is the last that ended in ``until_idle``.
    """

    def __init__(
        self,
        client: Client,
        project_id: str,
        *,
        timeout_s: float | None = None,
        attended: bool = False,
        policy: Policy | None = None,
        on_limit: OnLimit | None = None,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        wall: Callable[[], datetime] = now,
    ) -> None:
        self._client = client
        self._project_id = project_id
        self._attended = attended
        self._policy = policy or Policy("wait" if attended else "fail")
        self._on_limit = on_limit or ("wait" if attended else "fail")
        self._observer = observer or (lambda progress: None)
        self._clock = clock
        self._sleep = sleep
        self._wall = wall
        self.limited: Command | None = None
        self._asked_at: datetime | None = None
        self._timeout_s = timeout_s
        self._deadline = None if timeout_s is None else clock() + timeout_s
        self._since = now()
        self._after = 0
        self._told: set[tuple[str, str]] = set()
        self._unnamed_since = 0.0  # since when the session has waited without a question that the server names

    def until_final(self, command: Command) -> Command:
        """Wait until the command is ``completed`` and return it; errors as of ``Client.wait``."""
        if command.status.final:  # nothing happens any more: what has is in the log
            _judge(command)
            return command
        self._since = command.created_at
        while True:
            session = self._ask(lambda: self._client.session(self._project_id))
            command = self._ask(lambda c=command: self._client.command(c))  # type: ignore[misc]
            if command.status.final:
                break
            self._check(session, f"while {_quoted(command.text)} was {command.status}")
            if command.status is CommandStatus.QUEUED:
                self._check_limit(session, command)
            self._pause(f"{_quoted(command.text)} is {command.status}{_behind(session)}")
        self._follow()
        _judge(command)
        return command

    def until_idle(self, command_ids: Collection[str] = ()) -> SessionInfo:
        """Wait until the session is idle with nothing queued (attended: or waits for an answer), and return it."""
        expected = set(command_ids)
        while True:
            session = self._ask(lambda: self._client.session(self._project_id))
            running = {
                command.id for command in self._ask(lambda: self._client.commands(self._project_id, statuses=_OPEN))
            }
            ended = [self._ask(lambda e=each: self._client.command(e)) for each in expected - running]  # type: ignore[misc]
            for command in sorted(ended, key=lambda command: command.seq):
                _judge(command)
                self.limited = command if command.outcome == limits.LIMITED else None
            expected = running
            if session.state is SessionState.IDLE and not running and not session.queued:
                break
            needed = self._check(session, "while it was waited for")
            self._check_limit(session)
            if needed and session.state is SessionState.WAITING and self._attended:
                break
            self._pause(f"the session is {session.state}{_behind(session)}")
        self._follow()
        return session

    def until_started(self) -> SessionInfo:
        """Wait until the session has left ``starting`` or the limit has passed, and return it; see ``wait_started``."""
        session = self._while(lambda session: session.state is SessionState.STARTING)
        self._check(session, "at its start")
        return session

    def until_trusted(self) -> SessionInfo:
        """Wait until the CLI asks for trust no longer or the limit has passed, and return the session."""
        return self._while(asks_for_trust)

    def _while(self, holds: Callable[[SessionInfo], bool]) -> SessionInfo:
        while True:
            session = self._ask(lambda: self._client.session(self._project_id))
            if not holds(session):
                return session
            try:
                self._wait_a_step(f"the session is {session.state}")
            except CommandTimeout:
                return session

    def until_moment(self, moment: datetime) -> None:
        """Wait until this time of the clock on the wall, telling the observer what happens meanwhile."""
        while self._wall() < moment:
            self._follow()
            self._wait_a_step(f"the usage limit lasts until {moment.astimezone():%H:%M}")
        self._follow()

    def asked_since(self, moment: datetime) -> bool:
        """Whether a prompt was submitted after this time, as far as events were followed."""
        return self._asked_at is not None and self._asked_at > moment

    def tell(self, kind: str, text: str) -> None:
        """Tell the observer something that no event says."""
        self._tell(kind, text)

    # -- one step -------------------------------------------------------------------------------------------------

    def _pause(self, doing: str) -> None:
        """Let ``REFRESH_S`` pass in steps, or less when an event tells that something changed."""
        until = self._clock() + REFRESH_S
        while True:
            if self._follow() or self._clock() >= until:
                return
            self._wait_a_step(doing)

    def _wait_a_step(self, doing: str) -> None:
        left = STEP_S if self._deadline is None else self._deadline - self._clock()
        if left <= 0:
            raise CommandTimeout(
                f"The limit of {self._timeout_s:g} s has passed: {doing}. {self._at_the_limit()}",
                project_id=self._project_id,
                timeout_s=self._timeout_s,
            )
        self._sleep(min(STEP_S, left))

    def _at_the_limit(self) -> str:
        """Do what the policy says when the time is up, and tell it."""
        if self._policy.on_timeout == "interrupt":
            session = self._client.session(self._project_id)
            if session.state in (SessionState.BUSY, SessionState.WAITING):
                self._client.interrupt(self._project_id)
                return "Claude was interrupted (--on-timeout interrupt)."
        return "Claude works on; `%wxmilestone wait` goes on waiting, `%wxmilestone interrupt` stops the work."

    def _follow(self) -> bool:
        """Tell the observer what happened since the last call; return whether anything did."""
        happened = False
        while True:
            events = self._ask(lambda: self._client.events(self._project_id, after=self._after, limit=_EVENTS_AT_ONCE))
            for event in events:
                self._after = event.seq
                happened = self._tell_event(event) or happened
            if len(events) < _EVENTS_AT_ONCE:
                return happened

    def _tell_event(self, event: Event) -> bool:
        if event.type == "prompt_submitted":
            self._asked_at = event.created_at
        if event.created_at < self._since:
            return False
        self._observer(Progress(event.created_at, event.type, describe(event)))
        return True

    def _ask(self, question: Callable[[], V]) -> V:
        away_since: float | None = None
        while True:
            try:
                answer = question()
            except (ServerUnreachable, StoreUnavailable) as error:
                if away_since is None:
                    away_since = self._clock()
                    self._tell("server", f"{error.message} Waiting for it.")
                elif self._clock() - away_since > OUTAGE_S:
                    raise
                self._wait_a_step("the server or its store does not answer")
            else:
                if away_since is not None:
                    self._tell("server", "It is back.")
                return answer

    # -- somebody is needed ---------------------------------------------------------------------------------------

    def _check(self, session: SessionInfo, when: str) -> bool:
        """Raise when this session needs somebody; where somebody is waited for, tell it once, and return True."""
        if not session.state.live:
            raise _ended(session, when)
        if session.state is SessionState.ATTENTION:
            needed = self._attention(session)
        elif session.state is SessionState.WAITING:
            found = self._answer()
            if found is None:
                return False
            needed = found
        else:
            return False
        waits = self._policy.on_question == "wait" if isinstance(needed, AnswerNeeded) else self._attended
        if not waits:
            raise needed
        if (needed.code, needed.message) not in self._told:
            self._told.add((needed.code, needed.message))
            self._tell("needed", needed.message)
        return True

    def _check_limit(self, session: SessionInfo, command: Command | None = None) -> None:
        """Raise, or tell once, that a usage limit holds what is queued."""
        if session.limited_until is None or not session.queued:
            return
        if self._on_limit == "fail":
            raise limits.held(session, command)
        if ("limit", str(session.limited_until)) not in self._told:
            self._told.add(("limit", str(session.limited_until)))
            self._tell("limit", f"{limits.hold(session)} `%wxmilestone resume --now` sends it at once.")

    def _attention(self, session: SessionInfo) -> WxcodeError:
        shown = session.attention
        message = (shown.message if shown else "") or session.message or "Claude Code shows something unexpected."
        screen = session.screen or ""
        if asks_for_trust(session):
            project = self._ask(lambda: self._client.get_project(self._project_id))
            folder = project.workspace_path
            return TrustRequired(
                f"Claude Code asks whether the folder {folder} is trusted; nothing was typed. If you trust it: "
                f'`%wxmilestone trust`, or `%wxmilestone project "{project.name}" --trust`, or for the folders under '
                "the server's workspace root c.WxcodeApp.trust_own_workspaces = True.",
                workspace_path=folder,
                screen=screen,
                project_id=self._project_id,
            )
        kind = ConversationUnknown if shown is not None and shown.kind == "conversation_unknown" else AttentionNeeded
        return kind(
            f"{message} Look with `%wxmilestone screen`.{_indented(screen)}",
            kind=shown.kind if shown else "",
            screen=screen,
            project_id=self._project_id,
        )

    def _answer(self) -> AnswerNeeded | None:
        """Answer what the policy has an answer for; return what needs somebody, None when nothing is asked any more."""
        asked = [each for each in self._ask(lambda: self._client.questions(self._project_id)) if each.open]
        if not asked:
            self._unnamed_since = self._unnamed_since or self._clock()
            if self._clock() - self._unnamed_since < UNNAMED_S:
                return None  # answered meanwhile, or about to be told
            screen = self._ask(lambda: self._client.screen(self._project_id))
            return AnswerNeeded(
                f"Claude waits for an answer; the terminal shows for which.{_indented(screen)}",
                questions=[],
                project_id=self._project_id,
            )
        self._unnamed_since = 0.0
        for question in asked:
            choices = self._policy.decide(question)
            if choices is None:
                return self._needed(question)
            try:
                # Its event tells of it. Asked twice, because the first reply was lost, it is answered already.
                self._ask(partial(self._client.answer, question, *choices, by="policy"))
            except (AlreadyAnswered, NotFound):
                continue
            except (InvalidRequest, AttentionNeeded) as error:
                return self._needed(question, f" The prepared answer was not taken: {error.message}")
        return None

    def _needed(self, question: Question, why: str = "") -> AnswerNeeded:
        return AnswerNeeded(
            f"Claude asks, and the work waits for the answer: `%wxmilestone answer CHOICE`.{why}"
            + _indented(policies.describe(question)),
            questions=[asdict(question)],
            question_id=question.id,
            project_id=self._project_id,
        )

    def _tell(self, kind: str, text: str) -> None:
        self._observer(Progress(now(), kind, text))


def _judge(command: Command) -> None:
    if command.status is CommandStatus.FAILED:
        reason = command.error or "no reason was given"
        raise CommandFailed(f"{_quoted(command.text)} failed: {reason}", command_id=command.id, error=command.error)
    if command.status is CommandStatus.INTERRUPTED:
        how = "withdrawn before it was delivered" if command.withdrawn else "interrupted"
        raise CommandFailed(
            f"{_quoted(command.text)} was {how}.",
            command_id=command.id,
            error="withdrawn" if command.withdrawn else "interrupted",
        )


def _ended(session: SessionInfo, when: str) -> WxcodeError:
    message = session.message or (session.attention.message if session.attention else "")
    if session.attention is not None and session.attention.kind == "conversation_unknown":
        return ConversationUnknown(message, claude_session_id=session.claude_session_id, project_id=session.project_id)
    if session.state is SessionState.STOPPED:
        return SessionNotRunning(
            " ".join(filter(None, [f"No session is running {when}.", message, _RESUME])), project_id=session.project_id
        )
    return SessionExited(
        f"Claude Code ended {when} (exit code {session.exit_code}). {message}".rstrip()
        + _indented(session.screen or ""),
        exit_code=session.exit_code,
        screen=session.screen,
        project_id=session.project_id,
    )


def _behind(session: SessionInfo) -> str:
    return f", its turn over; in the background runs: {'; '.join(session.background)}" if session.background else ""


def _quoted(text: str) -> str:
    first = text.strip().split("\n", 1)[0]
    shown = first if len(first) <= 60 and first == text.strip() else first[:59] + "…"
    return f"“{shown}”"


def _indented(screen: str) -> str:
    lines = [line.rstrip() for line in screen.splitlines() if line.strip()]
    return "".join(f"\n    {line}" for line in lines[-20:])
