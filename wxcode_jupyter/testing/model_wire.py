"""The Messages API's shapes, as far as the CLI needs them: reading requests, encoding answers. Pure functions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

Body: TypeAlias = Mapping[str, Any]

INTERRUPTED = "[Request interrupted by user"
"""How the text begins that the CLI puts into a conversation where the user interrupted it."""

_SUMMARY_REQUEST = "Your task is to create a detailed summary of"
_SUMMARY = "This session is being continued from a previous conversation"
_LOCAL = ("<local-command-", "<command-name>")  # a built-in command: its caveat, its name, its output
_COMMAND = re.compile(
    r"<command-message>.*?</command-message>\s*<command-name>(?P<name>.*?)</command-name>"
    r"(?:\s*<command-args>(?P<arguments>.*?)</command-args>)?",
    re.DOTALL,
)
_PASTED = re.compile(r"\n{0,2}<pasted_content id=\"[^\"]*\">\n?(.*?)\n?</pasted_content[^>]*>\n{0,2}", re.DOTALL)
_REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>\s*", re.DOTALL)
_CWD = re.compile(r"(?:^|\n)[\s\-]*(?:Primary w|W)orking directory: *([^\n]+)")
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def user_texts(body: Body) -> list[str]:
    """Return the texts of all user messages of a request, in order, as the user gave them.

    What the CLI adds is left out: system reminders, the marks around pasted text, the records of its built-in commands.
    """
    return [text for message in body.get("messages", []) if message.get("role") == "user" for text in _texts(message)]


def new_texts(body: Body) -> list[str]:
    """Return those of the user's texts that stand after the model's last answer."""
    texts: list[str] = []
    for message in reversed(body.get("messages", [])):
        if message.get("role") == "assistant":
            break
        if message.get("role") == "user":
            texts[:0] = _texts(message)
    return texts


def interrupted(body: Body) -> bool:
    """Return whether the user interrupted the model's last answer, so that this request begins a new turn."""
    return any(text.startswith(INTERRUPTED) for text in new_texts(body))


def prompt_of(texts: Sequence[str]) -> str:
    """Join the texts of one turn into the prompt as the user typed it.

    What stands before the CLI's mark of an interrupt belongs to the turn before. A slash command is given as its line,
    ``/name arguments``, without the file's text to which the CLI has expanded it.
    """
    marks = [index for index, text in enumerate(texts) if text.startswith(INTERRUPTED)]
    texts = [text for text in texts[marks[-1] + 1 if marks else 0 :] if not text.startswith(_SUMMARY)]
    commands = [found for text in texts if (found := _COMMAND.match(text))]
    if commands:
        return f"{commands[-1]['name']} {commands[-1]['arguments'] or ''}".strip()
    return "\n".join(texts)


def tool_result_ids(body: Body) -> list[str]:
    """Return the ids of the tool calls that this request answers: those after the model's last answer."""
    ids: list[str] = []
    for message in reversed(body.get("messages", [])):
        if message.get("role") == "assistant":
            break
        content = message.get("content")
        if isinstance(content, list):
            ids[:0] = [block["tool_use_id"] for block in content if block.get("type") == "tool_result"]
    return ids


def is_side_request(body: Body) -> bool:
    """Return whether the CLI asks for itself (a title, a summary of the conversation) and not for the user."""
    return not body.get("tools") or _asks_summary(body)


def side_answer(body: Body) -> str:
    """Return an answer that the CLI can use to a request of its own."""
    if _asks_summary(body):
        told = "\n".join(f"- {text}" for text in user_texts(body)[:-1])
        return f"<analysis>A scripted model knows no more.</analysis>\n<summary>\nThe user said:\n{told}\n</summary>"
    return json.dumps({"title": "Scripted conversation"})


def working_directory(body: Body) -> str | None:
    """Return the working directory that the CLI names in its system prompt, or in one of its messages."""
    system = body.get("system")
    blocks = [{"text": system}] if isinstance(system, str) else system or []
    texts = [str(block.get("text", "")) for block in blocks]
    for message in body.get("messages", []):
        content = message.get("content")
        texts += [content] if isinstance(content, str) else [str(b.get("text", "")) for b in content or []]
    for text in texts:
        found = _CWD.search(text)
        if found:
            return found[1].strip()
    return None


def estimate_tokens(value: Any) -> int:
    """Return a plausible number of tokens for a text or a JSON value: four characters each."""
    return max(1, len(value if isinstance(value, str) else json.dumps(value)) // 4)


def text_block(text: str) -> dict[str, Any]:
    """Return a content block with text."""
    return {"type": "text", "text": text}


def tool_block(tool_use_id: str, name: str, tool_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return a content block that calls a tool."""
    return {"type": "tool_use", "id": tool_use_id, "name": name, "input": dict(tool_input)}


def message(
    body: Body, message_id: str, blocks: list[dict[str, Any]], *, context_tokens: int | None = None
) -> dict[str, Any]:
    """Return the complete answer, as a request without ``stream`` gets it.

    ``context_tokens`` is how many the request is said to have had; None estimates them.
    """
    stop_reason = "tool_use" if any(block["type"] == "tool_use" for block in blocks) else "end_turn"
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": body.get("model", "scripted"),
        "content": blocks,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": estimate_tokens(body.get("messages", [])) if context_tokens is None else context_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": sum(estimate_tokens(block) for block in blocks),
        },
    }


def stream(answer: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield the server-sent events of an answer; a text comes word by word, so that the caller can pace it."""
    usage = {**answer["usage"], "output_tokens": 1}
    head: dict[str, Any] = {**answer, "content": [], "stop_reason": None, "usage": usage}
    yield _event("message_start", {"message": head})
    for index, block in enumerate(answer["content"]):
        if block["type"] == "text":
            yield _event("content_block_start", {"index": index, "content_block": text_block("")})
            deltas = [{"type": "text_delta", "text": word} for word in words(block["text"])]
        else:
            yield _event("content_block_start", {"index": index, "content_block": {**block, "input": {}}})
            deltas = [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
        for delta in deltas:
            yield _event("content_block_delta", {"index": index, "delta": delta})
        yield _event("content_block_stop", {"index": index})
    ending = {"stop_reason": answer["stop_reason"], "stop_sequence": None}
    yield _event("message_delta", {"delta": ending, "usage": {"output_tokens": answer["usage"]["output_tokens"]}})
    yield _event("message_stop", {})


def words(text: str) -> list[str]:
    """Split a text into words that keep the white space after them; joined they are the text."""
    return re.findall(r"\S+\s*|\s+", text)


def error(status: int, text: str) -> dict[str, Any]:
    """Return the body of an HTTP error."""
    return {"type": "error", "error": {"type": _ERROR_TYPES.get(status, "api_error"), "message": text}}


def _asks_summary(body: Body) -> bool:
    return any(_SUMMARY_REQUEST in text for text in new_texts(body)[-1:])


def _texts(message: Mapping[str, Any]) -> list[str]:
    content = message.get("content")
    blocks = [text_block(content)] if isinstance(content, str) else content or []
    texts = [_as_typed(block["text"]) for block in blocks if block.get("type") == "text"]
    return [text for text in texts if text and not text.startswith(_LOCAL)]


def _as_typed(text: str) -> str:
    return _PASTED.sub(lambda found: found[1], _REMINDER.sub("", text)).strip()


def _event(kind: str, data: Mapping[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()
