"""The queue: texts for Claude, in order, each delivered and acknowledged once."""

from __future__ import annotations

from ..claude.delivery import check_text
from ..errors import Conflict, InvalidBody
from ..models import Command, CommandStatus, check_id
from ..store.base import Store
from .events import EventLog
from .sessions import Sessions


class Commands:
    """Queues commands; the live session delivers them (`live.py`)."""

    def __init__(self, store: Store, events: EventLog, sessions: Sessions) -> None:
        self._store = store
        self._events = events
        self._sessions = sessions

    async def enqueue(
        self, project_id: str, text: str, *, milestone_id: str | None = None, command_id: str | None = None
    ) -> Command:
        """Queue a text and see to it that a session lives to take it.

        ``command_id`` (chosen by the caller) makes a repeated call harmless: it returns the command as it is.

        Raises:
            InvalidRequest, UnsupportedCommand: the text cannot be sent as a prompt; nothing was queued.
            NotFound, InvalidBody: no such project or milestone, or the milestone is not the project's.
            Conflict: a command of another project, of another milestone or with another text has this id.
            Whatever ``Sessions.start`` raises: nothing was queued either.
        """
        checked = check_text(text)
        if milestone_id is not None:
            milestone = await self._store.get_milestone(check_id(milestone_id))
            if milestone.output_project_id != project_id:
                raise InvalidBody("The milestone belongs to another project.", field="milestone_id")
        await self._sessions.start(project_id)
        identifier = check_id(command_id) if command_id else self._store.new_id()
        command = await self._store.append_command(Command(identifier, project_id, checked, milestone_id=milestone_id))
        if command.output_project_id != project_id:
            raise Conflict("A command of another project has this id; choose another one.")
        if (command.text, command.milestone_id) != (checked, milestone_id):
            raise Conflict(
                "A command with another text, or of another milestone, has this id; nothing was queued. Choose another "
                "id, or give the same text to repeat a call.",
                command_id=command.id,
            )
        if command.status is CommandStatus.QUEUED:
            data = {"command_id": command.id, "text": checked[:2000], "milestone_id": milestone_id}
            try:
                await self._events.store_now(project_id, "command_queued", data, key=f"queued:{command.id}")
            finally:
                self._sessions.enqueued(project_id)  # it is in the queue, whatever became of the news
        return command
