"""The keeper's side of one session: the child, its PTY's only reader, its journal, its end."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import select
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from ptyprocess import PtyProcess

from . import journal
from .family import MARK_VARIABLE, Family, new_mark
from .journal import JournalWriter, SizeChange, SizeRecord
from .ownership import LOCK_FD_VARIABLE, WorkspaceLock
from .reactor import Reactor, Timer

HANGUP_GRACE_S = 1.0  # SIGHUP to SIGTERM, and SIGTERM to SIGKILL, when the server is gone
FAMILY_GRACE_S = 1.0  # what is left of the session when its leader has ended: SIGTERM to SIGKILL

_READ_BYTES = 1 << 16
_READS_PER_ROUND = 16
_SHORT_BYTES = 1 << 10
_DRAIN_S = 0.1
_REOPEN_POLL_S = 0.1
_FAMILY_POLL_S = 0.02
_TERMS = ("owns", "journal_dir", "limit_bytes", "silence_limit_s", "about")


@dataclass(frozen=True, slots=True)
class Running:
    """A process in a PTY, and our descriptors of it; ``own`` is whether it is this keeper's child."""

    pid: int
    mark: str
    started_at: float
    master: int
    doorbell: int
    pidfd: int
    own: bool = True


class Child:
    """A process in a PTY; everything it writes goes to its journal, and ``doorbell`` is rung.

    Made by ``spawn``, or by ``go_on_with`` for one whose keeper has died.

    Attributes:
        terms: What another keeper has to know to go on with it, besides ``Running``: ``owns, journal_dir, limit_bytes,
            silence_limit_s, about``.
        on_exit: Called once, with the exit code (negative: the signal that killed it; None: it was another keeper's
            child, and nobody can know it), when all output up to the exit is in the journal.
        last_output: When it last wrote something, as ``time.monotonic`` has it.
    """

    def __init__(
        self,
        reactor: Reactor,
        request: Mapping[str, Any],
        running: Running,
        locks: Sequence[WorkspaceLock],
        journal: JournalWriter,
        on_exit: Callable[[Child, int | None], None],
        on_gone: Callable[[Child], None],
    ) -> None:
        self.key: str = request["key"]
        self.terms = {name: request.get(name) for name in _TERMS}
        self.running = running
        self.pid = running.pid
        self.locks = locks
        self.journal = journal
        self.on_exit = on_exit
        self.ended = False
        self.last_output = time.monotonic()
        self._reactor = reactor
        self._on_gone = on_gone
        self._escalation: Timer | None = None
        # The number of one that is not ours is free as soon as it ends: then the mark alone says who belongs to it.
        self._family = Family(running.pid if running.own else None, running.mark)
        reactor.watch(running.master, self._read)
        reactor.watch(running.pidfd, self._notice_exit)

    @classmethod
    def spawn(
        cls,
        reactor: Reactor,
        request: Mapping[str, Any],
        locks: Sequence[WorkspaceLock],
        files_limit: tuple[int, int],
        on_exit: Callable[[Child, int | None], None],
        on_gone: Callable[[Child], None],
    ) -> Child:
        """Run a program.

        Args:
            reactor: The keeper's.
            request: A ``spawn`` request's ``argv, cwd, env, rows, cols`` and ``_TERMS``.
            locks: Of the folders that it owns; released when the child has ended.
            files_limit: The child's limits of open files (soft, hard); the keeper's own is higher.
            on_exit: See the attribute.
            on_gone: Called once, after ``on_exit``, when nothing of the session is left.

        Raises:
            OSError: The program cannot be executed, or the journal cannot be made.
            ValueError: An argument or a variable cannot be given to a program.
        """
        mark, started_at, folder = new_mark(), time.time(), request["journal_dir"]
        written = JournalWriter(folder, request["limit_bytes"])
        with ExitStack() as undo:
            undo.callback(journal.remove, folder)
            SizeRecord(folder).append(SizeChange(0, request["rows"], request["cols"]))
            doorbell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            undo.callback(os.close, doorbell)
            pid, master = _spawn(request, [lock.fd for lock in locks], mark, files_limit)
            undo.callback(os.close, master)
            undo.callback(os.waitpid, pid, 0)
            undo.callback(os.killpg, pid, signal.SIGKILL)
            running = Running(pid, mark, started_at, master, doorbell, os.pidfd_open(pid))
            undo.pop_all()
        return cls(reactor, request, running, locks, written, on_exit, on_gone)

    @classmethod
    def go_on_with(
        cls,
        reactor: Reactor,
        request: Mapping[str, Any],
        fds: Sequence[int],
        on_exit: Callable[[Child, int | None], None],
        on_gone: Callable[[Child], None],
    ) -> Child:
        """Follow a program whose keeper has died, with the descriptors that a server has of it.

        Args:
            reactor: The keeper's.
            request: An ``entrust`` request's ``pid, mark, started_at, holder`` and ``_TERMS``.
            fds: ``master``, ``doorbell``, ``pidfd``, and the lock of each folder of ``owns``; ours from now on.
            on_exit: See the attribute.
            on_gone: Called once, after ``on_exit``, when nothing of the session is left.

        Raises:
            OSError: The journal cannot be gone on with.
            WorkspaceLocked: The program has ended, and a folder of it is somebody else's.
        """
        master, doorbell, pidfd, *lock_fds = fds
        with ExitStack() as undo:
            for fd in fds:
                undo.callback(os.close, fd)
            written = JournalWriter(request["journal_dir"], request["limit_bytes"], goes_on=True)
            locks = [
                WorkspaceLock(folder, request["holder"], fd)
                for folder, fd in zip(request["owns"], lock_fds, strict=True)
            ]
            undo.pop_all()
        running = Running(request["pid"], request["mark"], request["started_at"], master, doorbell, pidfd, own=False)
        return cls(reactor, request, running, locks, written, on_exit, on_gone)

    @property
    def about(self) -> dict[str, Any] | None:
        """What whoever takes the session over has to know; None where nobody may."""
        return self.terms["about"]

    @property
    def journal_dir(self) -> str:
        """The folder of the journal, which no other session has."""
        return str(self.terms["journal_dir"])

    @property
    def owns(self) -> list[str]:
        """The folders that it owns."""
        return list(self.terms["owns"] or ())

    @property
    def fds(self) -> tuple[int, ...]:
        """What a server gets: ``master``, ``doorbell``, ``pidfd``, and the lock of each folder of ``owns``."""
        running = self.running
        return (running.master, running.doorbell, running.pidfd, *(lock.fd for lock in self.locks))

    def describe(self) -> dict[str, Any]:
        """Return what a server has to know of it, for ``spawn``'s answer."""
        return {"pid": self.pid, "started_at": self.running.started_at, "mark": self.running.mark, **self.terms}

    def signal_group(self, signum: int) -> None:
        """Signal the process group. Raises ``ProcessLookupError`` where it has ended.

        Its number is its own: our child has not been reaped yet, and another keeper's has not ended.
        """
        if self.ended or (not self.running.own and _readable(self.running.pidfd)):
            raise ProcessLookupError(errno.ESRCH, "the session has ended")
        os.killpg(self.pid, signum)
        if signum in (signal.SIGHUP, signal.SIGTERM):
            os.killpg(self.pid, signal.SIGCONT)  # a stopped process would not notice

    def hang_up(self) -> None:
        """End the group because nobody owns it any more: SIGHUP, then SIGTERM, then SIGKILL."""
        if not self.ended and self._escalation is None:
            self._escalate((signal.SIGHUP, signal.SIGTERM, signal.SIGKILL), HANGUP_GRACE_S)

    def _escalate(self, signums: Sequence[signal.Signals], grace_s: float) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.signal_group(signums[0])
        if rest := signums[1:]:
            self._escalation = self._reactor.later(grace_s, lambda: self._escalate(rest, grace_s))

    def _read(self, _events: int) -> None:
        self._move_output()

    def _move_output(self) -> bool:
        """Move what the PTY has to the journal; return whether there may be more."""
        pieces: list[bytes] = []
        more = True
        try:
            for _ in range(_READS_PER_ROUND):
                piece = os.read(self.running.master, _READ_BYTES)
                if not piece:
                    more = False
                    break
                pieces.append(piece)
                if len(piece) < _SHORT_BYTES:
                    break  # most likely all: it is watched anyway
        except BlockingIOError:
            more = False
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            # No process has the slave open. One may open it again while the child lives, so look again later.
            more = False
            self._reactor.forget(self.running.master)
            if not self.ended:
                self._reactor.later(_REOPEN_POLL_S, self._watch_again)
        if pieces:
            self.journal.append(b"".join(pieces))
            self.last_output = time.monotonic()
            os.eventfd_write(self.running.doorbell, 1)
        return more

    def _watch_again(self) -> None:
        if not self.ended:
            self._reactor.watch(self.running.master, self._read)

    def _notice_exit(self, _events: int) -> None:
        exit_code: int | None = None
        if self.running.own:
            # WNOWAIT: the zombie keeps the group's number from being given to somebody else until the group is empty.
            status = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if status is None:
                return
            exit_code = status.si_status if status.si_code == os.CLD_EXITED else -status.si_status
        elif not _readable(self.running.pidfd):  # told of another descriptor, which had this number before
            return
        self.ended = True
        if self._escalation:
            self._escalation.cancel()
        # The child's own output is there once a read would block; a descendant that goes on writing must not delay us.
        deadline = time.monotonic() + _DRAIN_S
        while self._move_output() and time.monotonic() < deadline:
            pass
        self.journal.close()
        for lock in self.locks:
            lock.release()
        os.eventfd_write(self.running.doorbell, 1)
        for fd in (self.running.master, self.running.pidfd, self.running.doorbell):
            self._reactor.forget(fd)
            os.close(fd)
        self.on_exit(self, exit_code)
        self._clear_family()

    def _clear_family(self) -> None:
        self._family.signal(signal.SIGTERM)
        self._await_family(time.monotonic() + FAMILY_GRACE_S)

    def _await_family(self, kill_at: float) -> None:
        if not self._family.members():
            if self.running.own:
                os.waitpid(self.pid, 0)
            self._on_gone(self)
            return
        late = time.monotonic() >= kill_at
        if late:
            self._family.signal(signal.SIGKILL)
        self._reactor.later(_FAMILY_POLL_S * (10 if late else 1), lambda: self._await_family(kill_at))


