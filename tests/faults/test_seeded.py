"""Every command accounted for, whatever dies at which step of its way: one run a seed, with the real CLI.

``WXCODE_FAULT_SEED=n`` (or ``n-m``) repeats runs; ``WXCODE_FAULT_RUNS=n`` says how many there are: 20, and 200 in
`make test-faults`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.fault_checks import check
from tests.support.fault_plan import plan_of, seeds
from tests.support.fault_run import FaultRun
from wxcode_jupyter.fault_points import FaultPoint


@pytest.mark.cli
@pytest.mark.mongod
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", seeds(os.environ))
def test_every_command_is_accounted_for(tmp_path: Path, seed: int) -> None:
    with FaultRun(plan_of(seed), tmp_path) as run:
        run.go()
        check(run)


def test_twenty_runs_have_every_point() -> None:
    for first in (1, 21, 181):
        planned = {fault.point for seed in range(first, first + 20) for fault in plan_of(seed).faults}
        assert planned == set(FaultPoint)
