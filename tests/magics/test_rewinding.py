"""``rewind``: what it says, when it refuses, and that it ends only a session that rests."""

from __future__ import annotations

import pytest

from tests.magics.conftest import Notebook
from wxcode_jupyter.errors import ChangedSince, SessionAlive
from wxcode_jupyter.magics import ForkResult, RewindResult, UsageMistake
from wxcode_jupyter.models import CommandStatus, MilestoneStatus


@pytest.fixture
def started(demo: Notebook) -> Notebook:
    demo.run("%%wx new login --start\n# Login\n")
    demo.api.accept()()
    return demo


def project_id(notebook: Notebook) -> str:
    return next(iter(notebook.api.projects))


def test_it_says_what_it_did_and_how_to_go_on(started: Notebook) -> None:
    started.api.end()()
    result = started.run("%wx rewind login")
    assert isinstance(result, RewindResult)
    for text in ("2 written, 1 deleted", "kept in refs/wxcode/m/rewind-1", "s-2", "resume", "letters"):
        assert text in repr(result)
    assert result.milestone.status is MilestoneStatus.PENDING
    assert started.api.sessions[project_id(started)]["state"] == "stopped"
    assert started.posted("rewind") == [{"yes": False}]


def test_what_was_taken_back_can_be_started_again_and_is_no_part_of_a_report(started: Notebook) -> None:
    started.api.end()()
    started.run("%wx rewind login")
    assert started.run("%wx report").report.suites[0].reason == "It was not started."
    again = started.run("%wx start login")
    assert again.command.status is CommandStatus.QUEUED
    assert len(started.api.commands) == 2


def test_a_session_that_works_is_not_ended(started: Notebook) -> None:
    with pytest.raises(SessionAlive, match="busy"):
        started.run("%wx rewind login --yes")
    assert started.posted("rewind") == []


def test_later_changes_are_taken_back_only_by_word(started: Notebook) -> None:
    started.api.end()()
    started.api.changed_since = True
    with pytest.raises(ChangedSince, match=r"a\.txt"):
        started.run("%wx rewind login")
    assert started.run("%wx rewind login --yes").ok


def test_a_fork_leaves_the_project_and_its_session_alone(started: Notebook) -> None:
    result = started.run("%wx rewind --fork other --workspace /w/there login")
    assert isinstance(result, ForkResult)
    for text in ("/w/there", "refs/wxcode/m/1", "s-3", 'project "other"', 'start "login"'):
        assert text in repr(result)
    assert started.posted("fork") == [{"name": "other", "workspace_path": "/w/there"}]
    assert started.api.sessions[project_id(started)]["state"] == "busy"
    assert started.posted("rewind") == []


@pytest.mark.parametrize("line", ["--workspace /w/there login", "--fork other --yes login"])
def test_what_does_not_belong_together_is_a_mistake(started: Notebook, line: str) -> None:
    with pytest.raises(UsageMistake, match="--fork"):
        started.run(f"%wx rewind {line}")
    assert started.posted("rewind") == started.posted("fork") == []
