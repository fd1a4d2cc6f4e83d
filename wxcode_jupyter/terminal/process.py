"""The keeper's client inside the server: finds or starts the keeper, spawns, signals, hears of exits."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import os
import signal
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from ..errors import HeldElsewhere, KeeperUnavailable, TerminalError, by_code
from . import rendezvous
from .helper import Helper, with_descriptors
from .launch import LOG_NAME, read_log, start_keeper
from .spawned import ChildProcess, ExitNotice
from .wire import PROTOCOL_VERSION, Channel, FrameError

_START_TIMEOUT_S = 15.0
_REQUEST_TIMEOUT_S = 20.0
_RETRY_S = 0.02
_RELAPSE_S = 1.0  # a keeper that dies so soon after it was entrusted with sessions may have died of them:
_MAX_RELAPSES = 3  # after as many in a row no other one gets them

_log = logging.getLogger(__name__)


class KeeperClient:
    """A connection to this user's keeper; the sessions that it spawned end when the connection closes.

    Made by ``connect``. When the keeper dies its children live on, and another one is started and goes on with them
    (``successor``); those for which that cannot be done are ended, which takes seconds where they resist, and their
    ``exit`` gets a notice without a code when they are dead. All later calls here raise ``KeeperUnavailable``.

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
        self._ends = False  # it was told to
        self._entrusted_at = -math.inf
        self._relapses = 0
        self._succession: asyncio.Task[KeeperClient | None] | None = None
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
        pid, uid = rendezvous.peer(sock)
        if uid != os.geteuid():
            sock.close()
            raise KeeperUnavailable(
                f"Process {pid} of user {uid} listens in place of your keeper; nothing was told to it. Remove "
                f"{folder}/{rendezvous.SOCKET_NAME}, and see who may write there."
            )
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
        """Give up a child that was spawned with an ``about``: it goes on, and may be taken over.

        A keeper that hangs is told, and does it when it goes on.
        """
        try:
            await self._request({"op": "leave", "key": child.key})
        except KeeperUnavailable as error:
            if self.lost:
                raise
            _log.warning("Session %s is left to a keeper that hangs: %s", child.key, error)
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

    async def successor(self) -> KeeperClient | None:
        """Of a connection that is lost, return that to the keeper that has the children now.

        None, once they have ended, where there were none, or none of them could be saved, or ``close`` was called.
        """
        # Shielded: one caller who gives up does not take it from the others.
        return await asyncio.shield(self._succession) if self._succession else None

    async def _entrust(self, child: ChildProcess) -> None:
        """Have the keeper go on with a child whose own has died.

        Raises:
            HeldElsewhere: Another server has taken it over.
            TerminalError: The keeper cannot go on with it.
            OSError: There are no descriptors left.
        """
        await self._request({**child.told, "op": "entrust", "key": child.key}, child.fds)
        self._entrusted_at = self._loop.time()
        child.keeper = self
        self._loop.call_soon(child.on_new_keeper)

    async def _request(self, message: dict[str, Any], fds: Sequence[int] = ()) -> dict[str, Any]:
        if self.lost:
            raise KeeperUnavailable("The keeper is gone; start the session again.")
        number = next(self._ids)
        answer = self._answers[number] = self._loop.create_future()
        try:
            self._send({**message, "id": number}, fds)
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

    def _send(self, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
        self._channel.send(message, fds)
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
            self._mourn(f"The keeper (process {self.pid}) cannot be understood: {error}")
        else:
            if messages is None:
                self._mourn(f"The keeper (process {self.pid}) died")

    def _handle(self, message: dict[str, Any]) -> None:
        if message.get("event") == "exited":
            # None: one that was given up, because the keeper hung, and that it ended when it went on.
            if ended := self._children.pop(message["key"], None):
                ended.forget()
                ended.exit.set_result(ExitNotice(message["exit_code"]))
            return
        if message.get("event") == "ending":
            self._ends = True
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
            fds = self._channel.take_fds(message["fds"])
            child = ChildProcess(request["key"], {**result, "holder": request["holder"]}, fds, self)
            self._children[child.key] = child
            result = {"child": child}
            if not wanted:
                child.close_terminal()
                act: dict[str, Any] = {"op": "signal", "signum": signal.SIGKILL}
                if request["op"] == "adopt":
                    act = {"op": "leave"}
                    del self._children[child.key]
                    child.forget()
                self._send({**act, "key": child.key, "id": 0})
        elif request["op"] == "claim" and not wanted:
            self._send({"op": "release", "folder": request["folder"], "id": 0})
        if answer and wanted:
            answer.set_result(result)

    def _mourn(self, cause: str) -> None:
        """The keeper is gone: see to its children."""
        reason = "The keeper is gone; start the session again."
        if not self._children or self._ends:
            self._disconnect(reason)
            return
        relapses = self._relapses + 1 if self._loop.time() - self._entrusted_at < _RELAPSE_S else 0
        told = "%s; %s with its %d sessions. %s"
        said = len(self._children), read_log(self._folder)
        if relapses > _MAX_RELAPSES:
            _log.error(told, cause, "it had just got them from another one, and an end is made", *said)
            self._disconnect(reason)
        else:
            _log.error(told, cause, "another one goes on", *said)
            self._succession = self._loop.create_task(self._succeed(self._lose(reason), relapses))

    async def _succeed(self, children: Sequence[ChildProcess], relapses: int) -> KeeperClient | None:
        """Entrust them to the keeper that there is now, and end those for which it cannot be done."""
        try:
            successor = await with_descriptors(lambda: KeeperClient.connect(self._folder), _START_TIMEOUT_S)
        except (KeeperUnavailable, OSError) as error:
            _log.error("Their sessions are ended: %s", error)
            await _end(children)
            return None
        # All at once are its own: should it die in the midst, the one that comes after it gets them.
        successor._children = {child.key: child for child in children}
        successor._entrusted_at, successor._relapses = self._loop.time(), relapses
        orphans = []
        for child in children:
            try:
                await with_descriptors(partial(successor._entrust, child), _START_TIMEOUT_S)
            except HeldElsewhere as error:  # not ours any more, so not ours to end
                _log.error("Session %s is given up: %s", child.key, error)
                del successor._children[child.key]
                child.give_up()
            except (TerminalError, OSError) as error:
                if successor.lost:
                    break
                _log.error("Session %s is ended: %s", child.key, error)
                del successor._children[child.key]
                orphans.append(child)
        if successor.lost:
            for child in children:
                child.keeper = successor
        await _end(orphans)
        return successor

    def _disconnect(self, reason: str) -> None:
        """Lose the connection, and end what is left of our sessions."""
        if not self.lost and (children := self._lose(reason)):
            for child in children:
                child.ending = True
            self._succession = self._loop.create_task(_end(children))

    def _lose(self, reason: str) -> tuple[ChildProcess, ...]:
        """Close the connection, once, and return the children that it had."""
        self.lost = True
        self._loop.remove_reader(self._channel.fileno())
        self._loop.remove_writer(self._channel.fileno())
        self._channel.close()
        if self._helper:
            self._helper.abandon()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(KeeperUnavailable(reason))
        children = tuple(self._children.values())
        self._children.clear()
        return children


async def _end(children: Sequence[ChildProcess]) -> None:
    """End children that have no keeper."""
    await asyncio.gather(*(child.end_without_keeper() for child in children))
