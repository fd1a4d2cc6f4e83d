"""Faults, made to order; and how much of them is tested: in `make test` what shows them, in `make test-faults` more."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.cli import CLI_VERSIONS
from tests.support.processes import processes_of

#: Whether this is the long form; `WXCODE_FAULT_RUNS` says how many runs the randomised tests make, 20 by default.
LONG = int(os.environ.get("WXCODE_FAULT_RUNS", "20")) > 20

#: For faults in which the CLI plays no part of its own: the newest will do, in the long form each.
FAULT_CLI_VERSIONS = CLI_VERSIONS if LONG else CLI_VERSIONS[-1:]


@contextmanager
def full_disk(*pids: int) -> Iterator[None]:
    """Have the kernel refuse every byte that these processes, and what they start, write to files: EFBIG, as ENOSPC.

    It needs no mount and no rights beyond those of the processes' owner.
    """
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
    for pid, (_, most) in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, most))
    try:
        yield
    finally:
        for pid, limits in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


def keeper_of(home: Path) -> int:
    """Return the keeper's process of the world with this HOME."""
    [keeper] = [pid for pid, line in processes_of(home).items() if "terminal.keeper" in line]
    return keeper
