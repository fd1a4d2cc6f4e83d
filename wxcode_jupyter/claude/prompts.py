"""Telling whether two texts are the same prompt, and the queue that the CLI has for prompts itself."""

from __future__ import annotations

import re

from .letters import essence

#: 2.1.330 marks what was pasted; with an editor attached both versions put what is open there before the prompt.
_MARKS = re.compile(r"</?pasted_content\b[^>]*>|<(ide_opened_file|ide_selection)(?:\s[^>]*)?>.*?</\1>", re.S)
_BLOCK = re.compile(r"\[Pastedtext#\d+(?:\+\d+lines?)?\]")


def same_prompt(reported: str, meant: str) -> bool:
    """Whether the prompt that the CLI reports is the text that was delivered: nothing else stands around it."""
    shown = _essence(reported)
    return shown == _essence(meant) or _BLOCK.fullmatch(shown) is not None


def has_within(reported: str, meant: str) -> bool:
    """Whether the prompt that the CLI reports has the text in it, and something else."""
    return not same_prompt(reported, meant) and _essence(meant) in _essence(reported)


def _essence(prompt: str) -> str:
    return essence(_MARKS.sub("", prompt))


class CliQueue:
    """What is typed while a turn runs, and waits in the CLI until that is over; true while something does.

    Its truth are the transcript's notes. 2.1.330 also reports such a prompt by a hook, which may be seen first: a note
    may come after the end of the turn.
    """

    def __init__(self) -> None:
        self._reported: list[str] = []
        self._length = 0

    def __bool__(self) -> bool:
        return bool(self._reported or self._length)

    def report(self, text: str) -> None:
        """A hook says that this waits."""
        self._reported.append(text)

    def add(self, text: str) -> None:
        """The transcript says that this waits."""
        self._forget(text)
        self._length += 1

    def remove(self, text: str) -> None:
        """This waits no longer."""
        self._forget(text)
        self._length = max(0, self._length - 1)

    def clear(self) -> None:
        """Nothing waits any longer."""
        self._reported.clear()
        self._length = 0

    def _forget(self, text: str) -> None:
        for number, reported in enumerate(self._reported):
            if same_prompt(reported, text):
                del self._reported[number]
                return
