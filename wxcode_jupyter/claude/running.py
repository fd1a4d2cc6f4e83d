"""Which conversations the CLIs of this HOME have open now, whoever started them.

Each CLI, `-p` too, has a file ``<config>/sessions/<pid>.json`` while it runs, with its conversation's id, which follows
`/clear` (seen with 2.1.197 and 2.1.330). One that was killed leaves its file behind: a process counts when it lives and
began when the file says (``procStart``, the start time in ``/proc/<pid>/stat``). Those of another container that shares
this HOME are other processes here, and cannot be seen.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .foreign import read_json

_LIMIT_BYTES = 1 << 16
_DEAD = ("Z", "X")


@dataclass(frozen=True, slots=True)
class RunningCli:
    """A CLI that runs.

    Attributes:
        pid: Its process.
        claude_session_id: The conversation that it has open.
        terminal: Where it was started (``/dev/pts/2``); None without a terminal.
        started_at: When (UTC); None where it does not say.
        session: The process session that it belongs to: of one in a PTY of ours its leader is what we started.
    """

    pid: int
    claude_session_id: str
    terminal: str | None
    started_at: datetime | None
    session: int

    def __str__(self) -> str:
        where = f" on {self.terminal}" if self.terminal else ""
        since = f", since {self.started_at:%Y-%m-%d %H:%M} UTC" if self.started_at else ""
        return f"pid {self.pid}{where}{since}"


def find_running(environment: Mapping[str, str], claude_session_id: str) -> tuple[RunningCli, ...]:
    """Return the CLIs that have this conversation open, by pid. Raises nothing, whatever the files hold."""
    found = (cli for cli in _running(environment) if cli.claude_session_id == claude_session_id)
    return tuple(sorted(found, key=_by_pid))


def conversations_in(environment: Mapping[str, str], session: int) -> frozenset[str]:
    """Return the conversations that the CLIs of one process session have open: what its leader is, or has started.

    Empty where no file tells: the CLI is too old to write one, has ended, or is in another container. The file follows
    `/clear` and `/resume` within a few hundredths of a second, before or after the `SessionStart` (2.1.197, 2.1.330).
    """
    return frozenset(cli.claude_session_id for cli in _running(environment) if cli.session == session)


def _running(environment: Mapping[str, str]) -> Iterator[RunningCli]:
    config = environment.get("CLAUDE_CONFIG_DIR") or os.path.join(environment.get("HOME", ""), ".claude")
    return filter(None, (_read(file) for file in _files(Path(config, "sessions"))))


def _by_pid(cli: RunningCli) -> int:
    return cli.pid


def _files(folder: Path) -> Iterator[Path]:
    try:
        yield from folder.glob("*.json")
    except OSError:  # it is no folder, or not ours to read
        return


def _read(file: Path) -> RunningCli | None:
    try:
        fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            said = read_json(os.read(fd, _LIMIT_BYTES))
        finally:
            os.close(fd)
        pid, began = int(said["pid"]), str(said["procStart"])
        # pid (comm) state ppid pgrp session ... starttime; the name may hold parentheses and spaces
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        if stat[0] in _DEAD or stat[19] != began:
            return None
        return RunningCli(pid, str(said["sessionId"]), _terminal(pid), _moment(said.get("startedAt")), int(stat[3]))
    except (OSError, ValueError, KeyError, TypeError, IndexError):  # it has ended, or this is no such file
        return None


def _terminal(pid: int) -> str | None:
    try:
        name = os.readlink(f"/proc/{pid}/fd/0")
    except OSError:
        return None
    return name if name.startswith(("/dev/pts/", "/dev/tty")) else None


def _moment(milliseconds: object) -> datetime | None:
    if not isinstance(milliseconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
