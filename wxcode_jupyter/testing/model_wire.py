"""The Messages API's shapes, as far as the CLI needs them: reading requests, encoding answers. Pure functions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

Body: TypeAlias = Mapping[str, Any]

INTERRUPTED = "[Request interrupted by user"
"""How the text begins that the CLI puts into a conversation where the user interrupted it."""

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
    """Return the texts of all user messages of a request, in order, system reminders removed, empty ones left out."""
    return [text for message in body.get("messages", []) if message.get("role") == "user" for text in _texts(message)]


def prompt_of(body: Body) -> str:
    """Return what the user asked last: the texts after the model's last answer, a line break between them.

    Where the turn before was interrupted, that is what stands after the CLI's mark of it.
    """
    texts = _new_texts(body)
    marks = [index for index, text in enumerate(texts) if text.startswith(INTERRUPTED)]
    return "\n".join(texts[marks[-1] + 1 :] if marks else texts)


def interrupted(body: Body) -> bool:
    """Return whether the user interrupted the model's last answer, so that this request begins a new turn."""
    return any(text.startswith(INTERRUPTED) for text in _new_texts(body))


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
    """Return whether the CLI asks for itself (a title, a summary, a check of the quota) and not for the user."""
    return not body.get("tools")


def working_directory(body: Body) -> str | None:
    """Return the working directory that the CLI names in its system prompt or its first messages."""
    system = body.get("system")
    blocks = [{"text": system}] if isinstance(system, str) else system or []
    texts = [str(block.get("text", "")) for block in blocks]
    for message in body.get("messages", [])[:2]:
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


def message(body: Body, message_id: str, blocks: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the complete answer, as a request without ``stream`` gets it."""
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
            "input_tokens": estimate_tokens(body.get("messages", [])),
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


def _new_texts(body: Body) -> list[str]:
    texts: list[str] = []
    for message in reversed(body.get("messages", [])):
        if message.get("role") == "assistant":
            break
        if message.get("role") == "user":
            texts[:0] = _texts(message)
    return texts


def _texts(message: Mapping[str, Any]) -> list[str]:
    content = message.get("content")
    blocks = [text_block(content)] if isinstance(content, str) else content or []
    texts = [_REMINDER.sub("", block["text"]).strip() for block in blocks if block.get("type") == "text"]
    return [text for text in texts if text]


def _event(kind: str, data: Mapping[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()
