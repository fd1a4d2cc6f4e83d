"""The queue: texts for Claude, in order, each delivered and acknowledged once, unless it is withdrawn before."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary

from ..claude.delivery import check_text
from ..errors import Conflict, InvalidBody, NotFound, NotQueued, TooManyCommands
from ..fault_points import FaultPoint, reach
from ..models import Command, CommandStatus, check_id, now
from ..store.base import Store
from .events import EventLog
from .sessions import Sessions

WITHDRAWN = "It was withdrawn before it was delivered; nothing of it was sent."


class Commands:
    """Queues commands; the live session delivers them (`live.py`)."""

    def __init__(self, store: Store, events: EventLog, sessions: Sessions, *, max_queued: int = 100) -> None:
        self._store = store
        self._events = events
        self._sessions = sessions
        self._max_queued = max_queued
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def enqueue(
        self, project_id: str, text: str, *, milestone_id: str | None = None, command_id: str | None = None
    ) -> Command:
        """Queue a text and see to it that a session lives to take it.

        ``command_id`` (chosen by the caller) makes a repeated call harmless: it returns the command as it is.

        Raises:
            InvalidRequest, UnsupportedCommand: the text cannot be sent as a prompt; nothing was queued.
            NotFound, InvalidBody: no such project or milestone, or the milestone is not the project's.
            Conflict: a command of another project, of another milestone or with another text has this id.
            TooManyCommands: as many wait as may; nothing was queued.
            Whatever ``Sessions.start`` raises: nothing was queued either.
        """
        checked = check_text(text)
        if milestone_id is not None:
            milestone = await self._store.get_milestone(check_id(milestone_id))
            if milestone.output_project_id != project_id:
                raise InvalidBody("The milestone belongs to another project.", field="milestone_id")
        await self._sessions.start(project_id)
        identifier = check_id(command_id) if command_id else self._store.new_id()
        wanted = Command(identifier, project_id, checked, milestone_id=milestone_id)
        lock = self._locks.setdefault(project_id, asyncio.Lock())
        async with lock:  # counted and appended in one: who is first at the last place has it
            if not (command_id and await self._known(identifier)):
                await self._check_room(project_id)
            command = await self._store.append_command(wanted)
        if command.output_project_id != project_id:
            raise Conflict("A command of another project has this id; choose another one.")
        if (command.text, command.milestone_id) != (checked, milestone_id):
            raise Conflict(
                "A command with another text, or of another milestone, has this id; nothing was queued. Choose another "
                "id, or give the same text to repeat a call.",
                command_id=command.id,
            )
        reach(FaultPoint.COMMAND_STORED)
        if command.status is CommandStatus.QUEUED:
            data = {"command_id": command.id, "text": checked[:2000], "milestone_id": milestone_id}
            try:
                await self._events.store_now(project_id, "command_queued", data, key=f"queued:{command.id}")
            finally:
                self._sessions.enqueued(project_id)  # it is in the queue, whatever became of the news
        return command

    async def _known(self, command_id: str) -> bool:
        try:
            await self._store.get_command(command_id)
        except NotFound:
            return False
        return True

    async def _check_room(self, project_id: str) -> None:
        page = await self._store.list_commands(project_id, statuses={CommandStatus.QUEUED}, limit=0)
        if page.total >= self._max_queued:
            raise TooManyCommands(
                f"{page.total} commands wait in the queue already (c.WxcodeApp.max_queued_commands is "
                f"{self._max_queued}); nothing was queued. Wait until some are done, or withdraw some.",
                limit=self._max_queued,
            )

    async def withdraw(self, command_id: str) -> Command:
        """Take a command out of the queue: it ends ``interrupted`` (``withdrawn``), and is never delivered.

        Against a delivery that begins at the same moment exactly one of the two wins. May be repeated.

        Raises:
            NotFound: no such command.
            NotQueued: it is on its way to Claude, was accepted, or has ended.
        """
        changes = {"status": CommandStatus.INTERRUPTED, "error": WITHDRAWN, "completed_at": now()}
        command = await self._store.move_command(check_id(command_id), {CommandStatus.QUEUED}, changes)
        command = command or await self._store.get_command(command_id)
        if not command.withdrawn:
            raise NotQueued(
                f"Only a command that waits in the queue can be withdrawn, and this one is {command.status}. "
                + ("It stays as it is." if command.status.final else "`interrupt` ends what Claude does."),
                command_id=command.id,
                status=command.status.value,
            )
        data = {"command_id": command.id, "last_message": "", "error": WITHDRAWN, "outcome": None, "withdrawn": True}
        await self._events.store_now(command.output_project_id, "command_interrupted", data, key=f"ended:{command.id}")
        return command
