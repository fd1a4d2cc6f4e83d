"""The real server, started by kernels for themselves, and the real ways to it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kernel_rig import private_environment, run_papermill
from tests.support.server import WxServer

CONNECT = "from wxcode_jupyter import Client; c = Client.connect(); print(c.info().pid, c.info().headless, c.url)"


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A user's environment; whatever servers were started in it are ended by their pids."""
    environment = private_environment(tmp_path)
    yield environment
    for pid in servers(environment):
        os.kill(pid, signal.SIGTERM)
        wait_until_gone(pid)


def runtime(environment: dict[str, str]) -> Path:
    return Path(environment["JUPYTER_RUNTIME_DIR"])


def servers(environment: dict[str, str]) -> list[int]:
    """Return the pids of the headless servers that were recorded, and that still run."""
    recorded = [int(file.read_text()) for file in runtime(environment).glob("wxcode-headless-*.pid")]
    return [pid for pid in recorded if Path(f"/proc/{pid}").exists()]


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < deadline, f"{pid} lives on"
        time.sleep(0.05)


def connect(environment: dict[str, str], folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CONNECT],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_any_number_of_kernels_start_one_server(environment: dict[str, str], tmp_path: Path) -> None:
    processes = [connect(environment, tmp_path) for _ in range(4)]
    answers = {process.communicate(timeout=110)[0] for process in processes}
    assert len(answers) == 1
    pid, headless, url = answers.pop().split()
    assert (headless, url[:17]) == ("True", "http://127.0.0.1:")
    assert servers(environment) == [int(pid)]

    info = json.loads((runtime(environment) / f"jpserver-{pid}.json").read_text())
    token = info["token"]
    assert len(token) == 64
    assert token not in Path(f"/proc/{pid}/cmdline").read_text()
    for file in runtime(environment).glob("wxcode-headless-*.l*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert token not in file.read_text()
    log = next(runtime(environment).glob("wxcode-headless-*.log")).read_text()
    assert "wxcode_jupyter | extension was successfully loaded" in log
    assert "jupyterlab | extension was successfully loaded" not in log
    assert os.getsid(int(pid)) == int(pid)


def test_a_dead_server_is_replaced(environment: dict[str, str], tmp_path: Path) -> None:
    first = int(connect(environment, tmp_path).communicate(timeout=110)[0].split()[0])
    os.kill(first, signal.SIGKILL)
    wait_until_gone(first)
    second = int(connect(environment, tmp_path).communicate(timeout=110)[0].split()[0])
    assert servers(environment) == [second]


def test_a_server_that_cannot_start_says_why(environment: dict[str, str], tmp_path: Path) -> None:
    environment["WXCODE_STORE_URL"] = "carrier-pigeon://me:hush-hush@roof"
    _, said = connect(environment, tmp_path).communicate(timeout=110)
    assert "ServerUnreachable: A wxcode server could not be started: it ended with exit code 1" in said
    assert "carrier-pigeon://me:***@roof' is no address of a store" in said
    assert "hush-hush" not in said


def test_configuration_in_the_working_directory_is_not_executed(environment: dict[str, str], tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / "jupyter_server_config.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w').close()\n")
    said, _ = connect(environment, trap).communicate(timeout=110)
    assert " True http://" in said
    assert not (tmp_path / "sprung").exists()


@pytest.fixture
def idler(tmp_path: Path) -> list[str]:
    """A program that lives where the CLI would: who holds a session is the subject, not what it says."""
    program = tmp_path / "idler"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    return [str(program)]


def test_a_running_server_is_used(tmp_path: Path, idler: list[str]) -> None:
    with WxServer(tmp_path, private_environment(tmp_path), idler) as server:
        for more in ({}, {"JPY_PARENT_PID": str(server.pid)}):
            said, problem = connect({**server.environment(), **more}, tmp_path).communicate(timeout=110)
            assert said.split() == [str(server.pid), "False", server.url], problem
        assert servers(server.environment()) == []


def test_a_session_of_another_server_is_used_there(
    tmp_path: Path, idler: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = private_environment(tmp_path)
    with WxServer(tmp_path, environment, idler) as first, WxServer(tmp_path, environment, idler) as second:
        monkeypatch.setenv("JUPYTER_RUNTIME_DIR", first.environment()["JUPYTER_RUNTIME_DIR"])
        with first.client() as here, second.client() as there:
            project = here.create_project("demo")
            held = here.start_session(project)
            assert there.start_session(project).pid == held.pid
            assert there.session(project) == here.session(project)
            here.stop(project)
            assert not there.session(project).state.live


def test_papermill_needs_no_server(environment: dict[str, str], tmp_path: Path) -> None:
    workspace = tmp_path / "home" / "demo"
    run = run_papermill(
        tmp_path / "run",
        environment,
        [
            f"%load_ext wxcode_jupyter\n%wxmilestone project demo --workspace {workspace}",
            "%%wxmilestone new login\n# Login\nIt's {{'a' }}.\n",
            "%wxmilestone list",
            "%wxmilestone doctor",
            "%wxmilestone start login",
        ],
    )
    assert "Starting a wxcode server for this user" in run.text(0)
    assert str(workspace) in run.text(0)
    assert "login  [pending]" in run.text(1)
    assert "login" in run.text(2)
    assert "Claude Code" in run.text(3)
    # No Claude Code is on this PATH's HOME, or no GSD in this workspace: refused with the remedy before any typing.
    assert run.exit_code == 1
    assert "npm" in run.text(4) or "npx" in run.text(4)
    assert len(servers(environment)) == 1
