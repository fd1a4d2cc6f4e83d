"""What a GSD command has not left yet, in words; and when nothing can be said."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from wxcode_jupyter.claude.gsd import read_command
from wxcode_jupyter.claude.planning import PlanningTree, find_missing, read_tree

TREES = Path(__file__).parents[2] / "data" / "planning"
MID_PHASE = read_tree(TREES / "get-shit-done-cc-1.20.5" / "mid-phase")


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("/gsd:new-milestone .milestones/1/MILESTONE-CONTEXT.md", "a new ROADMAP.md with phases"),
        ("/gsd-discuss-phase 3", "the CONTEXT.md of phase 3"),
        ("/gsd:plan-phase 03", "a plan of phase 03"),
        ("/gsd-plan-phase 1 --gaps", "a further plan of phase 1"),
        ("/gsd:plan-phase", None),  # the phase that GSD is at has its plans
        ("/gsd:execute-phase", "2 of 3 plan summaries of phase 2"),
        ("/gsd-execute-phase 3", "the plans of phase 3 and their summaries"),
        ("/gsd:execute-phase 17", "the plans of phase 17 and their summaries"),
        ("/gsd:verify-work 1", "a finished UAT.md of phase 1"),
        ("/gsd:complete-milestone 1.0", "the milestone's archive in milestones/"),
        ("/gsd:new-project @brief.md --auto", None),  # there is a PROJECT.md
        ("/gsd:progress", None),
        # A part of the work, or another folder's.
        ("/gsd-execute-phase 2 --wave 1", None),
        ("/gsd-plan-phase --research-phase 3", None),
        ("/gsd-plan-phase 3 --ws=other", None),
    ],
)
def test_what_is_missing_where_nothing_has_changed(text: str, missing: str | None) -> None:
    named = read_command(text)
    assert named
    assert find_missing(*named, MID_PHASE, MID_PHASE) == missing


def test_nothing_is_missing_once_it_is_there(tmp_path: Path) -> None:
    shutil.copytree(TREES / "get-shit-done-cc-1.20.5" / "mid-phase", tmp_path / "w")
    (tmp_path / "w/.planning/phases/03-dunning-letters").mkdir()
    (tmp_path / "w/.planning/phases/03-dunning-letters/03-01-PLAN.md").write_text("x")
    assert find_missing("plan-phase", "3", MID_PHASE, read_tree(tmp_path / "w")) is None


def test_nothing_is_known_where_gsd_has_work_streams(tmp_path: Path) -> None:
    (tmp_path / ".planning" / "workstreams" / "api").mkdir(parents=True)
    assert find_missing("plan-phase", "3", MID_PHASE, read_tree(tmp_path)) is None


def test_without_a_project_its_file_is_missing() -> None:
    assert find_missing("new-project", "", PlanningTree(), PlanningTree()) == "PROJECT.md"
    assert find_missing("plan-phase", "", PlanningTree(), PlanningTree()) == "a plan of a phase"


@pytest.mark.parametrize("text", ["/gsd", "/gsd:", "gsd:plan-phase 3", "/clear", "plan /gsd:plan-phase 3", ""])
def test_what_is_no_command_of_gsd(text: str) -> None:
    assert read_command(text) is None


def test_both_spellings_are_one_command() -> None:
    assert read_command("/gsd:plan-phase  3 --gaps ") == read_command("/gsd-plan-phase 3 --gaps")
    assert read_command("/gsd-plan-phase\n3") == ("plan-phase", "3")
