"""JSON that the CLI writes, read so that nothing it holds can hurt: what a model calls a tool with stands in it."""

from __future__ import annotations

import json
import re
from typing import Any

#: What is nested deeper is left out: Python's reader, and whatever else walks through it, has a stack of its own depth.
DEPTH = 100

_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]|[^"\[\]{}]++', re.S)


def read_json(raw: bytes) -> Any:
    """Return the value; what is nested deeper than ``DEPTH`` is None in it, half a surrogate pair is ``?``.

    Half a pair is what JSON can carry and no store can: a model may answer with half an emoji.

    Raises:
        ValueError: it is no JSON. Nothing else is raised, whatever ``raw`` is.
    """
    value = json.loads(_cut(raw) if raw.count(b"{") + raw.count(b"[") > DEPTH else raw)
    if b"\\u" not in raw and b"\xed" not in raw:  # how half a pair is escaped, and how its bytes begin
        return value
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.loads(text.encode("utf-8", "replace"))
    return value


def _cut(raw: bytes) -> str:
    """Return the text with ``null`` for what is nested too deeply."""
    kept: list[str] = []
    depth = 0
    for match in _TOKEN.finditer(raw.decode(json.detect_encoding(raw))):
        token = match[0]
        if token in ("{", "["):
            depth += 1
            if depth > DEPTH:
                if depth == DEPTH + 1:
                    kept.append("null")
                continue
        elif token in ("}", "]"):
            depth -= 1
            if depth >= DEPTH:
                continue
        elif depth > DEPTH:
            continue
        kept.append(token)
    return "".join(kept)
