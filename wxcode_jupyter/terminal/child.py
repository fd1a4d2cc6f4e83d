"""The keeper's side of one session: the child, its PTY's only reader, its journal, its end."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
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


class Child:
    """A process in a PTY; everything it writes goes to its journal, and ``doorbell`` is rung.

    Args:
        request: A ``spawn`` request's ``argv, cwd, env, rows, cols, owns, journal_dir, limit_bytes``.
        locks: Of the folders that it owns; released when the child has ended.
        files_limit: The child's limits of open files (soft, hard); the keeper's own is higher.
        on_exit: Called once, with the exit code (negative: the signal that killed it), when all output up to the exit
            is in the journal.
        on_gone: Called once, after ``on_exit``, when nothing of the session is left.

    Raises:
        OSError: The program cannot be executed, or the journal cannot be made.
        ValueError: An argument or a variable cannot be given to a program.
    """

    def __init__(
        self,
        reactor: Reactor,
        request: Mapping[str, Any],
        locks: Sequence[WorkspaceLock],
        files_limit: tuple[int, int],
        on_exit: Callable[[Child, int], None],
        on_gone: Callable[[Child], None],
    ) -> None:
        self.key: str = request["key"]
        self.owns: list[str] = request["owns"]
        self.journal_dir: str = request["journal_dir"]
        self.about: dict[str, Any] | None = request.get("about")
        self.locks = locks
        self.started_at = time.time()
        self._reactor = reactor
        self.on_exit = on_exit
        self._on_gone = on_gone
        self._escalation: Timer | None = None
        self.mark = new_mark()
        self.journal = JournalWriter(request["journal_dir"], request["limit_bytes"])
        try:
            SizeRecord(request["journal_dir"]).append(SizeChange(0, request["rows"], request["cols"]))
            self.pid, self.master = _spawn(request, [lock.fd for lock in locks], self.mark, files_limit)
        except BaseException:
            journal.remove(request["journal_dir"])
            raise
        self._family = Family(self.pid, self.mark)
        self.pidfd = os.pidfd_open(self.pid)
        self.doorbell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.ended = False
        reactor.watch(self.master, self._read)
        reactor.watch(self.pidfd, self._notice_exit)

    def signal_group(self, signum: int) -> None:
        """Signal the process group; it is not reaped yet, so its number is its own."""
        os.killpg(self.pid, signum)
        if signum in (signal.SIGHUP, signal.SIGTERM):
            os.killpg(self.pid, signal.SIGCONT)  # a stopped process would not notice

    def hang_up(self) -> None:
        """End the group because nobody owns it any more: SIGHUP, then SIGTERM, then SIGKILL."""
        if not self.ended and self._escalation is None:
            self._escalate((signal.SIGHUP, signal.SIGTERM, signal.SIGKILL), HANGUP_GRACE_S)

    def _escalate(self, signums: Sequence[signal.Signals], grace_s: float) -> None:
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
                piece = os.read(self.master, _READ_BYTES)
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
            self._reactor.forget(self.master)
            if not self.ended:
                self._reactor.later(_REOPEN_POLL_S, self._watch_again)
        if pieces:
            self.journal.append(b"".join(pieces))
            os.eventfd_write(self.doorbell, 1)
        return more

    def _watch_again(self) -> None:
        if not self.ended:
            self._reactor.watch(self.master, self._read)

    def _notice_exit(self, _events: int) -> None:
        # WNOWAIT: the zombie keeps the group's number from being given to somebody else until the group is empty.
        status = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if status is None:
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
        os.eventfd_write(self.doorbell, 1)
        for fd in (self.master, self.pidfd, self.doorbell):
            self._reactor.forget(fd)
            os.close(fd)
        self.on_exit(self, status.si_status if status.si_code == os.CLD_EXITED else -status.si_status)
        self._clear_family()

    def _clear_family(self) -> None:
        self._family.signal(signal.SIGTERM)
        self._await_family(time.monotonic() + FAMILY_GRACE_S)

    def _await_family(self, kill_at: float) -> None:
        if not self._family.members():
            os.waitpid(self.pid, 0)
            self._on_gone(self)
            return
        late = time.monotonic() >= kill_at
        if late:
            self._family.signal(signal.SIGKILL)
        self._reactor.later(_FAMILY_POLL_S * (10 if late else 1), lambda: self._await_family(kill_at))


def _spawn(
    request: Mapping[str, Any], lock_fds: Sequence[int], mark: str, files_limit: tuple[int, int]
) -> tuple[int, int]:
    env = {**request["env"], LOCK_FD_VARIABLE: ",".join(map(str, lock_fds)), MARK_VARIABLE: mark}
    program = _find(request["argv"][0], request["cwd"], env)
    argv = [program, *request["argv"][1:]]
    _check_strings(argv, env)

    def prepare() -> None:  # in the child; what it raises comes back as an exception of spawn
        os.chdir(request["cwd"])
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
