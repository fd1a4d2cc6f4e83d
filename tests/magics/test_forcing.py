"""``resume --force``: what is said before a project is taken from another host's server, and who agrees to it."""

from __future__ import annotations

import builtins
from typing import Any

import pytest

from tests.magics.conftest import Notebook
from wxcode_jupyter.errors import HeldElsewhere
from wxcode_jupyter.magics import UsageMistake
from wxcode_jupyter.models import SessionState

THERE: dict[str, Any] = {"holder": {"url": "http://there:8888/", "pid": 7, "host": "there"}, "silent_s": 4000}


@pytest.fixture
def held(demo: Notebook) -> Notebook:
    demo.api.held_elsewhere = THERE
    return demo


def starts(notebook: Notebook) -> list[Any]:
    return [body or {} for body in notebook.posted("/session")]


@pytest.mark.parametrize("attended", [False, True])
def test_nothing_is_taken_without_the_word(held: Notebook, attended: bool) -> None:
    held.attended = attended
    with pytest.raises(HeldElsewhere, match="there"):
        held.run("%wx resume")
    assert not any(body.get("force") for body in starts(held))


def test_where_nobody_sits_there_the_message_says_what_can_go_wrong_and_how_to_agree(held: Notebook) -> None:
    with pytest.raises(HeldElsewhere) as refused:
        held.run("%wx resume --force")
    for text in ("http://there:8888/", "4000 s", "its Claude works on", "resume --force --yes"):
        assert text in refused.value.message
    assert not any(body.get("force") for body in starts(held))

    assert held.run("%wx resume --force --yes").state is SessionState.IDLE
    assert starts(held)[-1]["force"] is True


@pytest.mark.parametrize(("said", "taken"), [("y", True), ("Yes ", True), ("", False), ("n", False)])
def test_who_sits_there_is_asked(held: Notebook, monkeypatch: pytest.MonkeyPatch, said: str, taken: bool) -> None:
    held.attended = True
    asked = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return said

    monkeypatch.setattr(builtins, "input", answer)
    if taken:
        assert held.run("%wx resume --force").state is SessionState.IDLE
    else:
        with pytest.raises(HeldElsewhere, match="Nothing was taken"):
            held.run("%wx resume --force")
    assert len(asked) == 1 and "would change the same files" in asked[0]
    assert any(body.get("force") for body in starts(held)) is taken


def test_nobody_is_asked_where_nobody_has_it(demo: Notebook) -> None:
    assert demo.run("%wx resume --force").state is SessionState.IDLE
    assert not any(body.get("force") for body in starts(demo))


def test_one_that_the_lock_of_this_host_keeps_is_not_forced(held: Notebook) -> None:
    held.api.held_elsewhere = {"holder": THERE["holder"]}
    with pytest.raises(HeldElsewhere):
        held.run("%wx resume --force")
    assert not any(body.get("force") for body in starts(held))


def test_yes_alone_says_yes_to_nothing(demo: Notebook) -> None:
    with pytest.raises(UsageMistake, match="--force"):
        demo.run("%wx resume --yes")
