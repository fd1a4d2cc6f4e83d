"""What the keeper does for one server.

Requests are frames of ``wire``: ``{"id", "op", ...}``, answered by ``{"id", "ok": {...}}`` or ``{"id", "error":
{"code", "message", "details"}}``:

- ``hello`` (first; ``versions``) -> ``version``, ``pid``
- ``claim`` (``folder, holder``): takes the folder for a ``spawn`` that is being prepared; ``release`` (``folder``)
  gives it back
- ``spawn`` (``key, owns, argv, cwd, env, rows, cols, journal_dir, limit_bytes, holder, about, silence_limit_s``) ->
  ``pid``, ``started_at``, ``mark`` (see ``family``), what is in ``child._TERMS``, and the descriptors ``master``,
  ``doorbell`` (eventfd), ``pidfd``, and a lock for each folder of ``owns``; ``about`` is what whoever takes the session
  over has to know, null where nobody may; a session without a server ends when it has written nothing for
  ``silence_limit_s`` (0: it may for ever)
- ``leave`` (``key``): gives a session with an ``about`` up, as if the connection had closed
- ``adopt`` (``key, journal_dir, holder``): takes a session over that is kept; the answer is that of ``spawn``
- ``entrust`` (``key, holder``, the answer of ``spawn``, and its descriptors): goes on with a session whose keeper has
  died, or gives it back where this keeper keeps it
- ``signal`` (``key, signum``), to the whole process group
- ``list`` -> ``sessions``

and, unasked, ``{"event": "exited", "key", "exit_code", "head"}`` to the connection that spawned: the code as
``os.waitstatus_to_exitcode`` has it (negative: killed by that signal; null for one that was entrusted), after all
output is in the journal; and ``{"event": "ending"}``: it was told to end (SIGTERM), and all sessions with it.
"""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from .child import Child
from .complaint import complain
from .ownership import WorkspaceLock, WorkspaceLocked
from .reactor import READABLE, WRITABLE
from .wire import PROTOCOL_VERSION, Channel, FrameError

if TYPE_CHECKING:
    from .keeper import Keeper

_MAX_BACKLOG_BYTES = 1 << 20


class RequestFailed(Exception):
    """Becomes the ``error`` of an answer."""

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.body = {"code": code, "message": message, "details": details}


