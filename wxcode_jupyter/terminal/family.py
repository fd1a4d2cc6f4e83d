"""The processes of a session besides its leader: its process group, and those that left it but carry its mark.

Claude's Bash tool runs each command in a session of its own, which no signal to the group reaches, and which a CLI that
is killed leaves behind. They inherit the environment: a variable with a value of which there is only one says whose
they are. Who wants to outlive the session has to throw its environment away (``env -i``).
"""

from __future__ import annotations

import os
import secrets
import signal

MARK_VARIABLE = "WXCODE_TERMINAL_MARK"


def new_mark() -> str:
    """Return a value for ``MARK_VARIABLE`` that no other session has."""
    return secrets.token_hex(16)


class Family:
    """What may be left of a session when its leader has ended.

    Args:
        leader: The process group; its number is not free as long as the leader has not been reaped. None where it may
            be: then the mark alone says who belongs to it.
        mark: The value of ``MARK_VARIABLE`` in the leader's environment.
    """

    def __init__(self, leader: int | None, mark: str) -> None:
        self._leader = leader
        self._mark = f"{MARK_VARIABLE}={mark}".encode()

    def members(self) -> list[int]:
        """Return the living ones, the leader left out."""
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and self._has(int(name))]

    def signal(self, signum: signal.Signals) -> None:
        """Signal each of them that may be signalled; stopped ones are continued, so that they notice."""
        for pid in self.members():
            try:
                pidfd = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            try:
                if self._has(pid):  # the number may have gone to somebody else
                    signal.pidfd_send_signal(pidfd, signum)
                    signal.pidfd_send_signal(pidfd, signal.SIGCONT)
            except (ProcessLookupError, PermissionError):
                continue  # it has ended, or has become another user
            finally:
                os.close(pidfd)

    def _has(self, pid: int) -> bool:
        if pid == self._leader:
            return False
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                # pid (comm) state ppid pgrp ...; the name may hold parentheses and spaces
                state, _parent, group, *_ = file.read().rpartition(b")")[2].split()
            if state in (b"Z", b"X"):
                return False
            return int(group) == self._leader or self._is_marked(pid)
        except (FileNotFoundError, ProcessLookupError):
            return False

    def _is_marked(self, pid: int) -> bool:
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                return self._mark in file.read().split(b"\0")
        except PermissionError:
            return False
