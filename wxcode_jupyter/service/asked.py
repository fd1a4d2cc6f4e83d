"""One question of Claude's, what is known of it besides, and an answer that is being given to it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..claude import asking
from ..claude.answering import AskScript, MenuScript
from ..claude.asking import Reply
from ..claude.open_hook import OpenHook, decide_permission, decide_question
from ..claude.sheet import Sheet
from ..errors import AlreadyAnswered, AttentionNeeded
from ..models import Question, QuestionKind


@dataclass(slots=True)
class Claim:
    """An answer that is being given.

    Attributes:
        by: Who gives it.
        replies: What it is, one per item.
        decision: What the question's hook has to say for it; None where no hook can say it.
        script: The keys for it; None where the menu was not recognised.
        told: Whether the hook has said it.
    """

    by: str
    replies: tuple[Reply, ...]
    decision: Mapping[str, Any] | None
    script: AskScript | MenuScript | None
    told: bool = False

    @property
    def confirmed(self) -> bool:
        """Whether the CLI has been given it whole."""
        return self.told or (self.script is not None and self.script.confirmed)


@dataclass(slots=True, eq=False)
class Asked:
    """A question, and what is known of it besides.

    Attributes:
        told_by: Keys of the hook events that tell of it.
        hook: The hook that tells of it and waits for the answer, once it has told.
        shown: Whether its menu has been on the screen.
        seen: And what it looked like, where it was recognised.
    """

    question: Question
    tool_input: Mapping[str, Any] = field(default_factory=dict)
    prompt_id: str | None = None
    told_by: list[str] = field(default_factory=list)
    hook: OpenHook | None = None
    announced: bool = False
    shown: bool = False
    seen: Sheet | None = None
    interrupted: bool = False
    claim: Claim | None = None
    hooked: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def opened(self, hook: OpenHook) -> None:
        """Note the hook that waits for the answer."""
        self.hook = hook
        self.hooked.set()

    @property
    def given_by(self) -> str | None:
        """Who has given the CLI an answer whose end no hook tells of: that of a tool that is refused, or fails."""
        given = self.claim is not None and self.claim.confirmed and self.question.kind is not QuestionKind.QUESTION
        return self.claim.by if given and self.claim else None

    def fits(self, menu: Sheet | None) -> bool:
        """Whether a menu asks for this, a permission that has not been seen asked."""
        unseen = self.question.kind is QuestionKind.PERMISSION and self.seen is None
        return unseen and menu is not None and asking.asks_permission(menu, self.question.subject)

    def prepare(self, replies: tuple[Reply, ...], by: str) -> Claim:
        """Return the claim of an answer.

        Raises ``AttentionNeeded`` where nothing can say it: its menu was not recognised.
        """
        items = self.question.items
        if self.question.kind is QuestionKind.QUESTION:
            return Claim(by, replies, decide_question(self.tool_input, items, replies), AskScript(items, replies))
        label = replies[0].labels[0]
        decision = decide_permission(label) if self.hook else None
        if self.seen is None and decision is None:
            raise unrecognised()
        return Claim(by, replies, decision, MenuScript(self.seen, label) if self.seen else None)


def unrecognised() -> AttentionNeeded:
    """Return the error for a question that nothing here can answer."""
    return AttentionNeeded(
        "Its menu was not recognised on the screen, so nothing is pressed: answer it in the terminal.", screen=""
    )


def already_answered(question: Question) -> AlreadyAnswered:
    """Return the error for an answer that came too late."""
    if question.open:
        return AlreadyAnswered("Somebody else is answering it now.", question_id=question.id)
    how = f" ({'; '.join(question.answer)}, by {question.answered_by})" if any(question.answer) else ""
    return AlreadyAnswered(f"It is answered already{how}.", question_id=question.id)