def _readable(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))


def _spawn(
    request: Mapping[str, Any], lock_fds: Sequence[int], mark: str, files_limit: tuple[int, int]
) -> tuple[int, int]:
    env = {**request["env"], LOCK_FD_VARIABLE: ",".join(map(str, lock_fds)), MARK_VARIABLE: mark}
    program = _find(request["argv"][0], request["cwd"], env)
    argv = [program, *request["argv"][1:]]
    _check_strings(argv, env)

    cwd, locked = request["cwd"], dict(zip(request["owns"] or (), lock_fds, strict=True))

    def prepare() -> None:  # in the child; what it raises comes back as an exception of spawn
        # Not by its name where it is locked: a link put there since it was judged would lead the program anywhere.
        os.chdir(locked.get(cwd, cwd))
        if cwd in locked and os.getcwd() != cwd:
            raise FileNotFoundError(errno.ENOENT, f"The folder was moved to {os.getcwd()} meanwhile", cwd)
        for lock_fd in lock_fds:
            os.set_inheritable(lock_fd, True)
        for signum in signal.valid_signals():
            if signal.getsignal(signum) is signal.SIG_IGN:
                signal.signal(signum, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        resource.setrlimit(resource.RLIMIT_NOFILE, files_limit)

    keeper = os.getpid()
    try:
        process = PtyProcess.spawn(
            argv, env=env, preexec_fn=prepare, dimensions=(request["rows"], request["cols"]), pass_fds=tuple(lock_fds)
        )
    finally:
        if os.getpid() != keeper:  # a surprise between fork and exec must not become a second keeper
            os._exit(os.EX_OSERR)
    # ptyprocess spawns, the rest is ours: take the master over before its object cleans up.
    master = os.dup(process.fd)
    process.fileobj.close()
    process.closed = True
    os.set_blocking(master, False)
    return process.pid, master


def _check_strings(argv: Sequence[str], env: Mapping[str, str]) -> None:
    """Raise ``ValueError`` for what ``execve`` would refuse only after the fork."""
    for text in (*argv, *env, *env.values()):
        if b"\0" in os.fsencode(text):
            raise ValueError("an argument or a variable contains a NUL")
    if any(not name or "=" in name for name in env):
        raise ValueError("a variable has an empty name or a name with '='")


def _find(program: str, cwd: str, env: Mapping[str, str]) -> str:
    if os.path.dirname(program):
        found: str | None = os.path.join(cwd, program)
    else:
        found = shutil.which(program, path=env.get("PATH", os.defpath))
    if found is None:
        raise FileNotFoundError(errno.ENOENT, f"{program} is not in the PATH that the session is given")
    return found
