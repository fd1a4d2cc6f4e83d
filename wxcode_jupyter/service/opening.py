"""Getting a project's session: the CLI is run, or what a server has left is taken over. Who may is decided here.

On one host the locks of the project's folders decide (`terminal/ownership.py`), across hosts its lease (`lease.py`).
Whoever calls sees to it that nobody does at the same time, for the same project, in this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Any

from ..errors import HeldElsewhere, StoreUnavailable, TerminalClosed
from ..models import OutputProject
from ..store.base import Store
from ..terminal.pool import TerminalPool
from ..workspace import real_path
from .config import Config
from .events import EventLog
from .launcher import About, Launched, Launcher
from .lease import Leases, Tenure
from .outbox import Outbox
from .places import place_of
from .recovery import Recovery
from .workspaces import workspace_for

log = logging.getLogger(__name__)

_END_GRACE_S = 5.0
_FLUSH_S = 5.0


class Opening:
    """Opens sessions for one server; follows none.

    Args:
        config: The server's.
        store: Where everything is kept.
        events: The log of events.
        holder: Says who this server is (``url``, ``pid``, ``host``), for a second server that finds a workspace held.
        begin: Called with each session, as soon as its process is ours: nothing may come between.
        conflict: Called with a project when another host's conversation became its first.

    Attributes:
        pool: The terminals.
        outboxes: What sessions do to the store, by project.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        events: EventLog,
        holder: Callable[[], dict[str, Any]],
        *,
        begin: Callable[[Launched], None],
        conflict: Callable[[str], None],
    ) -> None:
        self.pool = TerminalPool(config.runtime_dir, holder)
        self.outboxes: dict[str, Outbox] = defaultdict(Outbox)
        self._config = config
        self._store = store
        self._events = events
        self._launcher = Launcher(config, store, events, self.pool)
        self._leases = Leases(config, store, holder)
        self._begin = begin
        self._conflict = conflict

    def environment(self, workspace: str) -> dict[str, str]:
        """Return the environment of a CLI in this folder."""
        return self._launcher.environment(workspace)

    async def launch(self, project_id: str, *, fresh: bool, back_to: str | None, force: bool) -> None:
        """Run the CLI, once the store has all that the session before did. See `Sessions.start` for what it raises."""
        project = await self._store.get_project(project_id)
        async with self.pool.claim(place := place_of(self._config, project_id)):
            await self._write_pending(project_id)
            await self._leases.check(project_id, place, force=force)  # before anything is made here
            workspace = await workspace_for(self._config, self._store, project)
            environment = self._launcher.environment(workspace)
            self._launcher.check_cli(environment)
            async with self.pool.claim(workspace):
                tenure = await self._leases.take(project_id, place, force=force)
                try:
                    await self._recover(tenure.store, project_id, workspace, environment)
                    launched = await self._launcher.launch(
                        project,
                        (place, workspace),
                        environment,
                        self.outboxes[project_id],
                        tenure,
                        fresh=fresh,
                        back_to=back_to,
                        conflict=lambda: self._conflict(project_id),
                    )
                except BaseException:
                    await _give_back(tenure)
                    raise
                self._begin(launched)

    @contextlib.asynccontextmanager
    async def keep_away(self, project: OutputProject) -> AsyncIterator[Store]:
        """Hold the project as a session would, without one; gives the store as its holder writes to it.

        Raises:
            HeldElsewhere: another server has a session.
            StoreUnavailable: what the last session did cannot be written, or who has the project cannot be known.
        """
        async with self.pool.claim(place := place_of(self._config, project.id)):
            folder = _existing(project.workspace_path)
            async with self.pool.claim(folder) if folder else contextlib.nullcontext():
                await self._write_pending(project.id)
                tenure = await self._leases.take(project.id, place)
                try:
                    yield tenure.store
                finally:
                    await _give_back(tenure)

    async def settle(self, store: Store, project: OutputProject) -> dict[str, str]:
        """Have all that the last session did in the store; return the environment of the CLI.

        Raises ``StoreUnavailable`` and ``CliMissing``.
        """
        workspace = real_path(project.workspace_path)
        environment = self._launcher.environment(workspace)
        self._launcher.check_cli(environment)
        await self._recover(store, project.id, workspace, environment)
        return environment

    async def list_kept(self) -> list[About]:
        """Return the sessions that servers with our store have left."""
        ours = self._config.data_dir, self._store.url
        kept = [About.read(about) for _, about in await self.pool.list_kept()]
        return [about for about in kept if about and (about.data_dir, about.store_url) == ours]

    async def take_over_if_kept(self, project_id: str, *, force: bool = False) -> bool:
        """Go on with what a server has left of the project; False where that is nothing, or has just ended."""
        about = next((about for about in await self.list_kept() if about.project_id == project_id), None)
        if about is None:
            return False
        try:
            await self.take_over(about, force=force)
        except TerminalClosed:
            return False
        return True

    async def take_over(self, about: About, *, force: bool = False) -> None:
        """Go on with a session of ``list_kept``.

        Raises:
            TerminalClosed: It has ended, or another server was first.
            HeldElsewhere: Another host has taken the project meanwhile; the session is ended.
            StoreUnavailable: Who has the project cannot be known; the session goes on without a server.
        """
        project_id, place = about.project_id, place_of(self._config, about.project_id)
        project = await self._store.get_project(project_id)
        try:
            await self._leases.check(project_id, place, force=force)
        except HeldElsewhere:
            log.error("Project %s: another host has taken it while no server ran; its session is ended.", project_id)  # noqa: TRY400
            await (await self.pool.adopt(project_id, about.journal_dir)).end(None, _END_GRACE_S)
            raise
        launched = await self._launcher.take_over(
            project,
            about,
            self.outboxes[project_id],
            lambda: self._leases.take(project_id, place, force=force),
            conflict=lambda: self._conflict(project_id),
        )
        self._begin(launched)

    async def _recover(self, store: Store, project_id: str, workspace: str, environment: dict[str, str]) -> None:
        recovery = Recovery(store, self._events.through(store), self._config.data_dir, environment)
        await recovery.run(project_id, workspace)

    async def _write_pending(self, project_id: str) -> None:
        """See to it that the store knows what the session before did; which id to resume depends on it."""
        try:
            async with asyncio.timeout(_FLUSH_S):
                await self.outboxes[project_id].flush()
        except TimeoutError:
            raise StoreUnavailable(
                f"The store at {self._store.url} does not take what the session before has left to write; start again "
                "when it does.",
                url=self._store.url,
            ) from None


async def _give_back(tenure: Tenure) -> None:
    """Release a lease; where the store is away it stays ours, and the next server of this host takes it."""
    with contextlib.suppress(StoreUnavailable):
        await tenure.release()


def _existing(folder: str) -> str | None:
    """Return the real path of a folder, None where there is none."""
    return os.path.realpath(folder) if os.path.isdir(folder) else None
