"""Running the CLI for a project: which conversation, with what command line, in what environment."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from ..claude import transcript
from ..claude.command import check_session_id, command_line
from ..claude.hooks import HookSpool
from ..claude.running import conversations_in
from ..errors import CliMissing, ConversationUnknown, NotFound
from ..fault_points import FaultPoint, reach
from ..models import ClaudeSession, CommandStatus, LineageCause, OutputProject, ProjectOptions, TermSize
from ..store.base import Store
from ..terminal.pool import SpawnSpec, TerminalPool
from ..terminal.session import TerminalSession
from .config import Config
from .delivery_note import DeliveryNote, Stage
from .events import EventLog
from .keepsake import Keepsake, bring_back
from .lease import Tenure
from .lineage import Lineage
from .listener import TakenOver
from .live import LiveSession
from .others import check_unused
from .outbox import Outbox
from .pictures import Pictures
from .recorder import Recorder
from .recovery import remove_folder

log = logging.getLogger(__name__)

_UNDER_WAY = {CommandStatus.DELIVERING, CommandStatus.ACCEPTED}
_SIZE = TermSize(40, 120)


@dataclass(frozen=True, slots=True)
class Launched:
    """A session whose process runs and which nobody follows yet; ``folder`` is its own, with journal and spool."""

    session: LiveSession
    recorder: Recorder
    keepsake: Keepsake
    folder: str
    tenure: Tenure


@dataclass(frozen=True, slots=True)
class About:
    """What a server has to know to take over a session whose own server is gone; the keeper keeps it.

    Attributes:
        project_id: Whose it is.
        data_dir: Of the server: only one with the same
        store_url: and the same store may take it over.
        folder: The session's own, with journal and spool.
        journal_dir: The journal, by which the keeper knows the session.
        workspace: The real path.
        claude_session_id: The conversation with which it began; the spool tells of later ones.
        resumes: Whether it was resumed.
        cause: Why that conversation is the project's, None for one that is resumed.
    """

    project_id: str
    data_dir: str
    store_url: str
    folder: str
    journal_dir: str
    workspace: str
    claude_session_id: str
    resumes: bool
    cause: str | None = None

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> About | None:
        """Read what a keeper has kept, by whatever version of the package; None where something needed is missing."""
        try:
            return cls(**{name: value for name, value in kept.items() if name in cls.__slots__})
        except TypeError as error:
            log.warning("A session that is kept (%s) is not one of this version's: %s", kept.get("project_id"), error)
            return None


class Launcher:
    """Starts the CLI in folders that were claimed for it."""

    def __init__(self, config: Config, store: Store, events: EventLog, pool: TerminalPool) -> None:
        self._config = config
        self._store = store
        self._events = events
        self._pool = pool

    def environment(self, workspace: str) -> dict[str, str]:
        """Return the environment of a CLI in this folder."""
        return self._config.cli_environment(PWD=workspace)

    def check_cli(self, environment: dict[str, str]) -> None:
        """Raise ``CliMissing`` where there is nothing to execute."""
        program = self._config.claude_command[0]
        if shutil.which(program, path=environment.get("PATH")) is None:
            raise CliMissing(
                f"The Claude Code CLI {program!r} cannot be executed. Install it (`npm install -g "
                "@anthropic-ai/claude-code`), or set c.WxcodeApp.claude_command to where it is."
            )

    async def launch(
        self,
        project: OutputProject,
        owns: tuple[str, str],
        environment: dict[str, str],
        outbox: Outbox,
        tenure: Tenure,
        *,
        fresh: bool,
        back_to: str | None,
        conflict: Callable[[], None],
    ) -> Launched:
        """Run the CLI in the workspace, the second of the folders that are claimed for it.

        Args:
            project: Whose conversation is resumed, or begun.
            owns: The claimed folders.
            environment: The CLI's.
            outbox: Takes what the session does to the store.
            tenure: The project's lease.
            fresh: Begin a new conversation.
            back_to: Go back to this conversation, which was the project's before; None for the present one.
            conflict: Called when another host's conversation became the project's first.

        Raises:
            ConversationInUse: a `claude` that is not ours has it open.
            NotFound: ``back_to`` was never the project's.
            ConversationUnknown: what the project's document has for an id is none, or nothing was ever asked in
                ``back_to``.
            SpawnFailed: it cannot be started; nothing is left of it.
        """
        project_id, workspace, store = project.id, owns[1], tenure.store
        options = await self._store.get_options(project_id)
        folder = os.path.join(self._config.data_dir, "sessions", project_id, self._store.new_id())
        entry = await Lineage(store, project_id).current()
        lineage = await store.load_lineage(project_id)
        if back_to is not None:
            entry = await self._find_earlier(project_id, back_to)
        resume, cause = await self._choose(store, entry, fresh=fresh, environment=environment, workspace=workspace)
        if back_to is not None and resume is None:
            raise ConversationUnknown(f"Nothing was ever asked in conversation {back_to}: there is nothing to resume.")
        if resume is not None:
            await check_unused(environment, resume)
        if entry is not None and resume is not None:
            await bring_back(self._store, self._config.data_dir, entry, environment, workspace)
        spool = HookSpool(folder)
        spool.install(tui=self._config.tui)
        line = command_line(
            self._config.claude_command,
            resume=resume,
            settings_path=spool.settings_path,
            permission_mode=options.permission_mode or self._config.permission_mode,
            model=options.model,
            arguments=(*self._config.claude_args, *options.claude_args),
        )
        about = About(
            project_id,
            self._config.data_dir,
            self._store.url,
            folder,
            journal_of(folder),
            workspace,
            line.claude_session_id,
            line.resumes,
            cause,
        )
        spec = SpawnSpec(
            argv=line.argv,
            cwd=workspace,
            env=environment,
            owns=owns,
            journal_dir=about.journal_dir,
            size=_SIZE,
            limit_bytes=self._config.scrollback_limit_bytes,
            about=asdict(about) if self._config.keep_sessions else None,
            silence_limit_s=self._config.silence_limit_s,
        )
        try:
            terminal = await self._pool.open(project_id, spec)
        except BaseException:
            remove_folder(folder)
            raise
        reach(FaultPoint.SESSION_SPAWNED)
        trusts = self._trusts(options, workspace)
        launched = self._make(project, terminal, about, outbox, tenure, conflict, trust=trusts)
        for earlier in lineage:
            if earlier.born:
                path = self._find_kept(earlier, environment, workspace)
                launched.keepsake.catch_up(earlier.claude_session_id, path)
        return launched

    async def take_over(
        self,
        project: OutputProject,
        about: About,
        outbox: Outbox,
        take: Callable[[], Awaitable[Tenure]],
        *,
        conflict: Callable[[], None],
    ) -> Launched:
        """Go on with a session whose server is gone; ``take`` takes the lease, once no other server can.

        Raises:
            TerminalClosed: It has ended, or another server was first.
            Whatever ``take`` raises: the session is left as it was.
        """
        page = await self._store.list_commands(project.id, statuses=_UNDER_WAY, limit=100)
        command = page.items[-1] if page.items else None
        reach(FaultPoint.TAKEOVER_BEGUN)
        terminal = await self._pool.adopt(project.id, about.journal_dir)
        reach(FaultPoint.TAKEOVER_ADOPTED)
        try:
            tenure = await take()
        except BaseException:
            await self._pool.leave(project.id)
            raise
        stage = Stage.UNKNOWN
        if command and command.status is CommandStatus.DELIVERING:
            stage = DeliveryNote(about.folder).stage(command)
        left = TakenOver(None) if stage is Stage.UNTYPED else TakenOver(command, entered=stage is Stage.UNKNOWN)
        launched = self._make(project, terminal, about, outbox, tenure, conflict, takes_over=left)
        if command and stage is Stage.UNTYPED:
            launched.recorder.requeue(command, "Its server ended before anything of it was typed.")
        return launched

    def _make(
        self,
        project: OutputProject,
        terminal: TerminalSession,
        about: About,
        outbox: Outbox,
        tenure: Tenure,
        conflict: Callable[[], None],
        *,
        trust: bool = False,
        takes_over: TakenOver | None = None,
    ) -> Launched:
        keepsake = Keepsake(tenure.store, project.id)
        recorder = Recorder(
            tenure.store,
            self._events.through(tenure.store),
            outbox,
            project.id,
            cause=LineageCause(about.cause) if about.cause else None,
            keepsake=keepsake,
            links_folder=transcript.folder_of_links(self._config.data_dir, project.id),
            pictures=Pictures(self._config.data_dir, project.id, about.workspace),
            conflict=conflict,
        )
        session = LiveSession(
            project,
            terminal,
            HookSpool(about.folder),
            recorder,
            claude_session_id=about.claude_session_id,
            resumes=about.resumes,
            trust=trust,
            ready_timeout_s=self._config.ready_timeout_s,
            background_wait_s=self._config.background_wait_s,
            max_clients=self._config.max_clients,
            input_limit_bytes=self._config.input_limit_bytes,
            opened=partial(conversations_in, self.environment(about.workspace), terminal.pid),
            takes_over=takes_over,
        )
        return Launched(session, recorder, keepsake, about.folder, tenure)

    async def _choose(
        self, store: Store, entry: ClaudeSession | None, *, fresh: bool, environment: dict[str, str], workspace: str
    ) -> tuple[str | None, LineageCause | None]:
        """Return the id to resume, or None and why a new conversation begins. Raises ``ConversationUnknown``."""
        if entry is None:
            return None, LineageCause.NEW
        if fresh:
            return None, LineageCause.FRESH
        check_session_id(entry.claude_session_id)
        if entry.born:
            return entry.claude_session_id, None
        path = transcript.find(environment, workspace, entry.claude_session_id, known=entry.transcript_path)
        if any(item.kind == "prompt" for item in transcript.load_all(path)):
            await store.mark_born(entry.output_project_id, entry.claude_session_id, path)
            return entry.claude_session_id, None
        return None, LineageCause.UNBORN

    async def _find_earlier(self, project_id: str, claude_session_id: str) -> ClaudeSession:
        for entry in reversed(await self._store.load_lineage(project_id)):
            if entry.claude_session_id == claude_session_id:
                return entry
        raise NotFound(
            f"Conversation {claude_session_id} was never this project's; `%wxmilestone history` lists those that were."
        )

    def _find_kept(self, entry: ClaudeSession, environment: dict[str, str], workspace: str) -> str:
        """Return where a conversation's transcript is: the CLI's own, or our link to it."""
        own = transcript.find(environment, workspace, entry.claude_session_id, known=entry.transcript_path)
        folder = transcript.folder_of_links(self._config.data_dir, entry.output_project_id)
        return own if os.path.exists(own) else transcript.kept_at(folder, entry.claude_session_id)

    def _trusts(self, options: ProjectOptions, workspace: str) -> bool:
        root = os.path.realpath(self._config.workspace_root)
        own = os.path.commonpath((root, workspace)) == root
        return options.trust or (self._config.trust_own_workspaces and own)


def journal_of(folder: str) -> str:
    """Return where the journal of a session is, by the session's folder."""
    return os.path.join(folder, "journal")
