"""Starting, stopping and deleting at the same time, and when things fail: with a real store, keeper and processes.

A small program stands in claude's place, with an input box, hooks and a transcript (`tests/support/stand_in_box.py`).
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support import stand_in_box
from tests.support.processes import processes_of, without_forks
from tests.support.terminal import until
from wxcode_jupyter.claude import delivery
from wxcode_jupyter.claude.hooks import HookEvent, HookSpool
from wxcode_jupyter.errors import (
    ConversationUnknown,
    HeldElsewhere,
    InvalidPath,
    NotFound,
    SessionAlive,
    SessionNotRunning,
    StoreUnavailable,
)
from wxcode_jupyter.models import Command, CommandStatus, OutputProject, ProjectOptions, SessionState
from wxcode_jupyter.service import escape, watch
from wxcode_jupyter.service import sessions as subject
from wxcode_jupyter.service.app import Service
from wxcode_jupyter.service.config import Config
from wxcode_jupyter.service.deliverer import NEVER_APPEARED
from wxcode_jupyter.service.turns import CUT
from wxcode_jupyter.store.base import Store
from wxcode_jupyter.store.sqlite import SqliteStore


@pytest.fixture
def config(config: Config) -> Config:
    return replace(config, claude_command=(sys.executable, "-S", stand_in_box.__file__))


@pytest.fixture
async def service(config: Config, store: Store) -> AsyncIterator[Service]:
    async with serving(config, store) as service:
        yield service


@pytest.fixture
async def other_service(config: Config, tmp_path: Path) -> AsyncIterator[Service]:
    """Another server with the same folders and the same store."""
    async with serving(config, SqliteStore(tmp_path / "store" / "wxcode.sqlite3"), "http://other/") as service:
        yield service


@asynccontextmanager
async def serving(config: Config, store: Store, url: str = "http://one/") -> AsyncIterator[Service]:
    service = Service(config, lambda: {"url": url, "pid": os.getpid(), "host": "here"}, store=store)
    await service.open()
    try:
        yield service
    finally:
        await service.close()


class Hold:
    """Keeps the callers of a store's method until ``go`` is set; ``reached`` tells that there is one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, store: Store, method: str) -> None:
        self.reached, self.go = asyncio.Event(), asyncio.Event()
        self._method = getattr(store, method)
        monkeypatch.setattr(store, method, self._call)

    async def _call(self, *arguments: Any) -> Any:
        self.reached.set()
        await self.go.wait()
        return await self._method(*arguments)


