"""The subcommands for what Claude asks, and the options that answer before it asks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ..client import Policy
from ..errors import InvalidRequest
from ..models import Question
from .context import Context
from .grammar import Line, Mistake, cut_word
from .results import Answered, Questions, Result

_ID = re.compile(r"[0-9a-f]{24}")


def questions(context: Context, line: Line) -> Result:
    """Show what Claude waits for, in a browser as a form, and what it was answered before."""
    client, project = context.client, context.project(line["project"])

    def look() -> Questions:
        return Questions(items=client.questions(project), title=f"{project.name}: questions", _again=look)

    return look().follows(context.live("questions", project.id))


def answer(context: Context, line: Line) -> Result:
    """Answer the question that is open, or the one with this id."""
    client, project = context.client, context.project(line["project"])
    identifier, rest = _cut_id(line.taken or "")
    question = _find(client.questions(project), identifier, line)
    choices = _choices(question, rest, line)
    if not choices and line["text"] is None:
        raise Mistake(f"An answer is a choice, or --text.\n{_named(question)}", line.subcommand.usage)
    try:
        return Answered(question=client.answer(question, *choices, text=line["text"]))
    except InvalidRequest as error:
        raise Mistake(error.message, line.subcommand.usage) from error


def read_policy(context: Context, line: Line) -> Policy:
    """Return what a line's options say to questions and to its timeout.

    Where nobody is there questions fail at once, and a timeout interrupts.
    """
    on_question: Any = line["on_question"] or ("wait" if context.attended else "fail")
    on_timeout: Any = line["on_timeout"] or ("leave" if context.attended else "interrupt")
    answers = {} if line["answers"] is None else _read_answers(line["answers"], context.variables(None), line)
    try:
        return Policy(on_question, answers, on_timeout)
    except InvalidRequest as error:
        raise Mistake(error.message, line.subcommand.usage) from error


def _read_answers(source: str, variables: Mapping[str, Any], line: Line) -> Mapping[str, Any]:
    """Return the mapping that ``--answers`` means: a variable, or a file of YAML or JSON."""
    if isinstance(found := variables.get(source), Mapping):
        return found
    file = Path(source.removeprefix("@")).expanduser()
    try:
        text = file.read_text(encoding="utf-8")
        read = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        what = f"{source} is neither a variable with a mapping nor a file that can be read: {error}"
        raise Mistake(f"--answers: {what}.", line.subcommand.usage) from error
    if not isinstance(read, Mapping):
        raise Mistake(f"--answers: {source} has no mapping from patterns to labels.", line.subcommand.usage)
    return {str(key): _plain(value) for key, value in read.items()}


def _plain(value: Any) -> Any:
    """Turn YAML's ``Yes`` and ``No``, which it reads as booleans, and numbers back into text."""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return str(value) if isinstance(value, int | float) else value


def _cut_id(text: str) -> tuple[str | None, str]:
    word, rest, quoted = cut_word(text)
    return (word, rest.strip()) if _ID.fullmatch(word) and not quoted else (None, text.strip())


def _find(found: Sequence[Question], identifier: str | None, line: Line) -> Question:
    if identifier is not None:
        for question in found:
            if question.id == identifier:
                return question
        raise Mistake(f"There is no question {identifier}: `%wxmilestone questions` lists them.", line.subcommand.usage)
    waiting = [question for question in found if question.open]
    if len(waiting) == 1:
        return waiting[0]
    if not waiting:
        raise Mistake("Claude asks nothing now.", line.subcommand.usage)
    named = "\n".join(f"  {question.id}  {question.title}" for question in waiting)
    raise Mistake(f"Which question? Its id comes first:\n{named}", line.subcommand.usage)


def _choices(question: Question, text: str, line: Line) -> list[str | list[str]]:
    """Read the choices: a label as it is, or words, those with blanks in quotes; one for each thing that is asked."""
    if not text:
        return []
    labels = [option.label for item in question.items for option in item.options]
    if any(label.casefold().startswith(text.casefold()) for label in labels):
        return [text]
    options = {name for option in line.subcommand.options for name in option.names}
    words: list[str] = []
    while text.strip():
        word, text, quoted = cut_word(text, line.subcommand.usage)
        if not quoted and word.partition("=")[0] in options:
            raise Mistake(f"{word} stands before the choice: options come first.", line.subcommand.usage)
        words.append(word)
    if len(question.items) == 1 or len(words) != len(question.items):
        return [*words]
    return [_several(word) if item.multi_select else word for item, word in zip(question.items, words, strict=True)]


def _several(word: str) -> list[str]:
    return [part.strip() for part in word.split(",") if part.strip()]


def _named(question: Question) -> str:
    return "\n".join(
        f"  {item.question} " + ", ".join(repr(option.label) for option in item.options) for item in question.items
    )
