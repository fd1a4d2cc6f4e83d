"""What ``claude -p --output-format stream-json`` prints, read as it arrives. No I/O, no clock.

Only headless mode prints these lines: in the PTY there are none, and an interactive session's id comes from elsewhere
(`claude-code-facts.md`, "Session ids"). The ``system/init`` line has 2 KB and more, arrives in pieces, and is not the
first one where hooks run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

LINE_LIMIT_BYTES = 4 * 1024 * 1024

Message = dict[str, Any]

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class StreamJson:
    """An incremental reader: bytes in, messages out, in their order, however the bytes were split.

    Attributes:
        session_id: The id of the first ``system/init`` line that has one, or None before it.
        ignored_lines: Lines so far that are no JSON object: a warning of Node, a blank line is not counted.
        dropped_lines: Lines so far that were longer than the limit.
    """

    def __init__(self, *, line_limit_bytes: int = LINE_LIMIT_BYTES) -> None:
        self.session_id: str | None = None
        self.ignored_lines = 0
        self.dropped_lines = 0
        self._limit = line_limit_bytes
        self._line = bytearray()
        self._overlong = False

    def feed(self, chunk: bytes) -> list[Message]:
        """Take the next bytes and return the messages that they complete.

        Keeps at most one line, of the limit's size, between calls. Bytes that are no UTF-8 become U+FFFD.
        """
        *complete, rest = chunk.split(b"\n")
        messages: list[Message] = []
        for part in complete:
            self._extend(part)
            messages += self._end_line()
        self._extend(rest)
        return messages

    def close(self) -> list[Message]:
        """Return the message of a last line without a newline, where there is one: the CLI has ended."""
        return self._end_line()

    def _extend(self, part: bytes) -> None:
        self._overlong = self._overlong or len(self._line) + len(part) > self._limit
        if self._overlong:
            self._line.clear()
        else:
            self._line += part

    def _end_line(self) -> list[Message]:
        line, overlong = bytes(self._line).strip(), self._overlong
        self._line.clear()
        self._overlong = False
        if overlong:
            self.dropped_lines += 1
        if not line:
            return []
        message = _parsed(line)
        if message is None:
            self.ignored_lines += 1
            return []
        self.session_id = self.session_id or _init_id(message)
        return [message]


def capture_session_id(chunks: Iterable[bytes]) -> str | None:
    """Return the session id of the first ``system/init`` line in an output, or None. Reads no further than needed."""
    reader = StreamJson()
    for chunk in chunks:
        reader.feed(chunk)
        if reader.session_id is not None:
            return reader.session_id
    reader.close()
    return reader.session_id


def _parsed(line: bytes) -> Message | None:
    try:
        value = json.loads(line.decode("utf-8", "replace").removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _init_id(message: Message) -> str | None:
    if message.get("type") != "system" or message.get("subtype") != "init":
        return None
    value = message.get("session_id")
    # The id becomes an argument of `--resume`: nothing but a UUID may pass for one.
    return value if isinstance(value, str) and _UUID.fullmatch(value) else None
