"""Where a conversation can be cut, in transcripts of the real CLI."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.claude.test_usage import RECORDED, each_version, prompts
from wxcode_jupyter.claude.fork import BEGINNING, fork_line, message_before, relocated

OLD = "7f2ac6b8-47d9-4a1c-bef1-06270dffb98d"


def entries(path: Path) -> dict[str, dict[str, object]]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return {entry["uuid"]: entry for entry in found if "uuid" in entry}


@each_version
def test_the_message_before_a_prompt_is_the_last_that_claude_said(version: str) -> None:
    path = RECORDED / version / "continued.jsonl"
    # The recording leaves attachments out, by which some entries hang on those before them.
    found = message_before(path.read_bytes().splitlines(), prompts(path)["slow one"])
    assert found is None or entries(path)[found]["type"] == "assistant"
    last = message_before(path.read_bytes().splitlines(), prompts(path)["queued one"])
    assert last is not None and "slow done" in str(entries(path)[last]["message"])


@each_version
def test_the_first_prompt_has_none(version: str) -> None:
    path = RECORDED / version / "continued.jsonl"
    assert message_before(path.read_bytes().splitlines(), prompts(path)["two one"]) == BEGINNING
    clear = RECORDED / version / "clear.jsonl"
    assert message_before(clear.read_bytes().splitlines(), prompts(clear)["after clear"]) == BEGINNING


@each_version
def test_what_the_transcript_does_not_have_is_not_guessed(version: str) -> None:
    path = RECORDED / version / "continued.jsonl"
    assert message_before(path.read_bytes().splitlines(), "another") is None


def test_a_compaction_in_between_cannot_be_cut() -> None:
    lines = [
        {"type": "assistant", "uuid": "a", "parentUuid": None},
        {"type": "system", "subtype": "compact_boundary", "uuid": "b", "parentUuid": None},
        {"type": "user", "isCompactSummary": True, "uuid": "c", "parentUuid": "b", "promptId": "x"},
        {"type": "assistant", "uuid": "side", "parentUuid": "c", "isSidechain": True},
        {"type": "user", "uuid": "d", "parentUuid": "c", "promptId": "p"},
    ]
    assert message_before([b"torn {", *(json.dumps(line).encode() for line in lines)], "p") is None


@pytest.mark.parametrize("command", [("claude",), ("npx", "claude")])
def test_the_fork_is_made_without_a_terminal_and_has_an_id_of_our_choice(command: tuple[str, ...]) -> None:
    line = fork_line(command, old=OLD, new="n", message="m")
    assert line[: len(command) + 1] == (*command, "-p")
    assert line[-7:] == ("--resume", OLD, "--fork-session", "--session-id", "n", "--resume-session-at", "m")


def test_a_folder_is_replaced_wherever_it_is_named_but_in_what_is_signed() -> None:
    thought = {"type": "thinking", "thinking": "look into /w/one", "signature": "s"}
    lines = [
        {"cwd": "/w/one", "message": {"content": [thought, {"type": "text", "text": "in /w/one/a.txt, not /w/one-b"}]}},
        {"toolUseResult": {"filePath": "/w/one/é.txt"}},
    ]
    told = [json.dumps(line).encode() for line in lines]
    first, second = (json.loads(line) for line in relocated([*told, b'{"cut'], "/w/one", "/v/two"))
    assert first["cwd"] == "/v/two"
    assert first["message"]["content"] == [thought, {"type": "text", "text": "in /v/two/a.txt, not /w/one-b"}]
    assert second == {"toolUseResult": {"filePath": "/v/two/é.txt"}}
