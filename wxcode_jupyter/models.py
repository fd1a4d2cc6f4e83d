"""The values that travel through all layers: frozen, compared by content, times in UTC.

Ids are the 24 hexadecimal digits of a MongoDB ObjectId, as ``str``; a *claude session id* is the CLI's UUID. The
documents of ``output_projects`` and ``milestones`` are shared with the wxcode application and may carry fields that
are not here: stores keep them, these types leave them out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from .errors import InvalidId

_OBJECT_ID = re.compile(r"[0-9a-f]{24}")


def now() -> datetime:
    """Return the present moment in UTC, in the millisecond precision that MongoDB keeps."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def check_id(value: str) -> str:
    """Return ``value`` when it is an ObjectId in hexadecimal, or raise ``InvalidId``."""
    if not isinstance(value, str) or not _OBJECT_ID.fullmatch(value):
        raise InvalidId(f"{value!r:.60} is not an id: 24 hexadecimal digits are expected.")
    return value


class ProjectStatus(StrEnum):
    """Life of an output project."""

    CREATED = "created"
    INITIALIZED = "initialized"
    ACTIVE = "active"


class MilestoneStatus(StrEnum):
    """Life of a milestone: ``in_progress`` once its command was accepted, ended by the user."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"


class CommandStatus(StrEnum):
    """Life of a command; the last three are final."""

    QUEUED = "queued"
    DELIVERING = "delivering"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    @property
    def final(self) -> bool:
        """Whether nothing can change any more."""
        return self in (CommandStatus.COMPLETED, CommandStatus.FAILED, CommandStatus.INTERRUPTED)


class SessionState(StrEnum):
    """States of a live session; the transitions stand in ``service/state.py``."""

    STOPPED = "stopped"
    STARTING = "starting"
    ATTENTION = "attention"
    IDLE = "idle"
    BUSY = "busy"
    WAITING = "waiting"
    EXITED = "exited"

    @property
    def live(self) -> bool:
        """Whether a process stands behind it."""
        return self not in (SessionState.STOPPED, SessionState.EXITED)


class LineageCause(StrEnum):
    """Why a conversation id became the project's."""

    NEW = "new"  # the project's first
    FRESH = "fresh"  # the user asked for a new conversation
    CLEAR = "clear"  # /clear in the CLI
    RESTART = "restart"  # the CLI restarted itself with another id
    RESUMED = "resumed"  # the user went back to an older one with /resume in the CLI
    UNBORN = "unborn"  # replaced an id in which nothing was ever asked
    REWIND = "rewind"  # goes back to before a milestone
    FORK = "fork"  # the first of a project that was made of another
    ADOPTED = "adopted"  # found in a document that wxcode wrote


@dataclass(frozen=True, slots=True)
class TermSize:
    """Size of a terminal in character cells, each 1 to 500."""

    rows: int = 24
    cols: int = 80

    def clamped(self) -> TermSize:
        """Return the nearest size that a terminal can have."""
        return TermSize(min(max(self.rows, 1), 500), min(max(self.cols, 2), 500))


@dataclass(frozen=True, slots=True)
class OutputProject:
    """A workspace folder in which Claude Code builds one program."""

    id: str
    name: str
    workspace_path: str  # absolute
    status: ProjectStatus = ProjectStatus.CREATED
    claude_session_id: str | None = None
    kb_id: str | None = None
    stack_id: str | None = None
    configuration_id: str | None = None
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)


@dataclass(frozen=True, slots=True)
class ProjectOptions:
    """How this project's CLI is started; ``None`` means the server's configuration."""

    permission_mode: str | None = None
    model: str | None = None
    claude_args: tuple[str, ...] = ()
    trust: bool = False


