"""The use cases together: what the server extension holds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from ..errors import StoreUnavailable
from ..store import open_store
from ..store.base import Store
from .answers import Answers
from .checkpoints import Checkpoints
from .commands import Commands
from .config import Config
from .doctor import Doctor
from .events import EventLog
from .exports import Exports
from .forks import Forks
from .gsd import Gsd
from .history import History
from .imports import Imports
from .milestones import Milestones
from .privacy import secure
from .projects import Projects
from .rewind import Rewinds
from .sessions import Sessions
from .summaries import Summaries

log = logging.getLogger(__name__)


class Service:
    """Everything below the server, wired up.

    ``open`` before use, ``close`` at shutdown.
    """

    def __init__(self, config: Config, holder: Callable[[], dict[str, Any]], *, store: Store | None = None) -> None:
        self.config = config
        self.store = store or open_store(config.store_url, config.data_dir)
        self.events = EventLog(self.store, max_followers=config.max_followers, max_events=config.max_events)
        self.sessions = Sessions(config, self.store, self.events, holder)
        self.projects = Projects(config, self.store, self.sessions)
        self.answers = Answers(self.store, self.sessions)
        self.commands = Commands(self.store, self.events, self.sessions, max_queued=config.max_queued_commands)
        self.checkpoints = Checkpoints(config, self.store, self.events)
        self.summaries = Summaries(config, self.store, self.checkpoints)
        self.milestones = Milestones(config, self.store, self.events, self.commands, self.checkpoints)
        self.history = History(config, self.store)
        self.gsd = Gsd(config, self.store, self.commands)
        self.rewinds = Rewinds(config, self.store, self.events, self.sessions, self.checkpoints)
        self.forks = Forks(config, self.store, self.events, self.sessions, self.projects, self.checkpoints)
        self.exports = Exports(config, self.store, self.sessions)
        self.imports = Imports(config, self.store, self.events, self.sessions, self.projects)
        self.doctor = Doctor(config, self.store, self.sessions)

    async def open(self) -> None:
        """Make the folders, ours alone (``secure``), and connect to the store.

        A store that cannot be reached is no reason not to start, because Jupyter has other work: it is logged with its
        address, and every request says so until it is back.

        Raises:
            NotPrivate: Something in them belongs to another user; nothing was read.
        """
        await asyncio.to_thread(secure, self.config)
        try:
            await self.store.open()
        except StoreUnavailable as error:
            log.error("%s", error)  # noqa: TRY400 - the message says it; a trace would bury it
        await self.sessions.take_over_kept()

    async def close(self) -> int:
        """Leave or end the sessions, make the pending writes, release everything; return how many sessions go on."""
        try:
            return await self.sessions.close()
        finally:
            await self.store.close()
