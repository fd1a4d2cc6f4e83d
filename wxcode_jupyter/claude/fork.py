"""Going back in a conversation: a new one that has the old one up to a message.

Seen with 2.1.197 and 2.1.330: only ``--print`` knows ``--resume-session-at`` (an interactive CLI ignores it, and
2.1.197 ``--fork-session`` beside ``--session-id`` too). With one of the CLI's own commands as its prompt no model is
asked; what that prints stays in the new conversation. The message is named by the ``uuid`` of its entry in the
transcript. A transcript that is moved to another folder's is resumed there, as it stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .command import check_session_id
from .foreign import read_json

#: The CLI answers it by itself, in both modes and versions.
_NO_QUESTION = "/cost"
_THOUGHTS = ("thinking", "redacted_thinking")
#: What ``message_before`` returns where nothing was said before the prompt.
BEGINNING = ""


def fork_line(claude_command: Sequence[str], *, old: str, new: str, message: str) -> tuple[str, ...]:
    """Return the command line that makes conversation ``new`` of what ``old`` has up to a message, and exits.

    Raises ``ConversationUnknown`` where ``old`` is no id.
    """
    options = ("--resume", check_session_id(old), "--fork-session", "--session-id", new, "--resume-session-at", message)
    return (*claude_command, "-p", _NO_QUESTION, *options)


def relocated(lines: Iterable[bytes], old: str, new: str) -> Iterator[bytes]:
    """Yield the lines of a transcript with one folder's path replaced by another's, wherever it is named.

    Else the CLI would go on in the old folder's files. What the model has thought stays as it is: it is signed.
    """
    path = re.compile(re.escape(old) + r"(?![\w.-])")
    for line in lines:
        try:
            data = read_json(line)
        except ValueError:
            continue  # cut off, by whatever
        yield json.dumps(_replaced(data, path, new), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _replaced(value: Any, path: re.Pattern[str], new: str) -> Any:
    if isinstance(value, str):
        return path.sub(lambda _: new, value)
    if isinstance(value, list):
        return [_replaced(item, path, new) for item in value]
    if isinstance(value, dict) and value.get("type") not in _THOUGHTS:
        return {key: _replaced(item, path, new) for key, item in value.items()}
    return value


def message_before(lines: Iterable[bytes], prompt_id: str) -> str | None:
    """Return the last message of Claude's before a prompt.

    Returns:
        Its id; ``BEGINNING`` when the prompt is the first; None when the transcript does not tell: it does not have the
        prompt, or the conversation was compacted between the message and the prompt.
    """
    entries: dict[str, Mapping[str, Any]] = {}
    entry: Mapping[str, Any] | None = None
    for line in lines:
        try:
            read = read_json(line)
        except ValueError:
            continue
        if not isinstance(read, dict) or not isinstance(read.get("uuid"), str) or read.get("isSidechain"):
            continue
        if read.get("type") == "user" and read.get("promptId") == prompt_id:
            entry = read
            break  # what was said before stands before it
        entries[read["uuid"]] = read
    while entry is not None:
        if entry.get("type") == "assistant":
            return str(entry["uuid"])
        parent = entry.get("parentUuid")
        if parent is None:
            compacted = entry.get("subtype") == "compact_boundary" or entry.get("isCompactSummary")
            return None if compacted else BEGINNING
        entry = entries.pop(parent, None) if isinstance(parent, str) else None
    return None
