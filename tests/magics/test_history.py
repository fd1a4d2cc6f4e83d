"""A project's history in a notebook, and the way back to an earlier conversation."""

from __future__ import annotations

from typing import Any

import pytest

from tests.magics.conftest import Notebook
from wxcode_jupyter.magics import UsageMistake

FIRST, SECOND, THIRD = (f"{start}-2222-4333-8444-555555555555" for start in ("aaaa1111", "aaaa2222", "bbbb3333"))


def conversation(identifier: str, cause: str, **fields: Any) -> dict[str, Any]:
    return {"claude_session_id": identifier, "cause": cause, "created_at": "2026-11-01T10:00:00+00:00", **fields}


@pytest.fixture
def old(demo: Notebook) -> Notebook:
    demo.api.conversations = [
        conversation(
            FIRST, "new", born=True, kept=True, milestones=["login", "taxes"], first_prompt="/gsd:new-project"
        ),
        conversation(SECOND, "clear", born=True, kept=False),
        conversation(THIRD, "fresh", current=True),
    ]
    return demo


def test_the_history_is_listed(old: Notebook) -> None:
    shown = old.run("%wxmilestone history")
    assert [(each.claude_session_id, each.cause) for each in shown] == [
        (FIRST, "new"),
        (SECOND, "clear"),
        (THIRD, "fresh"),
    ]
    assert shown[0].milestones == ("login", "taxes")
    first, second, third = [line for line in repr(shown).splitlines() if "2026-11-01" in line]
    assert "kept" in first
    assert "login; taxes; /gsd:new-project" in first
    assert "gone" in second
    assert "now" in third
    assert "resume --session ID" in repr(shown)


def test_the_way_back_takes_the_beginning_of_an_id(old: Notebook) -> None:
    old.run("%wxmilestone resume --session bbbb")
    assert old.posted("session")[-1] == {"claude_session_id": THIRD}
    old.run("%wxmilestone resume")
    assert "claude_session_id" not in old.posted("session")[-1]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("resume --session aaaa", "2 conversations begin"),
        ("resume --session cccc", "No conversation of this project begins"),
        ("resume --session bbbb --fresh", "one of them"),
    ],
)
def test_an_id_that_does_not_name_one_starts_nothing(old: Notebook, line: str, said: str) -> None:
    with pytest.raises(UsageMistake, match=said):
        old.run(f"%wxmilestone {line}")
    assert old.posted("session") == []
