"""Prompts that somebody else sent while a command's text was on its way, and may have gone in together with it."""

from __future__ import annotations

import re

from ..claude.prompts import has_within
from ..models import Command

MIXED = "The text went in together with what somebody typed in the terminal; Claude got this as one prompt: "
UNCERTAIN = (
    "Claude Code did not acknowledge the text as it is; another prompt came after it. Whether the text got to Claude "
    "is not certain: look at the terminal. That prompt was: "
)
UNKNOWN = "The text went in together with what somebody typed in the terminal; Claude Code said to both: "
_GOES_ON = re.compile(r"[\w:/-]")


def mixed(prompt: str) -> str:
    """Return the error of a command whose text is part of this prompt."""
    return MIXED + prompt


def unknown(said: str, command: Command) -> str:
    """Return the error of a command of which the CLI says that it does not know it; empty where it says so of another.

    ``Unknown command: /clearnow`` is said of a ``/clear`` behind which somebody has typed.
    """
    name = f"Unknown command: {command.text.split()[0]}"
    if not said.startswith(name):
        return ""
    return UNKNOWN + said if _GOES_ON.match(said, len(name)) else said


def quotes(error: str) -> bool:
    """Whether an error has a prompt in it, which may say anything."""
    return error.startswith((MIXED, UNCERTAIN, UNKNOWN))


class Others:
    """The prompts that were no command's, since Enter was pressed for one."""

    def __init__(self) -> None:
        self._prompts: list[str] = []

    def clear(self) -> None:
        """Enter is pressed for another command."""
        self._prompts.clear()

    def add(self, prompt: str) -> None:
        """The CLI took this prompt, which is not the command's."""
        self._prompts.append(prompt)

    def have(self, command: Command) -> bool:
        """Whether the command's text is part of one of them."""
        return any(has_within(prompt, command.text) for prompt in self._prompts)

    def reason(self, command: Command) -> str:
        """Return why it is not known that the command's text was taken as it is; empty where there were none."""
        with_it = [prompt for prompt in self._prompts if has_within(prompt, command.text)]
        if with_it:
            return mixed(with_it[-1])
        return UNCERTAIN + self._prompts[-1] if self._prompts else ""
