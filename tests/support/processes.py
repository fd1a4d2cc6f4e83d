"""The processes of a test's world, found by the HOME that all of them inherit."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def processes_of(home: Path) -> dict[int, str]:
    """Return the live processes whose HOME this is, by pid, with their command lines."""
    mark = f"HOME={home}".encode()
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            environment = Path("/proc", name, "environ").read_bytes().split(b"\0")
            line = Path("/proc", name, "cmdline").read_bytes()
        except OSError:  # it has ended, or is another user's
            continue
        if mark in environment:
            found[int(name)] = line.replace(b"\0", b" ").decode(errors="replace").strip()
    return found


def cli_processes(home: Path, executable: Path) -> list[int]:
    """Return the pids of the CLIs of that HOME (not of what they started)."""
    return without_forks(
        [pid for pid, line in processes_of(home).items() if line.startswith(f"{executable} --settings ")]
    )


def without_forks(pids: list[int]) -> list[int]:
    """Leave out the children of others in the list: a fork has its parent's command line until it executes its own."""
    return [pid for pid in pids if parent_of(pid) not in pids]


def parent_of(pid: int) -> int | None:
    """Return the pid of a process's parent, None where the process has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(b")")[2].split()[1])


def state_of(pid: int) -> str:
    """Return the state of a process as the kernel writes it, ``T`` for one that stands still; empty once it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0].decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def resident_bytes(pid: int) -> int:
    """Return how much memory a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_files(pid: int) -> list[str]:
    """Return what a process has open, by target; files that were deleted end with ``(deleted)``."""
    targets = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):
            targets.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    return sorted(targets)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Have a process stand still (SIGSTOP): it lives, holds what it holds, and answers nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        while state_of(pid) != "T":
            time.sleep(0.005)
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
