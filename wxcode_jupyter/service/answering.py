"""Giving an answer in one session: by the hook that waits for it, else by keys; and what confirms it is awaited.

Keys are for the menus of which no hook tells, for lines that no hook can choose, and for a hook that has ended: by its
time limit, or because an answer came that Claude Code did not take. Clients' keys wait while ours are pressed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ..claude import answering
from ..claude.sheet import read_sheet
from ..errors import AttentionNeeded, SessionNotRunning, TerminalClosed
from ..models import Question, QuestionKind
from ..terminal.session import TerminalSession
from .asked import Asked, Claim, already_answered, unrecognised
from .deliverer import Deliverer
from .questions import Questions

_CONFIRMED_S = 15.0  # from the answer to the hook that confirms it, or to the end of the menu
_KEYS_S = 0.3  # how long the CLI may take for a client's Enter, until its menu is gone
_GONE_S = 5.0  # how long after its menu a permission may still count as open
_LOOK_S = 0.02  # between two looks whether a hook has said its answer
_HOOKED_S = 5.0  # how long after the first hook that tells of a question the one that waits for its answer may come


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
        with deliverer.hold():  # of ours and the user's keys only one may be the answer
            await _await_menu(terminal, deliverer, asked)
            await _tell_hook(asked, claim)
            if not claim.told and asked.question.open:
                if claim.script is None:
                    raise unrecognised()
                await answering.give(
                    terminal, claim.script, changed=deliverer.changed, is_open=lambda: asked.question.open
                )
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


async def _await_menu(terminal: TerminalSession, deliverer: Deliverer, asked: Asked) -> None:
    """Return when a permission's menu stands on the screen, or it is over.

    Where the menu is gone it was answered there, and its tool may run: a hook that still waits would stop that.
    Raises ``AttentionNeeded`` where neither is so.
    """
    if asked.seen is None or asked.question.kind is not QuestionKind.PERMISSION:
        return
    await deliverer.until_quiet(_KEYS_S)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _GONE_S
    while asked.question.open:
        sheet = read_sheet(await terminal.screen())
        if sheet is not None and sheet.same_menu(asked.seen):
            return
        if loop.time() > deadline:
            raise unrecognised()
        await deliverer.changed()


async def _tell_hook(asked: Asked, claim: Claim) -> None:
    """Have the hook that waits say the answer; where none does, nothing was said, and the claim is not told."""
    if claim.decision is None:
        return
    try:
        async with asyncio.timeout(_HOOKED_S):
            await asked.hooked.wait()
    except TimeoutError:
        return
    hook = asked.hook
    if not asked.question.open or hook is None:
        return
    claim.told = hook.answer(claim.decision)  # known before the hook that confirms it can come
    if not claim.told:
        return
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _CONFIRMED_S
    while hook.waits:
        if loop.time() > deadline:
            return  # a machine as slow as that: it may say it yet, so no key is pressed
        await asyncio.sleep(_LOOK_S)
    claim.told = hook.take_back()
