"""The contract of a store: what every backend promises, and what `testing/store_conformance.py` checks of it.

Ordering: commands by ``seq`` (first in, first out), lineage and events by ``seq``, projects and milestones by creation.
Atomicity: each method is one atomic step to every other caller, in this process or another; the methods that return
``bool`` or an optional value tell whether *this* call won. Durability: what a method returned from is on disk (MongoDB:
journalled write concern; SQLite: ``synchronous=FULL``). Documents of ``output_projects`` and ``milestones`` keep every
field that is not ours. Text is data: no value is ever read as an operator.

Raises everywhere: ``StoreUnavailable`` when the store cannot be reached or is not open (nothing was written, or the
outcome is unknown: every method may be called again; one that tells who won may then tell its own winner that it lost,
so read what is there), ``NotFound`` for an id that nothing has, ``InvalidId`` for one that is none, ``InvalidBody`` for
a value that cannot be stored: text is valid Unicode, times have a zone and are kept in milliseconds, lists take
``skip`` and ``limit`` from 0 on (a ``limit`` of 0 gives nothing but the total).

After an outage, at ``open()`` too, the same object works again by itself. A cancelled call may have had its effect.

Fencing: what a session writes goes through ``fenced(n)``, the same store with the number of the session's lease. Once
``take_lease`` has returned a greater number to anybody, no write under ``n`` has an effect any more, in whatever
process and however long it was on its way: it raises ``Displaced``. Writes without a number are users' (a command
queued, a project renamed) and ask for no lease. What a fence covers: ``update_project``, ``set_limited_until``, both
writes of the conversation id, ``append_lineage``, ``mark_born``, ``move_milestone`` of a pending one, ``move_command``,
``append_event``. ``append_transcript`` asks, too, before it writes: one chunk that is on its way may still land, and
makes the next copy begin a generation. Why that holds without transactions is argued in `docs/ownership.md`.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Self

from ..models import (
    ClaudeSession,
    Command,
    CommandStatus,
    Event,
    Holder,
    Lease,
    Milestone,
    MilestoneStatus,
    OutputProject,
    Page,
    ProjectOptions,
    TranscriptChunk,
    TranscriptEnd,
)


class Store(ABC):
    """Where projects, milestones, commands, lineage and events live."""

    #: The address, for messages: password left out.
    url: str

    #: Under which number it writes, see `fenced`; None for a user's writes.
    fence: int | None = None

    def fenced(self, fence: int) -> Self:
        """Return this store, opened before, as the holder of a project's lease writes to it."""
        view = copy.copy(self)
        view.fence = fence
        return view

    @abstractmethod
    async def open(self) -> None:
        """Connect and create indexes; idempotent. Raises ``StoreUnavailable`` naming ``url`` within ten seconds."""

    @abstractmethod
    async def close(self) -> None:
        """Release every connection and thread; idempotent. A closed store may be opened again."""

    @abstractmethod
    async def ping(self) -> None:
        """Return when the store answers, raise ``StoreUnavailable`` when it does not."""

    @abstractmethod
    def new_id(self) -> str:
        """Return an id that nothing has yet: 24 hexadecimal digits. No I/O."""

    # -- output projects ------------------------------------------------------------------------------------------

    @abstractmethod
    async def create_project(self, project: OutputProject, options: ProjectOptions) -> None:
        """Insert a project, reserving its name and its ``workspace_path`` (which the caller has made real).

        Documents that wxcode wrote count for both. Raises ``NameTaken``, ``FolderTaken`` (``project_id`` in the details
        where known). A repeated call with the same id and content is no error and changes nothing; other content
        (name, folder, knowledge base, stack, configuration) under the same id is a ``StoreConflict``.
        """

    @abstractmethod
    async def get_project(self, project_id: str) -> OutputProject:
        """Return one project."""

    @abstractmethod
    async def find_project(self, *, name: str | None = None, workspace_path: str | None = None) -> OutputProject | None:
        """Return the project with this name or folder (exactly one of the two is given), or None."""

    @abstractmethod
    async def list_projects(self, *, skip: int = 0, limit: int = 100) -> Page[OutputProject]:
        """Return projects, oldest first."""

    @abstractmethod
    async def update_project(self, project_id: str, changes: Mapping[str, Any]) -> OutputProject:
        """Set ``name`` and/or ``status`` and ``updated_at``; return the project as it is now. Raises ``NameTaken``."""

    @abstractmethod
    async def delete_project(self, project_id: str) -> None:
        """Delete the project, its reservations, milestones, commands, lineage, events and transcripts. Never a file."""

    @abstractmethod
    async def get_options(self, project_id: str) -> ProjectOptions:
        """Return the options; the defaults for a project that wxcode wrote."""

    @abstractmethod
    async def set_options(self, project_id: str, options: ProjectOptions) -> None:
        """Replace the options."""

    @abstractmethod
    async def get_limited_until(self, project_id: str) -> datetime | None:
        """Return what ``set_limited_until`` was told last; None for a project of which nothing was told."""

    @abstractmethod
    async def set_limited_until(self, project_id: str, moment: datetime | None) -> None:
        """Note until when a usage limit lasts that somebody's own prompt ran into; None: there is none (any more)."""

    # -- the lease ------------------------------------------------------------------------------------------------

    @abstractmethod
    async def get_lease(self, project_id: str) -> Lease | None:
        """Return the project's lease, given back or not; None for one that nobody has ever taken.

        ``silent_s`` is by the store's own clock, so that servers' clocks may differ as they like.
        """

    @abstractmethod
    async def take_lease(self, project_id: str, holder: Holder, *, over: int) -> Lease | None:
        """Take the lease over the one with the number ``over`` (0: there was none), whoever has it.

        Compare-and-set: None, and nothing changed, when the number is another one by now. The new number is ``over``
        plus one, and when this returns, everything that carries a smaller one is refused. Whether it may be taken is
        the caller's to know (`service/lease.py`).
        """

    @abstractmethod
    async def renew_lease(self, lease: Lease) -> bool:
        """Note that its holder lives; False, and nothing changed, when it was given back or taken by another."""

    @abstractmethod
    async def release_lease(self, lease: Lease) -> bool:
        """Give it back; the number stays. False, and nothing changed, when it was given back or taken by another."""

    # -- the conversation id --------------------------------------------------------------------------------------

    @abstractmethod
    async def set_first_session_id(self, project_id: str, claude_session_id: str) -> bool:
        """Set the id where there is none (null or missing): one update, of any number of callers exactly one wins.

        In a document of wxcode's, ``""`` and what is no text count as null, too, and are read as None.
        """

    @abstractmethod
    async def replace_session_id(self, project_id: str, old: str, new: str) -> bool:
        """Replace ``old`` by ``new``, compare-and-set: False, and nothing changed, when the id is not ``old``."""

    @abstractmethod
    async def append_lineage(self, entry: ClaudeSession) -> ClaudeSession:
        """Append an id to the lineage and return the entry with its ``seq``.

        Idempotent: when the newest entry has this id already, it is returned unchanged. An older id may come again
        (the user went back to it): it gets a new entry, born when the older one was.
        """

    @abstractmethod
    async def mark_born(self, project_id: str, claude_session_id: str, transcript_path: str | None) -> None:
        """Record that a prompt is in the transcript of this id (and where the transcript is). Idempotent."""

    @abstractmethod
    async def load_lineage(self, project_id: str) -> tuple[ClaudeSession, ...]:
        """Return the lineage by ``seq``; the last entry is the project's conversation."""

    # -- milestones -----------------------------------------------------------------------------------------------

    @abstractmethod
    async def create_milestone(self, milestone: Milestone) -> None:
        """Insert a milestone. A repeated call with the same id is no error. Raises ``NotFound`` for its project."""

    @abstractmethod
    async def get_milestone(self, milestone_id: str) -> Milestone:
        """Return one milestone, its context included."""

    @abstractmethod
    async def list_milestones(
        self,
        *,
        output_project_id: str | None = None,
        status: MilestoneStatus | None = None,
        skip: int = 0,
        limit: int = 100,
    ) -> Page[Milestone]:
        """Return milestones, oldest first, their contexts left out."""

    @abstractmethod
    async def move_milestone(
        self, milestone_id: str, expected: Collection[MilestoneStatus], status: MilestoneStatus
    ) -> Milestone | None:
        """Set the status, compare-and-set, with ``updated_at``; ``completed_at`` is of completed ones only.

        Returns the milestone as it is now, or None, and nothing changed, when its status is not among ``expected``.
        """

    @abstractmethod
    async def update_milestone(self, milestone_id: str, changes: Mapping[str, Any]) -> Milestone:
        """Set ``context``, ``element_name``, ``wxcode_version`` or ``milestone_folder_name`` and ``updated_at``."""

    @abstractmethod
    async def delete_milestone(self, milestone_id: str) -> bool:
        """Delete it when it is ``pending``; False, and nothing changed, when it is not."""

    # -- commands -------------------------------------------------------------------------------------------------

    @abstractmethod
    async def append_command(self, command: Command) -> Command:
        """Append to the project's queue and return it with its ``seq``.

        Idempotent by id: a repeated call returns the command as it is stored.
        """

    @abstractmethod
    async def get_command(self, command_id: str) -> Command:
        """Return one command."""

    @abstractmethod
    async def list_commands(
        self,
        project_id: str,
        *,
        statuses: Collection[CommandStatus] | None = None,
        milestone_id: str | None = None,
        skip: int = 0,
        limit: int = 100,
    ) -> Page[Command]:
        """Return the commands of a project by ``seq``, of these statuses where given."""

    @abstractmethod
    async def move_command(
        self, command_id: str, expected: Collection[CommandStatus], changes: Mapping[str, Any]
    ) -> Command | None:
        """Set fields (``status`` among them), compare-and-set on the status.

        Returns the command as it is now, or None, and nothing changed, when its status is not among ``expected``.
        """

    # -- events ---------------------------------------------------------------------------------------------------

    @abstractmethod
    async def append_event(self, event: Event, *, key: str | None = None) -> Event:
        """Append an event and return it with its ``seq``: greater than that of every event stored before.

        So whoever goes on after the last ``seq`` he saw misses none. ``key`` makes it idempotent within the project: an
        event whose key is stored already is returned as stored. ``data`` is any JSON.
        """

    @abstractmethod
    async def load_events(self, project_id: str, *, after: int = 0, limit: int = 1000) -> tuple[Event, ...]:
        """Return events with a ``seq`` above ``after``, by ``seq``; see ``events_pruned`` for what is not there."""

    @abstractmethod
    async def prune_events(self, project_id: str, *, keep: int) -> int:
        """Delete the oldest events but for the ``keep`` newest (1 or more); return what ``events_pruned`` returns then.

        No ``seq`` is given again, but a key that belongs to what was deleted is a new one.
        """

    @abstractmethod
    async def events_pruned(self, project_id: str) -> int:
        """Return the greatest ``seq`` up to which events were deleted, 0 where none was."""

    # -- transcripts ----------------------------------------------------------------------------------------------

    @abstractmethod
    async def append_transcript(self, chunk: TranscriptChunk) -> bool:
        """Append to the text that is kept of a conversation, compare-and-set on its end.

        False, and nothing changed, when the chunk does not follow it (`TranscriptChunk.follows`): somebody else has
        appended. Of the generations the newest and the one before are kept. Raises ``NotFound`` for the project, and
        ``Displaced``.
        """

    @abstractmethod
    async def transcript_end(self, project_id: str, claude_session_id: str) -> TranscriptEnd | None:
        """Return how far the newest generation goes; None where nothing is kept."""

    @abstractmethod
    async def load_transcript(
        self, project_id: str, claude_session_id: str, *, generation: int, offset: int
    ) -> TranscriptChunk | None:
        """Return the chunk of a generation that begins at this offset, or None."""
