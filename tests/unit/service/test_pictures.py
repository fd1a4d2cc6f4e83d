"""A command is judged by the pictures of ``.planning/`` from before and after it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from wxcode_jupyter.evidence import PhaseState
from wxcode_jupyter.models import Command, CommandStatus
from wxcode_jupyter.service import pictures as module
from wxcode_jupyter.service.endings import ended
from wxcode_jupyter.service.pictures import Pictures

ROADMAP = "## Milestone v1.0 One\n### Phase 1: Login\n### Phase 2: Logout\n"
ENDED = CommandStatus.COMPLETED


class Desk:
    def __init__(self, folder: Path) -> None:
        self.data, self.workspace = folder / "data", folder / "w"
        self.write("PROJECT.md", "# It\n")
        self.pictures = Pictures(str(self.data), "p", str(self.workspace))

    def write(self, path: str, text: str = "x\n") -> None:
        target = self.workspace / ".planning" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    @property
    def files(self) -> list[str]:
        return sorted(os.listdir(self.data / "planning" / "p"))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def a_command(text: str = "/gsd-plan-phase 1", *, status: CommandStatus = CommandStatus.ACCEPTED) -> Command:
    return Command("c", "p", text, status=status)


def test_a_turn_that_ends_without_the_artefact_asks_and_says_what_is_missing(desk: Desk) -> None:
    desk.write("ROADMAP.md", ROADMAP)
    command = a_command()
    desk.pictures.take_before(command)
    fields = desk.pictures.judge(command, ended(ENDED, "I have thought about it."))
    assert (fields["status"], fields["outcome"], fields["missing"]) == (ENDED, "asks", "a plan of phase 1")
    assert fields["last_message"] == "I have thought about it."


@pytest.mark.parametrize(("message", "outcome"), [("Planned.", "finished"), ("Planned. Shall I go on?", "asks")])
def test_with_the_artefact_the_last_words_decide(desk: Desk, message: str, outcome: str) -> None:
    desk.write("ROADMAP.md", ROADMAP)
    command = a_command()
    desk.pictures.take_before(command)
    desk.write("phases/01-login/01-01-PLAN.md")
    fields = desk.pictures.judge(command, ended(ENDED, message))
    assert (fields["outcome"], "missing" in fields) == (outcome, False)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("/gsd-progress", ended(ENDED, "done")),
        ("plan it", ended(ENDED, "done")),
        ("/gsd-plan-phase 1", ended(CommandStatus.FAILED, error="why")),
        ("/gsd-plan-phase 1", ended(CommandStatus.FAILED, error="You've hit your weekly limit")),
        ("/gsd-plan-phase 1", {"status": CommandStatus.QUEUED}),
    ],
)
def test_what_is_not_judged_by_an_artefact_stays_as_it_is(desk: Desk, text: str, end: dict[str, Any]) -> None:
    command = a_command(text)
    desk.pictures.take_before(command)
    assert desk.pictures.judge(command, end) == end


def test_without_a_picture_from_before_nothing_is_known_to_be_missing(desk: Desk) -> None:
    command = a_command("/gsd:new-milestone it")
    assert desk.pictures.judge(command, ended(ENDED, "done"))["outcome"] == "finished"
    assert desk.pictures.missing_still(command) is None
    assert desk.pictures.change(command) is None


def test_what_was_missing_may_come_later(desk: Desk) -> None:
    command = a_command("/gsd:new-milestone it", status=ENDED)
    desk.pictures.take_before(command)
    assert desk.pictures.judge(command, ended(ENDED, "Which one?"))["missing"] == "a new ROADMAP.md with phases"
    assert desk.pictures.missing_still(command) == "a new ROADMAP.md with phases"
    desk.write("ROADMAP.md", ROADMAP)
    assert desk.pictures.missing_still(command) is None
    # Judged again, because the store was away: as it was at the end of its turn.
    assert desk.pictures.judge(command, ended(ENDED, "Which one?"))["missing"] == "a new ROADMAP.md with phases"


def test_what_was_archived_is_not_missing_any_more(desk: Desk) -> None:
    desk.write("ROADMAP.md", ROADMAP)
    desk.write("phases/01-login/01-01-PLAN.md")
    command = a_command("/gsd-execute-phase 1", status=ENDED)
    desk.pictures.take_before(command)
    desk.pictures.judge(command, ended(ENDED, "Shall I go on?"))
    assert desk.pictures.missing_still(command) == "1 of 1 plan summaries of phase 1"
    shutil.rmtree(desk.workspace / ".planning" / "phases")
    assert desk.pictures.missing_still(command)
    desk.write("milestones/v1.0-ROADMAP.md", ROADMAP)
    assert desk.pictures.missing_still(command) is None


def test_phases_before_and_after(desk: Desk) -> None:
    desk.write("ROADMAP.md", ROADMAP)
    command = a_command()
    desk.pictures.take_before(command)
    desk.write("phases/01-login/01-01-PLAN.md")
    running = desk.pictures.change(command)
    assert running
    assert running.after.phases[0] == PhaseState("1", "Login", "planned", 1, 0)
    desk.pictures.judge(command, ended(ENDED, "done"))
    desk.write("phases/01-login/01-01-SUMMARY.md")  # of a later command
    change = desk.pictures.change(a_command(status=ENDED))
    assert change
    assert (change.before.milestone, change.before.phases_done) == ("v1.0 One", 0)
    assert change.before.phases == (PhaseState("1", "Login", "not_started"), PhaseState("2", "Logout", "not_started"))
    assert change.after == running.after


def test_a_picture_that_cannot_be_kept_or_read_fails_nothing(desk: Desk, tmp_path: Path) -> None:
    command = a_command()
    (tmp_path / "data").write_text("in the way")
    desk.pictures.take_before(command)
    assert desk.pictures.judge(command, ended(ENDED, "done"))["outcome"] == "finished"
    (tmp_path / "data").unlink()
    desk.pictures.take_before(command)
    (tmp_path / "data" / "planning" / "p" / "c.before.json.gz").write_bytes(b"\x1f\x8b cut")
    assert desk.pictures.judge(command, ended(ENDED, "done"))["outcome"] == "finished"


def test_they_are_not_kept_for_ever(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT", 2)
    for name in ("c1", "c2", "c3"):
        desk.pictures.take_before(Command(name, "p", "x"))
    assert desk.files == ["c2.before.json.gz", "c3.before.json.gz"]
