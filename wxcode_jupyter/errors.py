"""Everything this package raises on purpose.

::

    WxcodeError
    ├── InvalidRequest            what the caller gave cannot be used
    │   ├── InvalidId
    │   ├── InvalidBody           .field
    │   │   └── TooLarge          .field, .limit_bytes
    │   ├── TooSlow               .limit_s
    │   ├── InvalidPath           .path
    │   └── UnsupportedCommand    a text that Claude Code would take for something else
    ├── NotFound                  .what, .identifier
    ├── Conflict                  the request is fine, the present state is not
    │   ├── NameTaken
    │   ├── FolderTaken
    │   ├── SessionAlive          .project_id
    │   ├── HeldElsewhere         .holder, .silent_s
    │   ├── Displaced             .project_id, .fence
    │   ├── ConversationInUse     .pid, .processes
    │   ├── ConversationExists
    │   ├── ContextTaken          .path
    │   ├── AlreadyStarted
    │   ├── NotPending
    │   ├── NotQueued             .command_id, .status
    │   ├── AlreadyInitialized
    │   ├── AlreadyAnswered       .question_id
    │   ├── NoCheckpoint
    │   ├── ChangedSince          .files
    │   └── TooManySessions
    ├── LimitReached              as many of something as may be at once: .limit
    │   ├── TooManyClients
    │   ├── TooManyCommands
    │   ├── TooManyFollowers
    │   └── TooManyUploads
    ├── NotReady                  something must be installed or answered first
    │   ├── CliMissing
    │   ├── GsdMissing
    │   ├── ProjectNotInitialized
    │   ├── TrustRequired         .workspace_path
    │   ├── GitUnavailable
    │   └── NotPrivate            .path, .owner
    ├── StoreError
    │   ├── StoreUnavailable      .url (no password)
    │   └── StoreConflict         a write whose precondition no longer held
    ├── TerminalError
    │   ├── KeeperUnavailable
    │   ├── SpawnFailed
    │   └── TerminalClosed
    ├── SessionError
    │   ├── SessionNotRunning
    │   ├── SessionExited         .exit_code, .screen
    │   ├── AttentionNeeded       .screen
    │   └── ConversationUnknown   .claude_session_id
    ├── WorkFailed                raised in notebooks, so that papermill stops
    │   ├── MilestoneFailed
    │   ├── CommandFailed         .command_id
    │   ├── CommandTimeout
    │   ├── AnswerNeeded          .questions
    │   ├── StepUnfinished        .command_id, .missing
    │   ├── BudgetExhausted       .next
    │   └── UsageLimited          .command_id, .resets_at
    └── ServerUnreachable         a kernel that finds no server

Each class has a stable ``code`` slug, which is the ``reason`` of the REST API; the message says what to do next. This
module imports nothing of the package but ``plain``; ``server/base.py`` owns the one table from codes to HTTP status.
"""

from __future__ import annotations

from typing import Any, ClassVar

from .plain import visible


class WxcodeError(Exception):
    """Root of all errors of this package.

    Attributes:
        code: Stable slug, the same in Python, REST (``reason``) and the terminal protocols.
        details: What the error is about, JSON-serialisable; sent along over REST.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = details

    def __getattr__(self, name: str) -> Any:
        """Give the details as attributes: ``error.screen``, ``error.holder``."""
        try:
            return self.__dict__["details"][name]
        except KeyError:
            raise AttributeError(name) from None

    def __str__(self) -> str:
        """Return the message for people: what others wrote into it cannot move a cursor; line breaks and tabs stay."""
        return visible(self.message, keep="\n\t")

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive pickling: a kernel's results may cross processes."""
        return (_rebuild, (type(self), self.message, self.details))


def _rebuild(kind: type[WxcodeError], message: str, details: dict[str, Any]) -> WxcodeError:
    return kind(message, **details)


class InvalidRequest(WxcodeError):
    """The request itself cannot be used."""

    code = "invalid_request"


class InvalidId(InvalidRequest):
    """An id that is no ObjectId (24 hexadecimal digits)."""

    code = "invalid_id"


class InvalidBody(InvalidRequest):
    """A body that does not fit; ``field`` names the offending field."""

    code = "invalid_body"


class TooLarge(InvalidBody):
    """More bytes than are taken; ``limit_bytes`` says how many are, ``field`` of what."""

    code = "too_large"


class TooSlow(InvalidRequest):
    """What has to come within ``limit_s`` seconds did not."""

    code = "too_slow"


class InvalidPath(InvalidRequest):
    """A path outside the allowed roots, or one that leaves its folder."""

    code = "invalid_path"


class UnsupportedCommand(InvalidRequest):
    """A text that the CLI would not take as a prompt, and that cannot be defused."""

    code = "unsupported_command"


class NotFound(WxcodeError):
    """Nothing has this id or name."""

    code = "not_found"


class Conflict(WxcodeError):
    """The present state does not allow it."""

    code = "conflict"


class NameTaken(Conflict):
    """Another output project has this name."""

    code = "name_taken"


class FolderTaken(Conflict):
    """Another output project has this workspace folder."""

    code = "folder_taken"


class SessionAlive(Conflict):
    """A live session stands in the way."""

    code = "session_alive"


class HeldElsewhere(Conflict):
    """Another server owns the project's session; ``holder`` says which (``url``, ``pid``, ``host``).

    ``silent_s`` is there when the holder is on another host: for how many seconds the store has not heard of it.
    """

    code = "held_elsewhere"


class Displaced(Conflict):
    """A write of session state by a server from which another one has taken the project since: nothing was written."""

    code = "displaced"


class ConversationInUse(Conflict):
    """A `claude` that we did not start has the conversation open; ``processes`` says which, where, since when."""

    code = "conversation_in_use"