class Connection:
    """One server."""

    def __init__(self, keeper: Keeper, sock: socket.socket) -> None:
        self.channel = Channel(sock)
        self.children: dict[str, Child] = {}
        self._claims: dict[str, WorkspaceLock] = {}
        self._keeper = keeper
        self._greeted = False
        keeper.reactor.watch(sock.fileno(), self._serve)

    def push(self, message: dict[str, Any], fds: tuple[int, ...] = ()) -> None:
        """Send now or when the server reads again; one that does not read for long is dropped."""
        try:
            self.channel.send(message, fds)
        except OSError as error:  # no descriptors left
            complain(f"keeper: an answer cannot be sent: {error}")
            self._keeper.reactor.later(0, self.close)
            return
        if self.channel.backlog > _MAX_BACKLOG_BYTES:
            self._keeper.reactor.later(0, self.close)
        elif self.channel.backlog:
            self._keeper.reactor.watch(self.channel.fileno(), self._serve, READABLE | WRITABLE)

    def close(self) -> None:
        """Close, and end this server's sessions."""
        if self.channel.fileno() < 0:
            return
        self._keeper.reactor.forget(self.channel.fileno())
        self.channel.close()
        self._keeper.forget(self)
        for lock in self._claims.values():
            lock.release()
        for child in self.children.values():
            if child.about is not None and not child.ended:
                self._keeper.keep(child)
            else:
                child.hang_up()

    def _serve(self, events: int) -> None:
        if events & WRITABLE and self.channel.flush():
            self._keeper.reactor.watch(self.channel.fileno(), self._serve)
        if not events & ~WRITABLE:
            return
        try:
            messages = self.channel.receive()
            for message in messages or ():
                self._answer(message)
        except FrameError as error:
            complain(f"keeper: {error}")
            messages = None
        if messages is None:
            self.close()

    def _answer(self, message: dict[str, Any]) -> None:
        try:
            reply, fds = self._perform(message)
        except RequestFailed as error:
            self.push({"id": message.get("id"), "error": error.body})
        except (KeyError, TypeError, ValueError) as error:  # one server's mistake must not end the others' sessions
            failed = RequestFailed("keeper_unavailable", f"The keeper cannot read a request: {error!r}")
            self.push({"id": message.get("id"), "error": failed.body})
        else:
            self.push({"id": message.get("id"), "ok": reply}, fds)

    def _perform(self, message: dict[str, Any]) -> tuple[dict[str, Any], tuple[int, ...]]:
        operation = message["op"]
        fds = self.channel.take_fds(message.get("fds", 0))
        if operation == "entrust" and self._greeted:
            return self._go_on_with(message, fds), ()
        for fd in fds:
            os.close(fd)
        if operation == "hello":
            return self._hello(message), ()
        if not self._greeted:
            raise RequestFailed("keeper_unavailable", "The first request has to be a hello.")
        if operation == "claim":
            self._claims[message["folder"]] = _lock(message["folder"], message["holder"])
            return {}, ()
        if operation == "release":
            if claimed := self._claims.pop(message["folder"], None):
                claimed.release()
            return {}, ()
        if operation == "spawn":
            return self._spawn(message)
        if operation == "adopt":
            return self._adopt(message)
        if operation == "leave":
            self._keeper.keep(self._own(message["key"]))
            del self.children[message["key"]]
            return {}, ()
        if operation == "signal":
            return self._signal(message), ()
        if operation == "list":
            return {"sessions": self._keeper.describe(self)}, ()
        raise RequestFailed("keeper_unavailable", f"The keeper does not know the request {operation!r}.")

    def _hello(self, message: dict[str, Any]) -> dict[str, Any]:
        if PROTOCOL_VERSION not in message.get("versions", ()):
            raise RequestFailed(
                "keeper_unavailable",
                f"The keeper (process {os.getpid()}) is of another version of wxcode_jupyter. Its sessions go on with "
                "a server of that version. To go on with this one, stop them there, or end all of them by `python -m "
                "wxcode_jupyter keeper stop --yes`; the conversations are resumed at the next start.",
                pid=os.getpid(),
            )
        self._greeted = True
        return {"version": PROTOCOL_VERSION, "pid": os.getpid()}

    def _spawn(self, request: dict[str, Any]) -> tuple[dict[str, Any], tuple[int, ...]]:
        key = request["key"]
        if key in self.children:
            raise RequestFailed("session_alive", f"The session {key} lives already.", key=key)
        locks: list[WorkspaceLock] = []
        with ExitStack() as undo:
            try:
                for folder in request["owns"]:
                    claimed = self._claims.pop(folder, None)
                    locks.append(claimed or _lock(folder, request["holder"]))
                    undo.callback(locks[-1].release)
                child = Child.spawn(
                    self._keeper.reactor,
                    request,
                    locks,
                    self._keeper.files_limit,
                    self._report_exit,
                    self._keeper.child_gone,
                )
            except (OSError, ValueError) as error:
                message = f"{request['argv'][0]} cannot be started in {request['cwd']}: {error}"
                raise RequestFailed("spawn_failed", message) from error
            undo.pop_all()
        self._keeper.child_born(child)
        return self._hand_over(child, key)

    def _adopt(self, request: dict[str, Any]) -> tuple[dict[str, Any], tuple[int, ...]]:
        child = self._keeper.give(request["journal_dir"])
        if child is None:
            raise RequestFailed("terminal_closed", "That session has ended, or another server has taken it over.")
        for lock in child.locks:
            lock.rename(request["holder"])
        child.on_exit = self._report_exit
        return self._hand_over(child, request["key"])

    def _go_on_with(self, request: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        if child := self._keeper.give(request["journal_dir"]):  # it was our connection that broke, not the keeper
            for fd in fds:
                os.close(fd)
            child.on_exit = self._report_exit
        elif any(each.journal_dir == request["journal_dir"] for each in self._keeper.children):
            for fd in fds:
                os.close(fd)
            if self._keeper.serves(request["journal_dir"]):
                raise RequestFailed("held_elsewhere", "Another server has taken that session over.", holder=None)
            raise RequestFailed("terminal_closed", "That session is being ended.")
        else:
            try:
                child = Child.go_on_with(self._keeper.reactor, request, fds, self._report_exit, self._keeper.child_gone)
            except (OSError, WorkspaceLocked) as error:  # no journal can be made, or it ended, and others came after it
                raise RequestFailed("terminal_error", f"The keeper cannot go on with it: {error}") from error
            self._keeper.child_born(child)
        self._hand_over(child, request["key"])
        return {}

    def _hand_over(self, child: Child, key: str) -> tuple[dict[str, Any], tuple[int, ...]]:
        child.key = key
        self.children[key] = child
        return child.describe(), child.fds

    def _signal(self, request: dict[str, Any]) -> dict[str, Any]:
        child = self._own(request["key"])
        try:
            child.signal_group(request["signum"])
        except ProcessLookupError:
            raise RequestFailed("terminal_closed", f"The session {request['key']} has ended.") from None
        except OSError as error:
            raise RequestFailed("terminal_error", f"Signal {request['signum']} cannot be sent: {error}") from error
        return {}

    def _own(self, key: str) -> Child:
        try:
            return self.children[key]
        except KeyError:
            raise RequestFailed("terminal_closed", f"The session {key} has ended.") from None

    def _report_exit(self, child: Child, exit_code: int | None) -> None:
        del self.children[child.key]
        if self.channel.fileno() >= 0:
            self.push({"event": "exited", "key": child.key, "exit_code": exit_code, "head": child.journal.head})


def _lock(folder: str, holder: dict[str, Any]) -> WorkspaceLock:
    try:
        return WorkspaceLock(folder, holder)
    except WorkspaceLocked as error:
        where = (error.holder or {}).get("url") or "another server"
        message = f"The project, or its workspace, is held by {where}."
        raise RequestFailed("held_elsewhere", message, holder=error.holder) from None
    except OSError as error:
        raise RequestFailed("spawn_failed", f"The folder {folder} cannot be locked: {error}") from error
