"""The server is restarted again and again under sessions that go on: nothing is left over, and nothing grows."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.server.conftest import STAND_IN
from tests.support.faults import FAULT_CLI_VERSIONS, LONG, keeper_of
from tests.support.job import Job, alive, open_descriptors, until
from tests.support.kept import lasting
from tests.support.processes import processes_of
from tests.support.service_process import ServiceProcess
from wxcode_jupyter.models import SessionState
from wxcode_jupyter.service.config import Config
from wxcode_jupyter.terminal.process import KeeperClient

RESTARTS = 50
REAL_RESTARTS = 50 if LONG else 4


@dataclass(frozen=True)
class Traces:
    """What there is between or after restarts."""

    processes: object
    descriptors: int  # the keeper's
    files: object

    def within(self, before: Traces) -> bool:
        """Whether nothing has been added; a descriptor of a connection that is just closing counts for a moment."""
        return self == replace(before, descriptors=self.descriptors) and self.descriptors <= before.descriptors


@pytest.mark.cli
@pytest.mark.timeout(1800 if LONG else 180)
@pytest.mark.parametrize("cli_version", FAULT_CLI_VERSIONS)
def test_of_jupyter_and_the_real_claude(tmp_path: Path, cli_version: str) -> None:
    with lasting(tmp_path, cli_version) as job:
        project = job.project()
        job.ask(project, "an earlier one")
        pid = job.client.session(project).pid
        job.restart(kill=True)  # whatever the first take-over makes once
        before = traces_of(job)
        for number in range(REAL_RESTARTS):
            job.restart(kill=number % 2 == 0)
            job.until_state(project, SessionState.IDLE)
            assert job.client.session(project).pid == pid
        until(lambda: traces_of(job).within(before), what=f"{before} and no more")
        told = Counter(event.type for event in job.client.events(project))
        assert told["session_taken_over"] == REAL_RESTARTS + 1
        assert told["session_started"] == 1


def traces_of(job: Job) -> Traces:
    """Return what there is: processes, descriptors, files of ours. What the CLI prints is its own affair."""
    ours = [job.folder / "jupyter" / name / "wxcode" for name in ("data", "runtime")]
    return Traces(
        sorted(line.partition(" --")[0] for line in processes_of(job.home.path).values()),
        open_descriptors(keeper_of(job.home.path)),
        [name for folder in ours for name in sizes(folder)],
    )


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Config]:
    """Of services whose sessions outlive them, with a stand-in for claude; what is left in the end is ended."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    config = Config(
        data_dir=str(tmp_path / "data"),
        runtime_dir=str(tmp_path / "runtime"),
        workspace_root=str(tmp_path / "workspaces"),
        claude_command=STAND_IN,
        keep_sessions=True,
        environment=environment,
    )
    yield config
    if keeper := asyncio.run(find_keeper(config)):
        os.kill(keeper, signal.SIGTERM)
        until(lambda: not alive(keeper), what="the keeper's end")


async def find_keeper(config: Config) -> int | None:
    """Return the process of the keeper, where there is one."""
    client = await KeeperClient.find(config.runtime_dir)
    if client is None:
        return None
    client.close()
    return client.pid


def test_of_the_service_fifty_times(config: Config, tmp_path: Path) -> None:
    with ServiceProcess(config, begin="taxes") as service:
        sessions = service.sessions
    keeper = asyncio.run(find_keeper(config))
    assert keeper
    before = until(lambda: left_over(config, keeper), what="nobody to have the session")
    for number in range(RESTARTS):
        with ServiceProcess(config) as service:
            assert service.sessions == sessions
            if number % 2:
                service.kill()
        until(lambda: (now := left_over(config, keeper)) and now.within(before), what=f"{before} and no more")
    with ServiceProcess(replace(config, keep_sessions=False)) as service:
        assert service.sessions == sessions
    [pid] = sessions.values()
    assert pid
    assert not alive(pid)
    until(lambda: not processes_of(tmp_path))


def left_over(config: Config, keeper: int) -> Traces | None:
    """Return what there is between two services: files with their sizes, descriptors; the store's own files grow."""
    [session] = asyncio.run(list_sessions(config))
    if not session["kept"]:
        return None
    files = {**sizes(Path(config.data_dir)), **sizes(Path(config.runtime_dir))}
    return Traces(processes_of(Path(config.home)), open_descriptors(keeper), files)


async def list_sessions(config: Config) -> list[dict[str, object]]:
    """Ask the keeper for its sessions."""
    client = await KeeperClient.find(config.runtime_dir)
    assert client is not None
    try:
        return await client.list()
    finally:
        client.close()


def sizes(folder: Path) -> dict[str, int]:
    """Return the sizes of the files below a folder but those of the embedded store, in which each restart is told."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and ".sqlite3" not in path.name)
    return {str(path.relative_to(folder)): path.stat().st_size for path in files}
