"""``Client``: the operations of the REST API, typed, for notebooks and scripts."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Self

import httpx
from bson import ObjectId

from ..errors import AlreadyStarted, NameTaken, NotFound
from ..evidence import Changes, CommandSummary, Forked, Rewound
from ..models import Command, CommandStatus, Event, Milestone, MilestoneStatus, OutputProject, Question, SessionInfo
from . import discovery, limits, parse
from .budgets import Budget
from .gsd import GsdStatus, gsd_status
from .limits import OnLimit
from .policies import Policy
from .routing import Router
from .runs import Run, Runner, Until
from .transport import Endpoint
from .values import Check, PreparedContext, Project, ServerInfo
from .waiting import Observer, Watch


class Client:
    """Drives output projects through a wxcode server.

    Wherever a method takes a project, its id or its ``Project`` will do, and likewise for milestones and commands.
    A project whose session another server of this user holds is followed to that server, and stays with it.
    Every method raises ``ServerUnreachable`` when no server answers, ``NotFound`` for what nobody has, and the error
    that the server names. Safe to use from several threads.

    Use ``Client.connect()``, which finds the server or starts one; close it, or use it in a ``with`` statement.
    """

    def __init__(
        self, endpoint: Endpoint, *, transport: httpx.BaseTransport | None = None, timeout_s: float | None = None
    ) -> None:
        self._router = Router(endpoint, transport=transport, timeout_s=timeout_s)

    @classmethod
    def connect(
        cls, *, environ: Mapping[str, str] | None = None, start: bool = True, say: Callable[[str], None] | None = None
    ) -> Client:
        """Connect to the server that this kernel belongs to; see ``discovery.find`` for the order.

        Args:
            environ: Environment to look into; this process's own by default.
            start: Start a headless server when none runs.
            say: Is told, in one line, when a server has to be started.

        Raises:
            ServerUnreachable: No server answers, and none could be started; the message says why.
        """
        return cls(discovery.find(os.environ if environ is None else environ, start=start, say=say))

    @property
    def url(self) -> str:
        """Base URL of the server."""
        return self._router.home.url

    def hurried(self, timeout_s: float = 0.5) -> Client:
        """Return another client of the same server that gives up soon, for what nobody should wait for."""
        return Client(self._router.home, transport=self._router.carrier, timeout_s=timeout_s)

    def close(self) -> None:
        """Close the connections; idempotent."""
        self._router.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- the server -----------------------------------------------------------------------------------------------

    def info(self, project: Project | str | None = None) -> ServerInfo:
        """Return which server this is; with a project, the one that its requests go to."""
        body = self._router.request("GET", "info", project_id=None if project is None else _id(project))
        return parse.checked(parse.server_info, body, "itself")

    def doctor(self, project: Project | str | None = None) -> tuple[Check, ...]:
        """Check the CLI, the login, GSD, the store, the keeper; with a project, its folder too."""
        key = None if project is None else _id(project)
        body = self._router.request("GET", "doctor", project_id=key, params={"project_id": key})
        return parse.checked(parse.checks, body, "its checks")

    # -- projects -------------------------------------------------------------------------------------------------

    def projects(self, *, name: str | None = None, workspace_path: str | None = None) -> tuple[Project, ...]:
        """Return all projects, oldest first; with a name or a folder, the one that has it, if any."""
        params = {"name": name, "workspace_path": workspace_path}
        return self._router.read_pages("output-projects", "projects", params, parse.project)

    def project(self, name: str) -> Project:
        """Return the project of this name. Raises ``NotFound``."""
        for found in self.projects(name=name):
            return found
        raise NotFound(f"There is no output project named {name!r}.", what="project", identifier=name)

    def get_project(self, project: Project | str) -> Project:
        """Return a project as it is now, by its id."""
        body = self._router.request("GET", f"output-projects/{_id(project)}")
        return parse.checked(parse.project, body, "a project")

    def create_project(
        self,
        name: str,
        *,
        workspace_path: str | None = None,
        kb_id: str | None = None,
        stack_id: str | None = None,
        permission_mode: str | None = None,
        model: str | None = None,
        claude_args: Sequence[str] | None = None,
        trust: bool | None = None,
    ) -> Project:
        """Create a project; without a folder the server makes one under its workspace root.

        Raises:
            NameTaken: Another project has the name.
            FolderTaken: Another project has the folder.
            InvalidPath: The folder is outside the roots that the server allows.
        """
        body = _given(
            id=str(ObjectId()),
            name=name,
            workspace_path=workspace_path,
            kb_id=kb_id,
            stack_id=stack_id,
            permission_mode=permission_mode,
            model=model,
            claude_args=None if claude_args is None else list(claude_args),
            trust=trust,
        )
        answer = self._router.request("POST", "output-projects", body=body, repeatable=True)
        return parse.checked(parse.project, answer, "a project")

    def ensure_project(self, name: str, **options: Any) -> Project:
        """Return the project of this name, creating it (arguments of ``create_project``) where it is new.

        An existing project is returned as it is; see ``update_project`` for its options.
        """
        for found in self.projects(name=name):
            return found
        try:
            return self.create_project(name, **options)
        except NameTaken:  # somebody was faster
            return self.project(name)

    def update_project(self, project: Project | str, **changes: Any) -> Project:
        """Set ``name``, ``status``, ``permission_mode``, ``model``, ``claude_args`` or ``trust``; never the folder."""
        key = _id(project)
        path = f"output-projects/{key}"
        answer = self._router.request("PATCH", path, project_id=key, body=changes, repeatable=True)
        return parse.checked(parse.project, answer, "a project")

    def delete_project(self, project: Project | str) -> None:
        """Forget a project; its files stay. Raises ``SessionAlive`` while a session lives."""
        key = _id(project)
        self._router.request("DELETE", f"output-projects/{key}", project_id=key)

    # -- milestones -----------------------------------------------------------------------------------------------

    def milestones(self, project: Project | str, *, status: MilestoneStatus | None = None) -> tuple[Milestone, ...]:
        """Return the milestones of a project, oldest first; their ``context`` may be left out (None)."""
        params = {"output_project_id": _id(project), "status": status and status.value}
        return self._router.read_pages("milestones", "milestones", params, parse.milestone)

    def milestone(self, milestone: Milestone | str) -> Milestone:
        """Return a milestone as it is now, by its id; with its ``context``."""
        body = self._router.request("GET", f"milestones/{_id(milestone)}")
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
        body = _given(
            id=milestone_id or str(ObjectId()),
            output_project_id=_id(project),
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
        body = self._router.request("GET", f"milestones/{_id(milestone)}/changes", project_id=key)
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
        body = _given(name=name, workspace_path=workspace_path)
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
        self._router.request("DELETE", f"milestones/{_id(milestone)}")

    def run(
        self,
        milestone: Milestone | str,
        until: Until = "verified",
        *,
        max_turns: int | None = None,
        budget_usd: float | None = None,
        timeout_s: float | None = None,
        attended: bool = False,
        policy: Policy | None = None,
        observer: Observer | None = None,
        on_limit: OnLimit | None = None,
    ) -> Run:
        """Bring a milestone to where every phase is planned, built or verified, or to its archive, step by step.

        Starts it where it is pending. Each step is the command that GSD's files say comes next, in a context of its own
        (``/clear`` goes before), and must leave its artefact in ``.planning/``. Called again, it goes on where the
        files say.

        Args:
            milestone: Which.
            until: ``planned``, ``built``, ``verified`` or ``archived``.
            max_turns: How many of GSD's commands may be begun, the milestone's own included.
            budget_usd: What they may cost, looked at between them. Claude Code 2.1.330 tells it when a conversation is
                left; where it does not, the run ends after its first command.
            timeout_s: Limit in seconds over all of it.
            attended: As of ``wait``, for each step, as are ``policy`` and ``observer``.
            policy: What is said to Claude's questions.
            observer: Is told about the progress.
            on_limit: ``fail`` (the default) or ``wait``, as of ``wait_for``.

        Raises:
            StepUnfinished: A step ended without its artefact, or advanced nothing; it is not repeated.
            BudgetExhausted, CommandTimeout: More would be needed than is allowed.
            MilestoneFailed: The milestone's record is marked failed. (One marked completed is returned as it is.)
            Conflict: Another milestone of the project was begun later.
            Whatever ``start_milestone`` and ``wait_for`` raise.
        """
        budget = Budget(max_turns, timeout_s, budget_usd)
        return Runner(
            self,
            self._resolve(milestone),
            until,
            budget,
            attended=attended,
            policy=policy,
            observer=observer,
            on_limit=on_limit,
        ).run()

    # -- GSD ------------------------------------------------------------------------------------------------------

    def gsd(self, project: Project | str, *, until: Until | None = None) -> GsdStatus:
        """Return GSD's commands as they are installed, the milestone's phases, and the next step; reads files only.

        With ``until`` the next step is the one that brings the milestone there (see ``run``), and ``reached`` says
        whether it is there already.
        """
        key = _id(project)
        body = self._router.request("GET", f"output-projects/{key}/gsd", project_id=key, params={"until": until})
        return parse.checked(gsd_status, body, "GSD")

    def init(self, project: Project | str, brief: str) -> Command:
        """Queue GSD's new-project with a brief; the same brief gives the command that exists.

        Raises:
            AlreadyInitialized: There is a PROJECT.md that was made from another text.
            GsdMissing: Nothing was queued.
        """
        key = _id(project)
        path = f"output-projects/{key}/gsd/init"
        answer = self._router.request("POST", path, project_id=key, body={"brief": brief}, repeatable=True)
        return parse.checked(parse.command, answer, "a command")

    # -- the session ----------------------------------------------------------------------------------------------

    def session(self, project: Project | str) -> SessionInfo:
        """Return the session as it is now; a project without one has state ``stopped``."""
        return self._session("GET", project)

    def start_session(self, project: Project | str, *, fresh: bool = False, now: bool = False) -> SessionInfo:
        """Start or resume the conversation, or return the live session; it may still be ``starting`` then.

        Args:
            project: Which.
            fresh: Begin a new conversation; the old id stays in the lineage.
            now: Send what a usage limit holds (``limited_until``) at once.
        """
        body = {name: True for name, given in (("fresh", fresh), ("now", now)) if given}
        return self._session("POST", project, body=body, repeatable=not fresh)

    resume = start_session

    def stop(self, project: Project | str) -> SessionInfo:
        """End the session: politely, then SIGTERM, then SIGKILL. The conversation can be resumed."""
        return self._session("DELETE", project, repeatable=True)

    def interrupt(self, project: Project | str) -> SessionInfo:
        """Interrupt what Claude does, as Esc does; the session lives on."""
        return self._session("POST", project, "/interrupt")

    def trust(self, project: Project | str) -> SessionInfo:
        """Choose Yes on the CLI's trust screen, and wait until it has taken that (10 s at most).

        Raises:
            AttentionNeeded: No such screen is there.
        """
        self._session("POST", project, "/trust")
        return Watch(self, _id(project), timeout_s=10.0, attended=True).until_trusted()

    def screen(self, project: Project | str, *, accept: str = "text/plain") -> str:
        """Return what the terminal shows now; ``accept`` may ask for ``text/html`` or ``text/x-ansi``."""
        key = _id(project)
        return self._router.read_text(f"output-projects/{key}/screen", project_id=key, accept=accept)

    def output(self, project: Project | str) -> bytes:
        """Return what is kept of all that the live session's terminal printed, as it was printed.

        Raises:
            SessionNotRunning: No session lives; the output goes with it.
        """
        key = _id(project)
        return self._router.read_bytes(f"output-projects/{key}/output", project_id=key)

    def recording(self, project: Project | str) -> bytes:
        """Return the same with its times, as an asciicast v2 (for asciinema and its players). Raises as ``output``."""
        key = _id(project)
        return self._router.read_bytes(f"output-projects/{key}/recording", project_id=key)

    # -- commands and events --------------------------------------------------------------------------------------

    def send(
        self,
        project: Project | str,
        text: str,
        *,
        milestone: Milestone | str | None = None,
        command_id: str | None = None,
    ) -> Command:
        """Queue one input for Claude; the server starts or resumes the session where none lives.

        The id is the client's choice, so that a repetition after a lost answer doubles nothing; a caller who gives
        ``command_id`` may repeat the call itself, and gets the same command.
        """
        body = _given(
            id=command_id or str(ObjectId()), text=text, milestone_id=None if milestone is None else _id(milestone)
        )
        key = _id(project)
        path = f"output-projects/{key}/commands"
        answer = self._router.request("POST", path, project_id=key, body=body, repeatable=True)
        return parse.checked(parse.command, answer, "a command")

    def command(self, command: Command | str) -> Command:
        """Return a command as it is now."""
        key = command.output_project_id if isinstance(command, Command) else None
        body = self._router.request("GET", f"commands/{_id(command)}", project_id=key)
        return parse.checked(parse.command, body, "a command")

    def summary(self, command: Command | str) -> CommandSummary:
        """Return what became of a command: tokens, questions and answers, what went wrong beside it."""
        key = command.output_project_id if isinstance(command, Command) else None
        body = self._router.request("GET", f"commands/{_id(command)}/summary", project_id=key)
        return parse.checked(parse.summary, body, "a summary")

    def commands(
        self,
        project: Project | str,
        *,
        statuses: Collection[CommandStatus] = (),
        milestone_id: str | None = None,
        last: int | None = None,
    ) -> tuple[Command, ...]:
        """Return the commands of a project, first in first out; of many only the ``last`` ones, where given."""
        params = {"status": [status.value for status in statuses] or None, "milestone_id": milestone_id}
        path = f"output-projects/{_id(project)}/commands"
        return self._router.read_pages(path, "commands", params, parse.command, last=last)

    def events(self, project: Project | str, *, after: int = 0, limit: int | None = None) -> tuple[Event, ...]:
        """Return events with a ``seq`` above ``after``, by ``seq``; at most what the server gives at once."""
        key = _id(project)
        params = {"after": after, "limit": limit}
        body = self._router.request("GET", f"output-projects/{key}/events", project_id=key, params=params)
        return parse.checked(lambda body: tuple(parse.event(item, key) for item in body["events"]), body, "events")

    # -- questions ------------------------------------------------------------------------------------------------

    def questions(self, project: Project | str) -> tuple[Question, ...]:
        """Return what Claude has asked since its process was started, oldest first; ``open`` ones wait."""
        key = _id(project)
        body = self._router.request("GET", f"output-projects/{key}/questions", project_id=key, params={"limit": 1000})
        return parse.checked(lambda body: tuple(parse.question(item) for item in body["questions"]), body, "questions")

    def answer(
        self,
        question: Question | str,
        *choices: str | Sequence[str] | Mapping[str, str],
        text: str | None = None,
        by: str = "user",
    ) -> Question:
        """Answer a question, or a permission, and return it once Claude Code has taken the answer.

        Args:
            question: Which, or its id.
            choices: The labels that are chosen; a beginning that only one option has is enough. Where several things
                are asked at once, one for each: a label, a list of labels, or ``{"text": ...}``.
            text: A text of one's own.
            by: ``user``, or ``policy`` for an answer that was decided beforehand.

        Raises:
            AlreadyAnswered: Somebody was faster.
            InvalidBody: The answer does not fit; the message names what does.
            AttentionNeeded: Its menu is not on the screen as it should be; nothing was pressed.
        """
        key = question.output_project_id if isinstance(question, Question) else None
        given = [each if isinstance(each, str | Mapping) else list(each) for each in choices]
        body = _given(choices=given or None, text=text, by=by)
        answer = self._router.request("POST", f"questions/{_id(question)}/answer", project_id=key, body=body)
        return parse.checked(parse.question, answer, "a question")

    # -- waiting --------------------------------------------------------------------------------------------------

    def wait(
        self,
        project: Project | str,
        *,
        commands: Collection[Command | str] = (),
        timeout_s: float | None = None,
        attended: bool = False,
        policy: Policy | None = None,
        observer: Observer | None = None,
        on_limit: OnLimit | None = None,
    ) -> SessionInfo:
        """Block until Claude is idle with an empty queue, or (``attended``) asks somebody; see ``waiting.Watch``.

        Args:
            project: Which.
            commands: Commands whose failure is raised although they may have ended before the wait began.
            timeout_s: Limit in seconds; None waits for ever.
            attended: Whether somebody can answer what the CLI asks: what is needed is then told to the observer.
            policy: What is said to Claude's questions, and done when the limit passes; see ``Policy``.
            observer: Is told about the progress.
            on_limit: What to do when the last command ended at a usage limit, or one holds the queue; see ``wait_for``.

        Raises:
            CommandTimeout: The limit passed; Claude works on.
            UsageLimited: A usage limit was reached, and is not waited for.
            CommandFailed: A command was not delivered, or its turn ended with an error or an interrupt.
            SessionExited, SessionNotRunning: There is no session to wait for.
            TrustRequired, AnswerNeeded, AttentionNeeded: Somebody is needed, and nobody is there.
        """
        watch = Watch(
            self,
            _id(project),
            timeout_s=timeout_s,
            attended=attended,
            policy=policy,
            on_limit=on_limit,
            observer=observer,
        )
        session = watch.until_idle([_id(command) for command in commands])
        if watch.limited is None or (on_limit is None and attended):
            return session
        limits.handle(self, watch, watch.limited, on_limit or "fail")
        return watch.until_idle()

    def wait_for(
        self,
        command: Command,
        *,
        timeout_s: float | None = None,
        attended: bool = False,
        policy: Policy | None = None,
        observer: Observer | None = None,
        on_limit: OnLimit | None = None,
    ) -> Command:
        """Block until a command has completed, and return it. Arguments and errors as of ``wait``.

        ``on_limit`` says what to do when its turn ends at a usage limit: ``fail`` raises ``UsageLimited``; ``wait``
        waits until the limit is over, asks Claude to go on (once, see `limits.py`), and returns the command that did.
        By default an attended command is returned as it is, and any other fails. The same goes for a limit that holds
        the command in the queue (``SessionInfo.limited_until``): an attended wait waits for its end.
        """
        watch = Watch(
            self,
            command.output_project_id,
            timeout_s=timeout_s,
            attended=attended,
            policy=policy,
            on_limit=on_limit,
            observer=observer,
        )
        ended = watch.until_final(command)
        if on_limit is None and attended:
            return ended
        return limits.handle(self, watch, ended, on_limit or "fail")

    def wait_started(self, project: Project | str, *, timeout_s: float = 10.0, attended: bool = False) -> SessionInfo:
        """Wait until the session has left ``starting``, at most ``timeout_s`` seconds, and return it.

        Raises:
            SessionExited: The CLI ended at once; the message has its last words.
            TrustRequired, AttentionNeeded: Unless ``attended``: somebody is needed first.
        """
        return Watch(self, _id(project), timeout_s=timeout_s, attended=attended).until_started()

    # -- plumbing -------------------------------------------------------------------------------------------------

    def _resolve(self, milestone: Milestone | str) -> Milestone:
        return milestone if isinstance(milestone, Milestone) else self.milestone(milestone)

    def _mark(self, milestone: Milestone | str, status: MilestoneStatus) -> Milestone:
        path = f"milestones/{_id(milestone)}"
        body = self._router.request("PATCH", path, body={"status": status.value}, repeatable=True)
        return parse.checked(parse.milestone, body, "a milestone")

    def _session(
        self,
        method: str,
        project: Project | str,
        action: str = "",
        *,
        body: Mapping[str, Any] | None = None,
        repeatable: bool = False,
    ) -> SessionInfo:
        key = _id(project)
        path = f"output-projects/{key}/session{action}"
        answer = self._router.request(method, path, project_id=key, body=body, repeatable=repeatable)
        return parse.checked(lambda body: parse.session(body, key), answer, "a session")


def _id(value: OutputProject | Milestone | Command | Question | str) -> str:
    return value if isinstance(value, str) else value.id


def _given(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
