"""Real sessions for tests: real keepers, real PTYs, small real programs; and counting of what is left."""

from __future__ import annotations

import asyncio
import os
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from wxcode_jupyter.models import TermSize
from wxcode_jupyter.terminal.pool import SpawnSpec, TerminalPool
from wxcode_jupyter.terminal.process import KeeperClient
from wxcode_jupyter.terminal.screen import ScreenView
from wxcode_jupyter.terminal.session import TerminalSession

ENV = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8", "PS1": "$ "}


async def until(condition: Callable[[], Any], timeout_s: float = 20.0) -> None:
    """Wait until ``condition`` holds, of things that nobody announces."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)


def python(program: str) -> tuple[str, ...]:
    """Return the command line that runs a Python program."""
    return (sys.executable, "-S", "-c", textwrap.dedent(program))


def shell(script: str) -> tuple[str, ...]:
    """Return the command line that runs a shell script."""
    return ("/bin/sh", "-c", script)


#: Prints "up", and ignores whatever asks it to end.
STUBBORN = python("""
    import signal
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    print("up", flush=True)
    while True:
        signal.pause()
""")


def descriptors() -> list[str]:
    """Return what this process has open, by target; the listing's own descriptor excepted."""
    targets = []
    for name in os.listdir("/proc/self/fd"):
        try:
            targets.append(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:
            continue
    return sorted(targets)


def running(pid: int) -> bool:
    """Say whether a process exists and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(b")")[2].split()[0] not in (b"Z", b"X")


def processes_with(variable: str) -> list[int]:
    """Return the running processes whose environment has ``variable`` (``NAME=value``)."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and running(int(name)):
            try:
                environment = Path(f"/proc/{name}/environ").read_bytes()
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if variable.encode() in environment.split(b"\0"):
                found.append(int(name))
    return found


@dataclass
class Bench:
    """A folder for keeper, workspaces and journals, and the pools on it; they are closed with the ``with`` block."""

    folder: Path
    pools: list[TerminalPool] = field(default_factory=list)
    journals: int = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for pool in self.pools:
            await pool.close_all()

    @property
    def runtime_dir(self) -> str:
        return str(self.folder / "run")

    @property
    def tag(self) -> str:
        """A variable that every child has in its environment, as ``NAME=value``."""
        return f"WXCODE_TEST={self.folder}"

    def pool(self, runtime_dir: str | None = None, url: str = "http://127.0.0.1:8888/") -> TerminalPool:
        pool = TerminalPool(runtime_dir or self.runtime_dir, lambda: {"url": url, "pid": os.getpid(), "host": "here"})
        self.pools.append(pool)
        return pool

    def workspace(self, name: str = "ws") -> Path:
        path = self.folder / name
        path.mkdir(exist_ok=True)
        return path

    def spec(
        self,
        argv: tuple[str, ...],
        *,
        workspace: str = "ws",
        size: TermSize = TermSize(24, 80),  # noqa: B008  (frozen)
        limit_bytes: int = 64 << 20,
        also: tuple[str, ...] = (),
        about: Mapping[str, Any] | None = None,
        **env: str,
    ) -> SpawnSpec:
        self.journals += 1
        path = str(self.workspace(workspace))
        environment = {**ENV, **dict([self.tag.split("=", 1)]), **env}
        journal = str(self.folder / f"journal-{self.journals}")
        return SpawnSpec(argv, path, environment, (path, *also), journal, size, limit_bytes, about)

    async def open(self, argv: tuple[str, ...], key: str = "key", **options: Any) -> TerminalSession:
        """Open a session in the first pool, which is made when there is none."""
        pool = self.pools[0] if self.pools else self.pool()
        return await pool.open(key, self.spec(argv, **options))


async def output_until(session: TerminalSession, text: bytes, timeout_s: float = 20.0) -> bytes:
    """Return the session's output from its beginning up to the chunk with ``text``."""
    output = b""
    async with asyncio.timeout(timeout_s), session.attach("observer") as client:
        async for chunk in client:
            output += chunk.data
            if text in output:
                return output
    raise AssertionError(f"the session ended without {text!r}: {output[-500:]!r}")


async def output_to_end(session: TerminalSession, timeout_s: float = 20.0) -> bytes:
    """Return all output, once the session has ended."""
    output = b""
    async with asyncio.timeout(timeout_s), session.attach("observer") as client:
        async for chunk in client:
            output += chunk.data
    return output


async def screen_until(
    session: TerminalSession, condition: Callable[[ScreenView], Any], timeout_s: float = 20.0
) -> ScreenView:
    """Return the first screen for which ``condition`` holds, looking at each new output."""
    changed = asyncio.Event()
    unsubscribe = session.subscribe(changed.set)
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                changed.clear()
                view = await session.screen()
                if condition(view):
                    return view
                await changed.wait()
    finally:
        unsubscribe()


async def keeper_pid(bench: Bench) -> int:
    """Return the keeper's process id; one is started where none runs."""
    client = await KeeperClient.connect(bench.runtime_dir)
    client.close()
    return client.pid


def server_script(bench: Bench, argv: tuple[str, ...], about: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """Return the command line of a server that opens one session and then does nothing; it prints the pids."""
    bench.workspace()
    program = f"""
import asyncio, json
from pathlib import Path
from tests.support.terminal import Bench, output_until
from wxcode_jupyter.terminal.process import KeeperClient

async def main():
    bench = Bench(Path({str(bench.folder)!r}), journals=100)
    session = await bench.open({argv!r}, about={about!r})
    await output_until(session, b"up")
    keeper = await KeeperClient.connect(bench.runtime_dir)
    print(json.dumps({{"child": session.pid, "keeper": keeper.pid}}), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
    return (python("")[0], "-c", program)
