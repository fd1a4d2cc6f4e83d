"""What Claude asks, as its hooks and its menus say it; and answers, as they fit what is asked."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidBody
from ..models import QuestionItem, QuestionOption
from .sheet import Sheet, squeeze

ASK = "AskUserQuestion"
TEXT_LIMIT = 1000  # characters of a free text: what is typed must be seen on the screen
_SHOWN = 60  # characters of a choice that is none, in the error
_SUBJECTS = ("command", "file_path", "notebook_path", "path", "url", "query", "pattern")
_GUTTER = re.compile(r"(?m)^\s*│ ?")  # before each line of a command of several (2.1.330)
_SEEN = 60  # so many characters of a command must stand in the menu that asks for its permission


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one item: the labels of its options, a text of one's own, or with several choices both."""

    labels: tuple[str, ...] = ()
    text: str | None = None

    @property
    def shown(self) -> str:
        """The answer as the CLI writes it."""
        return ", ".join([*self.labels, *([self.text] if self.text else [])])


def items_of(tool_input: Any) -> tuple[QuestionItem, ...]:
    """Return what ``AskUserQuestion`` asks; what does not have its form is left out."""
    questions = tool_input.get("questions") if isinstance(tool_input, Mapping) else None
    if not isinstance(questions, list):
        return ()
    return tuple(_item(each) for each in questions if isinstance(each, Mapping))


def answers_of(tool_input: Any, items: Sequence[QuestionItem]) -> tuple[str, ...]:
    """Return the answers that ``PostToolUse`` reports, one per item; empty where it has none."""
    answers = tool_input.get("answers") if isinstance(tool_input, Mapping) else None
    if not isinstance(answers, Mapping):
        return ()
    return tuple(str(answers.get(item.question, "")) for item in items)


def subject_of(tool_input: Any) -> str:
    """Return what a tool is to do, whole. Not its ``description``: that is the model's word about it."""
    if not isinstance(tool_input, Mapping):
        return ""
    found = (tool_input.get(name) for name in _SUBJECTS)
    return next((value for value in found if isinstance(value, str) and value.strip()), "")


def asks_permission(sheet: Sheet, subject: str) -> bool:
    """Whether a menu asks for the permission of a tool with this subject."""
    labels = [line.text for line in sheet.lines]
    if len(labels) < 2 or not labels[0].startswith("Yes") or not any(label.startswith("No") for label in labels):
        return False
    above = squeeze(_GUTTER.sub("", sheet.above))
    if squeeze(subject)[:_SEEN] in above:
        return True
    name = os.path.basename(subject)  # of a file, menus often show only the name
    return bool(name) and " " not in subject and squeeze(name)[:_SEEN] in above


def options_of(sheet: Sheet) -> tuple[QuestionOption, ...]:
    """Return the lines of a menu as options."""
    return tuple(QuestionOption(line.text) for line in sheet.lines)


def replies(items: Sequence[QuestionItem], choices: Sequence[Any] | None, text: str | None) -> tuple[Reply, ...]:
    """Return an answer as it fits the items.

    Args:
        items: What is asked.
        choices: For one item its labels; for several one entry each: a label, a list of labels or ``{"text": ...}``. A
            label may be shortened to a beginning that only one option has, or be its position, from "1" on.
        text: A text of one's own, for one item.

    Raises:
        InvalidBody: It does not fit; the message names what does.
    """
    given = list(choices or ())
    if not given and text is None:
        raise InvalidBody("An answer has choices or a text.", field="choices")
    if len(items) == 1:
        labels, own = _parts(items[0], given[0] if len(given) == 1 else given)
        return (_reply(items[0], labels, text if text is not None else own),)
    if text is not None or len(given) != len(items):
        asked = "; ".join(item.question for item in items)
        raise InvalidBody(
            f"{len(items)} things are asked, in this order: {asked}. Give one choice each.", field="choices"
        )
    return tuple(_reply(item, *_parts(item, each)) for item, each in zip(items, given, strict=True))


def _item(question: Mapping[str, Any]) -> QuestionItem:
    options = question.get("options")
    return QuestionItem(
        str(question.get("question", "")),
        tuple(
            QuestionOption(str(option.get("label", "")), str(option.get("description") or ""))
            for option in (options if isinstance(options, list) else ())
            if isinstance(option, Mapping)
        ),
        str(question.get("header") or ""),
        bool(question.get("multiSelect")),
        free_text=True,
    )


def _parts(item: QuestionItem, choice: Any) -> tuple[Sequence[str], str | None]:
    """Return the labels and the text of the choice for one item."""
    if isinstance(choice, str):
        return [choice], None
    if isinstance(choice, Mapping) and isinstance(choice.get("text"), str):
        return [], choice["text"]
    if isinstance(choice, Sequence) and all(isinstance(label, str) for label in choice):
        return choice, None
    raise InvalidBody(
        f'{item.question} A choice is a label, a list of labels, or {{"text": ...}} alone: choose {_valid(item)}.',
        field="choices",
    )


def _reply(item: QuestionItem, labels: Sequence[str], text: str | None) -> Reply:
    chosen = tuple(dict.fromkeys(_label(item, label) for label in labels))
    if text is not None:
        text = _check_text(item, text)
    if not chosen and text is None:
        raise InvalidBody(f"{item.question} Choose {_valid(item)}.", field="choices")
    if not item.multi_select and len(chosen) + (text is not None) > 1:
        raise InvalidBody(f"{item.question} Only one can be chosen: {_valid(item)}.", field="choices")
    return Reply(chosen, text)


def _check_text(item: QuestionItem, text: str) -> str:
    text = text.strip()
    if not item.free_text:
        raise InvalidBody(f"{item.question} A text is no answer to it: choose {_valid(item)}.", field="text")
    if not text or not text.isprintable() or len(text) > TEXT_LIMIT:
        raise InvalidBody(f"A text is one line of printable characters, {TEXT_LIMIT} at most.", field="text")
    return text


def _label(item: QuestionItem, wanted: str) -> str:
    labels = [option.label for option in item.options]
    key = _key(wanted)
    exact = [label for label in labels if _key(label) == key]
    begins = [label for label in labels if key and _key(label).startswith(key)]
    if exact or len(begins) == 1:
        return (exact or begins)[0]
    positions = {str(number): label for number, label in enumerate(labels, 1)}
    if wanted in positions:
        return positions[wanted]
    shown = wanted if len(wanted) <= _SHOWN else wanted[:_SHOWN] + "…"
    raise InvalidBody(f"{item.question} {shown!r} is no option; there is {_valid(item)}.", field="choices")


def _key(label: str) -> str:
    return squeeze(label).casefold().replace("’", "'")


def _valid(item: QuestionItem) -> str:
    named = ", ".join(repr(option.label) for option in item.options)
    return f"{named}, or a text of your own" if item.free_text else named or "it in the terminal"