class ConversationExists(Conflict):
    """What is imported is here already; a conversation must not run twice."""

    code = "conversation_exists"


class ContextTaken(Conflict):
    """Where we would write a file for Claude there is one with another text, which is not overwritten."""

    code = "context_taken"


class AlreadyStarted(Conflict):
    """The milestone was started before."""

    code = "already_started"


class NotPending(Conflict):
    """Only a pending milestone can be deleted."""

    code = "not_pending"


class NotQueued(Conflict):
    """Only a command that waits can be withdrawn; ``status`` says how far this one is."""

    code = "not_queued"


class AlreadyInitialized(Conflict):
    """GSD's ``new-project`` has been through the workspace with another brief, or is on its way."""

    code = "already_initialized"


class AlreadyAnswered(Conflict):
    """Somebody else has answered the question, or is about to, or it is asked no longer."""

    code = "already_answered"


class NoCheckpoint(Conflict):
    """The milestone has no checkpoint to go back to."""

    code = "no_checkpoint"


class ChangedSince(Conflict):
    """Files were changed after the milestone's last command; ``files`` names some."""

    code = "changed_since"


class TooManySessions(Conflict):
    """``max_sessions`` live sessions exist already."""

    code = "too_many_sessions"


class LimitReached(WxcodeError):
    """As many of something as the configuration allows are there already (``limit``); nothing was changed."""

    code = "limit_reached"


class TooManyClients(LimitReached):
    """``max_clients`` terminals are attached to the session."""

    code = "too_many_clients"


class TooManyCommands(LimitReached):
    """``max_queued_commands`` commands wait in the project's queue."""

    code = "too_many_commands"


class TooManyFollowers(LimitReached):
    """``max_followers`` connections follow the project's events."""

    code = "too_many_followers"


class TooManyUploads(LimitReached):
    """``max_uploads`` files are being uploaded."""

    code = "too_many_uploads"


class NotReady(WxcodeError):
    """Something must be installed or answered first."""

    code = "not_ready"


class CliMissing(NotReady):
    """The Claude Code CLI cannot be executed."""

    code = "cli_missing"


class GsdMissing(NotReady):
    """GSD is installed neither in the workspace nor in HOME."""

    code = "gsd_missing"


class ProjectNotInitialized(NotReady):
    """There is no ``.planning/PROJECT.md`` yet: GSD's ``new-project`` comes first."""

    code = "project_not_initialized"


class TrustRequired(NotReady):
    """The CLI asks whether the workspace is trusted, and nobody is there to answer."""

    code = "trust_required"


class GitUnavailable(NotReady):
    """git is missing, or does not do what it is asked in the workspace's repository."""

    code = "git_unavailable"


class NotPrivate(NotReady):
    """Something where only ours may be belongs to another user, who could change what our processes believe."""

    code = "not_private"


class StoreError(WxcodeError):
    """The store did not do what it was asked."""

    code = "store_error"


class StoreUnavailable(StoreError):
    """The store cannot be reached; ``url`` is its address without the password."""

    code = "store_unavailable"


class StoreConflict(StoreError):
    """A write whose precondition no longer held."""

    code = "store_conflict"


class TerminalError(WxcodeError):
    """The PTY side failed."""

    code = "terminal_error"


class KeeperUnavailable(TerminalError):
    """The keeper process cannot be started or reached."""

    code = "keeper_unavailable"


class SpawnFailed(TerminalError):
    """The child could not be executed."""

    code = "spawn_failed"


class TerminalClosed(TerminalError):
    """The child has ended; nothing can be written any more."""

    code = "terminal_closed"


class SessionError(WxcodeError):
    """The Claude Code session cannot do this now."""

    code = "session_error"


class SessionNotRunning(SessionError):
    """There is no live session."""

    code = "session_not_running"


class SessionExited(SessionError):
    """The CLI ended while something was waited for."""

    code = "session_exited"


class AttentionNeeded(SessionError):
    """The CLI shows something that only a person should answer."""

    code = "attention_needed"


class ConversationUnknown(SessionError):
    """The CLI does not know the stored conversation id."""

    code = "conversation_unknown"


class WorkFailed(WxcodeError):
    """Work that was waited for did not succeed."""

    code = "work_failed"


class MilestoneFailed(WorkFailed):
    """The milestone is marked failed."""

    code = "milestone_failed"


class CommandFailed(WorkFailed):
    """A command was not delivered, or its turn ended with an error."""

    code = "command_failed"


class CommandTimeout(WorkFailed):
    """The wait ended before the work did; Claude works on."""

    code = "command_timeout"


class AnswerNeeded(WorkFailed):
    """Claude asks, and nobody is there to answer."""

    code = "answer_needed"


class StepUnfinished(WorkFailed):
    """A step of GSD's ended without the artefact by which it is done, or nothing came of it."""

    code = "step_unfinished"


class BudgetExhausted(WorkFailed):
    """A run may begin no further step; ``next`` is the one that it would have begun."""

    code = "budget_exhausted"


class UsageLimited(WorkFailed):
    """A turn ended at a usage limit; ``resets_at`` (ISO 8601, UTC) is None where the CLI does not say when it ends."""

    code = "usage_limited"


class ServerUnreachable(WxcodeError):
    """No wxcode server answers."""

    code = "server_unreachable"


def by_code(code: str) -> type[WxcodeError]:
    """Return the class with this slug, or ``WxcodeError`` for one this version does not know."""
    pending: list[type[WxcodeError]] = [WxcodeError]
    while pending:
        kind = pending.pop()
        if kind.code == code:
            return kind
        pending.extend(kind.__subclasses__())
    return WxcodeError
