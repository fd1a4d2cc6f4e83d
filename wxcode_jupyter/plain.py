"""Text that others wrote, made plain: Claude, a terminal, a project's name, a file's, another program's error.

None of it may move a cursor, set a title, reorder what stands beside it or begin a line that looks like one of ours.
`clean` takes out what would, for what is displayed; `visible` writes it out, for logs and errors, where somebody has to
see what was there. This module imports nothing of the package.
"""

from __future__ import annotations

import re

#: The control characters C0 and C1, the marks and overrides that reorder text, line and paragraph separators, and
#: halves of characters, which no UTF-8 can say.
_HOSTILE = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_ANY_HOSTILE = re.compile(f"[{_HOSTILE}]")
#: Escape sequences that are complete, and the beginning of those that are not: what follows it is text that shows.
_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.?")
_BREAKS = re.compile("\r\n|[\u2028\u2029]")
_COLOURS = re.compile(r"(\x1b\[[0-9;:]*m)")
_RETURNS = re.compile("\r+\n?")
_HALVES = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """Return text without escape sequences and control characters; line breaks and tabs (as blanks) stay."""
    whole = _HALVES.sub("\ufffd", _BREAKS.sub("\n", text))
    return _ANY_HOSTILE.sub(_keep_layout, _SEQUENCE.sub("", whole)).expandtabs(4)


def clean_line(text: str, limit: int = 0) -> str:
    """Return text on one line, cut to ``limit`` characters (0: not cut)."""
    line = " ".join(clean(text).split())
    return line if not limit or len(line) <= limit else line[: limit - 1] + "…"


def clean_colored(text: str) -> str:
    """Return text as `clean` does, with its colours (SGR): the only sequences that do nothing else to a terminal."""
    parts = _COLOURS.split(_RETURNS.sub("\n", text))
    return "".join(part if place % 2 else clean(part) for place, part in enumerate(parts))


def visible(text: str, keep: str = "") -> str:
    r"""Return text with control characters written out (``\x1b``, ``\n``, ``\u202e``), but for those in ``keep``."""
    return _ANY_HOSTILE.sub(lambda found: found[0] if found[0] in keep else _written(found[0]), text)


def _keep_layout(found: re.Match[str]) -> str:
    return found[0] if found[0] in "\n\t" else ""


def _written(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
