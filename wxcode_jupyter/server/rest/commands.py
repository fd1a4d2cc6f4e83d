"""Commands and questions: what is said to Claude, and what it asks."""

from __future__ import annotations

from ...models import CommandStatus
from ..base import SESSION, WxcodeHandler, endpoint


class CommandsHandler(WxcodeHandler):
    """``/output-projects/{id}/commands``."""

    @endpoint("read", SESSION)
    async def get(self, project_id: str) -> None:
        """List commands."""
        await self.service.store.get_project(project_id)
        statuses = {CommandStatus(text) for text in self.get_query_arguments("status")}
        milestone_id = self.get_query_argument("milestone_id", "")
        page = await self.service.store.list_commands(
            project_id,
            statuses=statuses or None,
            milestone_id=milestone_id or None,
            **self.page(),
        )
        self.reply({"commands": page.items, "total": page.total})

    @endpoint("execute", SESSION)
    async def post(self, project_id: str) -> None:
        """Queue a command."""
        body = self.body()
        command = await self.service.commands.enqueue(
            project_id, body["text"], milestone_id=body.get("milestone_id"), command_id=body.get("id")
        )
        self.reply(command, 202)


class CommandHandler(WxcodeHandler):
    """``/commands/{id}``."""

    @endpoint("read", SESSION)
    async def get(self, command_id: str) -> None:
        """Return a command."""
        self.reply(await self.service.store.get_command(command_id))

    @endpoint("execute", SESSION)
    async def delete(self, command_id: str) -> None:
        """Withdraw it while it is queued; its record stays."""
        self.reply(await self.service.commands.withdraw(command_id))


class SummaryHandler(WxcodeHandler):
    """``/commands/{id}/summary``."""

    @endpoint("read", SESSION)
    async def get(self, command_id: str) -> None:
        """Return what became of a command."""
        self.reply(await self.service.summaries.summarize(command_id))


class QuestionsHandler(WxcodeHandler):
    """``/output-projects/{id}/questions``."""

    @endpoint("read", SESSION)
    async def get(self, project_id: str) -> None:
        """List what Claude has asked."""
        questions = await self.service.answers.asked_in(project_id)
        page = self.page()
        self.reply({"questions": questions[page["skip"] :][: page["limit"]], "total": len(questions)})


class AnswerHandler(WxcodeHandler):
    """``/questions/{id}/answer``."""

    @endpoint("execute", SESSION)
    async def post(self, question_id: str) -> None:
        """Answer it."""
        body = self.body()
        answers = self.service.answers
        self.reply(
            await answers.give(
                question_id, choices=body.get("choices"), text=body.get("text"), by=body.get("by", "user")
            )
        )
