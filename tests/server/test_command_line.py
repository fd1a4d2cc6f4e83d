"""`python -m wxcode_jupyter`, beside a real server with a session."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.api import Api
from tests.server.conftest import make_server
from tests.support.job import alive, until
from tests.support.server import WxServer


class CommandLine:
    """Runs it where the server is."""

    def __init__(self, server: WxServer) -> None:
        self.environment = server.environment()

    def __call__(self, *words: str, code: int = 0) -> str:
        """Return what it prints, once it has ended with this code."""
        ended = subprocess.run(
            [sys.executable, "-m", "wxcode_jupyter", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[WxServer]:
    with make_server(tmp_path) as server:
        yield server


def test_what_lives_is_listed_and_ended(own_server: WxServer) -> None:
    command = CommandLine(own_server)
    assert "No keeper runs" in command("keeper", "status")
    assert "No keeper runs" in command("keeper", "stop")
    assert "No session lives" in command("sessions")
    with Api(own_server) as api:
        project = api.create_project("taxes")
        api.create_project("idle one")
        session = api.json("POST", f"/output-projects/{project['id']}/session", json={})
    listed = command("sessions")
    [row] = [line for line in listed.splitlines() if "taxes" in line]
    assert {str(session["pid"]), session["claude_session_id"][:8], own_server.url} <= set(row.split())
    assert "idle one" not in listed

    kept = command("keeper", "status")
    assert "keeps 1 session." in kept
    assert "followed" in kept
    assert all(text in kept for text in (project["id"], str(session["pid"]), project["workspace_path"]))
    assert "--yes" in command("keeper", "stop", code=1)
    assert alive(session["pid"])
    assert "has ended, and 1 session" in command("keeper", "stop", "--yes")
    until(lambda: not alive(session["pid"]))
    assert "No keeper runs" in command("keeper", "status")


def test_the_doctor_says_what_is_missing_by_its_exit_code(own_server: WxServer) -> None:
    said = CommandLine(own_server)("doctor", code=1)  # the stand-in is no CLI
    assert "MISSING" in said
    assert "-> " in said
    assert "emulator" in said


def test_a_line_that_is_not_understood(own_server: WxServer) -> None:
    command = CommandLine(own_server)
    assert "not understood: --all" in command("sessions", "--all", code=2)
    assert "invalid choice" in command("keeper", "restart", code=2)
    command(code=2)


def test_a_folder_that_others_may_enter_is_refused(own_server: WxServer, tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    assert "chmod 700" in CommandLine(own_server)("keeper", "status", "--runtime-dir", str(folder), code=1)


def test_serve_is_a_jupyter_server_with_the_extension(own_server: WxServer, tmp_path: Path) -> None:
    root = ["--allow-root"] if os.geteuid() == 0 else []
    served = subprocess.Popen(
        [sys.executable, "-m", "wxcode_jupyter", "serve", "--port=0", "--no-browser", *root],
        env={**CommandLine(own_server).environment, "JUPYTER_TOKEN": "t"},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        file = tmp_path / "jupyter" / "runtime" / f"jpserver-{served.pid}.json"
        until(file.exists)
        url = until(lambda: file.read_text() and json.loads(file.read_text())["url"])
        command = CommandLine(own_server)
        command.environment |= {"WXCODE_SERVER_URL": url, "WXCODE_TOKEN": "t"}
        until(lambda: "emulator" in command("doctor", code=1))
    finally:
        served.send_signal(signal.SIGTERM)
        served.wait(30)
