"""What a live session leaves in the store: conversation ids, the fate of commands and milestones, events.

Everything goes through the project's outbox, in the order in which it happened; every write bears repetition.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from ..claude import transcript
from ..claude.hooks import HookEvent
from ..claude.outcome import ASKS, FINISHED, limit_of
from ..errors import Displaced, StoreConflict, StoreUnavailable
from ..fault_points import FaultPoint, reach
from ..models import ClaudeSession, Command, CommandStatus, LineageCause, MilestoneStatus, ProjectStatus, now
from ..store.base import Store
from .changes import Accepted, Answered, Bound, Change, Ended, Lingers, Requeued, Unanswered
from .endings import ended
from .events import EventLog
from .keepsake import Keepsake
from .limit import UsageLimit
from .lineage import Lineage, cause_of, told_before
from .outbox import Outbox
from .pictures import Pictures

log = logging.getLogger(__name__)

_TEXT_LIMIT = 2000  # characters of a message or a tool's input that an event carries


class Recorder:
    """Writes down what one live session does.

    Args:
        store: Where to.
        events: The log of events.
        outbox: The project's; shared with whatever else writes for it.
        project_id: Whose session it is.
        cause: Why the session's first conversation id is the project's, None when it resumes one.
        keepsake: Copies transcripts into the store.
        links_folder: Where transcripts are kept by hard link.
        pictures: Of the project's ``.planning/``.
        conflict: Called when another conversation became the project's first in the meantime.
    """

    def __init__(
        self,
        store: Store,
        events: EventLog,
        outbox: Outbox,
        project_id: str,
        *,
        cause: LineageCause | None,
        keepsake: Keepsake,
        links_folder: str,
        pictures: Pictures,
        conflict: Callable[[], None],
    ) -> None:
        self._store = store
        self._events = events
        self._outbox = outbox
        self._project_id = project_id
        self._cause = cause
        self._keepsake = keepsake
        self._links_folder = links_folder
        self._pictures = pictures
        self._conflict = conflict
        self._lineage = Lineage(store, project_id)
        self._limit = UsageLimit(store, project_id)

    @property
    def pending(self) -> int:
        """How many writes are not done yet; commands wait until it is 0."""
        return self._outbox.pending

    def emit(self, kind: str, data: Mapping[str, Any], *, key: str | None = None, at: datetime | None = None) -> None:
        """Append an event."""
        self._events.emit(self._outbox, self._project_id, kind, data, key=key, at=at)

    def then(self, act: Callable[[], None]) -> None:
        """Call ``act`` once everything that was recorded before is in the store."""

        async def write() -> None:
            act()

        self._outbox.put(write)

    # -- conversations --------------------------------------------------------------------------------------------

    def conversation(self, event: HookEvent, *, first: bool) -> None:
        """A ``SessionStart``: its id is the project's conversation from now on."""
        session_id, path = event.claude_session_id, event.transcript_path
        source = str(event.data.get("source", "startup"))
        cause = (self._cause or LineageCause.RESUMED) if first else cause_of(source)
        before: Sequence[ClaudeSession] | None = None

        async def write() -> None:
            nonlocal before  # as the first attempt found it: a repeated one may find the id followed already
            if before is None:
                before = await self._store.load_lineage(self._project_id)
            if told_before(before, session_id, event.at):
                return
            try:
                await self._lineage.follow(session_id, cause, transcript_path=path, at=event.at)
                await self._store.update_project(self._project_id, {"status": ProjectStatus.ACTIVE})
            except StoreConflict:
                self._conflict()
                raise
            if not before or before[-1].claude_session_id != session_id:
                await self._events.store_now(
                    self._project_id,
                    "session_id_changed",
                    {"claude_session_id": session_id, "cause": cause.value},
                    key=f"id:{event.key}",
                )

        self._outbox.put(write)
        if path:
            self._keepsake.note(session_id, path)

    def doubt(self, event: HookEvent, present: str) -> None:
        """A `SessionStart` was not believed (`witness.py`): the conversation stays the project's."""
        message = (
            f"A hook event says that Claude Code went on in conversation {event.claude_session_id:.60}, which Claude "
            f"Code's own file does not confirm; the project's stays {present}. If another program wrote it, see what "
            "runs in the terminal; if you did change the conversation, stop and resume."
        )
        log.warning("Project %s: %s", self._project_id, message)
        self.emit("conversation_doubted", {"claude_session_id": present, "message": message}, key=f"doubt:{event.key}")

    # -- commands -------------------------------------------------------------------------------------------------

    async def next_command(self) -> Command | None:
        """Return the command that waits longest."""
        page = await self._store.list_commands(self._project_id, statuses={CommandStatus.QUEUED}, limit=1)
        return page.items[0] if page.items else None

    async def held_until(self) -> datetime | None:
        """Return until when a usage limit holds what is queued, None where none does."""
        return await self._limit.until()

    async def delivering(self, command: Command, claude_session_id: str) -> bool:
        """Take a queued command for delivery into this conversation; False when it is not ours (any more)."""
        changes = {
            "status": CommandStatus.DELIVERING,
            "delivering_at": now(),
            "claude_session_id": claude_session_id,
        }
        try:
            moved = await self._store.move_command(command.id, {CommandStatus.QUEUED}, changes)
        except StoreUnavailable:
            self._put_back(command)  # it may have been taken before the answer was lost
            raise
        except Displaced:
            self._outbox.give_up()
            return False
        if moved is not None:
            reach(FaultPoint.DELIVERY_MARKED)
            await asyncio.to_thread(self._pictures.take_before, command)
            self.emit("command_delivering", {"command_id": command.id})
        return moved is not None

    def requeue(self, command: Command, reason: str) -> None:
        """Nothing of the command went in: it waits again, at its old place."""
        self._put_back(command)
        self.emit("command_requeued", {"command_id": command.id, "reason": reason})

    def fail(self, command: Command, reason: str) -> None:
        """Nothing of the command went in, and it is not tried again."""
        self._ended(command, ended(CommandStatus.FAILED, error=reason))

    def _put_back(self, command: Command) -> None:
        queued = {"status": CommandStatus.QUEUED, "delivering_at": None, "prompt_id": None, "claude_session_id": None}
        self._move(command, {CommandStatus.DELIVERING}, queued, FaultPoint.PUT_BACK)

    def change(self, change: Change, claude_session_id: str, transcript_path: str | None) -> None:
        """Record what `turns.py` concluded."""
        if transcript_path:
            self._keepsake.note(claude_session_id, transcript_path)
        match change:
            case Bound(command, prompt_id):
                # Before the spool forgets it: after a crash this id decides whether the prompt was taken.
                found = {"prompt_id": prompt_id, "claude_session_id": claude_session_id}
                self._move(command, {CommandStatus.DELIVERING}, found, FaultPoint.PROMPT_BOUND)
            case Accepted(command, prompt_id):
                if prompt_id is not None:
                    self._born(claude_session_id, transcript_path)
                if command is not None:
                    self._accepted(command, prompt_id, claude_session_id)
            case Ended(command, status, last_message, error):
                self._ended(command, ended(status, last_message, error))
            case Answered():
                self._outbox.put(self._limit.lift)
            case Unanswered(_, error):
                limit = limit_of(error, said_at=now())
                if limit is not None and limit.resets_at is not None:
                    self._outbox.put(partial(self._limit.reach, limit.resets_at))
            case Lingers(of, tasks):
                self.emit("background", {"command_id": of.id if of else None, "tasks": list(tasks)})
            case Requeued(command):
                self.requeue(command, "Claude Code ended before the text was in the conversation.")

    def _born(self, claude_session_id: str, path: str | None) -> None:
        async def write() -> None:
            await self._store.mark_born(self._project_id, claude_session_id, path)
            if path and not transcript.keep(path, self._links_folder):
                log.debug("No hard link could be made to %s.", path)

        self._outbox.put(write)

    def _accepted(self, command: Command, prompt_id: str | None, claude_session_id: str) -> None:
        changes = {
            "status": CommandStatus.ACCEPTED,
            "accepted_at": now(),
            "prompt_id": prompt_id,
            "claude_session_id": claude_session_id,
        }
        self._move(command, {CommandStatus.DELIVERING}, changes, FaultPoint.ACCEPTED_STORED)
        self.emit("command_accepted", {"command_id": command.id, "prompt_id": prompt_id})
        if command.milestone_id is not None:
            self._milestone_begun(command.milestone_id, command.id)

    def _ended(self, command: Command, fields: Mapping[str, Any]) -> None:
        changes: dict[str, Any] = {}
        moment = now()

        async def write() -> None:
            if not changes:  # once: what a repeated attempt finds in the workspace may come from later work
                changes.update(await asyncio.to_thread(self._pictures.judge, command, fields), completed_at=moment)
            await self._store.move_command(command.id, {CommandStatus.ACCEPTED, CommandStatus.DELIVERING}, changes)
            reach(FaultPoint.END_STORED)
            if changes.get("outcome") in (FINISHED, ASKS):
                await self._limit.pass_by()
            news = {
                "command_id": command.id,
                "last_message": (changes["last_message"] or "")[:_TEXT_LIMIT],
                "error": changes["error"],
                "outcome": changes.get("outcome"),
            }
            if "missing" in changes:
                news["missing"] = changes["missing"]
            if resets_at := changes.get("resets_at"):
                news["resets_at"] = resets_at.isoformat()
            kind = f"command_{changes['status'].value}"
            await self._events.store_now(self._project_id, kind, news, key=f"ended:{command.id}", at=moment)

        self._outbox.put(write)

    def _milestone_begun(self, milestone_id: str, command_id: str) -> None:
        begun = MilestoneStatus.IN_PROGRESS
        was_pending: bool | None = None

        async def write() -> None:
            nonlocal was_pending  # as the first attempt found it: a repeated one may find it begun by the one before
            if was_pending is None:
                was_pending = (await self._store.get_milestone(milestone_id)).status is MilestoneStatus.PENDING
            await self._store.move_milestone(milestone_id, {MilestoneStatus.PENDING}, begun)
            if was_pending and (await self._store.get_milestone(milestone_id)).status is begun:
                data = {"milestone_id": milestone_id, "status": begun.value}
                await self._events.store_now(self._project_id, "milestone_status", data, key=f"begun:{command_id}")

        self._outbox.put(write)

    def _move(
        self, command: Command, expected: set[CommandStatus], changes: Mapping[str, Any], point: FaultPoint
    ) -> None:
        async def write() -> None:
            await self._store.move_command(command.id, expected, changes)
            reach(point)

        self._outbox.put(write)

    # -- hooks ----------------------------------------------------------------------------------------------------

    def hook(self, event: HookEvent) -> None:
        """Record a hook event as one of ours, where it is news for people."""
        data = event.data
        match event.name:
            case "SessionStart":
                self._hook(
                    event, "session_started", {"claude_session_id": event.claude_session_id, **_pick(data, "source")}
                )
            case "SessionEnd":
                self._hook(event, "session_ended", _pick(data, "reason"))
            case "UserPromptSubmit":
                self._hook(event, "prompt_submitted", _pick(data, "prompt", "prompt_id"))
            case "PreToolUse":
                summary = {
                    "tool_name": data.get("tool_name"),
                    "summary": summarize(data.get("tool_input"), _text(data.get("cwd"))),
                }
                self._hook(event, "tool_started", summary)
            case "PostToolUse":
                self._hook(event, "tool_finished", _pick(data, "tool_name"))
            case "Stop":
                self._hook(event, "assistant_message", {"text": _text(data.get("last_assistant_message"))})
            case "StopFailure":
                self._hook(event, "turn_failed", _pick(data, "error"))

    def _hook(self, event: HookEvent, kind: str, data: Mapping[str, Any]) -> None:
        self.emit(kind, data, key=f"hook:{event.key}", at=event.at)


def _pick(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: _text(data[name]) for name in names if name in data}


def _text(value: object) -> str:
    return str(value if value is not None else "")[:_TEXT_LIMIT]


def summarize(tool_input: object, folder: str = "") -> str:
    """Return one line that says what a tool is asked to do; a file below ``folder`` by its path from there."""
    if not isinstance(tool_input, Mapping):
        return ""
    for name in ("description", "command", "file_path", "path", "pattern", "url", "query", "prompt"):
        value = tool_input.get(name)
        if isinstance(value, str) and value.strip():
            if folder and name in ("file_path", "path"):
                value = value.removeprefix(f"{folder}/")
            return " ".join(value.split())[:160]
    questions = tool_input.get("questions")
    if isinstance(questions, list) and questions and isinstance(questions[0], Mapping):
        return _text(questions[0].get("question"))[:160]
    return ""
