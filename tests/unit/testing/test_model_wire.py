from __future__ import annotations

import json
from typing import Any

from wxcode_jupyter.testing import model_wire as wire

REMINDER = "<system-reminder>\nToday is Sunday.\n</system-reminder>\n\n"


def user(*texts: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text} for text in texts]}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def test_texts_are_those_of_the_user_without_reminders() -> None:
    body = {"messages": [user(REMINDER, "first\n"), {"role": "system", "content": "Environment"}, assistant("ok"),
                         {"role": "user", "content": "second"}]}  # fmt: skip
    assert wire.user_texts(body) == ["first", "second"]
    assert wire.new_texts(body) == ["second"]


def test_pasted_text_is_as_it_was_pasted() -> None:
    """2.1.330 wraps it: `claude-code-facts.md`, "Versions differ"."""
    body = {"messages": [user('\n\n<pasted_content id="39d9">\nline 0\nline 1\n</pasted_content id="39d9">\n\n')]}
    assert wire.user_texts(body) == ["line 0\nline 1"]


def test_a_slash_command_is_its_line() -> None:
    command = "<command-message>gsd:new-milestone</command-message>\n<command-name>/gsd:new-milestone</command-name>"
    texts = [f"{command}\n<command-args>a b</command-args>", "The whole file\nof the command"]
    assert wire.prompt_of(texts) == "/gsd:new-milestone a b"
    assert wire.prompt_of([command, "The file"]) == "/gsd:new-milestone"


def test_records_of_built_in_commands_are_no_prompts() -> None:
    body = {
        "messages": [
            user(
                "<local-command-caveat>Caveat</local-command-caveat>",
                "<command-name>/clear</command-name>\n            <command-message>clear</command-message>",
                "<local-command-stdout></local-command-stdout>\n",
                "after clear",
            )
        ]
    }
    assert wire.user_texts(body) == ["after clear"]


def test_what_stands_before_an_interrupt_is_the_turn_before() -> None:
    texts = ["old", "[Request interrupted by user for tool use]", "new"]
    assert wire.prompt_of(texts) == "new"
    assert wire.interrupted({"messages": [user(*texts)]})
    assert not wire.interrupted({"messages": [user(*texts), assistant("ok"), user("again")]})


def test_the_summary_after_compact_is_no_prompt() -> None:
    assert wire.prompt_of(["This session is being continued from a previous conversation...", "go on"]) == "go on"


def test_side_requests() -> None:
    title = {"messages": [user("Write a title")]}
    assert wire.is_side_request(title)
    assert json.loads(wire.side_answer(title))["title"]
    told = [user("remember me"), assistant("ok"), user("Your task is to create a detailed summary of all this")]
    compact = {"tools": [{"name": "Bash"}], "messages": told}
    assert wire.is_side_request(compact)
    assert "- remember me" in wire.side_answer(compact)
    assert not wire.is_side_request({"tools": [{"name": "Bash"}], "messages": [user("hello")]})


def test_the_working_directory_is_read_from_wherever_the_cli_puts_it() -> None:
    line = "# Environment\n - Primary working directory: /some/where\n - Is a git repository: false"
    assert wire.working_directory({"system": line, "messages": []}) == "/some/where"
    assert wire.working_directory({"system": [{"type": "text", "text": line}], "messages": []}) == "/some/where"
    in_messages = [user("hi"), {"role": "system", "content": [{"type": "text", "text": line}]}]
    assert wire.working_directory({"messages": in_messages}) == "/some/where"
    assert wire.working_directory({"messages": [user("hi")]}) is None


def test_the_events_of_a_stream_add_up_to_the_message() -> None:
    blocks = [wire.text_block("Let me  see.\n\nNow."), wire.tool_block("toolu_1", "Bash", {"command": "pwd"})]
    answer = wire.message({"model": "m", "messages": []}, "msg_1", blocks)
    events = [json.loads(chunk.split(b"data: ", 1)[1]) for chunk in wire.stream(answer)]
    assert [event["type"] for event in (events[0], events[-2], events[-1])] == [
        "message_start", "message_delta", "message_stop",
    ]  # fmt: skip
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    assert "".join(delta.get("text", "") for delta in deltas) == "Let me  see.\n\nNow."
    assert json.loads(deltas[-1]["partial_json"]) == {"command": "pwd"}
    assert events[-2]["delta"]["stop_reason"] == answer["stop_reason"] == "tool_use"
    assert all(value >= 0 for value in answer["usage"].values())
