"""One step after the other: what happens is told, the limit is kept, a server that is away is waited for.

Steps are at most ``STEP_S`` long, so that an interrupt of the kernel is felt at once. A server that is away for a
moment (a restart, a laptop's sleep) is waited for ``OUTAGE_S`` seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from ..errors import CommandTimeout, ServerUnreachable, StoreUnavailable
from ..models import Event, SessionState, now
from .describe import describe
from .policies import OnTimeout

if TYPE_CHECKING:
    from .api import Client

STEP_S = 0.2
REFRESH_S = 1.0
OUTAGE_S = 30.0
_EVENTS_AT_ONCE = 1000
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Progress:
    """One thing that happened while something was waited for; ``text`` is a line or more, as Claude wrote it."""

    at: datetime
    kind: str  # the event's type; or "needed" (somebody must act), "server" (it is away, or back)
    text: str


Observer = Callable[[Progress], None]


class Follower:
    """Follows the events of one project.

    Args:
        client: Whom to ask.
        project_id: The project.
        timeout_s: Limit in seconds over all steps; None: none.
        on_timeout: What is done when it has passed.
        observer: Told about the events since ``since``, in order, each once.
        clock: Seconds that only rise.
        sleep: Waits that many seconds.

    Attributes:
        since: The time of the first event that is told; at first, now.
        asked_at: When a prompt was submitted last, as far as events were followed.
    """

    def __init__(
        self,
        client: Client,
        project_id: str,
        *,
        timeout_s: float | None,
        on_timeout: OnTimeout,
        observer: Observer | None,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._client = client
        self._project_id = project_id
        self._on_timeout = on_timeout
        self._observer = observer or (lambda progress: None)
        self._clock = clock
        self._sleep = sleep
        self._timeout_s = timeout_s
        self._deadline = None if timeout_s is None else clock() + timeout_s
        self._after = 0
        self.since = now()
        self.asked_at: datetime | None = None

    def ask(self, question: Callable[[], V]) -> V:
        """Ask the server; one that is away is asked again, for ``OUTAGE_S`` seconds or until the limit."""
        away_since: float | None = None
        while True:
            try:
                answer = question()
            except (ServerUnreachable, StoreUnavailable) as error:
                if away_since is None:
                    away_since = self._clock()
                    self.tell("server", f"{error.message} Waiting for it.")
                elif self._clock() - away_since > OUTAGE_S:
                    raise
                self.wait_a_step("the server or its store does not answer")
            else:
                if away_since is not None:
                    self.tell("server", "It is back.")
                return answer

    def follow(self) -> bool:
        """Tell the observer what happened since the last call; return whether anything did."""
        happened = False
        while True:
            events = self.ask(lambda: self._client.events(self._project_id, after=self._after, limit=_EVENTS_AT_ONCE))
            for event in events:
                self._after = event.seq
                happened = self._tell_event(event) or happened
            if len(events) < _EVENTS_AT_ONCE:
                return happened

    def pause(self, doing: str) -> None:
        """Let ``REFRESH_S`` pass in steps, or less when an event tells that something changed."""
        until = self._clock() + REFRESH_S
        while True:
            if self.follow() or self._clock() >= until:
                return
            self.wait_a_step(doing)

    def wait_a_step(self, doing: str) -> None:
        """Let a step pass. Raises ``CommandTimeout`` when the limit has passed."""
        left = STEP_S if self._deadline is None else self._deadline - self._clock()
        if left <= 0:
            raise CommandTimeout(
                f"The limit of {self._timeout_s:g} s has passed: {doing}. {self._at_the_limit()}",
                project_id=self._project_id,
                timeout_s=self._timeout_s,
            )
        self._sleep(min(STEP_S, left))

    def tell(self, kind: str, text: str) -> None:
        """Tell the observer something that no event says."""
        self._observer(Progress(now(), kind, text))

    def _at_the_limit(self) -> str:
        """Do what was wanted when the time is up, and tell it."""
        if self._on_timeout == "interrupt":
            session = self._client.session(self._project_id)
            if session.state in (SessionState.BUSY, SessionState.WAITING):
                self._client.interrupt(self._project_id)
                return "Claude was interrupted (--on-timeout interrupt)."
        return "Claude works on; `%wxmilestone wait` goes on waiting, `%wxmilestone interrupt` stops the work."

    def _tell_event(self, event: Event) -> bool:
        if event.type == "prompt_submitted":
            self.asked_at = event.created_at
        if event.created_at < self.since:
            return False
        self._observer(Progress(event.created_at, event.type, describe(event)))
        return True
