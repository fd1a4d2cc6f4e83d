"""Milestones: their records, their context files, their commands and their checkpoints."""

from __future__ import annotations

from bson import ObjectId

from ...errors import AlreadyStarted
from ...evidence import Changes, Forked, Rewound
from ...models import Command, Milestone, MilestoneStatus
from .. import parse
from ..values import PreparedContext, Project
from .base import key_of, only_given
from .commands import CommandOperations


class MilestoneOperations(CommandOperations):
    """Makes milestones, starts and ends them, and takes them back; a milestone's command is one of its project's."""

    def milestones(self, project: Project | str, *, status: MilestoneStatus | None = None) -> tuple[Milestone, ...]:
        """Return the milestones of a project, oldest first; their ``context`` may be left out (None)."""
        params = {"output_project_id": key_of(project), "status": status and status.value}
        return self._router.read_pages("milestones", "milestones", params, parse.milestone)

    def milestone(self, milestone: Milestone | str) -> Milestone:
        """Return a milestone as it is now, by its id; with its ``context``."""
        body = self._router.request("GET", f"milestones/{key_of(milestone)}")
        return parse.checked(parse.milestone, body, "a milestone")

    def new_milestone(
        self,
        project: Project | str,
        name: str,
        context: str | None = None,
        *,
        element_id: str | None = None,
        milestone_id: str | None = None,
    ) -> Milestone:
        """Create a pending milestone; ``context`` is the text of its MILESTONE-CONTEXT.md.

        With a ``milestone_id`` of the caller's (an ObjectId) the first of several calls creates it, and every other one
        returns it as it is.
        """
        body = only_given(
            id=milestone_id or str(ObjectId()),
            output_project_id=key_of(project),
            element_name=name,
            element_id=element_id,
            context=context,
        )
        answer = self._router.request("POST", "milestones", body=body, repeatable=True)
        return parse.checked(parse.milestone, answer, "a milestone")

    def prepare_milestone(self, milestone: Milestone | str) -> PreparedContext:
        """Write the context file, which ``start_milestone`` does by itself."""
        found = self._resolve(milestone)
        body = self._router.request(
            "POST", f"milestones/{found.id}/prepare", project_id=found.output_project_id, repeatable=True
        )
        return parse.checked(parse.prepared, body, "a context file")

    def start_milestone(self, milestone: Milestone | str) -> Command:
        """Start a pending milestone, its session too where none lives, and return its queued command.

        Raises:
            AlreadyStarted: It was started before; ``milestone_command`` has its command.
            GsdMissing, ProjectNotInitialized: What must be done first; nothing was typed.
        """
        found = self._resolve(milestone)
        body = self._router.request(
            "POST",
            f"milestones/{found.id}/start",
            project_id=found.output_project_id,
            body={"id": str(ObjectId())},
            repeatable=True,
        )
        return parse.checked(parse.command, body, "a command")

    def ensure_started(self, milestone: Milestone | str) -> Command | None:
        """Start a milestone, or return the latest command of one that was started before (None: it has none)."""
        found = self._resolve(milestone)
        if found.status is MilestoneStatus.PENDING:
            try:
                return self.start_milestone(found)
            except AlreadyStarted:  # by somebody else, or by this request when its answer was lost
                pass
        return self.milestone_command(found)

    def milestone_command(self, milestone: Milestone | str) -> Command | None:
        """Return the latest command of a milestone, or None where it has none that was not taken back."""
        found = self._resolve(milestone)
        latest = self.commands(found.output_project_id, milestone_id=found.id, last=1)
        return next((command for command in latest if command.taken_back_at is None), None)

    def changes(self, milestone: Milestone | str) -> Changes:
        """Return in what the workspace differs now from the milestone's checkpoint, which its start has made.

        Without a checkpoint (a workspace in no git repository) ``reason`` says why. Raises ``GitUnavailable``.
        """
        key = milestone.output_project_id if isinstance(milestone, Milestone) else None
        body = self._router.request("GET", f"milestones/{key_of(milestone)}/changes", project_id=key)
        return parse.checked(parse.changes, body, "changed files")

    def rewind(self, milestone: Milestone | str, *, yes: bool = False) -> Rewound:
        """Bring workspace and conversation back to before the milestone; what they were is kept.

        Args:
            milestone: Which; it is pending then, as are those that were started after it (``Rewound.taken_back``).
            yes: Take back, too, what was changed after its last command.

        Raises:
            SessionAlive: Stop the session first.
            NoCheckpoint, ChangedSince, ConversationUnknown, GitUnavailable: Nothing has changed.
        """
        found = self._resolve(milestone)
        path, key = f"milestones/{found.id}/rewind", found.output_project_id
        body = self._router.request("POST", path, project_id=key, body={"yes": yes})
        return parse.checked(parse.rewound, body, "a rewind")

    def fork(self, milestone: Milestone | str, name: str, *, workspace_path: str | None = None) -> Forked:
        """Make a second project of what the milestone's project was before it; the first stays as it is.

        Args:
            milestone: Which; in the second project it is pending.
            name: The second project's name.
            workspace_path: Its folder, new or empty; by default one next to the first's.

        Raises:
            NoCheckpoint, NameTaken, FolderTaken, InvalidPath, ConversationUnknown, GitUnavailable: Nothing was made.
        """
        found = self._resolve(milestone)
        path, key = f"milestones/{found.id}/fork", found.output_project_id
        body = only_given(name=name, workspace_path=workspace_path)
        answer = self._router.request("POST", path, project_id=key, body=body)
        return parse.checked(parse.forked, answer, "a fork")

    def complete(self, milestone: Milestone | str) -> Milestone:
        """Mark a milestone completed: our record only, archiving is GSD's ``complete-milestone``."""
        return self._mark(milestone, MilestoneStatus.COMPLETED)

    def fail(self, milestone: Milestone | str) -> Milestone:
        """Mark a milestone failed."""
        return self._mark(milestone, MilestoneStatus.FAILED)

    def delete_milestone(self, milestone: Milestone | str) -> None:
        """Delete a pending milestone. Raises ``NotPending``."""
        self._router.request("DELETE", f"milestones/{key_of(milestone)}")

    def _resolve(self, milestone: Milestone | str) -> Milestone:
        return milestone if isinstance(milestone, Milestone) else self.milestone(milestone)

    def _mark(self, milestone: Milestone | str, status: MilestoneStatus) -> Milestone:
        path = f"milestones/{key_of(milestone)}"
        body = self._router.request("PATCH", path, body={"status": status.value}, repeatable=True)
        return parse.checked(parse.milestone, body, "a milestone")
