"""Milestones: new, start, complete, fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.magics.conftest import Notebook, new_login
from wxcode_jupyter.errors import CommandFailed, MilestoneFailed
from wxcode_jupyter.magics import UsageMistake
from wxcode_jupyter.models import CommandStatus, MilestoneStatus, SessionState


def test_new_with_the_same_name_and_text_gives_what_exists(demo: Notebook) -> None:
    first = new_login(demo)
    assert first.milestone.context == "# Login\nUsers sign in.\n"
    assert new_login(demo).milestone == first.milestone
    with pytest.raises(UsageMistake, match="another text"):
        demo.run("%%wxmilestone new login\nOther.\n")
    other = demo.run("%%wxmilestone new login --again\nOther.\n")
    assert other.milestone.id != first.milestone.id
    assert demo.run("%%wxmilestone new login --again\nOther.\n").milestone == other.milestone
    assert new_login(demo).milestone == first.milestone


def test_the_text_comes_from_a_variable_or_a_file_too(demo: Notebook, tmp_path: Path) -> None:
    demo.variables.update(text="From {{a}} variable", which="one")
    assert demo.run("%wx new {{which}} --context text").milestone.context == "From {{a}} variable"
    (tmp_path / "brief.md").write_text("From a file")
    assert demo.run("%wx new two --context @brief.md").milestone.context == "From a file"
    in_cell = demo.run("%%wx new three\nFrom {{which}}\n")
    assert in_cell.milestone.context == "From one\n"
    for line, hint in (
        ("%wx new four", "cell's body"),
        ("%wx new four --context nothing", "does not exist"),
        ("%wx new four --context @nothing", "cannot be read"),
        ("%%wx new four --context text\nbody", "not in both"),
        ("%%wx new four\n\n  \n", "cell's body"),
        ("%%wx new four\n{{undefined}}", "undefined"),
    ):
        with pytest.raises(UsageMistake, match=hint):
            demo.run(line)


def test_milestones_in_a_loop(demo: Notebook) -> None:
    demo.run("for name in ('a', 'b'):\n    brief = f'Do {name}.'\n    %wx new {{name}} --context brief\n")
    demo.run("def make(local):\n    %wx new {{local}} --context local\nmake('c')\n")
    assert [item["context"] for item in demo.api.milestones.values()] == ["Do a.", "Do b.", "c"]


def test_start_returns_at_once_and_attaches_again(demo: Notebook) -> None:
    new_login(demo)
    started = demo.run("%wxmilestone start login")
    assert started.command.text.startswith("/gsd:new-milestone .milestones/")
    demo.api.accept()()
    again = demo.run(f"%wxmilestone start {started.milestone.id}")
    assert (again.command.id, again.milestone.status) == (started.command.id, MilestoneStatus.IN_PROGRESS)
    assert len(demo.api.commands) == 1


def test_start_and_wait_prints_the_progress(demo: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    new_login(demo)
    api = demo.api
    project_id = next(iter(api.projects))
    api.happen(
        api.accept(),
        lambda: api.emit(project_id, "tool_started", tool_name="Bash", summary="pytest\n-q \x1b[31m"),
        api.end(last_message="Planned."),
    )
    result = demo.run("%wxmilestone start login --wait --timeout 1h")
    assert (result.command.status, result.milestone.status) == (CommandStatus.COMPLETED, MilestoneStatus.IN_PROGRESS)
    assert "wxmilestone complete" in repr(result)
    printed = capsys.readouterr().out
    assert "Bash: pytest -q\n" in printed
    assert "\x1b" not in printed


def test_new_start_wait_in_one_cell_and_run_all_twice(demo: Notebook) -> None:
    demo.api.happen(demo.api.accept(), demo.api.end())
    cell = "%%wxmilestone new login --start --wait\n# Login\n"
    first = demo.run(cell)
    second = demo.run(cell)
    assert second.command == first.command
    assert len(demo.api.milestones) == len(demo.api.commands) == 1


def test_complete_and_fail_mean_the_one_in_progress(demo: Notebook) -> None:
    new_login(demo)
    with pytest.raises(UsageMistake, match="none"):
        demo.run("%wxmilestone complete")
    demo.run("%wxmilestone start login")
    demo.api.accept()()
    demo.api.end()()
    assert demo.run("%wxmilestone complete").milestone.status is MilestoneStatus.COMPLETED
    assert "nothing was started" in repr(demo.run("%wxmilestone start login"))
    assert demo.run("%wxmilestone fail login").milestone.status is MilestoneStatus.FAILED
    with pytest.raises(MilestoneFailed, match="--again"):
        demo.run("%wxmilestone start login --wait")
    with pytest.raises(UsageMistake, match="'login'"):
        demo.run("%wxmilestone start logn")


def test_complete_of_a_name_that_several_have_means_the_one_in_progress(demo: Notebook) -> None:
    first = new_login(demo).milestone
    demo.run(f"%wxmilestone start {first.id}")
    second = demo.run("%%wxmilestone new login --again\nOther.\n").milestone
    with pytest.raises(UsageMistake, match=rf"give an id: {first.id} \(pending\), {second.id} \(pending\)"):
        demo.run("%wxmilestone fail login")
    demo.api.milestones[first.id]["status"] = "in_progress"
    assert demo.run("%wxmilestone complete login").milestone.id == first.id
    with pytest.raises(UsageMistake, match=rf"{first.id} \(completed\), {second.id} \(pending\)"):
        demo.run("%wxmilestone complete login")
    assert demo.run(f"%wxmilestone fail {second.id}").milestone.id == second.id


def test_a_milestone_whose_command_failed_is_told_again(demo: Notebook) -> None:
    new_login(demo)
    demo.run("%wxmilestone start login")
    demo.api.accept()()
    demo.api.end("failed", error="blocked")()
    assert "blocked" in repr(demo.run("%wxmilestone start login"))
    with pytest.raises(CommandFailed, match="blocked"):
        demo.run("%wxmilestone start login --wait")


def test_the_return_visit_starts_the_session_for_what_waits(demo: Notebook) -> None:
    new_login(demo)
    demo.run("%wxmilestone start login")
    demo.api.set_session(next(iter(demo.api.projects)), "stopped")
    assert demo.run("%wxmilestone start login").session.state is SessionState.IDLE
