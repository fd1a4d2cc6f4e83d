"""The sessions of one server: one process per key, whoever asks and how often."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import HeldElsewhere, KeeperUnavailable, TerminalClosed
from ..models import TermSize
from . import ownership
from .emulation import Emulation
from .journal import JournalReader
from .process import KeeperClient
from .screen import ScreenView
from .session import TerminalSession

_DEAD_HOLDER_S = 4.0  # a keeper takes up to three for a session that resists, see `child.HANGUP_GRACE_S`
_DEAD_HOLDER_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class SpawnSpec:
    """What to run, and where.

    Attributes:
        argv: Program and arguments; a bare name is looked up in ``env``'s PATH.
        cwd: Working directory; all paths here are absolute.
        env: The child's whole environment.
        owns: The folders of each of which only one session may live on this host.
        journal_dir: Folder of the session's journal; what an earlier journal left in it is removed.
        size: First size.
        limit_bytes: How much output is kept.
        about: What a server has to know that takes the session over when ours is gone; None ends it with ours.
    """

    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    owns: tuple[str, ...]
    journal_dir: str
    size: TermSize
    limit_bytes: int
    about: Mapping[str, Any] | None = None
    silence_limit_s: float = 0.0


class TerminalPool:
    """The sessions of one server; belongs to one event loop.

    Args:
        runtime_dir: The keeper's folder (0700): servers that share it share the keeper.
        holder: Says who we are (``url``, ``pid``, ``host``), for others who find a folder held.
    """

    def __init__(self, runtime_dir: str, holder: Callable[[], dict[str, Any]]) -> None:
        self._runtime_dir = runtime_dir
        self._holder = holder
        self._sessions: dict[str, TerminalSession] = {}
        self._opening: dict[str, asyncio.Task[TerminalSession]] = {}
        self._connecting = asyncio.Lock()
        self._client: KeeperClient | None = None
        self._emulation = Emulation()
        self._closed = False

    @contextlib.asynccontextmanager
    async def claim(self, folder: str) -> AsyncIterator[None]:
        """Own a folder while a spawn is prepared: what is found out about it meanwhile stays true.

        ``open`` with this folder among those that it ``owns`` takes the claim over, and then it is the session's.

        A holder on this host that has died is waited for, four seconds: its keeper is about to end its session.

        Raises:
            HeldElsewhere: Another session, of any server, holds the folder; ``holder`` says which, or is ``None``.
            KeeperUnavailable: The keeper cannot be started.
        """
        client = await self._connect()
        await self._outlast_the_dead(client, folder)
        try:
            yield
        finally:
            try:
                await client.release(folder)
            except KeeperUnavailable:
                if not client.lost:  # otherwise it has ended with its keeper
                    raise

    async def open(self, key: str, spec: SpawnSpec) -> TerminalSession:
        """Return the live session of ``key``, or spawn it; calls at the same time give one process.

        A closed session of that key is discarded first.

        Raises:
            HeldElsewhere: Another session, of any server, holds a folder of it; ``holder`` says which, or is ``None``.
            SpawnFailed: The program cannot be executed there.
            KeeperUnavailable: The keeper cannot be started.
            TerminalClosed: The pool is closed.
        """
        if self._closed:
            raise TerminalClosed("The server is shutting down.")
        session = self._sessions.get(key)
        if session and session.lost:
            await session.wait_kept()
        if session and not session.closed:
            return session
        opening = self._opening.get(key)
        if opening is None:
            opening = asyncio.create_task(self._spawn(key, spec))
            self._opening[key] = opening
            opening.add_done_callback(lambda task: self._opened(key, task))
        # Shielded: one caller who gives up does not take the session from the others.
        return await asyncio.shield(opening)

    async def list_kept(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Return journal and ``about`` of the sessions whose server is gone and which live on. Starts no keeper."""
        _, listed = await self._ask_keeper()
        return [(each["journal_dir"], each["about"]) for each in listed if each["kept"]]

    async def describe_keeper(self) -> tuple[int, int]:
        """Return the keeper's process, 0 where none runs, and how many sessions it has, of all servers. Starts none."""
        pid, listed = await self._ask_keeper()
        return pid, len(listed)

    async def is_written(self, journal_dirs: Sequence[str]) -> bool:
        """Say whether one of these journals is that of a session that lives, whichever server has it."""
        if not journal_dirs:
            return False
        _, listed = await self._ask_keeper()
        return any(each["journal_dir"] in journal_dirs for each in listed)

    async def adopt(self, key: str, journal_dir: str) -> TerminalSession:
        """Take over a session of ``list_kept``. Raises ``TerminalClosed`` where another server was first."""
        client = await self._connect()
        child = await client.adopt(key, journal_dir, self._holder())
        session = self._sessions[key] = TerminalSession(child, self._emulation, journal_dir, TermSize())
        return session

    async def leave(self, key: str) -> None:
        """Give up following a session, which lives on; see ``TerminalSession.leave``."""
        await self._sessions.pop(key).leave()

    async def last_screen(self, journal_dir: str) -> ScreenView:
        """Return what a session showed last, styled, that we do not follow and whose journal is there still.

        Raises ``TerminalClosed`` when the pool is closed.
        """
        if self._closed:
            raise TerminalClosed("The server is shutting down.")
        journal = JournalReader(journal_dir)
        screen = self._emulation.open(journal_dir, lambda: journal.head, lambda _replies: None)
        try:
            return await screen.view(styled=True)
        finally:
            screen.close()
            journal.close()

    def get(self, key: str) -> TerminalSession | None:
        """Return the session of ``key``, live or closed, or ``None``."""
        return self._sessions.get(key)

    async def close_all(self) -> None:
        """End all sessions and helpers; the pool cannot be used any more. The journals stay until ``discard``."""
        self._closed = True
        await asyncio.gather(*self._opening.values(), return_exceptions=True)
        sessions = list(self._sessions.values())
        results = await asyncio.gather(*(session.end() for session in sessions), return_exceptions=True)
        if client := await self._present():
            client.close()
            await client.successor()
        for session in sessions:
            if session.closed:
                session.release()
        await self._emulation.close()
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _outlast_the_dead(self, client: KeeperClient, folder: str) -> None:
        """Claim ``folder``, again and again while the one who holds it has died."""
        ourselves, loop = self._holder(), asyncio.get_running_loop()
        deadline = loop.time() + _DEAD_HOLDER_S
        while True:
            try:
                await client.claim(folder, ourselves)
                return
            except HeldElsewhere as error:
                if not ownership.has_died(error.holder, ourselves["host"]):
                    raise
                if loop.time() >= deadline:
                    raise HeldElsewhere(
                        f"{error.message} That server is gone and its session lives on, for one with its store and "
                        "version: `python -m wxcode_jupyter keeper status` shows it, `keeper stop` would end it.",
                        **error.details,
                    ) from None
            await asyncio.sleep(_DEAD_HOLDER_POLL_S)

    def _opened(self, key: str, opening: asyncio.Task[TerminalSession]) -> None:
        del self._opening[key]
        if not opening.cancelled():
            opening.exception()  # told to whoever still waits; asyncio need not complain when nobody does

    async def _spawn(self, key: str, spec: SpawnSpec) -> TerminalSession:
        client = await self._connect()
        if earlier := self._sessions.pop(key, None):
            earlier.discard()
        size = spec.size.clamped()
        request = {
            "owns": list(spec.owns),
            "argv": list(spec.argv),
            "cwd": spec.cwd,
            "env": dict(spec.env),
            "rows": size.rows,
            "cols": size.cols,
            "journal_dir": spec.journal_dir,
            "limit_bytes": spec.limit_bytes,
            "holder": self._holder(),
            "about": None if spec.about is None else dict(spec.about),
            "silence_limit_s": spec.silence_limit_s,
        }
        child = await client.spawn(key, request)
        session = TerminalSession(child, self._emulation, spec.journal_dir, size)
        self._sessions[key] = session
        return session

    async def _connect(self) -> KeeperClient:
        async with self._connecting:
            self._client = await self._present() or await KeeperClient.connect(self._runtime_dir)
            return self._client

    async def _ask_keeper(self) -> tuple[int, list[dict[str, Any]]]:
        async with self._connecting:
            client = await self._present() or await KeeperClient.find(self._runtime_dir)
            if client is None:
                return 0, []
            self._client = client
            return client.pid, await client.list()

    async def _present(self) -> KeeperClient | None:
        """Return the connection, or what has come after it; None where there is none (any more).

        Waits for the end of sessions that no keeper follows: until then they hold their workspaces.
        """
        while self._client and self._client.lost:
            self._client = await self._client.successor()
        return self._client