@dataclass(frozen=True, slots=True)
class Milestone:
    """One piece of work in an output project."""

    id: str
    output_project_id: str
    element_name: str
    element_id: str | None = None
    status: MilestoneStatus = MilestoneStatus.PENDING
    wxcode_version: str | None = None
    milestone_folder_name: str | None = None
    context: str | None = None  # the text of MILESTONE-CONTEXT.md
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)
    completed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """One input for Claude: queued, delivered, acknowledged.

    A completed one has an ``outcome``: ``finished``, ``asks`` (its turn ended with a question in plain text) or
    ``limited`` (at a usage limit, which ends at ``resets_at`` where the CLI says when, or has ended then where it was
    seen to be over before); the latter two are not done. A command of GSD's whose turn ended without its artefact
    ``asks``, too, whatever was said last; ``missing`` names it.
    ``seq`` orders the commands of one project, first in first out. ``prompt_id`` and ``claude_session_id`` say where
    the CLI's transcript has it, once it was accepted; ``taken_back_at`` when a rewind went back to before it.
    """

    id: str
    output_project_id: str
    text: str
    seq: int = 0
    milestone_id: str | None = None
    status: CommandStatus = CommandStatus.QUEUED
    outcome: str | None = None
    resets_at: datetime | None = None
    missing: str | None = None
    last_message: str | None = None
    prompt_id: str | None = None
    claude_session_id: str | None = None
    error: str | None = None
    created_at: datetime = field(default_factory=now)
    delivering_at: datetime | None = None
    accepted_at: datetime | None = None
    completed_at: datetime | None = None
    taken_back_at: datetime | None = None

    @property
    def withdrawn(self) -> bool:
        """Whether it was taken out of the queue: it is ``interrupted``, and was never on its way."""
        return self.status is CommandStatus.INTERRUPTED and self.delivering_at is None


@dataclass(frozen=True, slots=True)
class ClaudeSession:
    """One entry of a project's lineage: a conversation id, and how it came to be the project's.

    The entry with the highest ``seq`` is the project's conversation. ``born`` turns true when the first prompt is in
    the transcript: an id that was never asked anything cannot be resumed (`claude-code-facts.md`, "Session ids").
    """

    output_project_id: str
    claude_session_id: str
    cause: LineageCause
    predecessor: str | None = None
    born: bool = False
    transcript_path: str | None = None
    seq: int = 0
    created_at: datetime = field(default_factory=now)


@dataclass(frozen=True, slots=True)
class TranscriptEnd:
    """How far a conversation's transcript is kept.

    Attributes:
        generation: Counts, from 0, how often the file was found replaced: each one is a text of its own.
        length: How many bytes of it are kept.
        digest: SHA-256 of all of them, in hexadecimal.
    """

    generation: int
    length: int
    digest: str


@dataclass(frozen=True, slots=True)
class TranscriptChunk:
    """A piece of a conversation's transcript, as a store keeps it.

    Attributes:
        generation: The text that it is a piece of (`TranscriptEnd`).
        offset: How many bytes of that text come before it.
        length: How many bytes it has.
        digest: SHA-256 of the text up to its end, in hexadecimal.
        data: The bytes, compressed (zlib); far below the 16 MB that a document of MongoDB may have.
    """

    output_project_id: str
    claude_session_id: str
    generation: int
    offset: int
    length: int
    digest: str
    data: bytes

    @property
    def end(self) -> TranscriptEnd:
        """How far the transcript is kept with it."""
        return TranscriptEnd(self.generation, self.offset + self.length, self.digest)

    def follows(self, end: TranscriptEnd | None) -> bool:
        """Whether it goes on where the text ends, or begins the next generation."""
        if self.offset == 0:
            return self.generation == (0 if end is None else end.generation + 1)
        return end is not None and (self.generation, self.offset) == (end.generation, end.length)


@dataclass(frozen=True, slots=True)
class Conversation:
    """One entry of a project's history: what was asked in a conversation since it became the project's.

    Attributes:
        claude_session_id: The conversation; the same one again where the user went back to it.
        cause: Why it became the project's.
        created_at: When it did (UTC).
        current: Whether it is the project's now.
        born: Whether anything was ever asked in it; else there is nothing to go back to.
        kept: Whether its transcript is there: the CLI's own, or the copy from which that is restored.
        milestones: The names of the milestones that commands of ours worked on in it, in order.
        first_prompt: What was asked first in the conversation, as its transcript has it; None where nothing is known.
    """

    claude_session_id: str
    cause: LineageCause
    created_at: datetime
    current: bool = False
    born: bool = False
    kept: bool = False
    milestones: tuple[str, ...] = ()
    first_prompt: str | None = None


class QuestionKind(StrEnum):
    """What kind of thing Claude waits for."""

    QUESTION = "question"  # AskUserQuestion
    PERMISSION = "permission"
    MENU = "menu"  # a menu of the CLI's own in the middle of a turn


