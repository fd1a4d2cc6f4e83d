"""One server per project, across hosts: the lease in the store.

On one host a lock of the kernel decides (`terminal/ownership.py`), and whoever takes a lease here holds it. Time
decides nothing: a holder that is silent may sleep, or be cut off from the store, while its CLI works on. So a lease is
taken without asking only from somebody who cannot live any more (`is_free`), else by ``force``, and then all that the
one before still writes is refused (`Store.fenced`). What this can keep out, and what it cannot, is argued in
`docs/ownership.md`.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Any

from ..errors import HeldElsewhere, StoreUnavailable
from ..models import Holder, Lease
from ..store.base import Store
from .config import Config

log = logging.getLogger(__name__)

DISPLACED = (
    "Another server has taken this project over by force, so its session here was ended: what it would have written "
    "down is refused by now. `%wxmilestone resume` says where the project is."
)


def is_free(lease: Lease | None, ours: Holder) -> bool:
    """Say whether ``ours``, who holds the lock on the project's place, may take the lease without asking anybody.

    That is where nobody has it; where its holder would meet us on that very lock, and so has lost it; and where our own
    machine has been booted again since, so that nothing of the holder can live.
    """
    if lease is None or lease.holder is None:
        return True
    theirs = lease.holder
    if None in (ours.boot_id, theirs.boot_id):
        return False
    if ours.boot_id == theirs.boot_id:
        return ours.place is not None and ours.place == theirs.place
    return ours.machine_id is not None and (ours.host, ours.machine_id) == (theirs.host, theirs.machine_id)


async def seize(store: Store, project_id: str, ours: Holder, *, force: bool = False) -> Lease:
    """Take a project's lease for ``ours``, who holds the lock on its place. Raises what ``Leases.take`` raises."""
    while True:
        found = await _look(store, project_id, ours, force=force)
        lease = await store.take_lease(project_id, ours, over=found.fence if found is not None else 0)
        if lease is not None:
            if not is_free(found, ours):
                log.warning("Project %s: taken by force from %s.", project_id, found)
            return lease


class Leases:
    """Takes leases for one server.

    Args:
        config: The server's.
        store: Where the leases are.
        holder: Says who this server is (``url``, ``pid``).
    """

    def __init__(self, config: Config, store: Store, holder: Callable[[], dict[str, Any]]) -> None:
        self._config = config
        self._store = store
        self._holder = holder

    async def check(self, project_id: str, place: str, *, force: bool = False) -> None:
        """Raise what ``take`` would raise now; nothing is taken."""
        await _look(self._store, project_id, self._describe(place), force=force)

    async def take(self, project_id: str, place: str, *, force: bool = False) -> Tenure:
        """Take the project's lease; the caller holds the lock on its place, `places.place_of`.

        ``force`` takes it from a server that may live; not from one of this host, which the lock keeps.

        Raises:
            NotFound: There is no such project.
            HeldElsewhere: Another host's server has it.
            StoreUnavailable: Who has it cannot be known now.
        """
        lease = await seize(self._store, project_id, self._describe(place), force=force)
        return Tenure(self._store, lease, self._config.lease_renewal_s)

    def _describe(self, place: str) -> Holder:
        machine, server, found = self._config.machine, self._holder(), os.stat(place)
        return Holder(
            machine.host,
            server.get("url") or "",
            server.get("pid") or 0,
            machine.machine_id,
            machine.boot_id,
            f"{found.st_dev}:{found.st_ino}",
        )


class Tenure:
    """A lease that is held: renewed every so often, until it is released, dropped or lost; belongs to the event loop.

    Attributes:
        lease: The lease.
        store: The store as whoever holds it writes to it.
    """

    def __init__(self, store: Store, lease: Lease, renewal_s: float) -> None:
        self.lease = lease
        self.store = store.fenced(lease.fence)
        self._on_displaced: Callable[[], None] | None = None
        self._lost = False
        self._renewing = asyncio.create_task(self._renew(renewal_s))

    def displaced(self) -> None:
        """Say that the lease is another's now: the store has refused a write, or the renewal."""
        self.drop()
        if not self._lost:
            self._lost = True
            log.error(
                "Project %s: another server has taken it over by force (lease %d); nothing more is written from here.",
                self.lease.project_id,
                self.lease.fence,
            )
            if self._on_displaced is not None:
                self._on_displaced()

    def watch(self, on_displaced: Callable[[], None]) -> None:
        """Have this called, once, when it turns out that somebody else has taken the lease; at once where one has."""
        self._on_displaced = on_displaced
        if self._lost:
            on_displaced()

    def drop(self) -> None:
        """Renew it no longer; the next server on this host takes it."""
        self._renewing.cancel()

    async def release(self) -> None:
        """Give it back, where it is still ours; may be repeated. Raises ``StoreUnavailable``."""
        self.drop()
        await self.store.release_lease(self.lease)

    async def _renew(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            try:
                held = await self.store.renew_lease(self.lease)
            except StoreUnavailable as error:  # no reason to give anything up: nobody may take it for our silence
                log.debug("Project %s: the lease is not renewed: %s", self.lease.project_id, error)
                continue
            if not held:
                self.displaced()
                return


async def _look(store: Store, project_id: str, ours: Holder, *, force: bool) -> Lease | None:
    """Return the lease as it is where ``ours`` may take it. Raises ``HeldElsewhere``."""
    lease = await store.get_lease(project_id)
    if lease is not None and not force and not is_free(lease, ours):
        raise _held(lease)
    return lease


def _held(lease: Lease) -> HeldElsewhere:
    holder = lease.holder
    assert holder is not None
    silent_s = round(lease.silent_s)
    return HeldElsewhere(
        f"The project is held by the server {holder.url or '(unknown address)'} on {holder.host}, from which the store "
        f"has heard nothing for {silent_s} s. It may live all the same, cut off or asleep, so the project is not taken "
        "from it unasked: stop the session there, or, where you know that it is gone, `%wxmilestone resume --force`.",
        holder={"url": holder.url, "pid": holder.pid, "host": holder.host},
        silent_s=silent_s,
    )
