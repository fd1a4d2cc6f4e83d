"""The structured events of a project: stored first, then handed to whoever listens."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Iterator, Mapping
from datetime import datetime
from typing import Any

from ..errors import TooManyFollowers
from ..models import Event, now
from ..store.base import Store
from .outbox import Outbox

PRUNED = "events_pruned"

_PAGE = 500


class EventLog:
    """Appends events through a project's outbox, and follows them.

    Followers read from the store and are only woken from here, so that a slow one costs no memory and misses nothing.
    """

    def __init__(self, store: Store, *, max_followers: int = 64, max_events: int = 10_000) -> None:
        self._store = store
        self._max_events = max_events
        self._max_followers = max_followers
        self._places: Counter[str] = Counter()
        self._followers: dict[str, set[asyncio.Event]] = defaultdict(set)

    def through(self, store: Store) -> EventLog:
        """Return this log, with the same followers, as it writes through another view of its store."""
        view = copy.copy(self)
        view._store = store
        return view

    def emit(
        self,
        outbox: Outbox,
        project_id: str,
        kind: str,
        data: Mapping[str, Any],
        *,
        key: str | None = None,
        at: datetime | None = None,
    ) -> None:
        """Append an event as soon as the store takes it.

        ``key`` keeps a repeated one from being stored twice; ``at`` is when it happened, by default now.
        """
        kept, moment = dict(data), at or now()
        once = key or f"once:{uuid.uuid4().hex}"  # the outbox repeats a write whose outcome is unknown

        async def write() -> None:
            await self.store_now(project_id, kind, kept, key=once, at=moment)

        outbox.put(write)

    async def store_now(
        self,
        project_id: str,
        kind: str,
        data: Mapping[str, Any],
        *,
        key: str | None = None,
        at: datetime | None = None,
    ) -> None:
        """Append an event and wake its followers. Raises ``StoreUnavailable``."""
        event = await self._store.append_event(Event(project_id, kind, data, created_at=at or now()), key=key)
        if event.seq % max(self._max_events // 10, 1) == 0:
            await self._store.prune_events(project_id, keep=self._max_events)
        for follower in self._followers.get(project_id, ()):
            follower.set()

    async def load(self, project_id: str, *, after: int = 0, limit: int = 1000) -> tuple[Event, ...]:
        """Return stored events with a ``seq`` above ``after``.

        Where some that came after ``after`` are kept no longer, the first one says so: ``events_pruned``, with the
        ``seq`` up to which they are gone.
        """
        pruned = await self._store.events_pruned(project_id)
        if after >= pruned or limit < 1:
            return await self._store.load_events(project_id, after=after, limit=limit)
        events = await self._store.load_events(project_id, after=pruned, limit=limit - 1)
        data = {"after": after, "until": pruned}
        return (Event(project_id, PRUNED, data, seq=pruned, created_at=now()), *events)

    @contextlib.contextmanager
    def place(self, project_id: str) -> Iterator[None]:
        """Take a follower's place for as long as the block lasts. Raises ``TooManyFollowers``; those there go on."""
        if self._places[project_id] >= self._max_followers:
            raise TooManyFollowers(
                f"{self._max_followers} connections follow the project's events already (c.WxcodeApp.max_followers); "
                "close one, or ask for the events by GET.",
                limit=self._max_followers,
            )
        self._places[project_id] += 1
        try:
            yield
        finally:
            self._places[project_id] -= 1
            self._places += Counter()  # forgets who has none

    async def follow(self, project_id: str, *, after: int = 0) -> AsyncGenerator[Event, None]:
        """Yield the events after ``after``, then the new ones as they come, without end."""
        fresh = asyncio.Event()
        self._followers[project_id].add(fresh)
        try:
            while True:
                fresh.clear()
                while events := await self.load(project_id, after=after, limit=_PAGE):
                    for event in events:
                        after = event.seq
                        yield event
                await fresh.wait()
        finally:
            self._followers[project_id].discard(fresh)
            if not self._followers[project_id]:
                del self._followers[project_id]
