"""What a wait ends with: when it was sent and taken, what it used, what Claude asked, which files it changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..client import Client
from ..errors import GitUnavailable, SessionNotRunning
from ..evidence import Changes, CommandSummary, FileChange, Usage
from ..models import Command, Question
from .cards import Badge, Tone, clock
from .gsd_rows import planning_rows

_FILES = 20
_TONES: dict[str, Tone] = {"added": "good", "changed": "busy", "deleted": "bad"}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a command's work.

    Attributes:
        summary: Of the command.
        changes: Of the workspace since the milestone's checkpoint; None for a command of no milestone.
        questions: What Claude waited for, permissions too, with who answered; as far as the server still knows.
        screen: What the terminal showed at the end, "" where it was not asked for.
    """

    summary: CommandSummary
    changes: Changes | None = None
    questions: tuple[Question, ...] = ()
    screen: str = ""

    @property
    def duration_s(self) -> float | None:
        """Seconds from the acknowledgement to the end, None before it."""
        return duration_s(self.summary.command)

    def rows(self) -> list[tuple[str, str]]:
        """Return what there is to say, as rows of a card."""
        command = self.summary.command
        rows = [("sent", _times(command))]
        rows += [("duration", spoken(self.duration_s))] if self.duration_s is not None else []
        rows += [("tokens", _tokens(self.summary.usage))] if self.summary.usage else []
        rows += [("asked", line) for line in self._asked()]
        rows += planning_rows(self.summary.planning) if self.summary.planning else []
        rows += [("files", _files(self.changes))] if self.changes else []
        return rows

    def _asked(self) -> list[str]:
        """Return the questions with their answers: those of the transcript that the server knows no more come first."""
        known = {item.question for question in self.questions for item in question.items}
        told: list[tuple[str, str | None, str | None]] = [
            (asked.question, asked.answer, None) for asked in self.summary.questions if asked.question not in known
        ]
        told += [(asked.title, ", ".join(asked.answer) or None, asked.answered_by) for asked in self.questions]
        return [
            f"{title} -> {answer or '(no answer)'}{f' (by {by})' if answer and by else ''}"
            for title, answer, by in told
        ]

    def table(self) -> list[Sequence[str | Badge]]:
        """Return the changed files, as a table of a card."""
        files = self.changes.files if self.changes else ()
        rows: list[Sequence[str | Badge]] = [
            (Badge(change.kind, _TONES.get(change.kind, "quiet")), _lines(change), change.path)
            for change in files[:_FILES]
        ]
        total = self.changes.added + self.changes.changed + self.changes.deleted if self.changes else 0
        return [*rows, ("…", "", f"{total - _FILES} more")] if total > _FILES else rows


def collect(client: Client, command: Command, *, screen: bool) -> Evidence:
    """Ask the server for what there is. Raises what ``Client`` raises, but for what a workspace or session lacks."""
    changes = None
    if command.milestone_id is not None:
        try:
            changes = client.changes(client.milestone(command.milestone_id))
        except GitUnavailable as error:
            changes = Changes(command.milestone_id, reason=error.message)
    shown = ""
    if screen:
        try:
            shown = client.screen(command.output_project_id)
        except SessionNotRunning:  # it has ended meanwhile
            shown = ""
    asked = client.questions(command.output_project_id)
    own = tuple(question for question in asked if _during(command, question.asked_at))
    return Evidence(client.summary(command), changes, own, squeezed(shown))


def duration_s(command: Command) -> float | None:
    """Return the seconds from the acknowledgement to the end, None before it."""
    if command.accepted_at is None or command.completed_at is None:
        return None
    return max(0.0, (command.completed_at - command.accepted_at).total_seconds())


def spoken(seconds: float | None) -> str:
    """Return a time as people write it: ``8.2 s``, ``3 min 12 s``, ``2 h 5 min``."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def squeezed(screen: str) -> str:
    """Return a screen with one blank line where it has many."""
    return re.sub(r"\n(?:[^\S\n]*\n){2,}", "\n\n", screen).strip("\n")


def _during(command: Command, moment: datetime) -> bool:
    began, ended = command.accepted_at, command.completed_at
    return began is not None and began <= moment and (ended is None or moment <= ended)


def _times(command: Command) -> str:
    told: list[tuple[str, datetime | None]] = [
        ("acknowledged", command.accepted_at),
        ("ended", command.completed_at),
    ]
    parts = [clock(command.delivering_at or command.created_at)]
    return ", ".join([*parts, *(f"{word} {clock(moment)}" for word, moment in told if moment)])


def _tokens(usage: Usage) -> str:
    number = f"{usage.messages} answer{'' if usage.messages == 1 else 's'}"
    models = f" of {', '.join(filter(None, usage.models))}" if any(usage.models) else ""
    cache = usage.cache_creation_tokens + usage.cache_read_tokens
    cached = f"; cache: {usage.cache_creation_tokens:,} written, {usage.cache_read_tokens:,} read" if cache else ""
    return f"{usage.input_tokens:,} in, {usage.output_tokens:,} out, in {number}{models}{cached}"


def _files(changes: Changes) -> str:
    if changes.checkpoint is None:
        return f"unknown: {changes.reason}"
    counts = f"{changes.added} added, {changes.changed} changed, {changes.deleted} deleted"
    return f"{counts} (+{changes.added_lines} -{changes.deleted_lines}) since {changes.checkpoint}"


def _lines(change: FileChange) -> str:
    if change.added_lines is None:
        return "binary"
    return f"+{change.added_lines} -{change.deleted_lines}"
