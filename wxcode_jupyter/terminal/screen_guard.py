"""What a terminal's output loses before pyte sees it: pyte keeps a sequence whole until its end, which may never come.

Dropped are device control, application, privacy and start-of-string sequences, of which pyte knows nothing and whose
contents it would show; commands to the system (OSC) and control sequences (CSI) that are longer than any that is meant.
"""

from __future__ import annotations

import re

_STRING_BYTES = 4096
_CONTROL_BYTES = 256
_PARAMETERS = 32  # libghostty's, and xterm.js's, limit

_C1 = re.compile(rb"\xc2[\x80-\x9f]")  # xterm.js takes them for sequences too; libghostty and programs do not
_INTRODUCER = re.compile(rb"\x1b[\[\]PX^_]")
_STRING_END = re.compile(rb"[\x07\x18\x1a]|\x1b\\?")
_CONTROL_END = re.compile(rb"[\x18\x1a\x1b\x40-\x7e]")
_BREAKS = (b"\x18", b"\x1a", b"\x1b")


class SequenceGuard:
    """Passes output on but for such sequences; it may be cut anywhere, and keeps at most ``_STRING_BYTES`` of it."""

    def __init__(self) -> None:
        self._held = b""  # the first byte of what may be a sequence
        self._kept = bytearray()  # of a sequence that has begun
        self._too_long = False  # whether more of it came than is kept: it is dropped up to its end

    def feed(self, data: bytes) -> bytes:
        """Return what may be shown now."""
        data = self._held + data
        self._held = data[-1:] if data.endswith((b"\x1b", b"\xc2")) else b""
        rest = _C1.sub(b"", data.removesuffix(self._held))
        passed = bytearray()
        while rest:
            rest = self._go_on(rest, passed) if self._kept else self._begin(rest, passed)
        return bytes(passed)

    def _begin(self, rest: bytes, passed: bytearray) -> bytes:
        """Pass what stands before the next sequence that is watched; return what stands in it."""
        found = _INTRODUCER.search(rest)
        passed += rest[: found.start()] if found else rest
        self._kept += found.group() if found else b""
        return rest[found.end() :] if found else b""

    def _go_on(self, rest: bytes, passed: bytearray) -> bytes:
        """Take more of a sequence; return what stands behind it."""
        limit, pattern = (_CONTROL_BYTES, _CONTROL_END) if self._kept[1:2] == b"[" else (_STRING_BYTES, _STRING_END)
        found = pattern.search(rest)
        body = rest[: found.start()] if found else rest
        self._too_long |= len(self._kept) + len(body) > limit
        self._kept += b"" if self._too_long else body
        if found is None:
            return b""
        end = found.group()
        if end not in _BREAKS and not self._too_long and self._is_known():
            passed += self._kept + end
        self._kept.clear()
        self._too_long = False
        return rest[found.end() - (end == b"\x1b") :]

    def _is_known(self) -> bool:
        return self._kept[1:2] in b"[]" and (self._kept[1:2] == b"]" or self._kept.count(b";") < _PARAMETERS)
