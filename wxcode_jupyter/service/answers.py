"""Answering: of any number of people, kernels and policies that answer a question, the first one does."""

from __future__ import annotations

from typing import Any

from ..errors import NotFound
from ..models import Question
from ..store.base import Store
from .sessions import Sessions


class Answers:
    """The questions of all sessions of this server.

    Args:
        store: Knows which projects there are.
        sessions: Have the questions, which live as long as the CLI's process.
    """

    def __init__(self, store: Store, sessions: Sessions) -> None:
        self._store = store
        self._sessions = sessions

    async def asked_in(self, project_id: str) -> tuple[Question, ...]:
        """Return what a project's CLI has asked since it was started, oldest first. Raises ``NotFound``."""
        session = self._sessions.known(project_id)
        if session is None:
            await self._store.get_project(project_id)
            return ()
        return session.questions.all()

    async def give(
        self, question_id: str, *, choices: list[Any] | None = None, text: str | None = None, by: str = "user"
    ) -> Question:
        """Answer a question, and return it as it is when the CLI has taken that.

        Args:
            question_id: Which.
            choices: See ``asking.replies``.
            text: A text of one's own.
            by: ``user``, or ``policy`` for an answer that was decided before it was asked.

        Raises:
            NotFound: Nobody asks that.
            InvalidBody: The answer does not fit; the message names what does.
            AlreadyAnswered: Somebody else was first.
            AttentionNeeded: The screen does not show its menu as it should; nothing more was pressed.
        """
        session = next((each for each in self._sessions.every() if each.questions.has(question_id)), None)
        if session is None:
            raise NotFound("There is no such question.", what="question", identifier=question_id)
        return await session.answer(question_id, choices, text, by)
