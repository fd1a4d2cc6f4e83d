"""``Client``: the operations of the REST API, typed, for notebooks and scripts; here those that follow the work."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from typing import Self

import httpx

from ..models import Command, Milestone, SessionInfo
from . import discovery, limits, parse
from .budgets import Budget
from .following import Observer
from .limits import OnLimit
from .operations.base import key_of
from .operations.milestones import MilestoneOperations
from .operations.moving import MovingOperations
from .operations.projects import ProjectOperations
from .operations.sessions import SessionOperations
from .policies import Policy
from .routing import Router
from .runs import Run, Runner, Until
from .transport import Endpoint
from .values import Check, Project, ServerInfo
from .waiting import Watch


class Client(ProjectOperations, SessionOperations, MilestoneOperations, MovingOperations):
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
        super().__init__(Router(endpoint, transport=transport, timeout_s=timeout_s))

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
        body = self._router.request("GET", "info", project_id=None if project is None else key_of(project))
        return parse.checked(parse.server_info, body, "itself")

    def doctor(self, project: Project | str | None = None) -> tuple[Check, ...]:
        """Check the CLI, the login, GSD, the store, the keeper; with a project, its folder too."""
        key = None if project is None else key_of(project)
        body = self._router.request("GET", "doctor", project_id=key, params={"project_id": key})
        return parse.checked(parse.checks, body, "its checks")

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
            key_of(project),
            timeout_s=timeout_s,
            attended=attended,
            policy=policy,
            on_limit=on_limit,
            observer=observer,
        )
        session = watch.until_idle([key_of(command) for command in commands])
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
        return Watch(self, key_of(project), timeout_s=timeout_s, attended=attended).until_started()

    def trust(self, project: Project | str) -> SessionInfo:
        """Choose Yes on the CLI's trust screen, and wait until it has taken that (10 s at most).

        Raises:
            AttentionNeeded: No such screen is there.
        """
        self._session("POST", project, "/trust")
        return Watch(self, key_of(project), timeout_s=10.0, attended=True).until_trusted()

    # -- a milestone, step by step --------------------------------------------------------------------------------

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
        files say; called twice at once, too, each step is sent once, and waited for by both.

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
