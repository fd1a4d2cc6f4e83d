"""Carries a plan out with everything real but the model: kills what it says, goes on as a user would, and drains."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from bson import ObjectId

from tests.support.fault_plan import Fault, Plan, Victim, text_of
from tests.support.job import Job
from tests.support.mongod import Mongod
from tests.support.processes import cli_processes, processes_of, state_of
from tests.support.server import WxServer
from wxcode_jupyter.client.values import Project
from wxcode_jupyter.errors import ServerUnreachable, StoreUnavailable, TerminalError, WxcodeError
from wxcode_jupyter.fault_points import ENVIRONMENT_NAME
from wxcode_jupyter.models import Command, SessionInfo
from wxcode_jupyter.testing.scripted_model import Rule, Say

T = TypeVar("T")

_SETTLES_S = 90.0  # from any change for the better to the next
_LOOKS_S = 0.05
_PROVOCATIONS = ("short", "clear", "long")


class FaultyJob(Job):
    """A job whose servers are armed with faults: those of ``file``, one a line."""

    def __init__(self, folder: Path, version: str, file: Path, **options: Any) -> None:
        self._file = file
        super().__init__(folder, version, **options)

    def new_server(self, store_url: str = "", folder: Path | None = None, **options: Any) -> WxServer:
        """Return another server, not started."""
        environment = {**self.home.env(), ENVIRONMENT_NAME: str(self._file)}
        return WxServer(folder or self.folder, environment, self.executable, store_url=store_url, **options)

    def start(self) -> None:
        """Start a server, in place of the one before, and have a client of it."""
        self.close_client()
        if self.server.exit_code is not None:
            self.server = self.new_server(self.server.store_url, **self.server.options)
        self.server.start()
        self.client = self.server.client()

    def close_client(self) -> None:
        """Close the client of the last server, if there was one."""
        if hasattr(self, "client"):
            self.client.close()


class FaultRun:
    """One run of a plan; a context manager, at whose end nothing is left but the files.

    Attributes:
        job: Its world.
        project: The project.
        commands: As they were sent, in order.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self.commands: list[Command] = []
        self._file = folder / "faults"
        self._stack = ExitStack()
        self._mongod: Mongod | None = None
        self._over = threading.Event()
        self._provoked = 0
        self._progress: tuple[Any, float] = (None, 0.0)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            store_url = ""
            if self.plan.mongod:
                self._mongod = stack.enter_context(Mongod())
                store_url = f"{self._mongod.url}/wxcode"
            rules = [Rule(re.compile(r"(?P<tag>cmd-\d+-\d+)"), [Say("heard {{tag}}", delay_s=0.2)])]
            self._arm()
            self.job = FaultyJob(
                self.folder,
                self.plan.cli_version,
                self._file,
                store_url=store_url,
                rules=rules,
                keep_sessions=self.plan.keep_sessions,
            )
            notes = self.job.workspace / ".claude" / "commands"
            notes.mkdir(parents=True)
            (notes / "note.md").write_text("Note this: $ARGUMENTS\n")
            stack.enter_context(self.job.model)
            stack.callback(self.end_processes)
            stack.callback(self.job.close_client)
            stack.enter_context(self._striking())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is not None:
            print(self.story())
        self._stack.close()

    def go(self) -> None:
        """Send everything, let every fault strike, and return when all commands have their final status."""
        self.project: Project = self.ask(lambda: self.job.project())
        for text in self.plan.texts:
            self.send(text)
        while (waits := self.step()) or not self.all_struck:
            if not waits:
                self._provoke()

    def send(self, text: str) -> None:
        """Send a command as often as it takes, under one id."""
        identifier = str(ObjectId())
        self.commands.append(self.ask(lambda: self.job.client.send(self.project, text, command_id=identifier)))

    def step(self) -> bool:
        """See to it that a session lives while commands wait; False when none does."""
        self.commands = [self._look(command) for command in self.commands]
        progress = [command.status for command in self.commands], self.struck
        if all(command.status.final for command in self.commands):
            return False
        if not self.session().state.live:
            self.ask(lambda: self.job.client.start_session(self.project))
        if progress != self._progress[0]:
            self._progress = progress, time.monotonic()
        elif time.monotonic() > self._progress[1] + _SETTLES_S:
            raise AssertionError(f"limbo: {self.commands}; {self.session()}")
        time.sleep(_LOOKS_S)
        return True

    def session(self) -> SessionInfo:
        """Return the session as it is now."""
        return self.ask(lambda: self.job.client.session(self.project))

    def ask(self, call: Callable[[], T]) -> T:
        """Ask the server, starting it again where it has died, and again while something that it needs comes back."""
        deadline = time.monotonic() + _SETTLES_S
        while True:
            try:
                if not hasattr(self.job, "client") or self.job.server.exit_code is not None:
                    self._start()
                return call()
            except (ServerUnreachable, StoreUnavailable, TerminalError) as error:
                if time.monotonic() > deadline:
                    raise AssertionError(f"It does not come back: {error!r}") from error
                time.sleep(_LOOKS_S)

    def _look(self, command: Command) -> Command:
        return command if command.status.final else self.ask(lambda: self.job.client.command(command))

    @property
    def struck(self) -> int:
        """How many faults have struck so far."""
        return len([line for line in self._reached() if " " in line])

    @property
    def all_struck(self) -> bool:
        """Whether every fault of the plan has struck."""
        return self.struck == len(self.plan.faults)

    def story(self) -> str:
        """Return what is needed to understand a run, and to repeat it."""
        plan = replace(self.plan, texts=tuple(text[:30] for text in self.plan.texts))
        lines = [f"WXCODE_FAULT_SEED={plan.seed}", repr(plan), " ".join(self._reached()), ""]
        with suppress(WxcodeError, AttributeError):
            lines += [f"{e.created_at:%H:%M:%S.%f} {e.type} {dict(e.data)}"[:300] for e in self._events()]
            lines += ["", str(self.job.client.session(self.project)), self.job.client.screen(self.project)]
        logs = sorted(self.folder.glob("server-*.log"), key=lambda path: path.stat().st_mtime)
        return "\n".join([*lines, *(path.read_text(errors="replace")[-3000:] for path in logs)])

    def _events(self) -> Sequence[Any]:
        return self.job.client.events(self.project)

    def _provoke(self) -> None:
        """Have the points passed again that are yet to strike: by another command, in another session at last."""
        if self._provoked > 4:
            raise AssertionError(f"never reached: {self.plan.faults[self.struck :]}")
        if self._provoked < len(_PROVOCATIONS):
            kind = _PROVOCATIONS[self._provoked]
            self.send(text_of(kind, f"cmd-{self.plan.seed}-{9 - self._provoked}"))
        else:
            self.ask(lambda: self.job.client.stop(self.project))
            self.send(text_of("short", f"cmd-{self.plan.seed}-{9 - self._provoked}"))
        self._provoked += 1

    def _reached(self) -> list[str]:
        try:
            return self._file.with_name("faults.reached").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _arm(self) -> None:
        """Write the faults that have yet to strike for the next server."""
        self._file.write_text("".join(f"{fault.line}\n" for fault in self.plan.faults[self.struck :]))

    def _start(self) -> None:
        self._arm()
        try:
            self.job.start()
        except AssertionError:
            if self.job.server.exit_code != -signal.SIGKILL:
                raise
            raise ServerUnreachable("It was killed while it started.") from None

    # -- killing ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _striking(self) -> Iterator[None]:
        """Kill what the plan says whenever the server stands still, in a thread of its own."""
        thread = threading.Thread(target=self._strike_all)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _strike_all(self) -> None:
        # mongod dies with the thread that has started it: this one has to last until the end.
        while not self._over.wait(0.005):
            pid = self.job.server.running_pid
            if pid is not None and state_of(pid) == "T":
                self._strike(self.plan.faults[self.struck - 1], pid)

    def _strike(self, fault: Fault, server: int) -> None:
        try:
            match fault.victim:
                case Victim.CLI:
                    _kill(cli_processes(self.job.home.path, self.job.executable))
                case Victim.KEEPER:
                    _kill(self.keepers())
                case Victim.MONGOD if self._mongod is not None:
                    self._mongod.kill()
        finally:
            os.kill(server, signal.SIGCONT)
        if fault.victim is Victim.MONGOD and self._mongod is not None:
            self._mongod.start()

    def keepers(self) -> list[int]:
        """Return the keepers of this world."""
        return [pid for pid, line in processes_of(self.job.home.path).items() if "terminal.keeper" in line]

    def end_processes(self) -> None:
        """End the server, and then its keeper."""
        self.job.server.stop()
        for pid in self.keepers():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


def _kill(pids: Sequence[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
