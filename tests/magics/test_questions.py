"""What Claude asks, in a notebook: shown, answered, and answered before it is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import UsageError

from tests.magics.conftest import Notebook
from wxcode_jupyter.errors import AlreadyAnswered, AnswerNeeded, CommandTimeout
from wxcode_jupyter.magics import Answered, Questions, UsageMistake
from wxcode_jupyter.models import SessionState

COLOUR = {"question": "Which colour?", "options": [{"label": "Red", "description": "warm"}, {"label": "Dark blue"}]}
TOPPINGS = {"question": "Which toppings?", "multi_select": True, "options": [{"label": "Ham"}, {"label": "Olives"}]}
PERMISSION = {
    "question": "Do you want to proceed?",
    "options": [{"label": "Yes"}, {"label": "Yes, always"}, {"label": "No"}],
}


def project_id(demo: Notebook) -> str:
    return next(iter(demo.api.projects))


def asks(demo: Notebook, *items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    if not demo.api.sessions[project_id(demo)]["pid"]:
        demo.run("%wxmilestone resume")
    return demo.api.ask(project_id(demo), *items, **fields)


def step(act: Callable[[], object]) -> Callable[[], None]:
    """Return a step of the world."""

    def happens() -> None:
        act()

    return happens


def test_what_is_asked_is_shown(demo: Notebook) -> None:
    demo.run("%wxmilestone resume")
    assert "asks nothing" in repr(demo.run("%wxmilestone questions"))
    question = asks(demo, COLOUR)
    shown = demo.run("%wx questions")
    assert isinstance(shown, Questions)
    assert [item.id for item in shown] == [question["id"]]
    for result in (shown, demo.run("%wx status")):
        assert "1. Red: warm" in repr(result)
        assert "%wxmilestone answer" in repr(result)
        assert "Which colour?" in result._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize(
    ("line", "body"),
    [
        ("Red", {"choices": ["Red"]}),
        ("Dark blue", {"choices": ["Dark blue"]}),
        ("dark", {"choices": ["dark"]}),
        ('"Dark blue"', {"choices": ["Dark blue"]}),
        ('--text "as the sea"', {"text": "as the sea"}),
        ("{{colour}}", {"choices": ["Red"]}),
    ],
)
def test_an_answer(demo: Notebook, line: str, body: dict[str, Any]) -> None:
    demo.variables["colour"] = "Red"
    asks(demo, {**COLOUR, "options": [*COLOUR["options"], {"label": "dark"}]})
    answered = demo.run(f"%wxmilestone answer {line}")
    assert isinstance(answered, Answered)
    assert demo.posted("answer") == [{**body, "by": "user"}]
    assert "[answered]" in repr(answered)
    assert "Which colour?" in repr(answered)


def test_an_answer_by_id_and_for_several_questions(demo: Notebook) -> None:
    first = asks(demo, COLOUR)
    asks(demo, COLOUR, TOPPINGS)
    with pytest.raises(UsageMistake, match=first["id"]):
        demo.run("%wx answer Red")
    demo.run(f"%wx answer {first['id']} Red")
    demo.run('%wx answer "Dark blue" "Ham, Olives"')
    assert [body["choices"] for body in demo.posted("answer")] == [["Red"], ["Dark blue", ["Ham", "Olives"]]]


def test_what_cannot_be_answered(demo: Notebook) -> None:
    with pytest.raises(UsageMistake, match="asks nothing"):
        demo.run("%wx answer Red")
    question = asks(demo, COLOUR)
    with pytest.raises(UsageMistake, match="'Red', 'Dark blue'"):
        demo.run("%wx answer")
    with pytest.raises(UsageMistake, match="'Dark blue'"):
        demo.run("%wx answer Green")
    with pytest.raises(UsageMistake, match="no question"):
        demo.run(f"%wx answer {'0' * 24} Red")
    with pytest.raises(UsageMistake, match="--text stands before the choice: options come first"):
        demo.run("%wx answer Red --text foo")
    demo.run("%wx answer Red")
    with pytest.raises(AlreadyAnswered):
        demo.run(f"%wx answer {question['id']} Red")


def test_where_nobody_is_a_question_is_an_error_at_once(demo: Notebook) -> None:
    demo.api.happen(demo.api.accept(), step(lambda: asks(demo, COLOUR)))
    with pytest.raises(AnswerNeeded, match=r"Which colour\?\n +1\. Red: warm"):
        demo.run("%wx send --wait hello")


@pytest.mark.parametrize("suffix", ["yaml", "json", "variable"])
def test_answers_that_were_prepared(demo: Notebook, tmp_path: Path, suffix: str, capsys: Any) -> None:
    texts = {
        "yaml": "Which colour?: Red\n'permission:Bash: npm test*': Yes\n",
        "json": '{"Which colour?": "Red", "permission:Bash: npm test*": "Yes"}',
    }
    if suffix in texts:
        (tmp_path / f"answers.{suffix}").write_text(texts[suffix])
        source = f"answers.{suffix}"
    else:
        demo.variables["prepared"] = {"Which colour?": "Red", "permission:Bash: npm test*": "Yes"}
        source = "prepared"
    permission = {"kind": "permission", "tool_name": "Bash", "subject": "npm test", "title": "Bash: npm test"}
    demo.api.happen(
        demo.api.accept(),
        step(lambda: demo.api.ask(project_id(demo), COLOUR)),
        step(lambda: demo.api.ask(project_id(demo), PERMISSION, **permission)),
        demo.api.end(),
    )
    demo.run(f"%wx send --wait --answers {source} hello")
    assert [(body["choices"], body["by"]) for body in demo.posted("answer")] == [
        (["Red"], "policy"),
        (["Yes"], "policy"),
    ]
    assert "Which colour?: Red (by policy)" in capsys.readouterr().out


@pytest.mark.parametrize("magic", ["send --wait {} hello", "start login --wait {}", "wait {}"])
def test_the_first_option_is_taken_where_that_was_asked_for(demo: Notebook, magic: str) -> None:
    demo.run("%%wx new login\nText.")
    if magic.startswith("wait"):
        demo.run("%wx send hello")
    demo.api.happen(demo.api.accept(), step(lambda: demo.api.ask(project_id(demo), COLOUR)), demo.api.end())
    demo.run("%wx " + magic.format("--on-question first"))
    assert [body["choices"] for body in demo.posted("answer")] == [["Red"]]


def test_somebody_who_is_there_is_asked(demo: Notebook, capsys: Any) -> None:
    demo.attended = True
    demo.run("%wx send hello")
    demo.api.happen(demo.api.accept(), step(lambda: demo.api.ask(project_id(demo), COLOUR)))
    shown = demo.run("%wx wait")
    assert shown.state is SessionState.WAITING
    assert "1. Red: warm" in repr(shown)
    assert "NEEDS YOU" in capsys.readouterr().out


@pytest.mark.parametrize(("options", "interrupted"), [("", True), ("--on-timeout leave", False)])
def test_a_timeout_interrupts_where_nobody_is(demo: Notebook, options: str, interrupted: bool) -> None:
    demo.run("%wx send hello")
    demo.api.happen(demo.api.accept())
    with pytest.raises(CommandTimeout):
        demo.run(f"%wx wait --timeout 0.5 {options}")
    assert bool(demo.posted("interrupt")) is interrupted


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("send --on-question first hello", "add --wait"),
        ("send --wait --on-question guess hello", "on_question is one of"),
        ("wait --on-timeout kill", "on_timeout is one of"),
        ("wait --answers nothing.yaml", "neither a variable"),
    ],
)
def test_options_that_cannot_be_meant(demo: Notebook, line: str, hint: str) -> None:
    demo.run("%wx resume")
    with pytest.raises(UsageMistake, match=hint):
        demo.run(f"%wx {line}")
    demo.attended = True
    with pytest.raises(UsageError, match=hint):
        demo.run(f"%wx {line}")
    assert demo.posted("commands") == []
