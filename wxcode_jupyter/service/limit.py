"""A usage limit holds a project's queue: what is sent while it lasts would only be stopped by it, one after the other.

Nothing of this lives in a server: the limit lasts as long as the latest command that completed did so at one that
resets later (`Command.resets_at`), or a prompt of somebody else's has run into one that does (noted with the project),
whichever server asks, after a restart too. It is lifted when somebody says so, or when a prompt is answered, which
shows that it is over. A limit of which the CLI did not say when it ends holds nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from ..claude.outcome import LIMITED
from ..models import Command, CommandStatus, now
from ..store.base import Store

_COMPLETED = {CommandStatus.COMPLETED}


class UsageLimit:
    """The limit of one project.

    Args:
        store: Where its commands are.
        project_id: The project.
        clock: The time in UTC; injected by tests.
    """

    def __init__(self, store: Store, project_id: str, *, clock: Callable[[], datetime] = now) -> None:
        self._store = store
        self._project_id = project_id
        self._clock = clock

    async def until(self) -> datetime | None:
        """Return until when what is queued is held, None where it is not."""
        command, noted = await self._stopped(), await self._noted()
        moments = (command.resets_at if command else None, noted)
        return max((moment for moment in moments if moment), default=None)

    async def reach(self, resets_at: datetime) -> None:
        """Note that a prompt of somebody else's has run into a limit. May be repeated."""
        await self._store.set_limited_until(self._project_id, resets_at)

    async def pass_by(self) -> bool:
        """Forget what ``reach`` has noted: a prompt was answered; tell whether there was anything. May be repeated."""
        if await self._noted() is None:
            return False
        await self._store.set_limited_until(self._project_id, None)
        return True

    async def lift(self) -> bool:
        """Let what is queued go out now; tell whether anything held it. May be repeated."""
        passed, command = await self.pass_by(), await self._stopped()
        if command is None:
            return passed
        return await self._store.move_command(command.id, _COMPLETED, {"resets_at": self._clock()}) is not None

    async def _noted(self) -> datetime | None:
        moment = await self._store.get_limited_until(self._project_id)
        return moment if moment is not None and moment > self._clock() else None

    async def _stopped(self) -> Command | None:
        """Return the latest completed command where a limit has stopped it that still lasts."""
        total = (await self._store.list_commands(self._project_id, statuses=_COMPLETED, limit=0)).total
        page = await self._store.list_commands(self._project_id, statuses=_COMPLETED, skip=max(total - 1, 0), limit=1)
        for command in page.items:
            if command.outcome == LIMITED and command.resets_at is not None and command.resets_at > self._clock():
                return command
        return None
