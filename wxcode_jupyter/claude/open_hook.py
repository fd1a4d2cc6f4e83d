"""A hook that stays open until it is answered: the CLI reads the answer from it, and no key is pressed.

Observed in 2.1.197 and 2.1.330: a `PermissionRequest` hook runs while its menu stands on the screen (that of
`AskUserQuestion`, too, in every permission mode that shows it); what it prints closes the menu. Keys in the terminal
do so as well, and the CLI neither waits for the hook then nor ends it: who asked it to stay has to let it go.
"""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..folders import open_private
from ..models import QuestionItem
from .asking import Reply

log = logging.getLogger(__name__)

YES, NO = "Yes", "No"  # the lines of a permission's menu that a hook can say as well
_REFUSED = "The user doesn't want to proceed with this tool use."


class OpenHook:
    """One event whose relay waits (`relay.sh`), as long as its process lives.

    Args:
        folder: Where the relay made its fifo.
        key: The event's key.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._fifo = folder / key
        self._answer = folder / f"{key}.answer"

    def answer(self, decision: Mapping[str, Any]) -> bool:
        """Have the hook print a decision; False where it is not open any more, and nothing is said."""
        output = {"hookSpecificOutput": {"hookEventName": "PermissionRequest", "decision": decision}}
        aside = self._answer.with_suffix(".aside")
        try:
            with open(aside, "w", encoding="utf-8", opener=open_private) as file:
                json.dump(output, file)
            aside.rename(self._answer)
        except OSError as error:
            log.warning("A hook could not be answered, so keys are pressed: %s", error)
            return False
        return self._wake(b"\n") or self.take_back()

    def take_back(self) -> bool:
        """Take an answer back that an ended hook has not printed; tell whether it was printed after all."""
        try:
            self._answer.unlink()
        except FileNotFoundError:
            return True
        return False

    @property
    def waits(self) -> bool:
        """Whether it is open, with or without an answer."""
        return self._wake(b"")

    def release(self) -> None:
        """Let it end without an answer; nothing happens where it has ended."""
        if not self._wake(b"\n"):
            self._fifo.unlink(missing_ok=True)  # its process was killed

    def _wake(self, line: bytes) -> bool:
        try:
            fifo = os.open(self._fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno not in (errno.ENXIO, errno.ENOENT):
                log.warning("A hook that waits for an answer cannot be reached: %s", error)
            return False
        try:
            os.write(fifo, line)
        except BrokenPipeError:  # it has ended since it was opened
            return False
        finally:
            os.close(fifo)
        return True


def decide_question(
    tool_input: Mapping[str, Any], items: Sequence[QuestionItem], replies: Sequence[Reply]
) -> Mapping[str, Any] | None:
    """Return the decision that answers ``AskUserQuestion``; None where a hook cannot say it.

    Answers go by the question's text there, so two that ask the same have to be answered by keys.
    """
    answers = {item.question: reply.shown for item, reply in zip(items, replies, strict=True)}
    if len(answers) < len(items):
        return None
    return {"behavior": "allow", "updatedInput": {**tool_input, "answers": answers}}


def decide_permission(label: str) -> Mapping[str, Any] | None:
    """Return the decision of a plain ``Yes`` or ``No``; None for what else a menu offers, which keys have to choose."""
    if label == YES:
        return {"behavior": "allow"}
    if label == NO:
        return {"behavior": "deny", "message": _REFUSED, "interrupt": True}  # as the menu's own No
    return None
