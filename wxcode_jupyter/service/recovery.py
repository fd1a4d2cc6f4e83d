"""After a server's or a CLI's death: what became of the commands that were under way.

The spool of the dead session (hook events nobody has read) and the transcript decide. A command goes back to the
queue only when its prompt is provably not in the conversation; it is never marked as done because it might be.
Where no hook came (they can be disabled) the transcript alone tells, by the text and the time of its entries.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby, takewhile
from pathlib import Path
from typing import Any

from ..claude.builtins import effect_of
from ..claude.hooks import HookEvent, HookSpool
from ..claude.prompts import has_within, same_prompt
from ..claude.transcript import Entry, find, load_all
from ..errors import StoreConflict
from ..fault_points import FaultPoint, reach
from ..models import Command, CommandStatus, LineageCause, MilestoneStatus, now
from ..store.base import Store
from .changes import Ended
from .endings import ended
from .events import EventLog
from .lineage import Lineage, cause_of
from .mixing import mixed
from .own_command import OwnCommand
from .pictures import Pictures
from .turns import CUT

log = logging.getLogger(__name__)

_OPEN = {CommandStatus.DELIVERING, CommandStatus.ACCEPTED}
_ENDS = ("Stop", "StopFailure")
_QUEUED = {"status": CommandStatus.QUEUED, "delivering_at": None, "prompt_id": None, "claude_session_id": None}


def resolve(command: Command, events: Sequence[HookEvent], conversation: Sequence[Entry]) -> dict[str, Any]:
    """Return the fields that an open command must have now that its process is dead.

    Args:
        command: One that is ``delivering`` or ``accepted``.
        events: The hook events of the dead session that were never processed, in order.
        conversation: The transcript of the conversation that ``conversation_of`` names.
    """
    own = OwnCommand()
    if own.submit(command):
        return _own_end(own, command, events, conversation)
    prompt_id = command.prompt_id or _reported(command, events)[1]
    place = _place(command, prompt_id, conversation)
    # Not even a Stop proves it: a CLI that was told to end goes on for a moment, and writes nothing down any more.
    if command.status is CommandStatus.DELIVERING and place is None:
        return _mixed_end(command, conversation) or _QUEUED
    if place is not None:
        prompt_id = next(entry.prompt_id for entry in reversed(conversation[: place + 1]) if entry.kind == "prompt")
    found = {
        "prompt_id": prompt_id,
        "claude_session_id": conversation_of(command, events),
        "accepted_at": command.accepted_at or now(),
        "completed_at": now(),
    }
    return found | _end(prompt_id, events, conversation[place + 1 :] if place is not None else ())


def _mixed_end(command: Command, conversation: Sequence[Entry]) -> dict[str, Any] | None:
    """Return the fields of a command whose text went in with what somebody typed; None if it did not."""
    for entry in conversation:
        taken = entry.kind in ("prompt", "joined") and _is_later(entry, command.delivering_at)
        if taken and has_within(entry.text, command.text):
            return {"completed_at": now()} | ended(CommandStatus.FAILED, error=mixed(entry.text))
    return None


def _own_end(
    own: OwnCommand, command: Command, events: Sequence[HookEvent], conversation: Sequence[Entry]
) -> dict[str, Any]:
    """Return the fields of a command of the CLI's own."""
    changes = [change for event in events for change in own.on_hook(event)]
    later = (entry for entry in conversation if _is_later(entry, command.delivering_at))
    changes += [change for entry in later for change in own.on_entry(entry)]
    changes += own.on_exit()
    for change in changes:
        if isinstance(change, Ended):
            times = {"accepted_at": command.accepted_at or now(), "completed_at": now()}
            return times | ended(change.status, error=change.error)
    return _QUEUED


def conversation_of(command: Command, events: Sequence[HookEvent]) -> str | None:
    """Return the id of the conversation that an open command went into, as far as it got anywhere."""
    reported, _ = _reported(command, events) if command.prompt_id is None else (None, None)
    return reported or command.claude_session_id