class TestAtTheSameTime:
    async def test_a_stop_during_a_start_ends_what_was_started(
        self, service: Service, project: OutputProject, config: Config, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hold = Hold(monkeypatch, service.store, "load_lineage")
        starting = asyncio.create_task(service.sessions.start(project.id))
        await hold.reached.wait()
        stopping = asyncio.create_task(service.sessions.stop(project.id))
        hold.go.set()

        assert (await starting).pid
        assert (await stopping).state is SessionState.EXITED
        assert processes(config) == []

    async def test_a_start_during_a_stop_gives_a_new_process(
        self, service: Service, project: OutputProject, config: Config
    ) -> None:
        first = await service.sessions.start(project.id)
        stopping = asyncio.create_task(service.sessions.stop(project.id))
        starting = asyncio.create_task(service.sessions.start(project.id))

        assert (await stopping).state is SessionState.EXITED
        second = await starting
        assert second.state.live
        assert second.pid != first.pid
        assert processes(config) == [second.pid]

    async def test_a_delete_during_a_start_finds_the_session(
        self, service: Service, project: OutputProject, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hold = Hold(monkeypatch, service.store, "load_lineage")
        starting = asyncio.create_task(service.sessions.start(project.id))
        await hold.reached.wait()
        deleting = asyncio.create_task(service.projects.delete(project.id))
        hold.go.set()

        with pytest.raises(SessionAlive):
            await deleting
        assert (await starting).pid
        assert await service.store.get_project(project.id) == project

    async def test_a_start_during_a_delete_starts_nothing(
        self, service: Service, project: OutputProject, config: Config, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hold = Hold(monkeypatch, service.store, "delete_project")
        deleting = asyncio.create_task(service.projects.delete(project.id))
        await hold.reached.wait()
        starting = asyncio.create_task(service.sessions.start(project.id))
        hold.go.set()

        await deleting
        with pytest.raises(NotFound):
            await starting
        assert processes(config) == []

    async def test_a_project_whose_session_another_server_has_is_not_deleted(
        self, service: Service, other_service: Service, project: OutputProject
    ) -> None:
        await service.sessions.start(project.id)

        with pytest.raises(HeldElsewhere) as refused:
            await other_service.projects.delete(project.id)
        assert refused.value.holder["url"] == "http://one/"
        assert (await service.store.get_project(project.id)).id == project.id

        await service.sessions.stop(project.id)
        await other_service.projects.delete(project.id)
        with pytest.raises(NotFound):
            await service.store.get_project(project.id)

    @pytest.mark.parametrize("same_folders", [True, False])
    async def test_a_renamed_workspace_gives_no_other_server_the_project(
        self, service: Service, project: OutputProject, config: Config, tmp_path: Path, same_folders: bool
    ) -> None:
        own = replace(config, data_dir=str(tmp_path / "data 2"), runtime_dir=str(tmp_path / "run 2"))
        pid = (await service.sessions.start(project.id)).pid
        spools = sorted(Path(config.data_dir, "sessions", project.id).iterdir())
        os.rename(project.workspace_path, tmp_path / "renamed")

        store = SqliteStore(tmp_path / "store" / "wxcode.sqlite3")
        async with serving(config if same_folders else own, store, "http://other/") as other:
            for act in (other.sessions.start, other.projects.delete):
                with pytest.raises(HeldElsewhere) as refused:
                    await act(project.id)
                assert refused.value.holder["url"] == "http://one/"
            assert not os.path.lexists(project.workspace_path)
            await until(lambda: processes(config) == [pid])
            assert sorted(Path(config.data_dir, "sessions", project.id).iterdir()) == spools

            await service.sessions.stop(project.id)
            await other.projects.delete(project.id)

    async def test_no_other_server_starts_while_a_project_is_deleted(
        self, service: Service, other_service: Service, project: OutputProject, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hold = Hold(monkeypatch, service.store, "delete_project")
        deleting = asyncio.create_task(service.projects.delete(project.id))
        await hold.reached.wait()

        with pytest.raises(HeldElsewhere):
            await other_service.sessions.start(project.id)
        hold.go.set()
        await deleting


class TestFolder:
    async def test_a_session_is_not_resumed_in_an_empty_folder_where_its_workspace_was(
        self, service: Service, project: OutputProject, config: Config, tmp_path: Path
    ) -> None:
        await service.sessions.start(project.id)
        live = service.sessions.live(project.id)
        await until(lambda: live.state is SessionState.IDLE)
        await service.sessions.stop(project.id)
        os.rename(project.workspace_path, tmp_path / "moved")
        for fresh in (False, True):
            with pytest.raises(InvalidPath, match="is gone"):
                await service.sessions.start(project.id, fresh=fresh)
        assert not os.path.lexists(project.workspace_path)
        assert processes(config) == []

        os.rename(tmp_path / "moved", project.workspace_path)
        assert (await service.sessions.start(project.id)).pid


class TestTheStoredId:
    @staticmethod
    async def with_id(service: Service, project: OutputProject, claude_session_id: str) -> OutputProject:
        """Make a project whose document another program has written."""
        other = replace(project, id=service.store.new_id(), name="theirs", workspace_path=f"{project.workspace_path}/x")
        other = replace(other, claude_session_id=claude_session_id)
        os.makedirs(other.workspace_path)
        await service.store.create_project(other, ProjectOptions())
        return other

    @pytest.mark.parametrize("foreign", ["--dangerously-skip-permissions", "-p", "the first one", "**"])
    async def test_one_that_is_no_id_is_an_error_and_never_an_option(
        self, service: Service, project: OutputProject, config: Config, foreign: str
    ) -> None:
        theirs = await self.with_id(service, project, foreign)
        for _ in range(2):
            with pytest.raises(ConversationUnknown, match="--fresh"):
                await service.sessions.start(theirs.id)
        with pytest.raises(ConversationUnknown):
            await service.commands.enqueue(theirs.id, "hello")
        assert (await service.store.list_commands(theirs.id)).total == 0
        assert processes(config) == []
        assert (await service.store.get_project(theirs.id)).claude_session_id == foreign

        command = await service.commands.enqueue(
            (await service.sessions.start(theirs.id, fresh=True)).project_id, "wait"
        )
        assert await service.store.get_command(command.id)
        await until(lambda: service.sessions.live(theirs.id).state is SessionState.BUSY)
        stored = (await service.store.get_project(theirs.id)).claude_session_id
        assert [entry.claude_session_id for entry in await service.store.load_lineage(theirs.id)] == [foreign, stored]

    async def test_an_empty_one_is_none(self, service: Service, project: OutputProject, config: Config) -> None:
        theirs = await self.with_id(service, project, "")
        await service.sessions.start(theirs.id)
        assert len(processes(config)) == 1


class TestClosing:
    async def test_afterwards_nothing_can_be_started(
        self, service: Service, project: OutputProject, config: Config
    ) -> None:
        await service.sessions.start(project.id)
        await service.sessions.close()

        with pytest.raises(SessionNotRunning, match="shutting down"):
            await service.sessions.start(project.id)
        assert processes(config) == []

    async def test_a_start_that_was_begun_is_ended_with_the_rest(
        self, service: Service, project: OutputProject, config: Config, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hold = Hold(monkeypatch, service.store, "load_lineage")
        starting = asyncio.create_task(service.sessions.start(project.id))
        await hold.reached.wait()
        closing_all = asyncio.create_task(service.sessions.close())
        hold.go.set()

        assert (await starting).pid
        await closing_all
        assert processes(config) == []


async def test_what_is_about_to_be_heard_and_never_comes_is_not_looked_for_without_end(
    service: Service, project: OutputProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    load = HookSpool.load

    def noted(spool: HookSpool, *arguments: Any) -> list[HookEvent]:
        looks.append(asyncio.get_running_loop().time())
        return list(load(spool, *arguments))

    monkeypatch.setattr(HookSpool, "load", noted)
    command = await service.commands.enqueue(project.id, "lose it")
    session = service.sessions.live(project.id)
    await until(lambda: session.state is SessionState.BUSY)
    await until(lambda: len(looks) > 2 and looks[-2] - looks[-3] > 0.2 < looks[-1] - looks[-2])
    assert (await service.store.get_command(command.id)).status is CommandStatus.DELIVERING


async def test_a_text_that_never_appears_is_typed_twice_then_fails_and_holds_up_nothing(
    service: Service, project: OutputProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "WITHDRAWN_S", 0.2)
    monkeypatch.setattr(delivery, "put", partial(delivery.put, settle_s=0.5))
    dropped = await service.commands.enqueue(project.id, "drop it")
    following = await service.commands.enqueue(project.id, "hello")

    assert await ended(service, following) is CommandStatus.COMPLETED

    found = await service.store.get_command(dropped.id)
    assert (found.status, found.error, found.prompt_id) == (CommandStatus.FAILED, NEVER_APPEARED, None)
    assert prompts(project) == ["hello"]
    told = [
        event.type
        for event in await service.store.load_events(project.id)
        if event.data.get("command_id") == dropped.id
    ]
    assert told.count("command_delivering") == 2
    assert told[-1] == "command_failed"


async def test_what_is_withdrawn_is_never_typed(service: Service, project: OutputProject) -> None:
    texts = ("wait for it", "not this", "but this")
    first, second, third = [await service.commands.enqueue(project.id, text) for text in texts]
    await has_status(service, first, CommandStatus.ACCEPTED)
    await service.commands.withdraw(second.id)
    await service.sessions.live(project.id).interrupt()
    assert await ended(service, third) is CommandStatus.COMPLETED
    assert prompts(project) == ["wait for it", "[Request interrupted by user]", "but this"]


class TestInterrupt:
    async def test_in_an_idle_session_no_key_is_pressed(self, service: Service, project: OutputProject) -> None:
        await service.sessions.start(project.id)
        session = service.sessions.live(project.id)
        await until(lambda: session.state is SessionState.IDLE)
        for _ in range(2):  # a third Esc would close what two have opened
            await session.interrupt()
        assert await ended(service, await service.commands.enqueue(project.id, "hello")) is CommandStatus.COMPLETED

    async def test_what_runs_is_interrupted_once_however_often_it_is_asked_for(
        self, service: Service, project: OutputProject
    ) -> None:
        command = await service.commands.enqueue(project.id, "wait for it")
        session = service.sessions.live(project.id)
        await until(lambda: session.state is SessionState.BUSY)
        for _ in range(3):
            await session.interrupt()
        assert await ended(service, command) is CommandStatus.INTERRUPTED
        assert await ended(service, await service.commands.enqueue(project.id, "hello")) is CommandStatus.COMPLETED

    async def test_asked_for_twice_it_does_not_end_what_comes_next_and_asked_for_again_it_does(
        self, service: Service, project: OutputProject
    ) -> None:
        commands = [await service.commands.enqueue(project.id, text) for text in ("wait for it", "wait for more")]
        session = service.sessions.live(project.id)
        await until(lambda: session.state is SessionState.BUSY)
        await asyncio.gather(session.interrupt(), session.interrupt())
        assert await ended(service, commands[0]) is CommandStatus.INTERRUPTED
        await has_status(service, commands[1], CommandStatus.ACCEPTED)

        await session.interrupt()
        assert await ended(service, commands[1]) is CommandStatus.INTERRUPTED

    async def test_a_menu_that_it_opens_is_noticed_though_nothing_waits_and_closed_by_another(
        self, service: Service, project: OutputProject, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        command = await service.commands.enqueue(project.id, "wait for a menu")
        session = service.sessions.live(project.id)
        await until(lambda: session.state is SessionState.BUSY)
        await session.interrupt()
        assert await ended(service, command) is CommandStatus.INTERRUPTED
        await until(lambda: session.state is SessionState.ATTENTION)

        monkeypatch.setattr(escape, "_AGAIN_S", 0.0)
        await session.interrupt()
        await until(lambda: session.state is SessionState.IDLE)


class TestFailures:
    async def test_a_start_is_given_up_while_what_the_session_before_left_cannot_be_written(
        self, config: Config, store: Store, project: OutputProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "store" / "wxcode.sqlite3"
        async with serving(config, SqliteStore(file, busy_timeout_s=0.02)) as service:
            await service.sessions.start(project.id)
            with closing(sqlite3.connect(file, isolation_level=None)) as another:
                another.execute("BEGIN IMMEDIATE")  # whoever reads goes on, whoever writes waits
                await service.sessions.stop(project.id)
                with monkeypatch.context() as patch, pytest.raises(StoreUnavailable, match="start again"):
                    patch.setattr(subject, "_FLUSH_S", 0.2)
                    await service.sessions.start(project.id)
                assert processes(config) == []
                assert (await service.sessions.info(project.id)).state is SessionState.EXITED
            assert (await service.sessions.start(project.id)).state.live

    async def test_what_a_session_left_that_could_not_be_followed_is_read_at_the_next_start(
        self, config: Config, service: Service, project: OutputProject, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await service.sessions.start(project.id)
        folders = Path(config.data_dir, "sessions", project.id)
        [folder] = folders.iterdir()
        with monkeypatch.context() as patch:
            load = HookSpool.load

            def fail_at_the_prompt(spool: HookSpool, *arguments: Any) -> list[HookEvent]:
                events = load(spool, *arguments)
                if any(event.name == "UserPromptSubmit" for event in events):
                    raise RuntimeError("a bug of ours")
                return list(events)

            patch.setattr(HookSpool, "load", fail_at_the_prompt)
            command = await service.commands.enqueue(project.id, "wait for it")
            session = service.sessions.live(project.id)
            await session.closed.wait()
            await until(lambda: session.state is SessionState.EXITED)
        assert "lost track" in (await service.sessions.info(project.id)).message
        assert processes(config) == []
        assert [event.name for event in HookSpool(str(folder)).load()][-1] == "UserPromptSubmit"

        await service.sessions.start(project.id)
        ended = await service.store.get_command(command.id)
        assert (ended.status, ended.error) == (CommandStatus.INTERRUPTED, CUT)
        assert not folder.exists()
        assert prompts(project) == ["wait for it"]


async def ended(service: Service, command: Command) -> CommandStatus:
    """Wait until a command has ended, and return how."""
    return await has_status(service, command, *(status for status in CommandStatus if status.final))


async def has_status(service: Service, command: Command, *wanted: CommandStatus) -> CommandStatus:
    """Wait until a command has one of these statuses, and return it."""
    async with asyncio.timeout(20):
        while (status := (await service.store.get_command(command.id)).status) not in wanted:
            await asyncio.sleep(0.005)
    return status


def processes(config: Config) -> list[int]:
    """Return the programs that run in claude's place."""
    found = processes_of(Path(config.environment["HOME"]))
    return without_forks([pid for pid, line in found.items() if stand_in_box.__file__ in line])


def prompts(project: OutputProject) -> list[str]:
    """Return what was asked in all conversations of the project."""
    lines = [line for path in Path(project.workspace_path).glob("*.jsonl") for line in path.read_text().splitlines()]
    return [entry["message"]["content"] for entry in map(json.loads, lines) if entry["type"] == "user"]
