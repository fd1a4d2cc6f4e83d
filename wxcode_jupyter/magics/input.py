"""Keep a question mark at the end of a line from becoming IPython's help.

``%wxmilestone send is it done?`` ends in ``done?``, which IPython reads as a request for help on ``done``: the text
would be lost without a word. Our lines are therefore taken before its help transformer sees them; ``%wxmilestone?``
alone stays help.
"""

from __future__ import annotations

import tokenize
from typing import Any

from IPython.core.inputtransformer2 import EscapedCommand, HelpEnd, MagicAssign
from IPython.core.interactiveshell import InteractiveShell

NAMES = ("wxmilestone", "wx")
_FIRST = HelpEnd.priority - 1
Tokens = list[list[tokenize.TokenInfo]]


class WxLine(EscapedCommand):
    """``%wxmilestone ...`` and ``%wx ...`` with something after the name."""

    priority = _FIRST

    @classmethod
    def find(cls, tokens_by_line: Tokens) -> Any:
        """Find the first line of ours; IPython calls this once per transformation."""
        return super().find([line for line in tokens_by_line if _begins(line)])  # type: ignore[no-untyped-call]


class WxAssign(MagicAssign):
    """``name = %wxmilestone ...``."""

    priority = _FIRST

    def __init__(self, start: tuple[int, int]) -> None:
        super().__init__(start)  # type: ignore[no-untyped-call]
        # IPython takes the leftmost first, and its help stands at the beginning of the line.
        self._column, self.start_col = self.start_col, 0

    def transform(self, lines: list[str]) -> Any:
        """Turn the line into a call of the magic; IPython calls this."""
        self.start_col = self._column
        return super().transform(lines)

    @classmethod
    def find(cls, tokens_by_line: Tokens) -> Any:
        """Find the first assignment from a line of ours."""
        return super().find([line for line in tokens_by_line if _assigns(line)])  # type: ignore[no-untyped-call]


def register(shell: InteractiveShell) -> None:
    """Put our transformers before the others; idempotent."""
    transformers = shell.input_transformer_manager.token_transformers
    unregister(shell)
    transformers[:0] = [WxLine, WxAssign]


def unregister(shell: InteractiveShell) -> None:
    """Take them out again."""
    transformers = shell.input_transformer_manager.token_transformers
    transformers[:] = [kind for kind in transformers if kind.__name__ not in ("WxLine", "WxAssign")]


def _begins(line: list[tokenize.TokenInfo]) -> bool:
    first = 0
    while first < len(line) and line[first].type in (tokenize.INDENT, tokenize.DEDENT):
        first += 1
    return _is_ours(line, first)


def _assigns(line: list[tokenize.TokenInfo]) -> bool:
    return any(_is_ours(line, index) for index in range(2, len(line)))


def _is_ours(line: list[tokenize.TokenInfo], index: int) -> bool:
    """Whether ``%name`` of ours stands at the index, with a blank and something more behind it."""
    if len(line) < index + 3:
        return False
    percent, name, behind = line[index : index + 3]
    adjacent = percent.string == "%" and name.string in NAMES and percent.end == name.start
    return adjacent and behind.start > name.end and behind.string.strip() != ""
