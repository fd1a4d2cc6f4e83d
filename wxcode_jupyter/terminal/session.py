"""A live terminal session, seen from the server: bytes in, bytes out, size, signals, end."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime

from ..errors import KeeperUnavailable, TerminalClosed, TerminalError
from ..models import TermSize
from . import asciicast, journal
from .attachment import Attachment, Role
from .emulation import Emulation
from .feeder import Feeder
from .journal import Chunk, JournalReader, SizeRecord
from .loss import LossWatch
from .screen import ScreenView, Snapshot
from .sizing import Sizing
from .snapshots import Snapshots
from .spawned import ChildProcess, ExitNotice
from .subscribers import Subscribers

_log = logging.getLogger(__name__)


class TerminalSession:
    """One PTY and the program in it; made by ``TerminalPool.open``.

    Attributes:
        key: The caller's name for it.
        stream: The name of its output, which no other process's has: offsets count within it.
        pid: Process id of the child, which is its process group too.
        started_at: When it was spawned, in UTC.
        active_at: When it last printed something, or was begun, in UTC.
        exit_code: Once closed: the exit status, ``-n`` when signal n killed it, ``None`` when the keeper died first.
    """

    def __init__(self, child: ChildProcess, emulation: Emulation, journal_dir: str, size: TermSize) -> None:
        self.key = child.key
        self.stream = hashlib.blake2b(journal_dir.encode(), digest_size=8).hexdigest()
        self.pid = child.pid
        self.started_at: datetime = child.started_at
        self.active_at = child.started_at
        self.exit_code: int | None = None
        self._child = child
        self._journal_dir = journal_dir
        self._journal = JournalReader(journal_dir)
        self._feeder = Feeder(child.master)
        self._screen = emulation.open(journal_dir, lambda: self._journal.head, self._feeder.push)
        self._attachments: set[Attachment] = set()
        self._sizing = Sizing(
            child.master,
            journal_dir,
            size,
            head=lambda: self._journal.head,
            votes=self._votes,
            on_change=self._resized,
        )
        self._replays = False
        self._loss = LossWatch()
        self._subscribers = Subscribers()
        self._client_watchers = Subscribers()
        self._snapshots = Snapshots(self._screen, self._journal)
        self._closed = asyncio.Event()
        self._discarded = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(child.doorbell, self._ring)
        child.exit.add_done_callback(self._close)
        child.on_new_keeper = self._catch_up

    @property
    def size(self) -> TermSize:
        """The present size."""
        return self._sizing.size

    @property
    def closed(self) -> bool:
        """Whether the child has ended; all of its output is in the journal then."""
        return self._closed.is_set()

    @property
    def lost(self) -> bool:
        """Whether the keeper has died: another one is about to follow the child, or else it is ended and closed."""
        return self._child.keeper.lost

    @property
    def losing(self) -> bool:
        """Whether what the child prints is being lost, because the disk is full; until more of it is kept."""
        return self._loss.losing

    @property
    def clients(self) -> int:
        """How many attachments there are."""
        return len(self._attachments)

    @property
    def oldest(self) -> int:
        """Offset of the oldest byte that is still kept."""
        return self._journal.oldest

    @property
    def head(self) -> int:
        """Offset of the journal's end: how many bytes the child ever wrote."""
        return self._journal.head

    async def wait_closed(self) -> None:
        """Wait until the child has ended."""
        await self._closed.wait()

    async def write(self, data: bytes) -> None:
        """Type ``data``: whole and in order; return when the terminal has taken it.

        Raises:
            TerminalClosed: The child ended before, or is being ended because it has no keeper.
        """
        if self._child.ending and not self.closed:
            raise TerminalClosed("The session is being ended; nothing can be typed into it.")
        await self._feeder.write(data)

    def write_now(self, data: bytes) -> bool:
        """Type a few keys without waiting, whole; False, and nothing is typed, where ``write`` has to wait for it."""
        return not self._child.ending and self._feeder.write_now(data)

    def read(self, offset: int, limit: int) -> Chunk:
        """Return what the journal has from ``offset`` on, without waiting; see ``journal.Chunk`` for gaps."""
        return self._journal.read(offset, limit)

    async def screen(self, styled: bool = False) -> ScreenView:
        """Return the screen with all output that is in the journal now; also after the end, until ``discard``.

        Args:
            styled: With ``ScreenView.runs``, which ``render`` makes HTML and ANSI of.
        """
        self._sizing.flush()
        return await self._screen.view(styled)

    async def snapshot(self, history: int = 1000) -> Snapshot:
        """Return the screen, with at most ``history`` rows of scrollback, as bytes for a terminal that joins now.

        What follows is in the journal from ``Snapshot.offset`` on: up to 64 KiB of it are older than this call. Where
        the screen is not known exactly, the program is asked to draw it again.

        Raises:
            TerminalClosed: The session was discarded.
        """
        self._sizing.flush()
        snapshot = await self._snapshots.take(history)
        if not snapshot.exact:
            self._ask_for_redraw(snapshot)
        return snapshot

    def size_at(self, offset: int) -> TermSize:
        """Return the size that the terminal had for the output at ``offset``."""
        return self._sizing.timeline.at(offset)

    def recording(self, title: str = "") -> Iterator[str]:
        """Give the output that is kept now, with its times, as the lines of an asciicast v2 file, read as they go."""
        self._sizing.flush()
        sizes = SizeRecord(self._journal_dir).load_new()
        return asciicast.encode(self._journal.moments(), sizes, self._journal.head, self._journal.read, title)

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have ``callback`` called on the loop when there is new output, and once at the end; return how to stop that.

        It has to be quick, and is not told what is new: look at ``head`` and ``closed``.
        """
        return self._subscribers.add(callback)

    def watch_clients(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have ``callback`` called when a client has come or gone, or ``losing`` changes; return how to stop that."""
        return self._client_watchers.add(callback)

    def attach(self, role: Role | str, size: TermSize | None = None, offset: int | None = None) -> Attachment:
        """Add a client, which reads from ``offset`` on (default: the oldest byte that is kept)."""
        start = self._journal.oldest if offset is None else offset
        attachment = Attachment(Role(role), size, start, self._journal.read, self._sizing.timeline, self._voted)
        self._attachments.add(attachment)
        self._client_watchers.call()
        if self.closed:
            attachment.wake(ended=True)
        self._sizing.apply()
        return attachment

    def set_explicit_size(self, size: TermSize | None) -> None:
        """Fix the size whatever the clients' sizes are; ``None`` lets the smallest driver decide again."""
        self._sizing.fix(size)

    async def signal(self, signum: int) -> None:
        """Send a signal to the child's process group.

        Raises:
            TerminalClosed: It has ended.
        """
        if self.closed:
            raise TerminalClosed("The session has ended.")
        while True:
            try:
                return await self._child.keeper.signal(self.key, signum)
            except KeeperUnavailable:
                if not self.lost:
                    raise
            await self.wait_kept()
            if self.closed:
                raise TerminalClosed("The session has ended.")

    async def wait_kept(self) -> None:
        """Return when a keeper follows the child, or it has ended."""
        while self.lost and not self.closed:
            await self._child.keeper.successor()
            if self._child.ending:
                await self.wait_closed()

    async def end(self, polite: Callable[[], Awaitable[None]] | None = None, grace_s: float = 5.0) -> int | None:
        """End the child: ``polite``, then SIGTERM, then SIGKILL to its group, ``grace_s`` after one another.

        Returns:
            The exit code.

        Raises:
            KeeperUnavailable: The keeper hangs; what was asked for is done when it goes on.
            TerminalError: Not even SIGKILL ended it (it hangs in the kernel).
        """
        if polite and not self.closed:
            await self._ask(polite, grace_s)
        for signum in (signal.SIGTERM, signal.SIGKILL):
            if self.closed:
                return self.exit_code
            with contextlib.suppress(TerminalClosed):  # it is on its way
                await self.signal(signum)
            await self._wait_closed(grace_s)
        if not self.closed:
            raise TerminalError(f"Process {self.pid} does not end, not even by SIGKILL.")
        return self.exit_code

    async def leave(self) -> None:
        """Give up following a session that was spawned with an ``about``; the program goes on.

        Clients are detached; what is typed from now on raises ``TerminalClosed``. When the keeper dies meanwhile, the
        session is left to the one that comes after it; one that ends meanwhile has ended.
        """
        self._feeder.close()
        for attachment in list(self._attachments):
            attachment.detach()
        self._screen.close()
        if not self.closed:
            self._loop.remove_reader(self._child.doorbell)
        while not self.closed:
            await self.wait_kept()
            self._sizing.end_redraw()
            try:
                await self._child.keeper.leave(self._child)
                break
            except TerminalClosed:
                await self.wait_closed()
            except KeeperUnavailable:
                if not self.lost:
                    raise
        self._journal.close()

    def discard(self) -> None:
        """Delete the journal of a closed session; the screen is gone then, and so is the output but for the clients
        that are attached: they may read it to its end, at their own pace."""
        if not self.closed:
            raise TerminalError("Only a session that has ended can be discarded.")
        self._discarded = True
        if self._attachments:
            self._journal.hold()
        self._close_unused()
        journal.remove(self._journal_dir)

    def release(self) -> None:
        """Detach all clients of a closed session and free what it holds; the journal's files stay."""
        if not self.closed:
            raise TerminalError("Only a session that has ended can be discarded.")
        self._discarded = True
        for attachment in list(self._attachments):
            attachment.detach()
        self._close_unused()

    def _close_unused(self) -> None:
        """Free what nobody needs any more of a session that has been discarded."""
        self._screen.close()
        self._snapshots.clear()
        if not self._attachments:
            self._journal.close()

    async def _ask(self, polite: Callable[[], Awaitable[None]], grace_s: float) -> None:
        try:
            async with asyncio.timeout(grace_s):
                await polite()
        except (TimeoutError, TerminalError) as error:
            if not self.closed:
                _log.info("Session %s could not be ended politely: %r", self.key, error)
        else:
            await self._wait_closed(grace_s)

    async def _wait_closed(self, timeout_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), timeout_s)

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._child.doorbell)
            self.active_at = datetime.now(UTC)
            if self._loss.rung(self._loop.time(), lambda: self.head):
                self._tell_loss()
        self._announce()

    def _tell_loss(self) -> None:
        if self.losing:
            _log.error("Session %s: its output is being lost; the disk of %s may be full.", self.key, self._journal_dir)
        self._client_watchers.call()

    def _announce(self) -> None:
        for attachment in list(self._attachments):
            attachment.wake(ended=self.closed)
        self._subscribers.call()
        self._screen.follow()

    def _close(self, exit: asyncio.Future[ExitNotice]) -> None:
        self.exit_code = exit.result().exit_code
        self._closed.set()
        self._sizing.close()
        self._feeder.close()
        self._loop.remove_reader(self._child.doorbell)
        self._child.close_terminal()
        self._announce()

    def _catch_up(self) -> None:
        """What the keeper that died had written is there, unannounced; what it had read and not written is lost."""
        _log.info("Session %s goes on with another keeper; the program is asked to draw its screen again.", self.key)
        self._announce()
        self._sizing.redraw()

    def _ask_for_redraw(self, snapshot: Snapshot) -> None:
        if not snapshot.data and not self._replays:
            self._replays = True
            _log.warning(
                "Session %s: no emulator that knows the exact screen (pyghostty is missing, or cannot show it); "
                "clients get the output that is kept, and the program is asked to draw again.",
                self.key,
            )
        self._sizing.redraw()

    def _voted(self, attachment: Attachment) -> None:
        if not attachment.attached:
            self._attachments.discard(attachment)
            self._client_watchers.call()
            if self._discarded:
                self._close_unused()
        self._sizing.apply()

    def _votes(self) -> list[TermSize]:
        return [each.size for each in self._attachments if each.role is Role.DRIVER and each.size]

    def _resized(self) -> None:
        self._screen.follow()
        for attachment in self._attachments:
            attachment.wake()
