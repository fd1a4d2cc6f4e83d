"""What the magics return: values that display well, and can be used from Python.

Each is a picture of one moment; ``refresh()`` returns a new one. ``ok`` and ``error`` say how it went: a result kept by
``-o`` after a failure has the error that was raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeVar

from ..client import Check, Client, GsdStatus, Project
from ..client.policies import describe as describe_question
from ..models import Command, Event, Milestone, Question, SessionInfo, SessionState
from ..plain import clean_colored
from .cards import Badge, Card, Now, clock
from .evidence import Evidence, squeezed
from .export import scrap, to_plain
from .gsd_rows import phase_table, progress_rows
from .live import Live
from .rows import command_badge, milestone_badge, outcome_notes, queue, row, session_badge, title, work

V = TypeVar("V")

_BESIDE = "another `claude` has this conversation open; end it, or the turns of one of the two are lost"
_HOW_TO_ANSWER = "Answer it: `%wxmilestone answer CHOICE` (a label or its beginning), or in the terminal."


@dataclass(frozen=True, kw_only=True)
class Result:
    """Root of the results.

    One that ``follows`` something has a card that goes on with it in the browser; the result itself stays as it is.

    Attributes:
        error: What was raised, where the result is kept after a failure.
        notes: What to know, and what to do next.
    """

    error: BaseException | None = None
    notes: tuple[str, ...] = ()
    _again: Callable[[], Any] | None = field(default=None, repr=False, compare=False)
    _live: Live | None = field(default=None, repr=False, compare=False)

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return self.error is None

    def refresh(self) -> Self:
        """Return the same as it is now; a result that cannot change returns itself."""
        fresh: Self = self if self._again is None else self._again()
        return fresh

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON has it."""
        plain: dict[str, Any] = to_plain(self)
        return {"ok": self.ok, **plain}

    def _scrap(self) -> str | None:
        """Return the name under which scrapbook finds the result in a notebook; None keeps it out."""
        return None

    def follows(self, live: Live | None) -> Self:
        """Return the same with a card that follows the server; None: with one that stays as it is."""
        return replace(self, _live=live)

    def with_notes(self, *notes: str) -> Self:
        """Return the same with more notes."""
        return replace(self, notes=(*self.notes, *notes))

    def _card(self) -> Card:
        return Card("failed" if self.error else "done", notes=self.notes)

    def _shown(self) -> Card:
        card = self._card()
        failure = (f"{type(self.error).__name__}: {self.error}",) if self.error else ()
        return replace(card, notes=(*card.notes, *failure))

    def __repr__(self) -> str:
        return self._shown().as_text()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        card, name = self._shown(), self._scrap()
        kept = {} if name is None else scrap(name, self.to_dict())
        html = card.as_html() if self._live is None else self._live.wrap(card.as_html())
        return {"text/plain": card.as_text(), "text/html": html, **kept}


@dataclass(frozen=True, repr=False, kw_only=True)
class Help(Result):
    """Usage."""

    text: str

    def _card(self) -> Card:
        return Card("wxcode", block=self.text, notes=self.notes)


@dataclass(frozen=True, repr=False, kw_only=True)
class ProjectCard(Result):
    """A project that was selected."""

    project: Project
    is_new: bool = False

    def _card(self) -> Card:
        project, options = self.project, self.project.options
        rows = [("folder", project.workspace_path), ("conversation", project.claude_session_id or "none yet")]
        chosen = {"permission mode": options.permission_mode, "model": options.model}
        rows += [(label, value) for label, value in chosen.items() if value]
        rows += [("arguments", " ".join(options.claude_args))] if options.claude_args else []
        rows += [("trusted", "yes, by this project's options")] if options.trust else []
        return Card(project.name, Badge("new" if self.is_new else str(project.status)), rows, notes=self.notes)


@dataclass(frozen=True, repr=False, kw_only=True)
class Listing(Result, Sequence[V]):
    """A list of values: a sequence, to be indexed and iterated over."""

    items: tuple[V, ...]
    title: str

    def __getitem__(self, index: Any) -> Any:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[V]:
        return iter(self.items)

    def _card(self) -> Card:
        return Card(self.title, tables=[[row(item) for item in self.items]], notes=self.notes)


@dataclass(frozen=True, repr=False, kw_only=True)
class MilestoneResult(Result):
    """A milestone, its command once it was started, and what became of it once it was waited for."""

    milestone: Milestone
    command: Command | None = None
    session: SessionInfo | None = None
    evidence: Evidence | None = None

    def _scrap(self) -> str | None:
        return f"wxcode.{self.milestone.element_name}" if self.evidence else None

    def _card(self) -> Card:
        milestone, evidence = self.milestone, self.evidence
        rows = [("id", milestone.id)]
        rows += [("completed", clock(milestone.completed_at))] if milestone.completed_at else []
        rows += [("command", title(self.command))] if self.command else []
        return Card(
            milestone.element_name,
            milestone_badge(milestone, evidence),
            rows,
            [evidence.table()] if evidence else [],
            evidence.screen if evidence else "",
            self.notes,
            work(self.command, self.session, evidence),
        )