def _reported(command: Command, events: Sequence[HookEvent]) -> tuple[str | None, str | None]:
    """Return the conversation and the prompt id under which a hook has reported the command."""
    for event in events:
        asked = event.name == "UserPromptSubmit" and event.prompt_id is not None
        if asked and same_prompt(str(event.data.get("prompt", "")), command.text):
            return event.claude_session_id, event.prompt_id
    return None, None


def _place(command: Command, prompt_id: str | None, conversation: Sequence[Entry]) -> int | None:
    """Return where the conversation has the command: under its prompt id, or by its text after the delivery began."""
    for number, entry in enumerate(conversation):
        same = same_prompt(entry.text, command.text)
        if entry.kind == "prompt" and prompt_id is not None and entry.prompt_id == prompt_id:
            # 2.1.330 reports what waits in its queue under the id of the turn that runs, which is another's.
            if same or entry.text.startswith("<"):
                return number
        elif entry.kind in ("prompt", "joined") and same and _is_later(entry, command.delivering_at):
            return number
    return None


def _is_later(entry: Entry, time: datetime | None) -> bool:
    return entry.at is not None and time is not None and entry.at >= time


def _end(prompt_id: str | None, events: Sequence[HookEvent], following: Sequence[Entry]) -> dict[str, Any]:
    """Return the fields that tell how a turn has ended: as its hook says, else as the transcript does."""
    last: Entry | None = None
    for entry in takewhile(lambda entry: entry.kind != "prompt", following):
        last = entry if entry.kind in ("assistant", "interrupt", "failed") else last
    went_on = last is not None and not last.final  # a Stop may be one after which a hook of the user's sent Claude on
    for event in events:
        if event.name == "Stop" and went_on:
            continue
        if event.name in _ENDS and event.prompt_id is not None and event.prompt_id == prompt_id:
            message = event.data.get("last_assistant_message")
            if event.name == "Stop":
                return ended(CommandStatus.COMPLETED, message if isinstance(message, str) else None)
            said = str(event.data.get("error", "The turn failed."))
            said = f"{said}: {message}" if message and message != said else said
            return ended(CommandStatus.FAILED, error=said, said_at=event.at)
    if last is not None and last.kind == "failed":
        return ended(CommandStatus.FAILED, error=last.text, said_at=last.at)
    if last is not None and last.final:
        return ended(CommandStatus.COMPLETED, last.text)
    return ended(CommandStatus.INTERRUPTED, error=CUT)


