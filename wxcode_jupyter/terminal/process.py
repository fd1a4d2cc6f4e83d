"""The keeper's client inside the server: finds or starts the keeper, spawns, signals, hears of exits."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import signal
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..errors import KeeperUnavailable, TerminalError, by_code
from . import ownership, rendezvous, rescue
from .helper import Helper
from .launch import LOG_NAME, read_log, start_keeper
from .wire import PROTOCOL_VERSION, Channel, FrameError

_START_TIMEOUT_S = 15.0
_REQUEST_TIMEOUT_S = 20.0
_RETRY_S = 0.02

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ExitNotice:
    """A child has ended; ``exit_code`` is ``None`` when the keeper died and nobody can know it."""

    exit_code: int | None


class ChildProcess:
    """A child that the keeper spawned for us, and our descriptors of it.

    ``master`` is a duplicate for input and size (non-blocking), ``doorbell`` the eventfd that is rung after output was
    appended to the journal. ``exit`` is resolved when the child is dead, however it came to it.
    """

    def __init__(self, key: str, spawned: Mapping[str, Any], fds: list[int]) -> None:
        self.key = key
        self.pid: int = spawned["pid"]
        self.started_at = datetime.fromtimestamp(spawned["started_at"], UTC)
        self._mark: str = spawned["mark"]
        self.master, self.doorbell, self._pidfd, *self._locks = fds
        self.exit: asyncio.Future[ExitNotice] = asyncio.get_running_loop().create_future()

    def close_terminal(self) -> None:
        """Close master and doorbell: as far as it is up to us, the child is hung up."""
        if self.master >= 0:
            os.close(self.master)
            os.close(self.doorbell)
            self.master = self.doorbell = -1

    def forget(self) -> None:
        """Close the descriptors that only a lost keeper would have made us use."""
        if self._pidfd >= 0:
            os.close(self._pidfd)
            for lock in self._locks:
                os.close(lock)
            self._pidfd = -1

    async def end_without_keeper(self) -> None:
        """End the child in the dead keeper's stead, and only then say that it has ended."""
        try:
            await rescue.end_child(self.pid, self._pidfd, self._mark)
            os.close(self._pidfd)
            for lock in self._locks:
                ownership.unlock(lock)
            self._pidfd = -1
        finally:
            self.exit.set_result(ExitNotice(None))


