"""Starting, resuming, stopping: at most one session per output project, whoever asks, however often."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from datetime import datetime
from typing import Any

from ..errors import (
    SessionAlive,
    SessionNotRunning,
    StoreUnavailable,
    TerminalError,
    TooManySessions,
    WxcodeError,
)
from ..models import CommandStatus, OutputProject, SessionInfo, SessionState
from ..store.base import Store
from ..terminal.screen import ScreenView
from .config import Config
from .events import EventLog
from .idle import IdleTimeout
from .launcher import Launched, journal_of
from .lease import DISPLACED
from .limit import UsageLimit
from .live import LiveSession
from .opening import Opening
from .others import Others
from .outbox import Outbox
from .recovery import folders_of, remove_folder

log = logging.getLogger(__name__)

_END_GRACE_S = 5.0
_SHUTDOWN_GRACE_S = 2.0
_FLUSH_S = 5.0


class Sessions:
    """The live sessions of this server.

    Args:
        config: The server's.
        store: Where everything is kept.
        events: The log of events.
        holder: Says who this server is (``url``, ``pid``, ``host``), for a second server that finds a workspace held.
    """

    def __init__(self, config: Config, store: Store, events: EventLog, holder: Callable[[], dict[str, Any]]) -> None:
        self._config = config
        self._store = store
        self._events = events
        self._opening = Opening(config, store, events, holder, begin=self._begin, conflict=self._on_conflict)
        self._pool = self._opening.pool
        self._outboxes = self._opening.outboxes
        self._kept_away: dict[str, Store] = {}  # as whoever keeps a project without a session writes to it
        self._live: dict[str, LiveSession] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._starts: set[asyncio.Task[SessionInfo]] = set()
        self._launching = 0
        self._closing = False
        self._queues: dict[str, tuple[int, datetime | None]] = {}  # as the store told last: how many wait, held until
        self._endings: set[asyncio.Task[Any]] = set()
        self._others = Others()
        self._idle = IdleTimeout(config.idle_timeout_s, self._count_queued)

    # -- asking -----------------------------------------------------------------------------------------------------

    def find_live(self, project_id: str) -> LiveSession | None:
        """Return the project's live session, or None."""
        session = self._live.get(project_id)
        return session if session is not None and session.state.live else None

    def known(self, project_id: str) -> LiveSession | None:
        """Return the project's session, live or as it ended, or None where this server has had none."""
        return self._live.get(project_id)

    def every(self) -> tuple[LiveSession, ...]:
        """Return the newest session of every project that this server has had one of."""
        return tuple(self._live.values())

    def live(self, project_id: str) -> LiveSession:
        """Return the project's live session. Raises ``SessionNotRunning``."""
        session = self.find_live(project_id)
        if session is None:
            raise SessionNotRunning("The project has no live session. Start it with `%wxmilestone resume`.")
        self._idle.touch(project_id)
        return session

    async def require_live(self, project_id: str) -> LiveSession:
        """Return the project's live session, without asking the store. Raises ``NotFound``, ``SessionNotRunning``."""
        if self.find_live(project_id) is None:
            await self._store.get_project(project_id)
        return self.live(project_id)

    async def info(self, project_id: str) -> SessionInfo:
        """Return the session as it is now; after its end, how it ended. Raises ``NotFound``."""
        session = self._live.get(project_id)
        if session is None:
            project = await self._store.get_project(project_id)
            info = SessionInfo(project_id, claude_session_id=project.claude_session_id)
        else:
            info = session.info()
        try:
            queue = await self._count_queued(project_id), await UsageLimit(self._store, project_id).until()
        except StoreUnavailable:
            if not info.state.live:
                raise
            queue = self._queues.get(project_id, (0, None))  # what lives can be seen without the store
        self._queues[project_id] = queue
        beside: tuple[str, ...] = ()
        if session is not None and info.state.live:
            beside = await self._others.look(session, self.environment(session.project.workspace_path))
        return replace(info, queued=queue[0], limited_until=queue[1], beside=beside)

    async def screen(self, project_id: str) -> ScreenView:
        """Return what the terminal shows, or showed last, before a reboot too.

        Raises ``SessionNotRunning`` where that is not known.
        """
        session = self._live.get(project_id)
        if session is not None:
            return await session.screen()
        await self._store.get_project(project_id)
        journals = self._journals_of(project_id)
        if not journals:
            raise SessionNotRunning("The project has had no session since this server started.")
        return await self._pool.last_screen(journals[-1])

    async def lives(self, project_id: str) -> bool:
        """Say whether the session that ``screen`` shows lives, at this server or at another one of this host."""
        session = self._live.get(project_id)
        if session is not None:
            return session.state.live
        return await self._pool.is_written(self._journals_of(project_id))

    def enqueued(self, project_id: str) -> None:
        """A command was queued: the live session, if there is one, looks for it."""
        session = self._live.get(project_id)
        if session is not None:
            session.enqueued()

    async def lift_limit(self, project_id: str) -> None:
        """Let what a usage limit holds go out at once. Nothing happens where none does. Raises ``NotFound``."""
        await self._store.get_project(project_id)
        if await UsageLimit(self._store, project_id).lift():
            self.enqueued(project_id)

    def outbox(self, project_id: str) -> Outbox:
        """Return the project's outbox."""
        return self._outboxes[project_id]

    @property
    def closing(self) -> bool:
        """Whether the server is shutting down: sessions that end now end because of it."""
        return self._closing

    @property
    def busy(self) -> bool:
        """Whether Claude works in any session (an idle one is no activity)."""
        return any(session.state is SessionState.BUSY for session in self._live.values())

    # -- starting and stopping --------------------------------------------------------------------------------------

    async def start(
        self, project_id: str, *, fresh: bool = False, claude_session_id: str | None = None, force: bool = False
    ) -> SessionInfo:
        """Start or resume the project's session, or return the live one.

        Returns as soon as the process runs (state ``starting``). ``fresh`` begins a new conversation; the old id stays
        in the lineage. ``claude_session_id`` goes back to one that was the project's before. ``force`` takes the
        project from a server of another host, which can record nothing more of it, but whose CLI may live for a while.

        Raises:
            NotFound: there is no such project, or the conversation was never this project's.
            InvalidPath, CliMissing, TooManySessions, HeldElsewhere, SpawnFailed: nothing was started.
            SessionAlive: ``fresh``, or another conversation, was asked for while a session lives.
            ConversationInUse: a `claude` that somebody else started has the conversation open; nothing was started.
            ConversationUnknown: what the project's document has for an id is none; ``fresh`` begins a new one. Or
                nothing was ever asked in the conversation to go back to.
            StoreUnavailable: which conversation is the project's cannot be known now.
        """
        if self._closing:
            raise SessionNotRunning("The server is shutting down; start the session at the next one.")
        starting = asyncio.create_task(self._start(project_id, fresh=fresh, back_to=claude_session_id, force=force))
        self._starts.add(starting)
        starting.add_done_callback(self._starts.discard)
        # Shielded: whoever goes away in the middle must not leave a process behind that nobody follows.
        return await asyncio.shield(starting)

    async def take_over_kept(self) -> None:
        """Go on with all sessions that servers with our store have left; those that cannot be are logged."""
        try:
            kept = await self._opening.list_kept()
        except TerminalError as error:
            log.error("What sessions other servers have left is not known: %s", error)  # noqa: TRY400
            return
        for about in kept:
            async with self._locks[about.project_id]:
                if self.find_live(about.project_id) is None and not self._closing:
                    try:
                        await self._opening.take_over(about)
                    except WxcodeError as error:
                        log.error("Project %s: its session is not taken over: %s", about.project_id, error)  # noqa: TRY400

    async def stop(self, project_id: str) -> SessionInfo:
        """End the session: asks, then SIGTERM, then SIGKILL to the process group. Without one, nothing happens."""
        async with self._locks[project_id]:  # one that is being started is there then
            session = self._live.get(project_id)
            if session is None or session.closed.is_set():
                session = await self._take_over_if_kept(project_id)
            if session is not None:
                await session.end(_END_GRACE_S)
        return await self.info(project_id)

    async def close(self) -> int:
        """Leave every session, or end it (``keep_sessions``), and make the pending writes, within a few seconds.

        Nothing can be started any more. Returns how many go on without this server.
        """
        self._closing = True
        await asyncio.gather(*self._starts, return_exceptions=True)
        live = [session for session in self._live.values() if not session.closed.is_set()]
        left = [session for session in live if self._goes_on(session)]
        ending = [self._leave(session) if session in left else session.end(_SHUTDOWN_GRACE_S) for session in live]
        for result in await asyncio.gather(*ending, return_exceptions=True):
            if isinstance(result, BaseException):
                log.error("A session did not end in order: %r", result)
        try:
            await self._pool.close_all()
        except (TerminalError, OSError) as error:  # what had to be written is written all the same
            log.error("The terminals did not end in order: %r", error)  # noqa: TRY400 - the message says it
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await asyncio.gather(*(outbox.close() for outbox in self._outboxes.values()))
        return len(left)

    @contextlib.asynccontextmanager
    async def without(self, project: OutputProject) -> AsyncIterator[None]:
        """Keep the project without a session, on any server, while something is done to it.

        Raises:
            SessionAlive: a session of this server lives.
            HeldElsewhere: another server has one.
            StoreUnavailable: what the last session did cannot be written, or who has the project cannot be known.
        """
        async with self._locks[project.id]:
            if self.find_live(project.id) or await self._take_over_if_kept(project.id):
                raise SessionAlive("The project's session lives; stop it first.", project_id=project.id)
            async with self._opening.keep_away(project) as store:
                self._kept_away[project.id] = store
                try:
                    yield
                finally:
                    del self._kept_away[project.id]

    def store_of(self, project_id: str) -> Store:
        """Return the store as whoever keeps the project ``without`` a session writes to it."""
        return self._kept_away[project_id]

    @contextlib.asynccontextmanager
    async def settled(self, project: OutputProject) -> AsyncIterator[dict[str, str]]:
        """As ``without``, with all that the last session did in the store; gives the environment of the CLI.

        Raises also ``StoreUnavailable`` and ``CliMissing``.
        """
        async with self.without(project):
            yield await self._opening.settle(self.store_of(project.id), project)

    async def describe_keeper(self) -> tuple[int, int]:
        """Return the keeper's process, 0 where none runs, and how many sessions it has, of all servers of this user.

        Raises ``KeeperUnavailable``.
        """
        return await self._pool.describe_keeper()

    def environment(self, workspace: str) -> dict[str, str]:
        """Return the environment of a CLI in this folder."""
        return self._opening.environment(workspace)

    async def _start(self, project_id: str, *, fresh: bool, back_to: str | None, force: bool) -> SessionInfo:
        async with self._locks[project_id]:
            present = self._live.get(project_id)
            if present is not None and self._idle.ends(project_id):
                await present.closed.wait()
            if present is None or present.closed.is_set():
                present = await self._take_over_if_kept(project_id, force=force)
            if present is not None:
                self._idle.touch(project_id)
                if fresh:
                    raise SessionAlive("A session lives; stop it before you begin a new conversation.")
                if back_to not in (None, present.claude_session_id):
                    raise SessionAlive("A session lives in another conversation; stop it before you go back.")
                return await self.info(project_id)
            alive = sum(session.state.live for session in self._live.values()) + self._launching
            if alive >= self._config.max_sessions:
                raise TooManySessions(
                    f"{self._config.max_sessions} sessions live already (c.WxcodeApp.max_sessions); stop one first."
                )
            self._launching += 1
            try:
                await self._opening.launch(project_id, fresh=fresh, back_to=back_to, force=force)
            finally:
                self._launching -= 1
            return await self.info(project_id)

    async def _take_over_if_kept(self, project_id: str, *, force: bool = False) -> LiveSession | None:
        """Go on with what a server has left of the project; None where that is nothing, or has just ended."""
        return self._live[project_id] if await self._opening.take_over_if_kept(project_id, force=force) else None

    def _begin(self, launched: Launched) -> None:
        session, tenure = launched.session, launched.tenure
        project_id = session.project.id
        self._live[project_id] = session
        self._tasks[project_id] = asyncio.create_task(self._follow(launched))
        self._outboxes[project_id].on_displaced = tenure.displaced
        tenure.watch(lambda: self._run(session.displace(DISPLACED, _END_GRACE_S)))

    def _goes_on(self, session: LiveSession) -> bool:
        """Say whether a session outlives this server: nobody comes back to what idles at one that has no user."""
        idles = session.state is SessionState.IDLE and not session.terminal.clients
        return self._config.keep_sessions and not (self._config.headless and idles)

    def _journals_of(self, project_id: str) -> list[str]:
        """Return the journals that are there of the project's sessions, the oldest first."""
        journals = [journal_of(str(folder)) for folder in folders_of(self._config.data_dir, project_id)]
        return [journal for journal in journals if os.path.isdir(journal)]

    async def _leave(self, session: LiveSession) -> None:
        await session.leave()
        await self._pool.leave(session.project.id)

    async def _count_queued(self, project_id: str) -> int:
        page = await self._store.list_commands(project_id, statuses={CommandStatus.QUEUED}, limit=1)
        return page.total

    async def _follow(self, launched: Launched) -> None:
        session = launched.session
        watch = asyncio.create_task(self._idle.watch(session))
        try:
            await session.run()
        except Exception:
            log.exception("Project %s: following the session failed; it is ended.", session.project.id)
            await session.terminal.end(None, _SHUTDOWN_GRACE_S)
            session.abort()
            # The folder stays: what its spool says of the commands under way is read at the next start (`Recovery`).
        else:
            if not session.left:
                launched.recorder.then(lambda: remove_folder(launched.folder))
        await launched.keepsake.close()
        if session.left:
            launched.tenure.drop()
        else:
            self._outboxes[session.project.id].put(launched.tenure.release)  # after all that it has written
        await watch

    def _on_conflict(self, project_id: str) -> None:
        """Another host's conversation became the project's first: ours must not go on beside it."""
        log.error("Project %s: another conversation became its first; this session is ended.", project_id)
        session = self._live.get(project_id)
        if session is not None:
            self._run(session.terminal.end(None, _END_GRACE_S))

    def _run(self, act: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(act)
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)
