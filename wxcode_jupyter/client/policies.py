"""Answers that are decided before anything is asked: what a run that nobody watches may say by itself.

A permission is never given by ``first`` or ``recommended``: only by a pattern that names the tool and what it is to do,
and never for more than the one time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import InvalidRequest
from ..models import Question, QuestionItem, QuestionKind

OnQuestion = Literal["fail", "wait", "first", "recommended"]
OnTimeout = Literal["leave", "interrupt"]
ON_QUESTION: tuple[OnQuestion, ...] = ("fail", "wait", "first", "recommended")
ON_TIMEOUT: tuple[OnTimeout, ...] = ("leave", "interrupt")
_PERMISSION = "permission:"
_RECOMMENDED = "(recommended)"
#: What a ``*`` of a pattern for Bash does not match, so that ``npm test*`` allows no second command.
_SHELL = r"[^;&|<>`$()\n\r\\]*"

Choice = str | list[str] | dict[str, str]


@dataclass(frozen=True, slots=True)
class Policy:
    """What to do when Claude asks, and when the time is up.

    Attributes:
        on_question: ``fail`` raises ``AnswerNeeded`` at once, ``wait`` waits for somebody, ``first`` takes the first
            option, ``recommended`` the one whose label says "(Recommended)", and fails where none does.
        answers: Patterns and answers, which go before ``on_question``. A pattern is matched with a question's text, or
            with its header, in any case; ``*`` stands for anything. The answer is a label or its beginning, a list of
            labels, or ``{"text": ...}``. ``permission:<tool>: <what it is to do>`` is for permissions, with ``Yes`` or
            ``No``; ``permission:Bash: npm test*`` matches no command that goes on with ``;``, ``&&`` or ``|``.
        on_timeout: ``leave`` lets Claude work on, ``interrupt`` presses Esc.
    """

    on_question: OnQuestion = "fail"
    answers: Mapping[str, Any] = field(default_factory=dict)
    on_timeout: OnTimeout = "leave"

    def __post_init__(self) -> None:
        if self.on_question not in ON_QUESTION:
            raise InvalidRequest(f"on_question is one of {', '.join(ON_QUESTION)}, not {self.on_question!r}.")
        if self.on_timeout not in ON_TIMEOUT:
            raise InvalidRequest(f"on_timeout is one of {', '.join(ON_TIMEOUT)}, not {self.on_timeout!r}.")
        if not isinstance(self.answers, Mapping):
            raise InvalidRequest("answers are a mapping from patterns to labels.")
        for pattern, answer in self.answers.items():
            _check(pattern, answer)

    def decide(self, question: Question) -> list[Choice] | None:
        """Return the choices for a question, as ``Client.answer`` takes them, or None: somebody must say."""
        if not any(item.options for item in question.items):
            return None
        if question.kind is QuestionKind.QUESTION:
            found = [self._decide_item(item) for item in question.items]
            decided = [each for each in found if each is not None]
            if len(decided) < len(found):
                return None
            return _alone(decided[0]) if len(decided) == 1 else decided
        if question.kind is QuestionKind.PERMISSION:
            return self._permit(question)
        return None

    def _decide_item(self, item: QuestionItem) -> Choice | None:
        for pattern, answer in self.answers.items():
            if not pattern.startswith(_PERMISSION) and any(
                _matches(pattern, text) for text in (item.question, item.header) if text
            ):
                kept: Choice = answer
                return kept
        labels = [option.label for option in item.options]
        if self.on_question == "first":
            return labels[0]
        if self.on_question == "recommended":
            return next((label for label in labels if _RECOMMENDED in label.casefold()), None)
        return None

    def _permit(self, question: Question) -> list[Choice] | None:
        """Return Yes or No for a permission that a pattern names."""
        named = f"{question.tool_name}: {question.subject}"
        shell = question.tool_name == "Bash"
        if not shell and ".." in question.subject.split("/"):
            return None  # it leaves the folder that a pattern names
        for pattern, answer in self.answers.items():
            if pattern.startswith(_PERMISSION):
                wanted = _expression(pattern.removeprefix(_PERMISSION), _SHELL if shell else ".*")
                if re.fullmatch(wanted, named, re.S):
                    labels = [option.label for option in question.items[0].options]
                    given = next((label for label in labels if _is_plain(label, str(answer))), None)
                    return None if given is None else [given]
        return None


def describe(question: Question) -> str:
    """Return a question with its options, as text."""
    lines = [f"Permission for {question.title}"] if question.kind is QuestionKind.PERMISSION else []
    for item in question.items:
        several = " (several may be chosen)" if item.multi_select else ""
        lines.append(f"{item.question}{several}")
        lines += [
            f"  {number}. {option.label}" + (f": {option.description}" if option.description else "")
            for number, option in enumerate(item.options, 1)
        ]
    return "\n".join(lines)


def _alone(choice: Choice) -> list[Choice]:
    return list(choice) if isinstance(choice, list) else [choice]


def _is_plain(label: str, answer: str) -> bool:
    """Whether a line of a permission's menu is the answer's Yes or No, for this one time."""
    if answer == "Yes":
        return label == "Yes"
    return label == "No" or label.startswith("No,")


def _matches(pattern: str, text: str) -> bool:
    return re.fullmatch(_expression(pattern, ".*"), text.strip(), re.I | re.S) is not None


def _expression(pattern: str, anything: str) -> str:
    return anything.join(re.escape(part) for part in pattern.strip().split("*"))


def _check(pattern: object, answer: object) -> None:
    if not isinstance(pattern, str):
        raise InvalidRequest(f"The pattern {pattern!r} is no text.")
    if pattern.startswith(_PERMISSION):
        tool = pattern.removeprefix(_PERMISSION).partition(":")[0].strip()
        if not tool or "*" in tool:
            raise InvalidRequest(f"{pattern!r} names no tool: `permission:Bash: npm test*` does.")
        if answer not in ("Yes", "No"):
            raise InvalidRequest(f"{pattern!r}: a permission is answered by Yes or No, for one time.")
    elif not (
        isinstance(answer, str)
        or (isinstance(answer, Sequence) and answer and all(isinstance(each, str) for each in answer))
        or (isinstance(answer, Mapping) and list(answer) == ["text"] and isinstance(answer["text"], str))
    ):
        raise InvalidRequest(f"{pattern!r}: the answer is a label, a list of labels or {{'text': ...}}.")
