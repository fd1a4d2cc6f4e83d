"""Our reading of ``.planning/``, against the reading of GSD's own tools, of each package."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import TOOLS
from wxcode_jupyter.claude.planning import is_finished, next_steps, read_tree, understand

pytestmark = pytest.mark.cli

TREES = Path(__file__).parents[1] / "data" / "planning"
GSD_TOOLS = {
    "get-shit-done-cc-1.20.5": "gsd-1.20.5/node_modules/get-shit-done-cc/get-shit-done/bin/gsd-tools.cjs",
    "get-shit-done-cc-1.42.3": "gsd-1.42.3/node_modules/get-shit-done-cc/get-shit-done/bin/gsd-tools.cjs",
    "gsd-core-1.14.0": "gsd-1.14.0/node_modules/@opengsd/gsd-core/gsd-core/bin/gsd-tools.cjs",
}
CASES = sorted(f"{case.parent.name}/{case.name}" for case in TREES.glob("*/*") if case.is_dir())


def ask_gsd(case: str, workspace: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        ["node", str(TOOLS / GSD_TOOLS[case.partition("/")[0]]), *arguments],
        cwd=workspace,
        env={"HOME": str(workspace), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("case", CASES)
def test_phases_and_plans_are_those_that_gsd_counts(case: str, tmp_path: Path) -> None:
    workspace = shutil.copytree(TREES / case, tmp_path / "w")
    planning = understand(read_tree(workspace))
    theirs = ask_gsd(case, workspace, "roadmap", "analyze").get("phases", [])

    ours = [(phase.number, phase.name, phase.plans_total, phase.plans_done) for phase in planning.phases]
    assert ours == [(item["number"], item["name"], item["plan_count"], item["summary_count"]) for item in theirs]


@pytest.mark.parametrize("package", [name for name in GSD_TOOLS if (TREES / name / "verified").is_dir()])
def test_a_milestone_that_gsd_has_archived_is_seen_as_archived(package: str, tmp_path: Path) -> None:
    workspace = shutil.copytree(TREES / package / "verified", tmp_path / "w")
    before = read_tree(workspace)
    confirmed = ["--confirm"] if package.startswith("gsd-core") else []
    ask_gsd(package, workspace, "milestone", "complete", "v1.0", "--name", "MVP", "--archive-phases", *confirmed)
    after = read_tree(workspace)

    assert is_finished("complete-milestone", "1.0", before, before) is False
    assert is_finished("complete-milestone", "1.0", before, after) is True
    archived = understand(after).archived
    assert [(item.version, item.name, item.phases) for item in archived] == [("v1.0", "MVP", 3)]
    assert understand(after).folders == ()
    assert next_steps(understand(after))
