"""What turns have used and asked, in transcripts of the real CLI."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wxcode_jupyter.claude.usage import load_cost, load_turn, read_cost, read_turn
from wxcode_jupyter.evidence import Asked, Usage

RECORDED = Path(__file__).parents[2] / "data" / "transcripts"
ANSWER = b'{"type": "assistant", "message": {}}'
each_version = pytest.mark.parametrize("version", ["2.1.197", "2.1.330"])


def prompts(path: Path) -> dict[str, str]:
    """Return the ids of the prompts in a transcript by their texts."""
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    typed = [entry for entry in entries if entry["type"] == "user" and isinstance(entry["message"]["content"], str)]
    return {entry["message"]["content"]: entry.get("promptId", "") for entry in typed}


@each_version
def test_each_answer_counts_once_however_many_lines_it_has(version: str) -> None:
    path = RECORDED / version / "usage.jsonl"
    lines = path.read_bytes().splitlines()
    turn = read_turn(lines, prompts(path)["do it"])
    written = [json.loads(line)["message"] for line in lines if json.loads(line)["type"] == "assistant"]
    first = {message["id"]: message["usage"] for message in written if message["id"].startswith("msg_0000")}
    assert len(first) == 3 and len(written) > 6
    assert turn.usage == Usage(
        3,
        sum(usage["input_tokens"] for usage in first.values()),
        35 + 79 + 9,
        models=(written[0]["model"],),
    )


@each_version
def test_a_question_comes_with_what_was_answered(version: str) -> None:
    path = RECORDED / version / "usage.jsonl"
    (asked,) = read_turn(path.read_bytes().splitlines(), prompts(path)["do it"]).asked
    assert asked.at is not None
    assert (asked.question, asked.answer) == ("Which colour do you want?", "Red")


@each_version
def test_what_a_subagent_used_belongs_to_the_turn_that_sent_it(version: str) -> None:
    path = RECORDED / version / "usage.jsonl"
    prompt_id = prompts(path)["and again"]
    alone = read_turn(path.read_bytes().splitlines(), prompt_id).usage
    together = load_turn(str(path), prompt_id).usage
    assert alone.messages == 2
    assert together.messages > alone.messages and together.output_tokens >= alone.output_tokens + 25
    assert load_turn(str(path), prompts(path)["do it"]).usage.messages == 3


@each_version
def test_a_question_that_was_turned_down_has_no_answer(version: str) -> None:
    path = RECORDED / version / "tools.jsonl"
    turn = read_turn(path.read_bytes().splitlines(), prompts(path)["ask two"])
    assert [(item.question, item.answer) for item in turn.asked] == [("Which colours?", None), ("Size?", None)]


def test_torn_lines_and_what_is_no_entry_are_passed_over() -> None:
    usage = {"input_tokens": 1, "output_tokens": 2, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 4}
    lines = [
        b"[]\n",
        b'{"type": "user", "promptId": "p", "message": {"content": "hi"}}\n',
        b'{"type": "assistant", "mess\n',
        json.dumps({"type": "assistant", "message": {"id": "m", "model": "x", "usage": {"output_tokens": 1}}}).encode(),
        json.dumps({"type": "assistant", "message": {"id": "m", "model": "x", "usage": usage}}).encode(),
        json.dumps({"type": "assistant", "message": {"id": "s", "model": "<synthetic>", "usage": usage}}).encode(),
        json.dumps({"type": "assistant", "message": "nothing"}).encode(),
    ]
    assert read_turn(lines, "p").usage == Usage(1, 1, 2, 3, 4, ("x",))
    assert not read_turn(lines, "another").found


def test_several_choices_are_one_answer_and_a_missing_transcript_has_no_turn(tmp_path: Path) -> None:
    call = {"type": "tool_use", "id": "t", "name": "AskUserQuestion", "input": {"questions": [{"question": "Which?"}]}}
    lines = [
        json.dumps(entry).encode()
        for entry in (
            {"type": "user", "promptId": "p", "message": {"content": "hi"}},
            {"type": "assistant", "message": {"id": "m", "content": [call]}},
            {
                "type": "user",
                "promptId": "p",
                "message": {"content": [{"type": "tool_result", "tool_use_id": "t"}]},
                "toolUseResult": {"answers": {"Which?": ["Red", "Blue"]}},
            },
        )
    ]
    assert read_turn(lines, "p").asked == (Asked("Which?", "Red, Blue"),)
    assert not load_turn(str(tmp_path / "none.jsonl"), "p").found


def cost(usd: float, *, unknown: bool = False) -> bytes:
    return json.dumps({"type": "cost-state", "totalCostUSD": usd, "hasUnknownModelCost": unknown}).encode()


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([], None),
        ([ANSWER], None),
        ([ANSWER, cost(0.25)], 0.25),
        ([cost(0.25), b"torn", b"[]", b'{"type": "mode"}'], 0.25),
        ([ANSWER, cost(0.25), ANSWER, cost(0.5)], 0.5),  # resumed, it counts on
        ([ANSWER, cost(0.25), ANSWER], None),
        ([ANSWER, cost(0.25, unknown=True)], None),
    ],
)
def test_what_a_conversation_has_cost_is_known_when_it_was_left(lines: list[bytes], found: float | None) -> None:
    assert read_cost(lines) == found


def test_a_transcript_that_is_gone_tells_no_cost(tmp_path: Path) -> None:
    assert load_cost(str(tmp_path / "gone.jsonl")) is None
