"""What a turn has used and asked, read from the transcript that the CLI keeps of it.

Seen with 2.1.197 and 2.1.330: each block of an answer has a line of its own, all with the id and the ``usage`` of the
whole answer. Subagents write to ``<session id>/subagents/agent-*.jsonl`` beside the transcript, and their prompt has
the prompt id of the turn that sent them. Neither version writes what a turn has cost; 2.1.330 writes what a
conversation has, when it is left (``cost-state``, by ``/clear`` before the next one's `SessionStart`, or at the end of
the process; one that is resumed counts on). 2.1.197 does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..evidence import Asked, Usage
from .foreign import read_json
from .transcript import written_at

_ASKS = "AskUserQuestion"
#: What the model is told of an answer holds every ``"question"="answer"``; the structured form stands beside it.
_ANSWERS = "toolUseResult"


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """What the transcript has of one turn; ``found`` is whether it has its prompt."""

    usage: Usage = field(default_factory=Usage)
    asked: tuple[Asked, ...] = ()
    found: bool = False


def load_turn(transcript_path: str, prompt_id: str) -> TurnRecord:
    """Return what a turn has used, its subagents included, and asked; an absent transcript has no turn."""
    path = Path(transcript_path)
    agents = sorted(path.with_suffix("").glob("subagents/agent-*.jsonl"))
    own = _load(path, prompt_id)
    usages = [own.usage, *(_load(agent, prompt_id).usage for agent in agents)]
    return TurnRecord(_total(usages), own.asked, own.found)


def load_cost(transcript_path: str) -> float | None:
    """Return what a conversation has cost, in US dollars, once it was left; None where the CLI has not written it."""
    try:
        with open(transcript_path, "rb") as file:
            return read_cost(file)
    except FileNotFoundError:
        return None


def read_cost(lines: Iterable[bytes]) -> float | None:
    """Read the last cost of a conversation; None where something was answered since, or a model's price is unknown."""
    cost: float | None = None
    for entry in _entries(lines):
        if entry.get("type") == "assistant":
            cost = None
        elif entry.get("type") == "cost-state":
            told = entry.get("totalCostUSD")
            is_whole = isinstance(told, int | float) and not entry.get("hasUnknownModelCost")
            cost = float(told) if is_whole and told is not None else None
    return cost


def read_turn(lines: Iterable[bytes], prompt_id: str) -> TurnRecord:
    """Read the turn that began with this prompt; each answer of the model's counts once, as its last line has it."""
    answers: dict[str, Mapping[str, Any]] = {}
    asked: dict[str, list[Asked]] = {}
    found = False
    for entry in _turn(lines, prompt_id):
        found = True
        message = entry.get("message")
        if not isinstance(message, dict):
            continue
        if entry.get("type") == "assistant" and isinstance(message.get("usage"), dict):
            answers[str(message.get("id"))] = message
        for block in _blocks(message):
            if block.get("type") == "tool_use" and block.get("name") == _ASKS:
                asked[str(block.get("id"))] = [
                    Asked(str(question.get("question", "")), at=written_at(entry)) for question in _questions(block)
                ]
            elif block.get("type") == "tool_result" and str(block.get("tool_use_id")) in asked:
                key = str(block["tool_use_id"])
                asked[key] = _answered(asked[key], entry.get(_ANSWERS))
    return TurnRecord(_usage(answers.values()), tuple(item for group in asked.values() for item in group), found)


def _load(path: Path, prompt_id: str) -> TurnRecord:
    try:
        with path.open("rb") as file:
            return read_turn(file, prompt_id)
    except FileNotFoundError:
        return TurnRecord()


def _turn(lines: Iterable[bytes], prompt_id: str) -> Iterator[Mapping[str, Any]]:
    """Give the entries from the prompt on to the next one; what is torn or says nothing is passed over."""
    inside = False
    for entry in _entries(lines):
        found = entry.get("promptId") if entry.get("type") == "user" else None
        if found is not None:
            inside = found == prompt_id
        if inside:
            yield entry


def _entries(lines: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:
    for line in lines:
        try:
            entry = read_json(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry


def _usage(answers: Iterable[Mapping[str, Any]]) -> Usage:
    return _total(
        Usage(
            1,
            _count(message["usage"], "input_tokens"),
            _count(message["usage"], "output_tokens"),
            _count(message["usage"], "cache_creation_input_tokens"),
            _count(message["usage"], "cache_read_input_tokens"),
            (str(message.get("model", "")),),
        )
        for message in answers
        if message.get("model") != "<synthetic>"  # the CLI's own words
    )


def _total(usages: Iterable[Usage]) -> Usage:
    total = Usage()
    for usage in usages:
        total = Usage(
            total.messages + usage.messages,
            total.input_tokens + usage.input_tokens,
            total.output_tokens + usage.output_tokens,
            total.cache_creation_tokens + usage.cache_creation_tokens,
            total.cache_read_tokens + usage.cache_read_tokens,
            tuple(dict.fromkeys((*total.models, *usage.models))),
        )
    return total


def _count(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) else 0


def _answered(asked: list[Asked], result: Any) -> list[Asked]:
    answers = result.get("answers") if isinstance(result, dict) else None
    given = answers if isinstance(answers, dict) else {}
    return [Asked(item.question, _text(given.get(item.question)), item.at) for item in asked]


def _text(answer: Any) -> str | None:
    if answer is None or isinstance(answer, str):
        return answer
    return ", ".join(map(str, answer)) if isinstance(answer, list) else str(answer)


def _questions(block: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    given = block.get("input")
    questions = given.get("questions") if isinstance(given, dict) else None
    return [item for item in questions if isinstance(item, dict)] if isinstance(questions, list) else []


def _blocks(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = message.get("content")
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
