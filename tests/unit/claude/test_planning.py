"""What is read of ``.planning/`` trees that were written after GSD's own templates, and of what is left of them."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wxcode_jupyter.claude.planning import Planning, PlanningTree, Step, next_steps, read_tree, understand
from wxcode_jupyter.claude.planning import tree as tree_module

TREES = Path(__file__).parents[2] / "data" / "planning"
OLD, LATE, CORE = "get-shit-done-cc-1.20.5", "get-shit-done-cc-1.42.3", "gsd-core-1.14.0"
ALL = sorted(f"{case.parent.name}/{case.name}" for case in TREES.glob("*/*") if case.is_dir())


def look(case: str) -> Planning:
    return understand(read_tree(TREES / case))


def phases(planning: Planning) -> list[str]:
    return [
        f"{phase.number} {phase.name}: {phase.status} {phase.plans_done}/{phase.plans_total}"
        for phase in planning.phases
    ]


def written(folder: Path, **texts: str) -> Planning:
    """Return what is understood of top-level documents, given without ``.md``."""
    (folder / ".planning").mkdir()
    for name, text in texts.items():
        (folder / ".planning" / f"{name}.md").write_text(text)
    return understand(read_tree(folder))


@pytest.fixture(params=ALL)
def case(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


class TestTrees:
    @pytest.mark.parametrize("package", [OLD, LATE, CORE])
    def test_a_fresh_milestone(self, package: str) -> None:
        planning = look(f"{package}/fresh")
        assert planning.project == "Billing"
        assert phases(planning) == [
            "1 Invoices: not_started 0/0",
            "2 Printing: not_started 0/0",
            "3 Dunning Letters: not_started 0/0",
        ]
        assert planning.phases[0].goal == "Invoices can be written and found again"
        assert (planning.requirements_done, planning.requirements_total) == (0, 3)
        assert planning.position
        assert (planning.position.phase, planning.position.of, planning.position.name) == ("1", 3, "Invoices")
        assert planning.position.status == "Ready to plan"
        assert [(step.command, step.arguments) for step in next_steps(planning)] == [
            ("discuss-phase", "1"),
            ("plan-phase", "1"),
        ]

    def test_in_the_middle_of_a_phase(self) -> None:
        planning = look(f"{OLD}/mid-phase")
        assert phases(planning) == [
            "1 Invoices: verified 2/2",
            "2 Printing: in_progress 1/3",
            "3 Dunning Letters: not_started 0/0",
        ]
        assert (planning.phases_done, planning.requirements_done) == (1, 1)
        assert planning.position
        assert (planning.position.plan, planning.position.plans) == (2, 3)
        assert planning.position.stopped_at == "Completed 02-01-PLAN.md"
        reason = "phase 2 (Printing) has 1 of 3 plans done"
        assert next_steps(planning) == (Step("execute-phase", "2", reason, "2"),)

    def test_outlines_and_drafts_are_no_plans(self) -> None:
        planning = look(f"{LATE}/mid-phase")
        assert phases(planning)[1] == "2 Printing: planned 0/2"
        assert planning.version == "v1.0"
        assert planning.name == ""  # `milestone` is what GSD writes where there is no name
        assert planning.position
        assert (planning.position.phase, planning.position.name) == ("2", "Printing")

    def test_an_inserted_phase_stands_between_and_the_backlog_nowhere(self) -> None:
        planning = look(f"{OLD}/decimal")
        assert [phase.number for phase in planning.phases] == ["1", "2", "2.1", "3"]
        assert planning.phases[2].inserted
        assert planning.phases[2].folder == "02.1-umlauts-on-paper"
        assert planning.phase("02.1") is planning.phases[2]
        assert planning.folders == ("01-invoices", "02-printing", "02.1-umlauts-on-paper")
        assert next_steps(planning)[0].arguments == "2.1"

    def test_gaps_are_planned_before_the_next_phase(self) -> None:
        planning = look(f"{CORE}/mid-phase")
        assert phases(planning)[1] == "1.1 VAT: gaps_found 2/2"
        assert (planning.version, planning.name) == ("v1.0", "Billing MVP")
        assert next_steps(planning)[0].arguments == "1.1 --gaps"

    @pytest.mark.parametrize("package", [LATE, CORE])
    def test_all_verified(self, package: str) -> None:
        planning = look(f"{package}/verified")
        assert planning.phases_done == len(planning.phases) == 3
        assert planning.current is None
        assert next_steps(planning) == (Step("complete-milestone", "1.0", "all 3 phases are verified"),)

    @pytest.mark.parametrize(("package", "folders", "moved"), [(OLD, 3, 0), (CORE, 0, 3)])
    def test_archived(self, package: str, folders: int, moved: int) -> None:
        planning = look(f"{package}/archived")
        assert planning.phases == ()
        assert planning.version is None
        assert [(item.version, item.shipped_on, item.phases) for item in planning.archived] == [
            ("v1.0", "2026-03-10", moved)
        ]
        assert len(planning.folders) == folders
        assert next_steps(planning) == (Step("new-milestone", "", "the last milestone is archived"),)

    def test_the_second_milestone_has_only_its_own_phases(self) -> None:
        planning = look(f"{LATE}/second-milestone")
        assert (planning.version, planning.name, planning.goal) == ("v1.1", "Reminders", "Nobody forgets a letter.")
        assert phases(planning) == ["4 Calendar: verified 1/1", "5 Bell: discussed 0/0"]
        assert [item.version for item in planning.archived] == ["v1.0"]
        assert [step.command for step in next_steps(planning)] == ["plan-phase"]


class TestWhatIsLeft:
    def test_no_folder_at_all(self, tmp_path: Path) -> None:
        assert read_tree(tmp_path) == PlanningTree()
        assert understand(PlanningTree()) == Planning()
        assert [step.command for step in next_steps(Planning())] == ["new-project"]

    def test_line_ends_of_windows(self, case: str, tmp_path: Path) -> None:
        shutil.copytree(TREES / case, tmp_path / "w")
        for path in (tmp_path / "w").rglob("*.md"):
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
        assert understand(read_tree(tmp_path / "w")) == look(case)

    @pytest.mark.parametrize("name", ["ROADMAP", "STATE", "PROJECT", "MILESTONES", "REQUIREMENTS"])
    def test_a_document_that_is_gone_or_half_written(self, case: str, name: str) -> None:
        whole = read_tree(TREES / case)
        text = whole.text(f"{name}.md")
        for length in range(0, len(text), 97):
            texts = {**whole.texts, f"{name}.md": text[:length]}
            planning = understand(PlanningTree(True, whole.folders, whole.files, texts))
            assert len(planning.phases) <= 5
            assert next_steps(planning)

    def test_garbage(self, case: str, tmp_path: Path) -> None:
        whole = read_tree(TREES / case)
        chance = random.Random(case)
        for path in whole.texts:
            target = tmp_path / ".planning" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(chance.randbytes(5000))
        planning = understand(read_tree(tmp_path))
        assert planning.phases == ()
        assert next_steps(planning)

    @pytest.mark.timeout(20)
    @pytest.mark.parametrize(
        "piece", ["<!--", "<!---->", "### Phase 1.1.1.1.1.1: ", "- [ ] **Phase ", "[a](", "v1.1.1.1", "```\n", "*" * 99]
    )
    def test_no_text_takes_long_to_read(self, piece: str) -> None:
        text = piece * (tree_module.TEXT_LIMIT_BYTES // len(piece))
        names = [f"{name}.md" for name in ("ROADMAP", "STATE", "PROJECT", "MILESTONES", "REQUIREMENTS")]
        understand(PlanningTree(True, files=frozenset(names), texts=dict.fromkeys(names, text)))


class TestRules:
    def test_a_built_phase_is_to_be_verified_unless_a_later_one_has_begun(self, tmp_path: Path) -> None:
        phases_folder = tmp_path / ".planning" / "phases"
        for name in ("01-a/01-01-PLAN.md", "01-a/01-01-SUMMARY.md", "02-b/02-CONTEXT.md"):
            (phases_folder / name).parent.mkdir(parents=True, exist_ok=True)
            (phases_folder / name).write_text("")
        (tmp_path / ".planning" / "PROJECT.md").write_text("# A\n")
        (tmp_path / ".planning" / "ROADMAP.md").write_text("### Phase 1: A\n### Phase 2: B\n")
        planning = understand(read_tree(tmp_path))
        assert [step.command for step in next_steps(planning)] == ["plan-phase"]
        (phases_folder / "02-b" / "02-CONTEXT.md").unlink()
        assert [step.command for step in next_steps(understand(read_tree(tmp_path)))] == ["verify-work"]

    def test_a_paused_phase_is_resumed_first(self, tmp_path: Path) -> None:
        shutil.copytree(TREES / OLD / "mid-phase", tmp_path / "w")
        (tmp_path / "w/.planning/phases/02-printing/.continue-here.md").write_text("")
        steps = next_steps(understand(read_tree(tmp_path / "w")))
        assert [step.command for step in steps] == ["resume-work", "execute-phase"]

    @pytest.mark.parametrize(
        ("verdict", "status"), [("human_needed", "built"), ("passed", "verified"), ("gaps_found", "gaps_found")]
    )
    def test_the_verification_decides(self, tmp_path: Path, verdict: str, status: str) -> None:
        folder = tmp_path / ".planning" / "phases" / "1-a"
        folder.mkdir(parents=True)
        for name in ("PLAN", "SUMMARY"):
            (folder / f"{name}.md").write_text("")
        (folder / "1-VERIFICATION.md").write_text(f"---\nstatus: {verdict}\n---\n")
        (tmp_path / ".planning" / "ROADMAP.md").write_text("## Phase 01: A\n")
        assert phases(understand(read_tree(tmp_path))) == [f"1 A: {status} 1/1"]

    def test_a_ticked_phase_that_was_planned_again_is_in_progress(self, tmp_path: Path) -> None:
        shutil.copytree(TREES / OLD / "mid-phase", tmp_path / "w")
        (tmp_path / "w/.planning/phases/01-invoices/01-03-PLAN.md").write_text("gap_closure: true\n")
        assert phases(understand(read_tree(tmp_path / "w")))[0] == "1 Invoices: in_progress 2/3"

    def test_the_milestone_of_1_20_5_stands_in_project_md(self, tmp_path: Path) -> None:
        planning = written(
            tmp_path,
            PROJECT="# It\n## Current Milestone: v1.2 Speed\n",
            ROADMAP="### Phase 7: Faster\n",
            MILESTONES="## v1.1 Old (Shipped: 2026-01-01)\n",
        )
        assert (planning.version, planning.name) == ("v1.2", "Speed")
        assert phases(planning) == ["7 Faster: not_started 0/0"]

    def test_numbers_that_begin_again_are_told_apart_by_their_milestone(self, tmp_path: Path) -> None:
        planning = written(
            tmp_path,
            ROADMAP="## Milestones\n- ✅ **v1.0 One** - Phases 1-2 (shipped)\n- 🚧 **v2.0 Two** - Phases 1-2\n"
            "<details>\n<summary>✅ v1.0 One</summary>\n\n### Phase 1: Old\n\n</details>\n"
            "### 🚧 v2.0 Two (In Progress)\n#### Phase 1: New\n",
        )
        assert (planning.version, phases(planning)) == ("v2.0", ["1 New: not_started 0/0"])

    def test_details_below_all_milestones_belong_to_the_range_that_has_them(self, tmp_path: Path) -> None:
        planning = written(
            tmp_path,
            ROADMAP="- 🚧 **v1.1 Two** — Phases 4-5 (in progress)\n- 📋 **v2.0 Three** — Phases 6-8 (planned)\n"
            "### 🚧 v1.1 Two\n- [x] Phase 4: A (1 plan)\n### 📋 v2.0 Three\n- [ ] Phase 6: C (1 plan)\n"
            "## Phase Details\n### Phase 4: A\n**Goal**: a\n### Phase 4.1: B (INSERTED)\n### Phase 6: C\n",
        )
        assert phases(planning) == ["4 A: verified 0/0", "4.1 B: not_started 0/0"]
        assert [phase.goal for phase in planning.phases] == ["a", ""]

    def test_code_and_comments_are_no_phases(self, tmp_path: Path) -> None:
        text = "<!-- ### Phase 1: no -->\n```\n### Phase 2: no\n```\n### Phase 3: yes\n"
        assert phases(written(tmp_path, ROADMAP=text)) == ["3 yes: not_started 0/0"]

    def test_a_folder_of_an_older_milestone_with_the_same_number(self, tmp_path: Path) -> None:
        for name in ("01-a-old", "01-b-new"):
            (tmp_path / ".planning" / "phases" / name).mkdir(parents=True)
        (tmp_path / ".planning" / "ROADMAP.md").write_text("### Phase 1: B new\n")
        assert understand(read_tree(tmp_path)).phases[0].folder == "01-b-new"


class TestSafety:
    @pytest.fixture
    def secret(self, tmp_path: Path) -> Path:
        outside = tmp_path / "outside"
        (outside / "phases" / "01-a").mkdir(parents=True)
        (outside / "ROADMAP.md").write_text("### Phase 1: Secret\n")
        return outside

    def test_a_link_leads_nowhere(self, tmp_path: Path, secret: Path) -> None:
        planning = tmp_path / "w" / ".planning"
        planning.mkdir(parents=True)
        (planning / "ROADMAP.md").symlink_to(secret / "ROADMAP.md")
        (planning / "phases").symlink_to(secret / "phases")
        assert read_tree(tmp_path / "w") == PlanningTree(exists=True)

    def test_nor_does_one_in_the_folders_place(self, tmp_path: Path, secret: Path) -> None:
        (tmp_path / "w").mkdir()
        (tmp_path / "w" / ".planning").symlink_to(secret)
        assert read_tree(tmp_path / "w") == PlanningTree()

    @pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.mkdir()])
    def test_what_is_no_file_is_not_opened(self, tmp_path: Path, make: Callable[[Path], None]) -> None:
        (tmp_path / ".planning").mkdir()
        make(tmp_path / ".planning" / "ROADMAP.md")
        assert read_tree(tmp_path).texts == {}

    def test_sizes_are_bounded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tree_module, "TEXT_LIMIT_BYTES", 10)
        monkeypatch.setattr(tree_module, "TEXTS_LIMIT_BYTES", 15)
        monkeypatch.setattr(tree_module, "ENTRIES_LIMIT", 5)
        folder = tmp_path / ".planning" / "phases"
        folder.mkdir(parents=True)
        for name in ("PROJECT", "ROADMAP"):
            (tmp_path / ".planning" / f"{name}.md").write_text("x" * 100)
        for number in range(9):
            (folder / f"{number}-a").mkdir()
        tree = read_tree(tmp_path)
        assert sum(len(text) for text in tree.texts.values()) == 15
        assert len(tree.files) + len(tree.folders) == 5

    def test_a_file_that_may_not_be_read_is_absent(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / ".planning").mkdir()
        (tmp_path / ".planning" / "PROJECT.md").write_text("# It\n")
        (tmp_path / ".planning" / "ROADMAP.md").write_text("### Phase 1: A\n")
        real = os.open

        def refusing(path: str, *arguments: int, **named: Any) -> int:
            if path == "ROADMAP.md":
                raise PermissionError(13, "Permission denied")
            return real(path, *arguments, **named)

        monkeypatch.setattr(os, "open", refusing)
        assert understand(read_tree(tmp_path)).project == "It"