class KeeperClient:
    """A connection to this user's keeper; the sessions that it spawned end when the connection closes.

    Made by ``connect``. When the keeper dies its children are ended, which takes seconds where they resist, and every
    child's ``exit`` gets a notice without a code when it is dead; all later calls raise ``KeeperUnavailable``; connect
    again for new sessions.

    A keeper that hangs is waited for once: after a request that it did not answer in time others are sent, and raise
    ``KeeperUnavailable`` at once, until something is heard of it.
    """

    def __init__(self, channel: Channel, folder: str) -> None:
        self.lost = False
        self.pid = 0
        self._folder = folder
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._unanswered: dict[int, dict[str, Any]] = {}  # also those for which nobody waits any more
        self._silent = False  # since a request was not answered in time
        self._children: dict[str, ChildProcess] = {}
        self._rescues: set[asyncio.Task[None]] = set()
        self._helper: Helper | None = None  # the keeper's process, when we started it
        self._loop.add_reader(channel.fileno(), self._receive)

    @classmethod
    async def connect(cls, folder: str) -> KeeperClient:
        """Connect to the keeper of ``folder``, starting it where none runs.

        Raises:
            KeeperUnavailable: It does not start, speaks another version, or the folder is not private.
        """
        folder = os.path.abspath(folder)  # noqa: ASYNC240  (computes only)
        try:
            folder_fd = rendezvous.open_folder(folder)
        except OSError as error:
            raise KeeperUnavailable(f"The keeper's folder cannot be used: {error}") from error
        helper: Helper | None = None
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                while True:
                    if client := await cls._try_connect(folder, folder_fd):
                        client._helper, helper = helper, None
                        return client
                    if helper:
                        helper.abandon()
                    helper = await start_keeper(folder, folder_fd)
                    if helper is None:
                        await asyncio.sleep(_RETRY_S)
        except TimeoutError:
            raise KeeperUnavailable(
                f"The keeper did not start within {_START_TIMEOUT_S:.0f} s; {folder}/{LOG_NAME} may say why."
            ) from None
        finally:
            if helper:
                helper.abandon()
            os.close(folder_fd)

    @classmethod
    async def find(cls, folder: str) -> KeeperClient | None:
        """Connect to the keeper of ``folder`` if one runs there; nothing is made or started.

        Raises:
            KeeperUnavailable: It does not answer, speaks another version, or the folder is not private.
        """
        folder = os.path.abspath(folder)  # noqa: ASYNC240  (computes only)
        if not os.path.isdir(folder):  # noqa: ASYNC240  (one look)
            return None
        try:
            folder_fd = rendezvous.open_folder(folder)
        except OSError as error:
            raise KeeperUnavailable(f"The keeper's folder cannot be used: {error}") from error
        try:
            return await cls._try_connect(folder, folder_fd)
        finally:
            os.close(folder_fd)

    @classmethod
    async def _try_connect(cls, folder: str, folder_fd: int) -> KeeperClient | None:
        sock = socket.socket(socket.AF_UNIX)
        sock.setblocking(False)
        try:
            sock.connect(rendezvous.socket_path(folder_fd))
        except (FileNotFoundError, ConnectionRefusedError, BlockingIOError):
            sock.close()
            return None
        client = cls(Channel(sock), folder)
        with ExitStack() as undo:
            undo.callback(client.close)
            try:
                client.pid = (await client._request({"op": "hello", "versions": [PROTOCOL_VERSION]}))["pid"]
            except KeeperUnavailable:
                if client.lost:  # it was just leaving
                    return None
                raise
            undo.pop_all()
        return client

    async def claim(self, folder: str, holder: dict[str, Any]) -> None:
        """Take a folder for a spawn to come. Raises ``HeldElsewhere``."""
        await self._request({"op": "claim", "folder": folder, "holder": holder})

    async def release(self, folder: str) -> None:
        """Give a claim back, unless a spawn has taken it over."""
        await self._request({"op": "release", "folder": folder})

    async def spawn(self, key: str, request: dict[str, Any]) -> ChildProcess:
        """Spawn a child; ``request`` has the members of the keeper's ``spawn``.

        Raises:
            SessionAlive: This connection has a child of that key.
            HeldElsewhere: A folder is locked by another session; ``holder`` says by whom, or is ``None``.
            SpawnFailed: The program cannot be executed.
        """
        answer = await self._request({**request, "op": "spawn", "key": key})
        child: ChildProcess = answer["child"]
        return child

    async def adopt(self, key: str, journal_dir: str, holder: dict[str, Any]) -> ChildProcess:
        """Take over a child that is kept although its server is gone; see ``list``.

        Raises:
            TerminalClosed: It has ended, or another server was first.
        """
        answer = await self._request({"op": "adopt", "key": key, "journal_dir": journal_dir, "holder": holder})
        child: ChildProcess = answer["child"]
        return child

    async def leave(self, child: ChildProcess) -> None:
        """Give up a child that was spawned with an ``about``: it goes on, and may be taken over."""
        await self._request({"op": "leave", "key": child.key})
        self._children.pop(child.key, None)
        child.close_terminal()
        child.forget()

    async def signal(self, key: str, signum: int) -> None:
        """Signal the child's process group; raise ``TerminalClosed`` when it has ended."""
        await self._request({"op": "signal", "key": key, "signum": signum})

    async def list(self) -> list[dict[str, Any]]:
        """Return what the keeper keeps: ``key``, ``pid``, ``owns``, ``started_at``, ``mine``, ``journal_dir``,
        ``about``, and ``kept``: whether its server is gone, so that another one may ``adopt`` it."""
        sessions: list[dict[str, Any]] = (await self._request({"op": "list"}))["sessions"]
        return sessions

    def close(self) -> None:
        """Close the connection: what is left of our sessions is ended."""
        self._disconnect("The connection to the keeper is closed.")

    async def wait_rescued(self) -> None:
        """Wait until the children of a connection that was lost have ended."""
        await asyncio.gather(*self._rescues)

    async def _request(self, message: dict[str, Any]) -> dict[str, Any]:
        if self.lost:
            raise KeeperUnavailable("The keeper is gone; start the session again.")
        number = next(self._ids)
        answer = self._answers[number] = self._loop.create_future()
        try:
            self._send({**message, "id": number})
            self._unanswered[number] = message
            if self._silent:
                raise KeeperUnavailable(f"The keeper (process {self.pid}) does not answer; it may be stopped.")
            return await asyncio.wait_for(answer, _REQUEST_TIMEOUT_S)
        except FrameError as error:
            raise TerminalError(f"The request {message['op']} is too large for the keeper: {error}") from error
        except TimeoutError:
            self._silent = True
            raise KeeperUnavailable(
                f"The keeper (process {self.pid}) did not answer within {_REQUEST_TIMEOUT_S:.0f} s."
            ) from None
        finally:
            del self._answers[number]

    def _send(self, message: dict[str, Any]) -> None:
        self._channel.send(message)
        if self._channel.backlog:
            self._loop.add_writer(self._channel.fileno(), self._flush)

    def _flush(self) -> None:
        if self._channel.flush():
            self._loop.remove_writer(self._channel.fileno())

    def _receive(self) -> None:
        try:
            messages = self._channel.receive()
            for message in messages or ():
                self._silent = False
                self._handle(message)
        except FrameError as error:
            self._disconnect(f"The keeper cannot be understood: {error}")
        else:
            if messages is None:
                if self._children:
                    count = len(self._children)
                    _log.error("The keeper died, and with it %d sessions. %s", count, read_log(self._folder))
                self._disconnect("The keeper is gone; start the session again.")

    def _handle(self, message: dict[str, Any]) -> None:
        if message.get("event") == "exited":
            child = self._children.pop(message["key"])
            child.forget()
            child.exit.set_result(ExitNotice(message["exit_code"]))
            return
        number = message["id"]
        request = self._unanswered.pop(number, {"op": "none of ours"})
        answer = self._answers.get(number)
        wanted = answer is not None and not answer.done()
        if "error" in message:
            error = message["error"]
            if answer and wanted:
                answer.set_exception(by_code(error["code"])(error["message"], **error["details"]))
            return
        result = message["ok"]
        if request["op"] in ("spawn", "adopt"):
            # At once, not when the asking task runs: the notice of its exit may be the next message.
            child = ChildProcess(request["key"], result, self._channel.take_fds(message["fds"]))
            self._children[child.key] = child
            result = {"child": child}
            if not wanted:
                child.close_terminal()
                act = {"op": "leave"} if request["op"] == "adopt" else {"op": "signal", "signum": signal.SIGKILL}
                self._send({**act, "key": child.key, "id": 0})
        elif request["op"] == "claim" and not wanted:
            self._send({"op": "release", "folder": request["folder"], "id": 0})
        if answer and wanted:
            answer.set_result(result)

    def _disconnect(self, reason: str) -> None:
        if self.lost:
            return
        self.lost = True
        self._loop.remove_reader(self._channel.fileno())
        self._loop.remove_writer(self._channel.fileno())
        self._channel.close()
        if self._helper:
            self._helper.abandon()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(KeeperUnavailable(reason))
        for child in self._children.values():
            task = self._loop.create_task(child.end_without_keeper())
            self._rescues.add(task)
            task.add_done_callback(self._rescues.discard)
        self._children.clear()
