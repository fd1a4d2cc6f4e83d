"""What a run that nobody watches may say by itself, and above all what not."""

from __future__ import annotations

from typing import Any

import pytest

from wxcode_jupyter.client.policies import Policy, describe
from wxcode_jupyter.errors import InvalidRequest
from wxcode_jupyter.models import Question, QuestionItem, QuestionKind, QuestionOption

PROJECT = "0" * 24


def item(question: str, *labels: str, header: str = "", multi: bool = False) -> QuestionItem:
    return QuestionItem(question, tuple(map(QuestionOption, labels)), header, multi, free_text=True)


def asked(*items: QuestionItem) -> Question:
    return Question("1" * 24, PROJECT, QuestionKind.QUESTION, "title", items)


def permission(subject: str, *labels: str, tool: str = "Bash") -> Question:
    lines = labels or ("Yes", "Yes, and don\u2019t ask again for: npm test *", "No")
    kind = QuestionKind.PERMISSION
    return Question("1" * 24, PROJECT, kind, f"{tool}: {subject}", (item("?", *lines),), tool, subject)


COLOUR = item("Which colour?", "Red", "Blue (Recommended)", header="Colour")
SIZE = item("Which size?", "Small", "Large")
TOPPINGS = item("Which toppings?", "Ham", "Olives", multi=True)


@pytest.mark.parametrize(
    ("policy", "items", "choices"),
    [
        (Policy(), [COLOUR], None),
        (Policy("wait"), [COLOUR], None),
        (Policy("first"), [COLOUR], ["Red"]),
        (Policy("recommended"), [COLOUR], ["Blue (Recommended)"]),
        (Policy("recommended"), [SIZE], None),
        (Policy("recommended"), [COLOUR, SIZE], None),
        (Policy("first"), [COLOUR, SIZE], ["Red", "Small"]),
        (Policy("first", {"Which size?": "Large"}), [COLOUR, SIZE], ["Red", "Large"]),
        (Policy("fail", {"colour": "Blue"}), [COLOUR], ["Blue"]),  # by its header
        (Policy("fail", {"size": "Large"}), [SIZE], None),  # no part of a text
        (Policy("fail", {"*size*": "Large"}), [SIZE], ["Large"]),
        (Policy("fail", {"*": ["Ham", "Olives"]}), [TOPPINGS], ["Ham", "Olives"]),
        (Policy("fail", {"*toppings*": ["Ham", "Olives"], "*": "Red"}), [COLOUR, TOPPINGS], ["Red", ["Ham", "Olives"]]),
        (Policy("fail", {"*": {"text": "green"}}), [COLOUR], [{"text": "green"}]),
        (Policy("first"), [item("What does it show?")], None),
    ],
)
def test_questions(policy: Policy, items: list[QuestionItem], choices: list[Any] | None) -> None:
    assert policy.decide(asked(*items)) == choices


@pytest.mark.parametrize(
    ("pattern", "subject", "given"),
    [
        ("permission:Bash: npm test*", "npm test", True),
        ("permission:Bash: npm test*", "npm test -- --watch=false", True),
        ("permission:Bash: npm test", "npm test -- x", False),
        ("permission:Bash: npm test*", "npm test; rm -rf .", False),
        ("permission:Bash: npm test*", "npm test && curl x | sh", False),
        ("permission:Bash: npm test*", "npm test $(rm x)", False),
        ("permission:Bash: npm test*", "npm test\nrm x", False),
        ("permission:Bash: npm test*", "npm test > /etc/passwd", False),
        ("permission:Bash: npm test*", "NPM TEST", False),
        ("permission:Bash: npm test && npm run *", "npm test && npm run build", True),
        ("permission:Write: *", "npm test", False),
        ("*", "npm test", False),
    ],
)
@pytest.mark.parametrize("on_question", ["fail", "first", "recommended", "wait"])
def test_permissions(pattern: str, subject: str, given: bool, on_question: Any) -> None:
    policy = Policy(on_question, {pattern: "Yes"})
    assert policy.decide(permission(subject)) == (["Yes"] if given else None)


def test_a_pattern_for_a_folder_ends_at_the_folder() -> None:
    policy = Policy("first", {"permission:Write: /w/*": "Yes"})
    assert policy.decide(permission("/w/a/b", tool="Write")) == ["Yes"]
    assert policy.decide(permission("/w/../home/.ssh/authorized_keys", tool="Write")) is None


def test_a_permission_is_for_one_time_or_none() -> None:
    always = ("Yes, and always allow it", "No, and tell Claude what to do")
    policy = Policy("first", {"permission:Write: /w/*": "Yes", "permission:Bash: rm *": "No"})
    assert policy.decide(permission("/w/a/b", *always, tool="Write")) is None
    assert policy.decide(permission("rm x", *always)) == ["No, and tell Claude what to do"]
    assert policy.decide(Question("1" * 24, PROJECT, QuestionKind.MENU, "Which?", (item("Which?", "Yes"),))) is None


@pytest.mark.parametrize(
    "answers",
    [
        {"permission:Bash: npm test*": "Yes, and don't ask again"},
        {"permission:Bash: npm test*": ["Yes"]},
        {"permission:*: x": "Yes"},
        {"permission:": "Yes"},
        {"x": 1},
        {"x": []},
        {"x": {"label": "y"}},
        {1: "x"},
        ["x"],
    ],
)
def test_what_cannot_be_meant_is_refused(answers: Any) -> None:
    with pytest.raises(InvalidRequest):
        Policy("fail", answers)


@pytest.mark.parametrize("wrong", [{"on_question": "ask"}, {"on_timeout": "kill"}])
def test_words_that_are_none_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="is one of"):
        Policy(**wrong)


def test_a_question_in_words() -> None:
    assert describe(asked(COLOUR)) == "Which colour?\n  1. Red\n  2. Blue (Recommended)"
    assert describe(permission("npm test")).startswith("Permission for Bash: npm test\n")
    assert "several" in describe(asked(TOPPINGS))
