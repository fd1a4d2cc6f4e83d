"""What turns that are over have left running in the background; pure, as `turns.py` is, which owns it.

Seen with 2.1.197 and 2.1.330: a `Stop` lists what runs on (``background_tasks``: shells, agents). When one of them
ends, the CLI begins a turn by itself, whose prompt is a ``<task-notification>`` with an id of its own, and the `Stop`
of that one lists what is left. So a command whose turn is over is not done while something of its own runs: its end
waits here, and becomes that of the turn in which the news was taken in.

A server that was started in the background never ends. Therefore somebody must ``let_go`` after a while; what was let
go holds nothing any more, however often it is listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..models import CommandStatus
from .changes import Change, Ended, Lingers

_NEWS = "<task-notification>"
_SHOWN = 100  # characters of a task


def running(data: Mapping[str, Any]) -> dict[str, str]:
    """Return what a `Stop` lists as running: ids, and one line about each."""
    listed = data.get("background_tasks")
    found = {}
    for task in listed if isinstance(listed, list) else ():
        if isinstance(task, Mapping) and task.get("status") == "running" and isinstance(task.get("id"), str):
            said = task.get("description") or task.get("command") or task.get("type") or "a task"
            found[task["id"]] = " ".join(str(said).split())[:_SHOWN]
    return found


def is_news(prompt: str) -> bool:
    """Whether the CLI asks this by itself because something in the background has ended."""
    return prompt.lstrip().startswith(_NEWS)


class Background:
    """What runs, and the end of the command that waits for it."""

    def __init__(self) -> None:
        self._tasks: dict[str, str] = {}
        self._let_go: set[str] = set()
        self._waits: Ended | None = None

    @property
    def tasks(self) -> tuple[str, ...]:
        """One line about each task that is waited for, oldest first."""
        return tuple(self._tasks.values())

    def end(self, ended: Ended, tasks: Mapping[str, str]) -> list[Change]:
        """Take the end of a command's turn, and return what is certain now: that end, unless it has to wait.

        Args:
            ended: The end.
            tasks: What its `Stop` lists; nothing where none was heard.
        """
        own = self._own(tasks)
        if not own or ended.status is not CommandStatus.COMPLETED:
            return [ended]
        before = self.let_go() if self._waits else []
        self._waits = ended
        return [*before, *self._wait_for(own)]

    def end_other(
        self,
        status: CommandStatus,
        message: str | None,
        error: str | None,
        tasks: Mapping[str, str] | None,
        *,
        news: bool,
    ) -> list[Change]:
        """Take the end of a turn that is no command's, and return what is certain now.

        Args:
            status: How it ended.
            message: Claude's last words in it.
            error: Why it failed.
            tasks: What its `Stop` lists; None where none was heard.
            news: Whether it was the CLI's own, about something that has ended.
        """
        if self._waits is not None and news:
            self._waits = replace(self._waits, status=status, last_message=message, error=error)
            if status is not CommandStatus.COMPLETED:
                return self.let_go()
        return [] if tasks is None else self._wait_for(self._own(tasks))

    def let_go(self) -> list[Change]:
        """Wait no longer, now or later, for what runs; return the end that has waited."""
        self._let_go |= self._tasks.keys()
        return self._wait_for({})

    def _own(self, tasks: Mapping[str, str]) -> dict[str, str]:
        return {task: said for task, said in tasks.items() if task not in self._let_go}

    def _wait_for(self, tasks: dict[str, str]) -> list[Change]:
        before, self._tasks = self._tasks, tasks
        if tasks:
            command = self._waits.command if self._waits else None
            return [Lingers(command, self.tasks)] if tasks.keys() != before.keys() else []
        ended, self._waits = self._waits, None
        return [ended] if ended else []
