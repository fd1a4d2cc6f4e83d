"""Commands and questions: what is said to Claude, what it asks, and the log of both."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bson import ObjectId

from ...evidence import CommandSummary
from ...models import Command, CommandStatus, Event, Milestone, Question
from .. import parse
from ..values import Project
from .base import Operations, key_of, only_given


class CommandOperations(Operations):
    """Queues commands, answers questions, and reads what became of them."""

    def send(
        self,
        project: Project | str,
        text: str,
        *,
        milestone: Milestone | str | None = None,
        command_id: str | None = None,
    ) -> Command:
        """Queue one input for Claude; the server starts or resumes the session where none lives.

        The id is the client's choice, so that a repetition after a lost answer doubles nothing; a caller who gives
        ``command_id`` may repeat the call itself, and gets the same command.
        """
        body = only_given(
            id=command_id or str(ObjectId()), text=text, milestone_id=None if milestone is None else key_of(milestone)
        )
        key = key_of(project)
        path = f"output-projects/{key}/commands"
        answer = self._router.request("POST", path, project_id=key, body=body, repeatable=True)
        return parse.checked(parse.command, answer, "a command")

    def command(self, command: Command | str) -> Command:
        """Return a command as it is now."""
        key = command.output_project_id if isinstance(command, Command) else None
        body = self._router.request("GET", f"commands/{key_of(command)}", project_id=key)
        return parse.checked(parse.command, body, "a command")

    def withdraw(self, command: Command | str) -> Command:
        """Take a command out of the queue: it ends ``interrupted`` (``withdrawn``), and is never delivered.

        May be repeated. Raises ``NotQueued`` when it is on its way to Claude, was accepted, or has ended.
        """
        key = command.output_project_id if isinstance(command, Command) else None
        body = self._router.request("DELETE", f"commands/{key_of(command)}", project_id=key, repeatable=True)
        return parse.checked(parse.command, body, "a command")

    def summary(self, command: Command | str) -> CommandSummary:
        """Return what became of a command: tokens, questions and answers, what went wrong beside it."""
        key = command.output_project_id if isinstance(command, Command) else None
        body = self._router.request("GET", f"commands/{key_of(command)}/summary", project_id=key)
        return parse.checked(parse.summary, body, "a summary")

    def commands(
        self,
        project: Project | str,
        *,
        statuses: Collection[CommandStatus] = (),
        milestone_id: str | None = None,
        last: int | None = None,
    ) -> tuple[Command, ...]:
        """Return the commands of a project, first in first out; of many only the ``last`` ones, where given."""
        params = {"status": [status.value for status in statuses] or None, "milestone_id": milestone_id}
        path = f"output-projects/{key_of(project)}/commands"
        return self._router.read_pages(path, "commands", params, parse.command, last=last)

    def events(self, project: Project | str, *, after: int = 0, limit: int | None = None) -> tuple[Event, ...]:
        """Return events with a ``seq`` above ``after``, by ``seq``; at most what the server gives at once."""
        key = key_of(project)
        params = {"after": after, "limit": limit}
        body = self._router.request("GET", f"output-projects/{key}/events", project_id=key, params=params)
        return parse.checked(lambda body: tuple(parse.event(item, key) for item in body["events"]), body, "events")

    def questions(self, project: Project | str) -> tuple[Question, ...]:
        """Return what Claude has asked since its process was started, oldest first; ``open`` ones wait."""
        key = key_of(project)
        body = self._router.request("GET", f"output-projects/{key}/questions", project_id=key, params={"limit": 1000})
        return parse.checked(lambda body: tuple(parse.question(item) for item in body["questions"]), body, "questions")

    def answer(
        self,
        question: Question | str,
        *choices: str | Sequence[str] | Mapping[str, str],
        text: str | None = None,
        by: str = "user",
    ) -> Question:
        """Answer a question, or a permission, and return it once Claude Code has taken the answer.

        Args:
            question: Which, or its id.
            choices: The labels that are chosen; a beginning that only one option has is enough. Where several things
                are asked at once, one for each: a label, a list of labels, or ``{"text": ...}``.
            text: A text of one's own.
            by: ``user``, or ``policy`` for an answer that was decided beforehand.

        Raises:
            AlreadyAnswered: Somebody was faster.
            InvalidBody: The answer does not fit; the message names what does.
            AttentionNeeded: Its menu is not on the screen as it should be; nothing was pressed.
        """
        key = question.output_project_id if isinstance(question, Question) else None
        given = [each if isinstance(each, str | Mapping) else list(each) for each in choices]
        body = only_given(choices=given or None, text=text, by=by)
        answer = self._router.request("POST", f"questions/{key_of(question)}/answer", project_id=key, body=body)
        return parse.checked(parse.question, answer, "a question")