@dataclass(frozen=True, repr=False, kw_only=True)
class CommandResult(Result):
    """A command that was sent, with what became of it once it was waited for."""

    command: Command
    session: SessionInfo | None = None
    evidence: Evidence | None = None

    def _scrap(self) -> str | None:
        return f"wxcode.{title(self.command)}" if self.evidence else None

    def _card(self) -> Card:
        command, evidence = self.command, self.evidence
        return Card(
            title(command),
            command_badge(command),
            block=evidence.screen if evidence else "",
            notes=self.notes,
            now=work(command, self.session, evidence),
        )


@dataclass(frozen=True, repr=False, kw_only=True)
class SessionStatus(Result):
    """The session of a project, with its open milestones and latest commands where they were asked for.

    ``evidence`` is what became of the commands that were waited for, oldest first.
    """

    project: Project
    session: SessionInfo
    milestones: tuple[Milestone, ...] = ()
    commands: tuple[Command, ...] = ()
    gsd: GsdStatus | None = None
    questions: tuple[Question, ...] = ()
    evidence: tuple[Evidence, ...] = ()

    @property
    def state(self) -> SessionState:
        """The session's state."""
        return self.session.state

    def _card(self) -> Card:
        project, session = self.project, self.session
        conversation = session.claude_session_id or project.claude_session_id
        rows = [("conversation", conversation or "none yet")]
        if session.state.live:
            rows.append(("process", f"{session.pid}, since {clock(session.started_at)}"))
        if session.queued:
            rows.append(("queued", queue(session)))
        rows += [("background", "; ".join(session.background))] if session.background else []
        rows += [("in use beside", f"{'; '.join(session.beside)}: {_BESIDE}")] if session.beside else []
        needed = session.attention.message if session.attention else session.message
        rows += [("needs you" if session.state.live else "reason", needed)] if needed else []
        rows += [("asks", describe_question(question)) for question in self.questions]
        for each in self.evidence:
            command = each.summary.command
            rows += [("command", title(command)), *work(command, None, each).rows]
        # An orderly end needs no picture.
        shown = session.screen if session.attention or session.exit_code else "".join(e.screen for e in self.evidence)
        last = self.evidence[-1].summary.command if self.evidence else None
        hints = (*outcome_notes(last), *((_HOW_TO_ANSWER,) if self.questions else ()))
        return Card(
            project.name,
            session_badge(session),
            [("folder", project.workspace_path)],
            [
                progress_rows(self.gsd) if self.gsd else [],
                phase_table(self.gsd.progress) if self.gsd else [],
                [row(item) for item in self.milestones],
                [row(item) for item in self.commands],
                *(each.table() for each in self.evidence),
            ],
            notes=self.notes,
            now=Now(rows, squeezed(shown or ""), hints),
        )


@dataclass(frozen=True, repr=False, kw_only=True)
class Questions(Listing[Question]):
    """What Claude has asked, oldest first."""

    def _card(self) -> Card:
        rows = [(question.id, describe_question(question)) for question in self.items if question.open]
        answered = [row(question) for question in self.items if not question.open]
        notes = (_HOW_TO_ANSWER,) if rows else ("Claude asks nothing now.",)
        return Card(self.title, tables=[answered], notes=self.notes, now=Now(rows, notes=notes))


@dataclass(frozen=True, repr=False, kw_only=True)
class Answered(Result):
    """A question that was answered."""

    question: Question

    def _card(self) -> Card:
        question = self.question
        texts = zip(question.items, question.answer, strict=False)
        return Card(question.title, Badge("answered", "good"), [(item.question, text) for item, text in texts])


@dataclass(frozen=True, repr=False, kw_only=True)
class EventLog(Listing[Event]):
    """The latest events of a project, oldest first."""


@dataclass(frozen=True, repr=False, kw_only=True)
class Screen(Result):
    """The terminal as text; ``str`` of it is the text, or ``markup`` where another format was asked for."""

    text: str
    title: str
    format: str = "text"
    markup: str = ""

    def __str__(self) -> str:
        return self.markup or self.text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        shown = super()._repr_mimebundle_(include, exclude)
        match self.format if self.markup else "text":
            case "html":
                return {**shown, "text/html": Card(self.title, notes=self.notes).as_html() + self.markup}
            case "ansi":  # front ends show the colours of a text, where there is no HTML
                return {"text/plain": clean_colored(self.markup)}
        return shown

    def _card(self) -> Card:
        return Card(self.title, block=self.text.rstrip() or "(nothing on the screen)", notes=self.notes)


@dataclass(frozen=True, repr=False, kw_only=True)
class DoctorReport(Listing[Check]):
    """What ``doctor`` found; ``ok`` is whether every check passed."""

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return all(check.ok for check in self.items)


def open_questions(client: Client, project: Project) -> tuple[Question, ...]:
    """Return what Claude waits for."""
    return tuple(question for question in client.questions(project) if question.open)


def current_session(client: Client, project: Project, **more: Any) -> SessionStatus:
    """Return the status of a project's session now, without lists."""
    session = client.session(project)
    return SessionStatus(
        project=project,
        session=session,
        questions=open_questions(client, project) if session.state is SessionState.WAITING else (),
        _again=lambda: current_session(client, client.get_project(project)),
        **more,
    )
