"""What stands in the way of a wait: a session that has ended, somebody who is needed, a usage limit, a failure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from ..errors import (
    AlreadyAnswered,
    AnswerNeeded,
    AttentionNeeded,
    CommandFailed,
    ConversationUnknown,
    InvalidRequest,
    NotFound,
    SessionExited,
    SessionNotRunning,
    TrustRequired,
    WxcodeError,
)
from ..models import Command, CommandStatus, Question, SessionInfo, SessionState
from . import limits, policies
from .following import Follower
from .limits import OnLimit
from .policies import Policy
from .values import asks_for_trust

if TYPE_CHECKING:
    from .api import Client

UNNAMED_S = 10.0
_RESUME = "`%wxmilestone resume` starts it again, and sends what is queued."


class Obstacles:
    """Looks for what stands in the way, answers what the policy has an answer for, and raises or tells the rest.

    Args:
        client: Whom to ask.
        project_id: The project.
        follower: Tells the observer.
        attended: Whether somebody can answer the CLI.
        policy: What is said to questions.
        on_limit: Whether a usage limit is told or raised.
        clock: Seconds that only rise.
    """

    def __init__(
        self,
        client: Client,
        project_id: str,
        follower: Follower,
        *,
        attended: bool,
        policy: Policy,
        on_limit: OnLimit,
        clock: Callable[[], float],
    ) -> None:
        self._client = client
        self._project_id = project_id
        self._follower = follower
        self._attended = attended
        self._policy = policy
        self._on_limit = on_limit
        self._clock = clock
        self._told: set[tuple[str, str]] = set()
        self._unnamed_since = 0.0  # since when the session has waited without a question that the server names

    def check(self, session: SessionInfo, when: str) -> bool:
        """Raise when this session needs somebody; where somebody is waited for, tell it once, and return True."""
        if not session.state.live:
            raise _ended(session, when)
        if session.state is SessionState.ATTENTION:
            needed = self._attention(session)
        elif session.state is SessionState.WAITING:
            found = self._answer()
            if found is None:
                return False
            needed = found
        else:
            return False
        waits = self._policy.on_question == "wait" if isinstance(needed, AnswerNeeded) else self._attended
        if not waits:
            raise needed
        if (needed.code, needed.message) not in self._told:
            self._told.add((needed.code, needed.message))
            self._follower.tell("needed", needed.message)
        return True

    def check_limit(self, session: SessionInfo, command: Command | None = None) -> None:
        """Raise, or tell once, that a usage limit holds what is queued."""
        if session.limited_until is None or not session.queued:
            return
        if self._on_limit == "fail":
            raise limits.held(session, command)
        if ("limit", str(session.limited_until)) not in self._told:
            self._told.add(("limit", str(session.limited_until)))
            self._follower.tell("limit", f"{limits.hold(session)} `%wxmilestone resume --now` sends it at once.")

    def _attention(self, session: SessionInfo) -> WxcodeError:
        shown = session.attention
        message = (shown.message if shown else "") or session.message or "Claude Code shows something unexpected."
        screen = session.screen or ""
        if asks_for_trust(session):
            project = self._follower.ask(lambda: self._client.get_project(self._project_id))
            folder = project.workspace_path
            return TrustRequired(
                f"Claude Code asks whether the folder {folder} is trusted; nothing was typed. If you trust it: "
                f'`%wxmilestone trust`, or `%wxmilestone project "{project.name}" --trust`, or for the folders under '
                "the server's workspace root c.WxcodeApp.trust_own_workspaces = True.",
                workspace_path=folder,
                screen=screen,
                project_id=self._project_id,
            )
        kind = ConversationUnknown if shown is not None and shown.kind == "conversation_unknown" else AttentionNeeded
        return kind(
            f"{message} Look with `%wxmilestone screen`.{_indented(screen)}",
            kind=shown.kind if shown else "",
            screen=screen,
            project_id=self._project_id,
        )

    def _answer(self) -> AnswerNeeded | None:
        """Answer what the policy has an answer for; return what needs somebody, None when nothing is asked any more."""
        asked = [each for each in self._follower.ask(lambda: self._client.questions(self._project_id)) if each.open]
        if not asked:
            self._unnamed_since = self._unnamed_since or self._clock()
            if self._clock() - self._unnamed_since < UNNAMED_S:
                return None  # answered meanwhile, or about to be told
            screen = self._follower.ask(lambda: self._client.screen(self._project_id))
            return AnswerNeeded(
                f"Claude waits for an answer; the terminal shows for which.{_indented(screen)}",
                questions=[],
                project_id=self._project_id,
            )
        self._unnamed_since = 0.0
        for question in asked:
            choices = self._policy.decide(question)
            if choices is None:
                return self._needed(question)
            try:
                # Its event tells of it. Asked twice, because the first reply was lost, it is answered already.
                self._follower.ask(partial(self._client.answer, question, *choices, by="policy"))
            except (AlreadyAnswered, NotFound):
                continue
            except (InvalidRequest, AttentionNeeded) as error:
                return self._needed(question, f" The prepared answer was not taken: {error.message}")
        return None

    def _needed(self, question: Question, why: str = "") -> AnswerNeeded:
        return AnswerNeeded(
            f"Claude asks, and the work waits for the answer: `%wxmilestone answer CHOICE`.{why}"
            + _indented(policies.describe(question)),
            questions=[asdict(question)],
            question_id=question.id,
            project_id=self._project_id,
        )


def judge(command: Command) -> None:
    """Raise ``CommandFailed`` for a command that was not delivered, or whose turn ended otherwise than by itself."""
    if command.status is CommandStatus.FAILED:
        reason = command.error or "no reason was given"
        raise CommandFailed(f"{quoted(command.text)} failed: {reason}", command_id=command.id, error=command.error)
    if command.status is CommandStatus.INTERRUPTED:
        how = "withdrawn before it was delivered" if command.withdrawn else "interrupted"
        raise CommandFailed(
            f"{quoted(command.text)} was {how}.",
            command_id=command.id,
            error="withdrawn" if command.withdrawn else "interrupted",
        )


def quoted(text: str) -> str:
    """Return a text as messages have it: its first line, cut."""
    first = text.strip().split("\n", 1)[0]
    shown = first if len(first) <= 60 and first == text.strip() else first[:59] + "…"
    return f"“{shown}”"


def _ended(session: SessionInfo, when: str) -> WxcodeError:
    message = session.message or (session.attention.message if session.attention else "")
    if session.attention is not None and session.attention.kind == "conversation_unknown":
        return ConversationUnknown(message, claude_session_id=session.claude_session_id, project_id=session.project_id)
    if session.state is SessionState.STOPPED:
        return SessionNotRunning(
            " ".join(filter(None, [f"No session is running {when}.", message, _RESUME])), project_id=session.project_id
        )
    return SessionExited(
        f"Claude Code ended {when} (exit code {session.exit_code}). {message}".rstrip()
        + _indented(session.screen or ""),
        exit_code=session.exit_code,
        screen=session.screen,
        project_id=session.project_id,
    )


def _indented(screen: str) -> str:
    lines = [line.rstrip() for line in screen.splitlines() if line.strip()]
    return "".join(f"\n    {line}" for line in lines[-20:])
