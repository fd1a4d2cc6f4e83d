"""Figures of a session with the real CLI, each beside a peer of the same run; run by hand with ``make bench``."""

from __future__ import annotations

import json
import sqlite3
import statistics
import subprocess
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.cli import CliRig, each_cli
from tests.support.job import Job, until
from wxcode_jupyter.claude.hooks import HookSpool
from wxcode_jupyter.models import SessionState

pytestmark = [pytest.mark.benchmark, pytest.mark.cli, pytest.mark.timeout(300)]

ROUNDS = 20


def report(what: str, times: list[float], peer: str, peer_times: list[float]) -> None:
    """Print medians and their ratio."""
    ours, theirs = statistics.median(times) * 1000, statistics.median(peer_times) * 1000
    slowest = max(times) * 1000
    print(
        f"\n{what}: {ours:.1f} ms at the median (slowest {slowest:.1f}); {peer}: {theirs:.1f} ms; {ours / theirs:.2f}x"
    )


@each_cli
def test_send_to_acknowledgement_beside_bare_typing(tmp_path: Path, cli_version: str) -> None:
    """From `send` to `accepted` (REST, box, Enter, hook, transcript); the peer pastes, presses Enter, awaits the hook.

    Both against the scripted model.
    """
    bare: list[float] = []
    (tmp_path / "bare").mkdir()
    with CliRig(tmp_path / "bare", cli_version) as rig:
        terminal = rig.start_ready()
        for number in range(ROUNDS):
            began = time.perf_counter()
            terminal.paste(f"prompt {number}")
            terminal.wait_text(f"prompt {number}")
            terminal.type("\r")
            seen = number + 1
            terminal.wait_for(lambda seen=seen: len(rig.hooks.events("UserPromptSubmit")) >= seen, what="the hook")  # type: ignore[misc]
            bare.append(time.perf_counter() - began)
            terminal.wait_for(lambda seen=seen: len(rig.hooks.events("Stop")) >= seen, what="the end")  # type: ignore[misc]
    (tmp_path / "ours").mkdir()
    ours: list[float] = []
    with Job(tmp_path / "ours", cli_version) as job:
        project = job.project()
        job.ask(project, "warm up")
        for number in range(ROUNDS):
            job.until_state(project, SessionState.IDLE)
            began = time.perf_counter()
            command = job.client.send(project, f"prompt {number}")
            until(lambda command=command: job.client.command(command).accepted_at)  # type: ignore[misc]
            ours.append(time.perf_counter() - began)
            job.done(command)
    report(f"{cli_version}: send to acknowledgement", ours, "bare typing to the hook", bare)


@each_cli
def test_session_start_to_the_id_in_the_store(tmp_path: Path, cli_version: str) -> None:
    """From the hook (the relay notes the time) to the committed id; the peer is one SQLite commit of the same kind."""
    ours: list[float] = []
    with Job(tmp_path, cli_version) as job:
        for number in range(6):
            workspace = tmp_path / f"w{number}"
            workspace.mkdir()
            job.home.trust(workspace)
            project = job.client.create_project(f"p{number}", workspace_path=str(workspace))
            job.client.start_session(project)
            at: dict[str, datetime] = {}
            while not {"session_started", "session_id_changed"} <= at.keys():
                at = {event.type: event.created_at for event in job.client.events(project)}
            ours.append((at["session_id_changed"] - at["session_started"]).total_seconds())
            job.client.stop(project)
    report(
        f"{cli_version}: SessionStart to the id in the store", ours, "one commit", commits(tmp_path / "peer.sqlite3")
    )


def commits(path: Path) -> list[float]:
    """Return what durable one-row commits take here."""
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (x)")

    def commit() -> None:
        with connection:
            connection.execute("INSERT INTO t VALUES (1)")

    times = [timed(commit) for _ in range(50)]
    connection.close()
    return times


def test_the_relay_beside_a_shell_that_does_nothing(tmp_path: Path) -> None:
    """What a hook costs the CLI; the peer is `sh -c` reading the same event."""
    spool = HookSpool(str(tmp_path / "session"))
    spool.install(tui="default")
    settings = json.loads(Path(spool.settings_path).read_text())
    command = settings["hooks"]["Stop"][0]["hooks"][0]["command"]
    event = json.dumps({"hook_event_name": "Stop", "session_id": "x", "text": "y" * 4000}).encode()

    def run(line: str) -> Callable[[], object]:
        return lambda: subprocess.run(["/bin/sh", "-c", line], input=event, check=True)

    ours = [timed(run(command)) for _ in range(100)]
    peer = [timed(run("cat >/dev/null")) for _ in range(100)]
    assert len(spool.load()) == 100
    report("hook relay", ours, "sh -c 'cat >/dev/null'", peer)


def timed(act: Callable[[], object]) -> float:
    """Return how long a call takes, in seconds."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began
