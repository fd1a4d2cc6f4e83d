"""Somebody is needed, or the work has failed: what a notebook says then."""

from __future__ import annotations

from typing import Any

import pytest

from tests.magics.conftest import Notebook, new_login
from wxcode_jupyter.errors import AnswerNeeded, AttentionNeeded, CommandTimeout, SessionExited, TrustRequired
from wxcode_jupyter.magics import MilestoneResult
from wxcode_jupyter.models import MilestoneStatus, SessionState


@pytest.mark.parametrize(
    "line", ["start login", "start login --wait", "send hello", "send --wait hello", "resume", "wait"]
)
def test_an_untrusted_folder_stops_an_unattended_notebook(demo: Notebook, line: str) -> None:
    new_login(demo)
    demo.api.trusts = False
    if line == "wait":
        demo.attended = True
        demo.run("%wxmilestone resume")
        demo.attended = False
    with pytest.raises(TrustRequired, match="%wxmilestone trust") as caught:
        demo.run(f"%wxmilestone {line}")
    assert caught.value.workspace_path == "/w/demo"


def test_trust_is_given_by_magic_and_by_option(demo: Notebook) -> None:
    demo.api.trusts = False
    demo.attended = True
    assert demo.run("%wxmilestone resume").state is SessionState.ATTENTION
    assert demo.run("%wxmilestone trust").state is SessionState.IDLE
    assert "does not ask" in repr(demo.run("%wxmilestone trust"))
    demo.api.trusts = False
    demo.run("%wxmilestone project other --trust")
    assert demo.run("%wxmilestone resume").state is SessionState.IDLE
    demo.run("%wxmilestone project third")
    demo.run("%wxmilestone resume")
    demo.run("%wxmilestone project third --trust")
    assert demo.run("%wxmilestone status").state is SessionState.IDLE


def test_an_attended_wait_says_what_is_needed(demo: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    demo.attended = True
    demo.api.trusts = False
    demo.run("%wxmilestone send hello")
    project_id = next(iter(demo.api.projects))
    demo.api.happen(lambda: None, lambda: demo.api.set_session(project_id, "idle"), demo.api.accept(), demo.api.end())
    demo.run("%wxmilestone wait")
    assert capsys.readouterr().out.count("NEEDS YOU: Claude Code asks whether the folder /w/demo is trusted") == 1


def _exits(demo: Notebook) -> None:
    demo.api.set_session(next(iter(demo.api.projects)), "exited", exit_code=1, message="It ended.")


def _asks(demo: Notebook) -> None:
    demo.api.ask(next(iter(demo.api.projects)), {"question": "Which?", "options": [{"label": "a"}]})


def _shows_a_menu(demo: Notebook) -> None:
    shown = {"kind": "menu", "message": "A menu.", "screen": "1. one"}
    demo.api.set_session(next(iter(demo.api.projects)), "attention", attention=shown, screen="1. one")


@pytest.mark.parametrize(
    ("step", "error", "hint"),
    [
        (_exits, SessionExited, "It ended"),
        (_asks, AnswerNeeded, "Which"),
        (_shows_a_menu, AttentionNeeded, "1. one"),
    ],
)
def test_failures_of_the_work_are_raised_and_the_result_is_kept(
    demo: Notebook, step: Any, error: type[Exception], hint: str
) -> None:
    new_login(demo)
    demo.api.happen(demo.api.accept(), lambda: step(demo))
    with pytest.raises(error, match=hint):
        demo.run("%wxmilestone start login --wait -o kept")
    kept = demo.variables["kept"]
    assert isinstance(kept, MilestoneResult)
    assert not kept.ok
    assert isinstance(kept.error, error)
    assert kept.milestone.status is MilestoneStatus.IN_PROGRESS
    assert kept.refresh().ok


def test_the_limit_is_raised(demo: Notebook) -> None:
    with pytest.raises(CommandTimeout, match="Claude works on"):
        demo.run("%wxmilestone send --wait --timeout 0.3 hello")
    with pytest.raises(CommandTimeout):
        demo.run("%wxmilestone wait --timeout 0")
