"""A GSD command is finished when its artefact is there, and not when a turn has ended."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from wxcode_jupyter.claude.planning import PlanningTree, is_finished, read_tree

TREES = Path(__file__).parents[2] / "data" / "planning"
OLD, CORE = TREES / "get-shit-done-cc-1.20.5", TREES / "gsd-core-1.14.0"
NOTHING = PlanningTree()


class Workspace:
    """A copy of a tree, changed step by step as GSD would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def tree(self) -> PlanningTree:
        return read_tree(self.folder)

    def write(self, path: str, text: str = "x\n") -> PlanningTree:
        target = self.folder / ".planning" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return self.tree()


@pytest.fixture
def work(tmp_path: Path) -> Callable[[Path], Workspace]:
    def copy(case: Path) -> Workspace:
        shutil.copytree(case, tmp_path / "w")
        return Workspace(tmp_path / "w")

    return copy


def test_new_project(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert is_finished("new-project", "@brief.md --auto", NOTHING, NOTHING) is False
    config = workspace.write("config.json", "{}")
    assert is_finished("new-project", "", NOTHING, config) is False
    assert is_finished("new-project", "", NOTHING, workspace.write("PROJECT.md", "# It\n")) is True


def test_new_milestone_needs_a_roadmap_that_is_another(work: Callable[[Path], Workspace]) -> None:
    workspace = work(OLD / "archived")
    before = workspace.tree()
    asked = workspace.write("PROJECT.md", "# It\n## Current Milestone: v1.1 Two\n")
    assert is_finished("new-milestone", "context.md", before, asked) is False
    done = workspace.write("ROADMAP.md", "### Phase 4: Next\n")
    assert is_finished("new-milestone", "context.md", before, done) is True
    assert is_finished("new-milestone", "context.md", done, done) is False


@pytest.mark.parametrize("number", ["3", "03", "3 --research"])
def test_plan_phase(work: Callable[[Path], Workspace], number: str) -> None:
    workspace = work(OLD / "mid-phase")
    before = workspace.tree()
    researched = workspace.write("phases/03-dunning-letters/03-RESEARCH.md")
    assert is_finished("plan-phase", number, before, researched) is False
    planned = workspace.write("phases/03-dunning-letters/03-01-PLAN.md")
    assert is_finished("plan-phase", number, before, planned) is True


def test_plan_phase_for_gaps_needs_one_more_plan(work: Callable[[Path], Workspace]) -> None:
    workspace = work(CORE / "mid-phase")
    before = workspace.tree()
    assert is_finished("plan-phase", "1.1 --gaps", before, before) is False
    assert is_finished("plan-phase", "1.1 --gaps", before, workspace.write("phases/01.1-vat/01.1-03-PLAN.md")) is True


def test_execute_phase_needs_a_summary_of_every_plan(work: Callable[[Path], Workspace]) -> None:
    workspace = work(OLD / "mid-phase")
    before = workspace.tree()
    one_more = workspace.write("phases/02-printing/02-02-SUMMARY.md")
    assert is_finished("execute-phase", "2", before, one_more) is False
    last = workspace.write("phases/02-printing/02-03-SUMMARY.md")
    assert is_finished("execute-phase", "2", before, last) is True
    assert is_finished("execute-phase", "", before, last) is True  # the phase that it was at
    assert is_finished("execute-phase", "3", before, last) is False
    assert is_finished("execute-phase", "17", before, last) is False


def test_a_phase_that_no_roadmap_names_is_known_by_its_folder(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    planned = workspace.write("phases/07-work/07-01-PLAN.md")
    assert is_finished("plan-phase", "7", NOTHING, planned) is True
    assert is_finished("execute-phase", "7", planned, workspace.write("phases/07-work/07-01-SUMMARY.md")) is True


def test_discuss_phase(work: Callable[[Path], Workspace]) -> None:
    workspace = work(OLD / "fresh")
    before = workspace.tree()
    assert is_finished("discuss-phase", "1", before, before) is False
    assert is_finished("discuss-phase", "1", before, workspace.write("phases/01-invoices/01-CONTEXT.md")) is True


def test_verify_work_needs_an_answer_to_every_question(work: Callable[[Path], Workspace]) -> None:
    workspace = work(OLD / "mid-phase")
    before = workspace.tree()  # its verification is an old one
    assert is_finished("verify-work", "1", before, before) is False
    asking = workspace.write("phases/01-invoices/01-UAT.md", "---\nstatus: testing\n---\n")
    assert is_finished("verify-work", "1", before, asking) is False
    done = workspace.write("phases/01-invoices/01-UAT.md", "---\nstatus: complete\n---\n")
    assert is_finished("verify-work", "1", before, done) is True


def test_complete_milestone(work: Callable[[Path], Workspace]) -> None:
    workspace = work(CORE / "verified")
    before = workspace.tree()
    assert is_finished("complete-milestone", "1.0", before, before) is False
    done = workspace.write("milestones/v1.0-ROADMAP.md")
    assert is_finished("complete-milestone", "1.0", before, done) is True


def test_a_command_without_an_artefact_is_known_by_nothing() -> None:
    assert is_finished("progress", "", NOTHING, NOTHING) is None
