"""Two servers on pretended hosts with one MongoDB: the lease decides, and a displaced server stops.

What both hosts have in common here, this machine's locks, is kept out of the way: each has a HOME of its own, and the
workspace is another folder, under the same path, for the second one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support import stand_in_box
from tests.support.processes import processes_of, without_forks
from tests.support.terminal import until
from wxcode_jupyter.errors import HeldElsewhere
from wxcode_jupyter.models import CommandStatus, OutputProject, ProjectOptions, SessionState
from wxcode_jupyter.service.app import Service
from wxcode_jupyter.service.config import Config
from wxcode_jupyter.service.machine import Machine
from wxcode_jupyter.store.mongo import MongoStore

pytestmark = pytest.mark.mongod

NEVER_S = 3600.0


class Hosts:
    """Serves on pretended hosts, each with folders of its own."""

    def __init__(self, folder: Path, mongo_url: str, stack: AsyncExitStack) -> None:
        self._folder = folder
        self._url = mongo_url
        self._stack = stack
        self.workspace = folder / "workspace"
        self.workspace.mkdir()

    async def serve(self, host: str, *, boot: str = "1", renewal_s: float = NEVER_S, keeps: bool = False) -> Service:
        home = self._folder / host
        home.mkdir(exist_ok=True)
        config = Config(
            data_dir=str(home / "data"),
            runtime_dir=str(home / "run"),
            workspace_root=str(home / "workspaces"),
            allowed_workspace_roots=(str(self._folder),),
            claude_command=(sys.executable, "-S", stand_in_box.__file__),
            environment={"HOME": str(home), "PATH": "/usr/bin:/bin"},
            keep_sessions=keeps,
            lease_renewal_s=renewal_s,
            machine=Machine(host, f"machine {host}", f"boot {host} {boot}"),
        )
        holder = {"url": f"http://{host}:8888/", "pid": os.getpid(), "host": host}
        service = Service(config, lambda: holder, store=MongoStore(self._url))
        await service.open()
        self._stack.push_async_callback(service.close)
        return service

    async def project(self, service: Service) -> OutputProject:
        project = OutputProject(service.store.new_id(), "billing", str(self.workspace))
        await service.store.create_project(project, ProjectOptions())
        return project

    def go_to_the_other(self) -> None:
        """Put another folder where the workspace is, as on another machine; no lock of the first one is met there."""
        self.workspace.rename(self._folder / "workspace of the first")
        self.workspace.mkdir()

    def running(self, host: str) -> list[int]:
        """Return the CLIs of a host."""
        found = processes_of(self._folder / host)
        return without_forks([pid for pid, line in found.items() if stand_in_box.__file__ in line])


@pytest.fixture
async def hosts(tmp_path: Path, mongo_url: str) -> AsyncIterator[Hosts]:
    async with AsyncExitStack() as stack:
        yield Hosts(tmp_path, mongo_url, stack)


async def idle(service: Service, project: OutputProject) -> None:
    await service.sessions.start(project.id)
    await until(state_is(service, project, SessionState.IDLE))


def state_is(service: Service, project: OutputProject, state: SessionState) -> Callable[[], bool]:
    return lambda: (found := service.sessions.known(project.id)) is not None and found.state is state


async def test_the_second_host_is_refused_and_nothing_is_made_there(hosts: Hosts) -> None:
    one, two = await hosts.serve("one"), await hosts.serve("two")
    project = await hosts.project(one)
    await idle(one, project)
    hosts.go_to_the_other()
    hosts.workspace.rmdir()

    for act in (two.sessions.start, two.projects.delete):
        with pytest.raises(HeldElsewhere, match="resume --force") as refused:
            await act(project.id)
        assert refused.value.holder == {"url": "http://one:8888/", "pid": os.getpid(), "host": "one"}
        assert refused.value.silent_s >= 0
    assert not hosts.workspace.exists()
    assert hosts.running("two") == []
    assert state_is(one, project, SessionState.IDLE)()


async def test_what_was_stopped_is_anybodys(hosts: Hosts) -> None:
    one, two = await hosts.serve("one"), await hosts.serve("two")
    project = await hosts.project(one)
    for service in (one, two, one):
        await idle(service, project)
        await service.sessions.stop(project.id)
        await service.sessions.outbox(project.id).flush()


async def test_a_host_that_slept_stops_at_its_next_write(hosts: Hosts, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    one, two = await hosts.serve("one"), await hosts.serve("two")
    project = await hosts.project(one)
    await idle(one, project)
    hosts.go_to_the_other()
    await two.sessions.start(project.id, force=True)
    await until(state_is(two, project, SessionState.IDLE))

    # The sleeper knows nothing yet, and a user's command comes in there: it is the queue's, and the other delivers it.
    command = await one.commands.enqueue(project.id, "hello")
    await until(state_is(one, project, SessionState.EXITED))
    info = await one.sessions.info(project.id)
    assert "taken this project over by force" in info.message
    await until(lambda: hosts.running("one") == [])
    two.sessions.enqueued(project.id)
    async with asyncio.timeout(30):
        async for event in two.events.follow(project.id):
            if event.type == "command_completed":
                break
    stored = await two.store.get_command(command.id)
    assert stored.status is CommandStatus.COMPLETED
    assert stored.claude_session_id == two.sessions.live(project.id).claude_session_id
    assert sum("another server has taken it over" in record.message for record in caplog.records) == 1

    await until(state_is(two, project, SessionState.IDLE))
    await two.sessions.outbox(project.id).flush()
    before = await two.store.load_events(project.id)
    await one.sessions.outbox(project.id).flush()
    assert await two.store.load_events(project.id) == before
    with pytest.raises(HeldElsewhere) as refused:
        await one.sessions.start(project.id)
    assert refused.value.holder["host"] == "two"
    assert hosts.running("one") == []


async def test_a_host_that_slept_stops_at_its_next_renewal(hosts: Hosts) -> None:
    one, two = await hosts.serve("one", renewal_s=0.05), await hosts.serve("two", renewal_s=0.05)
    project = await hosts.project(one)
    await idle(one, project)
    hosts.go_to_the_other()
    await two.sessions.start(project.id, force=True)

    await until(state_is(one, project, SessionState.EXITED))
    await until(state_is(two, project, SessionState.IDLE))
    assert hosts.running("one") == []
    (pid,) = hosts.running("two")
    assert (await two.sessions.info(project.id)).pid == pid


async def test_a_host_that_was_booted_again_goes_on_without_asking(hosts: Hosts) -> None:
    one = await hosts.serve("one")
    project = await hosts.project(one)
    place = hosts.workspace.parent / "one" / ".wxcode" / "projects" / project.id
    await idle(one, project)
    lease = await one.store.get_lease(project.id)
    assert lease is not None and lease.holder is not None
    await one.sessions.stop(project.id)
    await one.sessions.outbox(project.id).flush()
    left = await one.store.take_lease(project.id, lease.holder, over=lease.fence)  # as a power cut leaves it
    assert left is not None and left.holder is not None and place.is_dir()

    other = await hosts.serve("two")
    with pytest.raises(HeldElsewhere):
        await other.sessions.start(project.id)
    again = await hosts.serve("one", boot="2")
    await idle(again, project)


async def test_a_hundred_starts_on_two_hosts_give_one_process(hosts: Hosts) -> None:
    one, two = await hosts.serve("one"), await hosts.serve("two")
    project = await hosts.project(one)
    tries = [service.sessions.start(project.id) for service in (one, two) for _ in range(50)]
    results = await asyncio.gather(*tries, return_exceptions=True)

    assert all(not isinstance(result, BaseException) or isinstance(result, HeldElsewhere) for result in results)
    running = hosts.running("one") + hosts.running("two")
    assert len(running) == 1
    assert {result.pid for result in results if not isinstance(result, BaseException)} == set(running)
    lease = await one.store.get_lease(project.id)
    assert lease is not None and lease.holder is not None
    assert lease.holder.host == ("one" if hosts.running("one") else "two")


async def test_a_kept_session_that_another_host_has_taken_is_ended_by_the_next_server(hosts: Hosts) -> None:
    one = await hosts.serve("one", keeps=True)
    project = await hosts.project(one)
    await idle(one, project)
    (pid,) = hosts.running("one")
    await one.sessions.close()
    assert hosts.running("one") == [pid]

    hosts.go_to_the_other()
    two = await hosts.serve("two")
    await two.sessions.start(project.id, force=True)
    again = await hosts.serve("one")
    await until(lambda: hosts.running("one") == [])
    assert again.sessions.known(project.id) is None
    await until(state_is(two, project, SessionState.IDLE))
