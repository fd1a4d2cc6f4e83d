"""Following the work: one loop that polls the server, tells an observer, and knows when to give up.

Nothing here ends anything but itself: a limit, an error or a ``KeyboardInterrupt`` leaves Claude at work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from ..errors import CommandTimeout
from ..models import Command, CommandStatus, SessionInfo, SessionState, now
from . import limits
from .following import Follower, Observer
from .limits import OnLimit
from .obstacles import Obstacles, judge, quoted
from .policies import Policy
from .values import asks_for_trust

if TYPE_CHECKING:
    from .api import Client

_OPEN = (CommandStatus.QUEUED, CommandStatus.DELIVERING, CommandStatus.ACCEPTED)


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
        observer: Told about the events since the watch, or the command that it waits for, began; in order, each once.
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
        self._wall = wall
        self.limited: Command | None = None
        policy = policy or Policy("wait" if attended else "fail")
        self._follower = Follower(
            client,
            project_id,
            timeout_s=timeout_s,
            on_timeout=policy.on_timeout,
            observer=observer,
            clock=clock,
            sleep=sleep,
        )
        self._obstacles = Obstacles(
            client,
            project_id,
            self._follower,
            attended=attended,
            policy=policy,
            on_limit=on_limit or ("wait" if attended else "fail"),
            clock=clock,
        )

    def until_final(self, command: Command) -> Command:
        """Wait until the command is ``completed`` and return it; errors as of ``Client.wait``."""
        if command.status.final:  # nothing happens any more: what has is in the log
            judge(command)
            return command
        self._follower.since = command.created_at
        while True:
            session = self._session()
            command = self._follower.ask(partial(self._client.command, command))
            if command.status.final:
                break
            self._obstacles.check(session, f"while {quoted(command.text)} was {command.status}")
            if command.status is CommandStatus.QUEUED:
                self._obstacles.check_limit(session, command)
            self._follower.pause(f"{quoted(command.text)} is {command.status}{_behind(session)}")
        self._follower.follow()
        judge(command)
        return command

    def until_idle(self, command_ids: Collection[str] = ()) -> SessionInfo:
        """Wait until the session is idle with nothing queued (attended: or waits for an answer), and return it."""
        expected = set(command_ids)
        while True:
            session = self._session()
            commands = self._follower.ask(partial(self._client.commands, self._project_id, statuses=_OPEN))
            running = {command.id for command in commands}
            ended = [self._follower.ask(partial(self._client.command, each)) for each in expected - running]
            for command in sorted(ended, key=lambda command: command.seq):
                judge(command)
                self.limited = command if command.outcome == limits.LIMITED else None
            expected = running
            if session.state is SessionState.IDLE and not running and not session.queued:
                break
            needed = self._obstacles.check(session, "while it was waited for")
            self._obstacles.check_limit(session)
            if needed and session.state is SessionState.WAITING and self._attended:
                break
            self._follower.pause(f"the session is {session.state}{_behind(session)}")
        self._follower.follow()
        return session

    def until_started(self) -> SessionInfo:
        """Wait until the session has left ``starting`` or the limit has passed, and return it; see ``wait_started``."""
        session = self._while(lambda session: session.state is SessionState.STARTING)
        self._obstacles.check(session, "at its start")
        return session

    def until_trusted(self) -> SessionInfo:
        """Wait until the CLI asks for trust no longer or the limit has passed, and return the session."""
        return self._while(asks_for_trust)

    def until_moment(self, moment: datetime) -> None:
        """Wait until this time of the clock on the wall, telling the observer what happens meanwhile."""
        while self._wall() < moment:
            self._follower.follow()
            self._follower.wait_a_step(f"the usage limit lasts until {moment.astimezone():%H:%M}")
        self._follower.follow()

    def asked_since(self, moment: datetime) -> bool:
        """Whether a prompt was submitted after this time, as far as events were followed."""
        return self._follower.asked_at is not None and self._follower.asked_at > moment

    def tell(self, kind: str, text: str) -> None:
        """Tell the observer something that no event says."""
        self._follower.tell(kind, text)

    def _session(self) -> SessionInfo:
        return self._follower.ask(partial(self._client.session, self._project_id))

    def _while(self, holds: Callable[[SessionInfo], bool]) -> SessionInfo:
        while True:
            session = self._session()
            if not holds(session):
                return session
            try:
                self._follower.wait_a_step(f"the session is {session.state}")
            except CommandTimeout:
                return session


def _behind(session: SessionInfo) -> str:
    return f", its turn over; in the background runs: {'; '.join(session.background)}" if session.background else ""
