"""What is left of work, to look at afterwards: changed files, tokens, questions and answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .models import Command


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file that differs from a checkpoint.

    ``kind`` is ``added``, ``changed`` or ``deleted`` (a renamed file is both of the others). Lines are None for what
    git takes for binary.
    """

    path: str  # relative to the workspace
    kind: str
    added_lines: int | None = None
    deleted_lines: int | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """In what a workspace differs now from a milestone's checkpoint.

    ``checkpoint`` is the reference, None where the milestone has none: ``reason`` says why. ``files`` are sorted by
    path and may be cut; the numbers count all of them.
    """

    milestone_id: str
    checkpoint: str | None = None
    reason: str = ""
    files: tuple[FileChange, ...] = ()
    added: int = 0
    changed: int = 0
    deleted: int = 0
    added_lines: int = 0
    deleted_lines: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a turn, as the model's answers report them: each answer once, those of subagents too.

    ``input_tokens`` are those that no cache had.
    """

    messages: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_tokens: int = 0
    cache_read_tokens: int = 0
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of Claude's in a turn; ``answer`` is None where none is in the transcript."""

    question: str
    answer: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PhaseState:
    """A phase of GSD's at one moment; ``status`` is one of ``GsdPhase``."""

    number: str
    name: str
    status: str
    plans_total: int = 0
    plans_done: int = 0


@dataclass(frozen=True, slots=True)
class PlanningState:
    """The milestone that ``.planning/`` told of at one moment: its version and name, its phases, what was archived."""

    milestone: str = ""
    phases: tuple[PhaseState, ...] = ()
    archived: tuple[str, ...] = ()  # versions, oldest first

    @property
    def phases_done(self) -> int:
        """How many phases were verified."""
        return sum(phase.status == "verified" for phase in self.phases)


@dataclass(frozen=True, slots=True)
class PlanningChange:
    """What ``.planning/`` told before a command was typed, and when it had ended (or now, while it runs)."""

    before: PlanningState
    after: PlanningState


@dataclass(frozen=True, slots=True)
class CommandSummary:
    """What became of one command.

    ``usage`` is None where the transcript is gone, or the command was never accepted. ``warnings`` are what went wrong
    beside the work itself: a checkpoint that could not be made. ``planning`` is None where it is not known.
    ``missing_still`` is what a GSD command should have left and has not until now, by itself or by what came after it;
    None, too, once a milestone was archived since.
    ``conversation_cost_usd`` is what the whole conversation that it stands in has cost, None where that is not known:
    2.1.330 tells it when the conversation is left (``/clear``, the end of the process), 2.1.197 never.
    """

    command: Command
    usage: Usage | None = None
    questions: tuple[Asked, ...] = ()
    warnings: tuple[str, ...] = ()
    planning: PlanningChange | None = None
    missing_still: str | None = None
    conversation_cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Forked:
    """A project that was made as another one was before a milestone.

    ``copy_id`` is the milestone there, pending; ``claude_session_id`` the conversation that is resumed, None where it
    begins anew (``note`` says why, where the first one's could not be cut).
    """

    milestone_id: str
    checkpoint: str
    project_id: str
    name: str
    workspace_path: str
    copy_id: str
    claude_session_id: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """A project that was made of a file.

    ``claude_session_id`` is the conversation that is resumed, None where it begins anew; ``conversations`` counts those
    whose transcripts came along. ``left_out`` has the options of the file that were not taken over, because they give
    Claude rights: ``permission_mode``, ``claude_args``, ``trust``.
    """

    project_id: str
    name: str
    workspace_path: str
    claude_session_id: str | None = None
    conversations: int = 0
    milestones: int = 0
    commands: int = 0
    left_out: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rewound:
    """A workspace and a conversation that went back to before a milestone.

    ``saved`` is the reference of what the workspace was until then; ``claude_session_id`` is the conversation that is
    resumed next, None where it stays the one that it was: ``note`` says why. ``taken_back`` names the milestones that
    were started later, whose work is gone with it, and that are pending again too.
    """

    milestone_id: str
    checkpoint: str
    saved: str
    restored: int = 0
    removed: int = 0
    claude_session_id: str | None = None
    note: str = ""
    taken_back: tuple[str, ...] = ()
