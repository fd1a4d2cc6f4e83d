"""Giving an answer in one session: clients' keys wait, ours are pressed, and what confirms them is awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ..claude import answering
from ..errors import AttentionNeeded, SessionNotRunning, TerminalClosed
from ..models import Question
from ..terminal.session import TerminalSession
from .deliverer import Deliverer
from .questions import Questions, already_answered

_CONFIRMED_S = 15.0  # from the last key to the hook that confirms it, or to the end of the menu


async def answer_on(
    terminal: TerminalSession,
    deliverer: Deliverer,
    questions: Questions,
    answer: tuple[str, list[Any] | None, str | None, str],
    wake: Callable[[], None],
) -> Question:
    """Give an answer (question id, choices, text, by whom) in a terminal; errors as of ``Answers.give``."""
    asked = questions.claim(*answer)
    claim = asked.claim
    assert claim is not None
    try:
        with deliverer.hold():
            await answering.give(terminal, claim.script, changed=deliverer.changed, is_open=lambda: asked.question.open)
        wake()
        async with asyncio.timeout(_CONFIRMED_S):
            await asked.ended.wait()
    except AttentionNeeded:
        if not asked.question.open:
            raise already_answered(asked.question) from None
        raise
    except TimeoutError:
        screen = "\n".join((await terminal.screen()).lines)
        raise AttentionNeeded(
            "The answer was given, and Claude Code does not show that it took it.", screen=screen
        ) from None
    except TerminalClosed:
        raise SessionNotRunning("The session has ended; there is nothing to answer any more.") from None
    finally:
        questions.release(asked)
        wake()
    if asked.question.answered_by != claim.by:
        raise already_answered(asked.question)
    return asked.question
