"""The keeper: a process that spawns the children, reads their PTYs and reports their exits.

One per user and data directory, started by whichever server needs it first (``process.KeeperClient``) as
``python -m wxcode_jupyter.terminal.keeper <folder>``. The folder belongs to the user alone (0700) and holds the socket
``keeper.sock`` (0600, see ``rendezvous``). When the connection of a server closes, however that came, the keeper keeps
those of its sessions that were spawned with an ``about``, for whichever server takes them over, and ends the others. It
exits by itself when it has had nothing to keep for ``IDLE_EXIT_S``. When it dies, its children live on with the
descriptors of their servers, which start another keeper and entrust them to it. It imports the standard library and
ptyprocess only.

What servers ask of it stands in ``connection``.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from wxcode_jupyter.terminal import rendezvous
from wxcode_jupyter.terminal.child import Child
from wxcode_jupyter.terminal.complaint import complain, complain_of
from wxcode_jupyter.terminal.connection import Connection
from wxcode_jupyter.terminal.reactor import Reactor, Timer

IDLE_EXIT_S = 3.0

_ACCEPT_RETRY_S = 0.2


class Keeper:
    """The listener and everything that it keeps alive.

    Args:
        listener: Where servers come.
        me: The user whose servers they have to be; whoever else comes, root included, is refused.
    """

    def __init__(self, listener: socket.socket, me: int) -> None:
        self._me = me
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
        _pid, uid = rendezvous.peer(sock)
        if uid != self._me:
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
        Keeper(listener, os.geteuid()).run()
        # In this order: whoever finds no socket starts a keeper, which waits for the lock that ends with us.
        rendezvous.remove_socket(folder_fd)


def _announce() -> None:
    os.write(1, b"ready\n")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.close(null)


if __name__ == "__main__":
    sys.excepthook = complain_of
    main(sys.argv[1:], _announce)