@dataclass(frozen=True, slots=True)
class QuestionOption:
    """One line that can be chosen; ``label`` is how it is named in an answer."""

    label: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class QuestionItem:
    """One thing that is asked: ``AskUserQuestion`` may ask several at once.

    ``free_text`` says whether a text may be given instead of an option (with ``multi_select``: beside options).
    """

    question: str
    options: tuple[QuestionOption, ...] = ()
    header: str = ""
    multi_select: bool = False
    free_text: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What Claude waits for, or waited for.

    Attributes:
        title: What is asked, on one line; of a permission the tool and what it is to do.
        items: One or more; a permission has one, whose options are those of its menu. Without options the menu was not
            recognised on the screen: it can be answered in the terminal only.
        tool_name: The tool that asks for a permission.
        subject: What that tool is to do, whole: the command, the path, the address.
        answer: One text per item, labels joined by ", "; empty for one that ended without an answer that is known.
        answered_by: ``terminal``, ``user`` or ``policy``; None while it is open, and for one that was dropped (the
            turn was interrupted, the process ended).
    """

    id: str
    output_project_id: str
    kind: QuestionKind
    title: str
    items: tuple[QuestionItem, ...]
    tool_name: str | None = None
    subject: str = ""
    asked_at: datetime = field(default_factory=now)
    answered_at: datetime | None = None
    answer: tuple[str, ...] = ()
    answered_by: str | None = None

    @property
    def open(self) -> bool:
        """Whether it waits for an answer."""
        return self.answered_at is None


@dataclass(frozen=True, slots=True)
class Attention:
    """Why a person is needed.

    ``kind`` is ``trust``, ``bypass``, ``login``, ``menu``, ``delivery``, ``hooks_disabled``, ``not_ready`` or
    ``conversation_unknown``; ``message`` says what to do, ``screen`` is what the terminal shows.
    """

    kind: str
    message: str
    screen: str


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A project's session as it is at one moment.

    ``queued`` counts the commands that wait, and ``limited_until`` says until when a usage limit holds them (None: none
    does); ``background`` has a line for each task that a turn which is over has left running, and that is waited for
    (``busy``); ``beside`` has a line for each `claude` that somebody else runs in the same conversation;
    ``clients`` counts the attached terminals. ``exit_code`` is negative for a signal
    (as in ``subprocess``), None while the process lives or when nobody could collect it. ``message`` explains
    ``attention`` and ``exited``; ``screen`` is the text of the terminal in those states.
    """

    project_id: str
    state: SessionState = SessionState.STOPPED
    claude_session_id: str | None = None
    pid: int | None = None
    started_at: datetime | None = None
    exit_code: int | None = None
    clients: int = 0
    rows: int | None = None
    cols: int | None = None
    queued: int = 0
    limited_until: datetime | None = None
    background: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    attention: Attention | None = None
    message: str = ""
    screen: str | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """A server that holds a project's lease, and what tells its machine from others (`service/lease.py`).

    Attributes:
        host: Name of its host.
        url: Its address, as a user of that host opens it; "" where it has none.
        pid: Its process.
        machine_id: What names the machine across reboots; None where nothing does, as in a container.
        boot_id: What names the machine's present boot (Linux); None where nothing does.
        place: Device and inode of the project's place, on which sessions of one kernel meet by a lock.
    """

    host: str
    url: str = ""
    pid: int = 0
    machine_id: str | None = None
    boot_id: str | None = None
    place: str | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """Who may write a project's session state.

    Attributes:
        project_id: The project.
        fence: A number that grows with every taking, from 1 on; what is written under a smaller one is refused.
        holder: Who took it last; None once that has given it back.
        silent_s: For how many seconds the holder has not renewed it, by the store's clock; from 0 on.
    """

    project_id: str
    fence: int
    holder: Holder | None
    silent_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Event:
    """One structured event of a project; ``seq`` rises by at least one from event to event."""

    output_project_id: str
    type: str
    data: Mapping[str, Any]
    seq: int = 0
    created_at: datetime = field(default_factory=now)


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A slice of a list, and the length of the whole."""

    items: tuple[T, ...]
    total: int
