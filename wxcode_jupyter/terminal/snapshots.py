"""Snapshots of one screen, each kept for a while for who comes next: making one costs tens of milliseconds."""

from __future__ import annotations

import asyncio

from .emulation import EmulatedScreen
from .journal import JournalReader
from .screen import Snapshot

_KEPT_S = 30.0
_NEAR_BYTES = 64 << 10  # how much may follow one


class Snapshots:
    """The newest snapshots of a screen, by how much history is in them."""

    def __init__(self, screen: EmulatedScreen, journal: JournalReader) -> None:
        self._screen = screen
        self._journal = journal
        self._taken: dict[int, asyncio.Future[Snapshot]] = {}

    async def take(self, history: int) -> Snapshot:
        """Return one with at most ``history`` rows of scrollback, from which a client can go on."""
        taking = self._taken.get(history)
        if taking is None or (taking.done() and not self._leads_here(taking.result().offset)):
            taking = self._taken[history] = asyncio.ensure_future(self._screen.snapshot(history))
            taking.add_done_callback(lambda taken: self._keep(history, taken))
        # Shielded: one caller who gives up does not take it from the others.
        return await asyncio.shield(taking)

    def clear(self) -> None:
        """Forget all."""
        self._taken.clear()

    def _leads_here(self, offset: int) -> bool:
        """Whether a client can go on from ``offset``: not much has come since, and nothing of it is lost."""
        if self._journal.head - offset > _NEAR_BYTES:
            return False
        while (chunk := self._journal.read(offset)).data and chunk.offset == offset:
            offset = chunk.end
        return not chunk.data

    def _keep(self, history: int, taken: asyncio.Future[Snapshot]) -> None:
        """Keep it for those who come soon after, if it is any good."""
        if taken.cancelled() or taken.exception() or not taken.result().exact:
            self._drop(history, taken)
        else:
            asyncio.get_running_loop().call_later(_KEPT_S, self._drop, history, taken)

    def _drop(self, history: int, taken: asyncio.Future[Snapshot]) -> None:
        if self._taken.get(history) is taken:
            del self._taken[history]
