"""The keeper: a process that spawns the children, reads their PTYs and reports their exits.

One per user and data directory, started by whichever server needs it first (``process.KeeperClient``) as
``python -m wxcode_jupyter.terminal.keeper <folder>``. The folder belongs to the user alone (0700) and holds the socket
``keeper.sock`` (0600, see ``rendezvous``). When the connection of a server closes, however that came, the keeper keeps
those of its sessions that were spawned with an ``about``, for whichever server takes them over, and ends the others. It
exits by itself when it has had nothing to keep for ``IDLE_EXIT_S``. When it dies, its children live on with the
descriptors of their servers, which start another keeper and entrust them to it. It imports the standard library and
ptyprocess only.

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
import resource
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from wxcode_jupyter.terminal import rendezvous
from wxcode_jupyter.terminal.child import Child
from wxcode_jupyter.terminal.complaint import complain
from wxcode_jupyter.terminal.ownership import WorkspaceLock, WorkspaceLocked
from wxcode_jupyter.terminal.reactor import READABLE, WRITABLE, Reactor, Timer
from wxcode_jupyter.terminal.wire import PROTOCOL_VERSION, Channel, FrameError

IDLE_EXIT_S = 3.0

_MAX_BACKLOG_BYTES = 1 << 20
_ACCEPT_RETRY_S = 0.2


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


class Keeper:
    """The listener and everything that it keeps alive."""

    def __init__(self, listener: socket.socket) -> None:
        self.reactor = Reactor()
        # Every session takes six descriptors; the children get the limit that we were given.
        self.files_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.files_limit[1], self.files_limit[1]))
        self._listener = listener
        self._connections: set[Connection] = set()
        self.children: set[Child] = set()
        self._kept: dict[str, Child] = {}  # by their journals, those whose server is gone
        self._silences: dict[str, Timer] = {}  # by their journals, when to look whether those were silent for too long
        self._idle: Timer | None = None
        self._ending = False
        self.reactor.watch(listener.fileno(), self._accept)

    def run(self) -> None:
        """Serve until there is nothing to keep, or until SIGTERM."""
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write)
        signal.signal(signal.SIGTERM, lambda *_: None)
        self.reactor.watch(wake_read, lambda _events: self._end(wake_read))
        self._check_idle()
        self.reactor.run()

    def forget(self, connection: Connection) -> None:
        """Note that a connection has closed."""
        self._connections.discard(connection)
        self._check_idle()

    def child_born(self, child: Child) -> None:
        """Note a new child."""
        self.children.add(child)

    def keep(self, child: Child) -> None:
        """Keep a child whose server is gone, until another one takes it over."""
        if self._ending:
            child.hang_up()
            return
        self._kept[child.journal_dir] = child
        child.on_exit = self._forget_kept
        if limit_s := child.terms["silence_limit_s"]:
            self._end_when_silent(child, time.monotonic(), limit_s)

    def _end_when_silent(self, child: Child, since: float, limit_s: float) -> None:
        """End a child to which no server has come for long: an idle program writes nothing, one that works does."""
        rest_s = max(child.last_output, since) + limit_s - time.monotonic()
        if rest_s > 0:
            check = self.reactor.later(rest_s, lambda: self._end_when_silent(child, since, limit_s))
            self._silences[child.journal_dir] = check
        else:
            complain(
                f"keeper: {child.owns[-1]}: no server came, and nothing was written, for {limit_s:g} s; it is ended"
            )
            child.hang_up()

    def _forget_kept(self, child: Child, _exit_code: int | None) -> None:
        self.give(child.journal_dir)

    def give(self, journal_dir: str) -> Child | None:
        """Return a child that is kept, for whoever takes it over now; ``None`` where there is none."""
        if check := self._silences.pop(journal_dir, None):
            check.cancel()
        return self._kept.pop(journal_dir, None)

    def child_gone(self, child: Child) -> None:
        """Note that nothing is left of a child."""
        self.children.discard(child)
        self._check_idle()

    def serves(self, journal_dir: str) -> bool:
        """Say whether a server has the session."""
        served = (child for connection in self._connections for child in connection.children.values())
        return any(child.journal_dir == journal_dir for child in served)

    def describe(self, asking: Connection) -> list[dict[str, Any]]:
        """Return what lives, for ``list``."""
        served = [(child, connection) for connection in self._connections for child in connection.children.values()]
        return [
            {
                "key": child.key,
                "pid": child.pid,
                "owns": child.owns,
                "started_at": child.running.started_at,
                "mine": connection is asking,
                "kept": connection is None,
                "journal_dir": child.journal_dir,
                "about": child.about,
            }
            for child, connection in [*served, *((child, None) for child in self._kept.values())]
        ]

    def _accept(self, _events: int) -> None:
        try:
            sock, _address = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:  # no descriptors left: look again when some may have been closed
            complain(f"keeper: a connection cannot be accepted: {error}")
            self.reactor.forget(self._listener.fileno())
            self.reactor.later(_ACCEPT_RETRY_S, lambda: self.reactor.watch(self._listener.fileno(), self._accept))
            return
        _pid, uid, _gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if uid != os.geteuid():
            complain(f"keeper: refused a connection of user {uid}")
            sock.close()
            return
        self._connections.add(Connection(self, sock))
        self._check_idle()

    def _check_idle(self) -> None:
        busy = self._connections or self.children
        if self._idle and busy:
            self._idle.cancel()
            self._idle = None
        elif not busy and self._ending:
            self.reactor.stop()
        elif not busy and self._idle is None:
            self._idle = self.reactor.later(IDLE_EXIT_S, self.reactor.stop)

    def _end(self, wake_read: int) -> None:
        os.read(wake_read, 1024)
        self._ending = True
        self.reactor.forget(self._listener.fileno())
        for connection in list(self._connections):
            connection.push({"event": "ending"})
            connection.close()
        for child in self._kept.values():
            child.hang_up()
        self._check_idle()


def main(arguments: list[str], on_ready: Callable[[], None]) -> None:
    """Keep, until there is nothing to keep; ``on_ready`` is called when clients can connect."""
    folder_fd = rendezvous.open_folder(arguments[0])
    os.chdir("/")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not rendezvous.take_over(folder_fd):
        return
    with rendezvous.listen(folder_fd) as listener:
        on_ready()
        Keeper(listener).run()
        # In this order: whoever finds no socket starts a keeper, which waits for the lock that ends with us.
        rendezvous.remove_socket(folder_fd)


def _announce() -> None:
    os.write(1, b"ready\n")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.close(null)


if __name__ == "__main__":
    main(sys.argv[1:], _announce)