class Recovery:
    """Reads what dead sessions of a project left behind. Only for whoever owns the project's workspace."""

    def __init__(self, store: Store, events: EventLog, data_dir: str, environment: dict[str, str]) -> None:
        self._store = store
        self._events = events
        self._data_dir = data_dir
        self._environment = environment

    async def run(self, project_id: str, workspace: str) -> None:
        """Follow ids, settle commands, remove the folders. May be repeated after any failure."""
        folders = folders_of(self._data_dir, project_id)
        events: list[HookEvent] = []
        for folder in folders:
            events += HookSpool(str(folder)).load()
        reach(FaultPoint.RECOVERY_BEGUN)
        await self._follow(project_id, [event for event in events if event.name == "SessionStart"])
        reach(FaultPoint.RECOVERY_FOLLOWED)
        await self._settle(project_id, workspace, events)
        reach(FaultPoint.RECOVERY_DONE)
        for folder in folders:
            remove_folder(str(folder))

    async def _follow(self, project_id: str, starts: Sequence[HookEvent]) -> None:
        """Make the ids that were reported the project's, one after another; those that are already are passed over."""
        starts = [next(group) for _, group in groupby(starts, lambda event: event.claude_session_id)]
        ids = [event.claude_session_id for event in starts]
        entries = await self._store.load_lineage(project_id)
        known = [entry.claude_session_id for entry in entries]
        newest = entries[-1].created_at if entries else None
        done = max(n for n in range(min(len(ids), len(known)) + 1) if known[len(known) - n :] == ids[:n])
        lineage = Lineage(self._store, project_id)
        try:
            for event in starts[done:]:
                if newest is not None and event.at is not None and event.at < newest:
                    # The project was used elsewhere since, by somebody who could not know of this one.
                    log.warning(
                        "Project %s: conversation %s began before the present one, which stays the project's.",
                        project_id,
                        event.claude_session_id,
                    )
                    continue
                cause = cause_of(str(event.data.get("source"))) if known else LineageCause.NEW
                await lineage.follow(event.claude_session_id, cause, transcript_path=event.transcript_path, at=event.at)
                known.append(event.claude_session_id)
        except StoreConflict as error:
            log.warning("Project %s: %s It is the one that counts.", project_id, error)
            await lineage.current()

    async def _settle(self, project_id: str, workspace: str, events: Sequence[HookEvent]) -> None:
        paths = {event.claude_session_id: event.transcript_path or "" for event in events}
        for entry in await self._store.load_lineage(project_id):
            if entry.transcript_path:
                paths.setdefault(entry.claude_session_id, entry.transcript_path)

        pictures = Pictures(self._data_dir, project_id, workspace)
        while True:
            page = await self._store.list_commands(project_id, statuses=_OPEN, limit=100)
            for command in page.items:
                conversation: list[Entry] = []
                if session_id := conversation_of(command, events):
                    path = find(self._environment, workspace, session_id, known=paths.get(session_id))
                    conversation = await asyncio.to_thread(load_all, path)
                changes = resolve(command, events, conversation)
                if changes["status"].final:
                    changes = await asyncio.to_thread(pictures.judge, command, changes)
                session_id = str(changes.get("claude_session_id", command.claude_session_id))
                await self._record(project_id, command, changes, paths.get(session_id) or None)
            if len(page.items) < 100:
                return

    async def _record(self, project_id: str, command: Command, changes: dict[str, Any], path: str | None) -> None:
        moved = await self._store.move_command(command.id, {command.status}, changes)
        if moved is None:
            return
        reach(FaultPoint.RECOVERY_SETTLED)
        log.info("Project %s: command %s, left %s, is %s.", project_id, command.id, command.status, moved.status)
        kind = "command_requeued" if moved.status is CommandStatus.QUEUED else f"command_{moved.status.value}"
        await self._events.store_now(project_id, kind, {"command_id": command.id, "error": moved.error})
        if moved.status is CommandStatus.QUEUED:
            return
        known = [entry.claude_session_id for entry in await self._store.load_lineage(project_id)]
        if effect_of(command.text) is None and moved.claude_session_id in known:
            await self._store.mark_born(project_id, str(moved.claude_session_id), path)
        if command.milestone_id:
            await self._begin_milestone(project_id, command.milestone_id, command.id)

    async def _begin_milestone(self, project_id: str, milestone_id: str, command_id: str) -> None:
        begun = MilestoneStatus.IN_PROGRESS
        if await self._store.move_milestone(milestone_id, {MilestoneStatus.PENDING}, begun) is not None:
            data = {"milestone_id": milestone_id, "status": begun.value}
            await self._events.store_now(project_id, "milestone_status", data, key=f"begun:{command_id}")


def folders_of(data_dir: str, project_id: str) -> list[Path]:
    """Return the folders of a project's sessions, the oldest first."""
    sessions = Path(data_dir, "sessions", project_id)
    return sorted(folder for folder in sessions.glob("*") if folder.is_dir()) if sessions.is_dir() else []


def remove_folder(folder: str) -> None:
    """Remove a session's folder; that it is gone, or that another server removes it just now, is no error."""
    shutil.rmtree(folder, onerror=_tolerate_absence)


def _tolerate_absence(_function: object, _path: str, failure: tuple[Any, BaseException, Any]) -> None:
    if not isinstance(failure[1], FileNotFoundError):
        raise failure[1]
