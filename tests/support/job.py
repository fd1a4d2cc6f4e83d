"""The whole of it for one test: model, HOME, workspace, GSD, store, server, client."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.support.cli import claude_executable, install_gsd
from tests.support.server import WxServer
from tests.support.socket import TerminalClient
from wxcode_jupyter import Client
from wxcode_jupyter.client.values import Project
from wxcode_jupyter.models import Command, CommandStatus, SessionInfo, SessionState
from wxcode_jupyter.testing.claude_home import ClaudeHome
from wxcode_jupyter.testing.scripted_model import Cut, Fail, Rule, Say, ScriptedModel, Use

T = TypeVar("T")


def until(look: Callable[[], T | None], *, timeout_s: float = 30.0, what: str = "") -> T:
    """Return the first true value of ``look``; fail with ``what`` and the last value when there is none in time."""
    deadline = time.monotonic() + timeout_s
    while not (value := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:.0f} s: {what or look} (last: {value!r})")
        time.sleep(0.02)
    return value


def roadmap_steps(phases: int) -> list[Use]:
    """Write a roadmap of so many phases, by which GSD's new-milestone is done."""
    roadmap = "{{cwd}}/.planning/ROADMAP.md"
    listed = "".join(f"### Phase {number}: Work\n\n" for number in range(1, phases + 1))
    return [
        Use("Read", {"file_path": roadmap}),  # what exists must be read before it is written
        Use("Write", {"file_path": roadmap, "content": f"# Roadmap\n\n{listed}"}),
    ]


def phase_rule(number: int) -> Rule:
    """A milestone's turn: looks where it is, makes a phase of its own, in the roadmap too, and says so."""
    plan = f"{{{{cwd}}}}/.planning/phases/{number:02d}-work/{number:02d}-01-PLAN.md"
    steps: list[Say | Use | Fail | Cut] = [
        Use("Bash", {"command": "pwd"}),
        Use("Write", {"file_path": plan, "content": "# plan\n"}),
        *roadmap_steps(number),
        Say("Planned."),
    ]
    return Rule("new-milestone", steps, times=1)


class Job:
    """One output project's world; everything ends with the ``with`` block.

    Args:
        folder: A test's ``tmp_path``.
        version: The CLI's.
        store_url: Empty for the embedded store.
        rules: The model's script.
        gsd: A version of GSD to install, with a ``.planning/PROJECT.md``; None for none.
        trusted: Whether the CLI's HOME trusts the workspace.
        home: A HOME to use instead of a new one.
        options: Traitlets of the server.
    """

    def __init__(
        self,
        folder: Path,
        version: str,
        *,
        store_url: str = "",
        rules: Iterable[Rule] = (),
        gsd: str | None = None,
        trusted: bool = True,
        **options: Any,
    ) -> None:
        self.folder = folder
        self.executable = claude_executable(version)
        self.workspace = folder / "workspace"
        self.workspace.mkdir(exist_ok=True)
        self.model = ScriptedModel(rules)
        self.home = ClaudeHome(
            folder / "home", self.model.url, self.executable, trusted=[self.workspace] if trusted else []
        )
        self.spelling = ""
        if gsd is not None:
            self.spelling = install_gsd(gsd, workspace=self.workspace, home=folder / "home")
            (self.workspace / ".planning").mkdir()
            (self.workspace / ".planning" / "PROJECT.md").write_text("# The program\n")
        self.server = self.new_server(store_url, **options)

    def new_server(self, store_url: str = "", folder: Path | None = None, **options: Any) -> WxServer:
        """Return another server, not started; by default with the same folders, as after a restart."""
        return WxServer(folder or self.folder, self.home.env(), self.executable, store_url=store_url, **options)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.model)
            stack.callback(lambda: self.server.stop())  # the one of that time: a test may put another in its place
            self.server.start()
            self.client: Client = stack.enter_context(self.server.client())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is not None:
            print(self.server.log()[-8000:])
        self._stack.close()

    def restart(self, *, kill: bool = False) -> None:
        """End the server, in order or by SIGKILL, and start it again on the same folders and store."""
        (self.server.kill if kill else self.server.stop)()
        self.server = self.new_server(self.server.store_url, **self.server.options)
        self.server.start()
        self.client = self._stack.enter_context(self.server.client())

    def project(self, name: str = "demo", **options: Any) -> Project:
        """Create the project of the workspace."""
        return self.client.create_project(name, workspace_path=str(self.workspace), **options)

    def terminal(self, project: Project, **query: str) -> TerminalClient:
        """Attach as a user's terminal does."""
        socket = TerminalClient(self.server.url, self.server.token, f"output-projects/{project.id}/terminal", **query)
        self._stack.callback(socket.close)
        return socket

    def until_state(self, project: Project, *states: SessionState, timeout_s: float = 40.0) -> SessionInfo:
        """Wait until the session is in one of these states."""

        def look() -> SessionInfo | None:
            self.last = self.client.session(project)
            return self.last if self.last.state in states else None

        try:
            return until(look, timeout_s=timeout_s, what=f"state in {states}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {self.last}") from None

    def until_status(self, command: Command, *statuses: CommandStatus, timeout_s: float = 40.0) -> Command:
        """Wait until the command has one of these statuses; one that is final otherwise fails at once."""

        def look() -> Command | None:
            self.seen = self.client.command(command)
            if self.seen.status.final:
                assert self.seen.status in statuses, self.seen
            return self.seen if self.seen.status in statuses else None

        try:
            return until(look, timeout_s=timeout_s, what=f"command in {statuses}")
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.seen}; {self.client.session(self.seen.output_project_id)}") from None

    def done(self, command: Command, timeout_s: float = 40.0) -> Command:
        """Wait until the command's turn is over, and well."""
        return self.until_status(command, CommandStatus.COMPLETED, timeout_s=timeout_s)

    def ask(self, project: Project, text: str) -> Command:
        """Send a text and wait for its turn's end."""
        return self.done(self.client.send(project, text))

    def tool_results(self) -> list[str]:
        """Return what the CLI told the model of the tools that it ran."""
        blocks = [
            block
            for request in self.model.turn_requests
            for message in request["messages"]
            if isinstance(message["content"], list)
            for block in message["content"]
        ]
        return [json.dumps(block) for block in blocks if block.get("type") == "tool_result"]

    def transcripts(self) -> list[str]:
        """Return the ids of the conversations that the CLI has written down."""
        return [path.stem for path in self.home.transcripts(self.workspace)]


def command_line_of(pid: int | None) -> list[str]:
    """Return the command line of a live process."""
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read().decode().rstrip("\0").split("\0")


def alive(pid: int) -> bool:
    """Whether a process exists that is no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def open_descriptors(pid: int) -> int:
    """Return how many descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))
