"""Connections that come, dribble and go in every phase: what they cost is bounded, and nothing of them is left."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.server.api import API, Api
from tests.server.conftest import make_server
from tests.server.sockets import Socket, connect_and_never_read, dial, handshake, open_raw
from tests.support.faults import keeper_of
from tests.support.job import until
from tests.support.processes import open_files, resident_bytes
from tests.support.server import WxServer

CONNECTIONS = 1000
DRIBBLING = 100
GROWTH_BYTES = 16 << 20
POOL_THREADS = min(32, (os.cpu_count() or 1) + 4)  # of the loop's executor, which makes them when it needs them

#: Has the server write down how many tasks it has when it is sent a signal.
_COUNTS_TASKS = """
import asyncio, os, signal
def _count(*_):
    with open("tasks.new", "w") as file:
        file.write(str(len(asyncio.all_tasks())))
    os.replace("tasks.new", "tasks")
signal.signal(signal.SIGUSR2, _count)
"""


@dataclass(frozen=True)
class Traces:
    """What connections may leave behind."""

    descriptors: Counter[str]
    threads: int
    tasks: int

    def beyond(self, before: Traces) -> str:
        """Say what there is more of than before; nothing, where there is not."""
        added = [f"{count} more of {kind}" for kind, count in (self.descriptors - before.descriptors).items()]
        if self.tasks > before.tasks:
            added.append(f"{self.tasks} tasks, before {before.tasks}")
        if self.threads > before.threads + POOL_THREADS:
            added.append(f"{self.threads} threads, before {before.threads}")
        return ", ".join(added)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[WxServer]:
    """A server that tells how many tasks it has."""
    server = make_server(folder / "connections", max_clients=DRIBBLING + 10)
    with open(server.folder / "jupyter" / "config" / "jupyter_config.py", "a") as file:
        file.write(_COUNTS_TASKS)
    with server:
        yield server


@pytest.fixture
def routes(terminal_path: str) -> tuple[str, str]:
    """The routes of a terminal and of its project's events."""
    return f"{API}{terminal_path}", f"{API}{terminal_path.removesuffix('terminal')}events"


class TestDropped:
    """A thousand connections, dropped by a reset and in order, in every phase that there is."""

    def test_nothing_is_left(self, server: WxServer, routes: tuple[str, str], api: Api, path: str) -> None:
        api.json("POST", f"{path}/session", json={})
        phases = phases_of(server, *routes)
        before, memory = settled(server, api, path, phases), resident_bytes(server.pid)

        drop_all(phases, CONNECTIONS)

        wait_for_no_more_than(before, server)
        assert clients_of(api, path) == 0
        assert resident_bytes(server.pid) - memory < GROWTH_BYTES
        api.json("GET", "/info")


class TestDribbling:
    """Connections that never come to an end with what they have begun."""

    async def test_they_disturb_nobody_and_cost_little(
        self, server: WxServer, routes: tuple[str, str], terminal_path: str, api: Api, path: str
    ) -> None:
        terminal, events = routes
        async with await Socket.connect(server, terminal_path) as client:
            await client.wait_connected()
            phases = phases_of(server, terminal, events)
            before, memory = settled(server, api, path, phases), resident_bytes(server.pid)
            with ExitStack() as stack:
                begun = [stack.enter_context(begin()) for begin in phases for _ in range(DRIBBLING // 10)]
                for _ in range(20):
                    for each in begun:
                        dribble(each)
                    began = time.monotonic()
                    await client.type("echo go''ne\r")
                    await client.wait_text("gone\r\n")
                    client.frames.clear()
                    assert api.json("GET", "/info")["pid"] == server.pid
                    assert time.monotonic() - began < 5
                assert resident_bytes(server.pid) - memory < GROWTH_BYTES
            wait_for_no_more_than(before, server)
            assert clients_of(api, path) == 1


def phases_of(server: WxServer, terminal: str, events: str) -> tuple[Callable[[], socket.socket], ...]:
    """Return what begins a connection and stops in the middle of it, one for each phase that there is."""
    upgrade = handshake(server, terminal, "wxterm.v1")
    body = handshake(server, f"{API}/milestones").replace(b"GET", b"POST").split(b"Connection:")[0]
    upload = body.replace(b"milestones", b"imports")

    def begun(beginning: bytes) -> socket.socket:
        client = dial(server)
        client.sendall(beginning)
        return client

    def attached(rest: bytes) -> socket.socket:
        client = connect_and_never_read(server, terminal, "wxterm.v1")
        client.sendall(rest)
        return client

    return (
        lambda: begun(b""),
        lambda: begun(upgrade[:50]),
        lambda: begun(upgrade[:-2]),
        lambda: begun(upgrade),  # and leaves before the answer
        lambda: begun(body + b'Content-Length: 1000\r\n\r\n{"output_'),
        lambda: begun(upload + b"Content-Length: 100000\r\n\r\nPK\x03\x04"),
        lambda: open_raw(server, terminal, "wxterm.v1"),  # never attaches
        lambda: attached(b""),
        lambda: attached(b"\x82"),
        lambda: attached(b"\x82\xff" + (1 << 20).to_bytes(8, "big") + b"\0\0\0\0\x11half of its keys"),
        lambda: open_raw(server, terminal),  # wxcode's JSON
        lambda: open_raw(server, events),
    )


def drop_all(phases: tuple[Callable[[], socket.socket], ...], count: int) -> None:
    """Open so many connections, phase after phase, and drop every second one by a reset."""
    for number, begin in zip(range(count), itertools.cycle(phases), strict=False):
        client = begin()
        if number // len(phases) % 2:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()


def settled(server: WxServer, api: Api, path: str, phases: tuple[Callable[[], socket.socket], ...]) -> Traces:
    """Have everything made that is made once and kept, and return what there is when nothing changes any more."""
    drop_all(phases, 5 * len(phases))
    for route in ("screen", "output"):
        assert api.get(f"{path}/{route}").status_code == 200
    looks = [traces_of(server)]

    def stands() -> bool:
        looks.append(traces_of(server))
        return looks[-1] == looks[-2]

    until(stands)
    return looks[-1]


def wait_for_no_more_than(before: Traces, server: WxServer) -> None:
    """Wait until nothing is left of what has come since."""
    looks: list[str] = []

    def gone() -> bool:
        looks.append(traces_of(server).beyond(before))
        return not looks[-1]

    try:
        until(gone)
    except AssertionError:
        raise AssertionError(looks[-1]) from None


def dribble(client: socket.socket) -> None:
    """Send another byte, if the server still takes any."""
    try:
        client.send(b"x", socket.MSG_DONTWAIT)
    except (BlockingIOError, BrokenPipeError, ConnectionResetError):
        return


def clients_of(api: Api, path: str) -> int:
    return int(api.json("GET", f"{path}/session")["clients"])


def traces_of(server: WxServer) -> Traces:
    """Return what server and keeper have open, and how much runs in the server."""
    keeper = keeper_of(server.folder / "home")
    kinds = {"server": server.pid, "keeper": keeper}
    descriptors = Counter(f"{kind_of(path)} of {name}" for name, pid in kinds.items() for path in open_files(pid))
    tasks = server.folder / "tasks"
    tasks.unlink(missing_ok=True)
    os.kill(server.pid, signal.SIGUSR2)
    until(tasks.exists)
    return Traces(descriptors, len(os.listdir(f"/proc/{server.pid}/task")), int(tasks.read_text()))


def kind_of(path: str) -> str:
    """Return what a descriptor is of; sockets and pipes have numbers."""
    return path.partition(":")[0]
