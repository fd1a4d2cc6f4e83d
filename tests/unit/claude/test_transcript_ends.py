"""What a transcript says of the end: which text was an answer's last, when a turn was over, and when that was."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.recorded_screens import VERSIONS
from wxcode_jupyter.claude.transcript import Entry, load_all, parse

RECORDED = Path(__file__).parents[2] / "data" / "transcripts"

#: What followed each prompt of the recorded conversations, with a ! at what is final.
TURNS = {
    "ends": {
        "plain one": "assistant! ended",
        "tool one": "assistant assistant! ended",
        "bad one": "failed ended",
        "retry one": "assistant! ended",
        "cut one": "assistant! ended",
        "long one": "assistant interrupt",
        "sleep one": "assistant interrupt",
        "before one": "",  # interrupted before the first token
    },
    "continued": {
        "two one": "assistant! assistant! ended",  # one answer of two blocks
        "refuse one": "assistant failed ended",
        "maxt one": "assistant assistant! ended",  # the CLI had Claude go on after its last token
        "block one": "assistant! assistant! ended",  # a Stop hook did
        "slow one": "queued assistant! ended",
        "queued one": "assistant! ended",
    },
}
#: 2.1.330 writes no end after an error, and has Claude go on after a refusal.
OTHERWISE = {("2.1.330", "bad one"): "failed", ("2.1.330", "refuse one"): "assistant assistant! ended"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", TURNS)
def test_how_the_recorded_turns_ended(version: str, name: str) -> None:
    turns: dict[str, list[str]] = {}
    for entry in load_all(str(RECORDED / version / f"{name}.jsonl")):
        if entry.kind == "prompt":
            turn = turns[entry.text] = []
        else:
            turn.append(entry.kind + "!" * entry.final)
    expected = {prompt: OTHERWISE.get((version, prompt), marks) for prompt, marks in TURNS[name].items()}
    assert {prompt: " ".join(marks) for prompt, marks in turns.items()} == expected


def answer(**message: Any) -> bytes:
    said = {"role": "assistant", "content": [{"type": "text", "text": "so"}]}
    return json.dumps({"type": "assistant", "message": said | message}).encode()


@pytest.mark.parametrize(
    ("message", "final"),
    [
        ({"stop_reason": "end_turn"}, True),
        ({"stop_reason": "stop_sequence"}, True),
        ({"stop_reason": "max_tokens"}, False),
        ({"stop_reason": "model_context_window_exceeded"}, False),
        ({"stop_reason": "refusal"}, False),
        ({"stop_reason": "tool_use"}, False),
        ({"stop_reason": "pause_turn"}, False),
        ({"stop_reason": None}, False),
        ({}, False),
        ({"stop_reason": "stop_sequence", "model": "<synthetic>"}, False),
    ],
)
def test_where_an_answer_ends(message: dict[str, Any], final: bool) -> None:
    entry = parse(answer(**message))
    assert entry is not None
    assert entry.final is final


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        ("2026-11-22T15:05:07.827Z", datetime(2026, 11, 22, 15, 5, 7, 827_000, UTC)),
        ("2026-11-22T15:05:07+02:00", datetime(2026, 11, 22, 13, 5, 7, tzinfo=UTC)),
        ("2026-11-22T15:05:07", None),  # nobody says whose time that is
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        (1_700_000_000, None),
        (None, None),
    ],
)
def test_when_an_entry_was_written(timestamp: object, expected: datetime | None) -> None:
    line = {"type": "user", "promptId": "p", "message": {"role": "user", "content": "hello"}, "timestamp": timestamp}
    assert parse(json.dumps(line).encode()) == Entry("prompt", "hello", "p", at=expected)


@pytest.mark.parametrize("path", sorted(RECORDED.glob("*/*.jsonl")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_recorded_entry_says_when_it_was_written(path: Path) -> None:
    entries = load_all(str(path))
    assert all(entry.at and entry.at.utcoffset() == UTC.utcoffset(None) for entry in entries)
