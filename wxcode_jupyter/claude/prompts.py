"""Telling whether two texts are the same prompt, and the queue that the CLI has for prompts itself."""

from __future__ import annotations

import re

from .screens import holds

_WRAPPING = re.compile(r"</?pasted_content\b[^>]*>")
_TELLING = 40  # characters


def same_prompt(reported: str, meant: str) -> bool:
    """Whether the prompt that the hook reports is the text that was delivered (2.1.330 wraps what was pasted)."""
    shown, text = (_WRAPPING.sub("", each) for each in (reported, meant))
    # Within others only a long text is looked for: a "yes" may well be part of what the user asked instead.
    return holds(shown, text) or (len(text) >= _TELLING and "".join(text.split()) in "".join(shown.split()))


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
