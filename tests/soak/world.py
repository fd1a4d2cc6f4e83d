"""The soak's world: a Jupyter server, its store, fifty sessions, four clients each; and what there is to be counted."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from bson import ObjectId

from tests.soak.clients import Address, Client, Tally
from tests.support.kept import end_kept
from tests.support.mongod import Mongod
from tests.support.processes import processes_of, resident_bytes
from tests.support.server import WxServer

API = "wxcode/api/v1"
PROGRAM = Path(__file__).with_name("program.py")
PROBE = Path(__file__).with_name("probe.py")

#: How many sessions of fifty are of which kind.
KINDS = {"echo": 15, "drip": 10, "burst": 8, "redraw": 8, "box": 4, "idle": 5}
_CLIENTS = ("steady", "slow", "returning", "observer")
_SCROLLBACK_BYTES = 16 << 20
_FINAL = ("completed", "failed", "interrupted")


@dataclass
class Session:
    """One session: its folder, its clients, the commands that were sent to it."""

    project_id: str
    kind: str
    folder: Path
    clients: list[Client] = field(default_factory=list)
    commands: dict[str, str] = field(default_factory=dict)  # text by id

    def tell(self, word: str) -> None:
        """Tell the program."""
        control = os.open(self.folder / "control", os.O_WRONLY | os.O_NONBLOCK)
        os.write(control, f"{word}\n".encode())
        os.close(control)

    def printed(self) -> list[tuple[int, str]]:
        """Return what the program says that it has printed, by epoch."""
        with suppress(FileNotFoundError):
            lines = (self.folder / "printed.jsonl").read_text().splitlines()
            return [(told["bytes"], told["sha256"]) for told in map(json.loads, lines)]
        return []

    def prompts(self) -> list[str]:
        """Return what the program was asked, in order."""
        files = self.folder.glob("transcript-*.jsonl")
        entries = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        return [entry["message"]["content"] for entry in entries if entry["type"] == "user"]


#: Has the server's allocator give back what is free, when it is asked to: what is resident then is in use.
_GIVE_BACK = """
import ctypes, signal
signal.signal(signal.SIGUSR2, lambda *_: ctypes.CDLL(None).malloc_trim(0))
"""


class World:
    """Everything that runs.

    Args:
        folder: For all of it.
        sessions: How many.
        seed: Of loads, pauses and commands.
        mongod: The store; None for the embedded one.
    """

    def __init__(self, folder: Path, sessions: int, seed: int, mongod: Mongod | None) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.mongod = mongod
        self.sessions: list[Session] = []
        self.tally = Tally()
        self.seed = seed
        self.epoch = 0
        self.probed = folder / "probe.txt"
        self._number = sessions
        self._told = folder / "probe.json"
        self._probe: asyncio.subprocess.Process | None = None
        self._sending: list[asyncio.Task[None]] = []
        configuration = folder / "jupyter" / "config"
        for path in (self.home, folder / "workspaces", configuration):
            path.mkdir(parents=True)
        (configuration / "jupyter_config.py").write_text(_GIVE_BACK)
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8"}
        command = [sys.executable, "-S", str(PROGRAM)]
        options: dict[str, Any] = {"max_sessions": sessions, "scrollback_limit_bytes": _SCROLLBACK_BYTES}
        store_url = f"{mongod.url}/wxcode" if mongod else ""
        self.server = WxServer(folder, environment, command, store_url=store_url, keep_sessions=True, **options)
        self.address = Address("", self.server.token)

    async def open(self) -> None:
        """Start everything, and return when all are attached and all sessions are idle."""
        await self.start_server()
        kinds = [kind for kind, share in KINDS.items() for _ in range(share)]
        async with self.rest() as rest:
            for number in range(self._number):
                self.sessions.append(await self._begin(rest, number, kinds[number * len(kinds) // self._number]))
            for session in self.sessions:
                async with asyncio.timeout(60):
                    while (await rest.get(f"/output-projects/{session.project_id}/session")).json()["state"] != "idle":
                        await asyncio.sleep(0.05)
        for session in self.sessions:
            kinds_of = _CLIENTS[1:] if session.kind == "echo" else _CLIENTS  # the probe is the fourth
            for kind in kinds_of:
                seed = self.seed * 1000 + len(self.clients)
                session.clients.append(Client(self.address, self.tally, session.project_id, kind, seed))
        async with asyncio.timeout(60):
            await asyncio.gather(*(client.attached.wait() for client in self.clients))
        self._tell_probe()
        self._probe = await asyncio.create_subprocess_exec(
            sys.executable, "-S", str(PROBE), str(self._told), str(self.probed), stdin=asyncio.subprocess.PIPE
        )
        self._sending = [
            asyncio.create_task(self._send_commands(session, number))
            for number, session in enumerate(self.of_kind("box"))
        ]

    @property
    def clients(self) -> list[Client]:
        """All clients but the probe."""
        return [client for session in self.sessions for client in session.clients]

    def of_kind(self, kind: str) -> list[Session]:
        """Return the sessions of a kind."""
        return [session for session in self.sessions if session.kind == kind]

    def rest(self) -> httpx.AsyncClient:
        """Return a client of the server as it is now."""
        headers = {"Authorization": f"token {self.server.token}"}
        return httpx.AsyncClient(base_url=f"{self.server.url}{API}", headers=headers, timeout=30, trust_env=False)

    async def start_server(self) -> None:
        """Start the server, and tell everybody where it is."""
        await asyncio.to_thread(self.server.start)
        self.address.url = self.server.url
        if self._probe is not None:
            self._tell_probe()

    async def in_use_bytes(self) -> int:
        """Return how much memory the server has when its allocator has given back what is free."""
        os.kill(self.server.pid, signal.SIGUSR2)
        await asyncio.sleep(1)
        return resident_bytes(self.server.pid)

    def begin_epoch(self) -> None:
        """Have all programs count anew."""
        self.epoch += 1
        for session in self.sessions:
            session.tell("epoch")

    async def end(self) -> tuple[dict[str, dict[str, Any]], list[str]]:
        """End the programs, wait until everybody has read everything, end the server.

        Returns the commands as the server had them in the end, by id, and the processes that are left.
        """
        assert self._probe is not None
        assert self._probe.stdin is not None
        self._probe.stdin.close()
        await self._probe.wait()
        for task in self._sending:
            task.cancel()
        commands = await self._commands_done()
        for session in self.sessions:
            session.tell("end")
        with suppress(TimeoutError):
            async with asyncio.timeout(120):
                await asyncio.gather(*(client.closed.wait() for client in self.clients))
        for client in self.clients:
            await client.leave()
        await asyncio.to_thread(self.server.stop)
        deadline = time.monotonic() + 30  # the keeper ends when nobody needs it any more
        while (left := processes_of(self.home)) and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        return commands, list(left.values())

    def abandon(self) -> None:
        """End whatever still runs."""
        self.server.stop()
        end_kept(self.server)

    async def load_commands(self) -> dict[str, dict[str, Any]]:
        """Return the commands as the server has them, by id."""
        found: dict[str, dict[str, Any]] = {}
        async with self.rest() as rest:
            for session in self.of_kind("box"):
                answer = await rest.get(f"/output-projects/{session.project_id}/commands", params={"limit": 1000})
                found |= {command["id"]: command for command in answer.json()["commands"]}
        return found

    def processes(self) -> dict[str, list[int]]:
        """Return what is measured: the server, the keeper, the emulator."""
        found: dict[str, list[int]] = {"server": [], "keeper": [], "emulator": []}
        if (server := self.server.running_pid) is not None:
            found["server"].append(server)
        for pid, line in processes_of(self.home).items():
            for kind in ("keeper", "emulator"):
                if f"wxcode_jupyter.terminal.{kind}" in line:
                    found[kind].append(pid)
        return found

    def kill(self, kind: str) -> None:
        """SIGKILL the keeper, or the emulator."""
        for pid in self.processes()[kind]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def _begin(self, rest: httpx.AsyncClient, number: int, kind: str) -> Session:
        folder = self.folder / "workspaces" / f"{number}"
        folder.mkdir()
        os.mkfifo(folder / "control")
        folder.joinpath("soak.json").write_text(json.dumps({"kind": kind, "seed": self.seed * 1000 + number}))
        answer = await rest.post("/output-projects", json={"name": f"soak {number}", "workspace_path": str(folder)})
        assert answer.status_code == 201, answer.text
        project_id = answer.json()["id"]
        answer = await rest.post(f"/output-projects/{project_id}/session", json={})
        assert answer.status_code == 200, answer.text
        return Session(project_id, kind, folder)

    def _tell_probe(self) -> None:
        paths = [f"{API}/output-projects/{session.project_id}/terminal" for session in self.of_kind("echo")]
        draft = self._told.with_suffix(".new")
        draft.write_text(json.dumps({"url": self.address.url, "token": self.address.token, "paths": paths}))
        draft.replace(self._told)

    async def _send_commands(self, session: Session, number: int) -> None:
        """Send a command every few seconds, and the same one again where it is not known whether it arrived."""
        while True:
            await asyncio.sleep(8 + number)
            identifier, text = str(ObjectId()), f"command {len(session.commands)} of {session.project_id[-6:]}"
            session.commands[identifier] = text
            while True:
                with suppress(httpx.HTTPError):
                    async with self.rest() as rest:
                        body = {"id": identifier, "text": text}
                        answer = await rest.post(f"/output-projects/{session.project_id}/commands", json=body)
                    if answer.status_code == 202:
                        break
                await asyncio.sleep(1)

    async def _commands_done(self) -> dict[str, dict[str, Any]]:
        deadline = time.monotonic() + 120
        while True:
            commands = await self.load_commands()
            if all(each["status"] in _FINAL for each in commands.values()) or time.monotonic() > deadline:
                return commands
            await asyncio.sleep(0.5)


@dataclass(frozen=True)
class Weight:
    """What a process has: memory in bytes, threads, segments of journals that are open, and other descriptors."""

    memory_bytes: int
    threads: int
    segments: int
    descriptors: int

    def __str__(self) -> str:
        others = f"{self.descriptors} descriptors and {self.segments} segments"
        return f"{self.memory_bytes / 2**20:.1f} MiB, {others}, {self.threads} threads"


def weigh(pid: int) -> Weight:
    """Look at a process. Raises ``OSError`` where it has ended."""
    open_files = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):  # closed meanwhile; where the process has ended, the next line tells
            open_files.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    segments = sum("/journal/" in path for path in open_files)
    threads = len(os.listdir(f"/proc/{pid}/task"))
    return Weight(resident_bytes(pid), threads, segments, len(open_files) - segments)


def cpu_s(pid: int) -> float:
    """Return what a process has used. Raises ``OSError`` where it has ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def lost_bytes(session: Session, printed: list[tuple[int, str]]) -> Iterator[tuple[int, Client, int]]:
    """Yield for each client that has not what was printed in an epoch: the epoch, the client, how much it lacks."""
    for client in session.clients:
        if client.whole:
            for number, (length, digest) in enumerate(printed):
                has = client.epochs.over[number] if number < len(client.epochs.over) else (0, "")
                if has != (length, digest):
                    yield number, client, length - has[0]
