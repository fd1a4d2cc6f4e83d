"""Whose conversation is open now, as the CLIs' own files and /proc say."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from wxcode_jupyter.claude.running import find_running

CONVERSATION = "0b8f3c52-58a8-4d3c-9a52-0c7f2f1f7a11"


def began(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    folder = tmp_path / ".claude" / "sessions"
    folder.mkdir(parents=True)
    return folder


def note(sessions: Path, **others: Any) -> None:
    pid = os.getpid()
    said = {"pid": pid, "sessionId": CONVERSATION, "procStart": began(pid), "startedAt": 1795418362635, **others}
    sessions.joinpath(f"{said['pid']}.json").write_text(json.dumps(said))


def test_a_cli_that_runs_is_found(sessions: Path, tmp_path: Path) -> None:
    note(sessions)
    [found] = find_running({"HOME": str(tmp_path)}, CONVERSATION)
    assert (found.pid, found.session) == (os.getpid(), os.getsid(0))
    assert f"pid {os.getpid()}" in str(found)
    assert "since 2026-11-23 07:19 UTC" in str(found)
    assert find_running({"CLAUDE_CONFIG_DIR": str(sessions.parent)}, CONVERSATION) == (found,)
    assert find_running({"HOME": str(tmp_path)}, "another") == ()


@pytest.mark.parametrize(
    "others",
    [
        {"procStart": "1"},  # the pid was given to another process since
        {"pid": 2**22 + 1, "procStart": "1"},  # there is none
        {"pid": "x"},
        {"pid": None},
        {"sessionId": 5},
        {"sessionId": None},
    ],
)
def test_what_is_left_behind_or_is_none_does_not_count(sessions: Path, tmp_path: Path, others: dict[str, Any]) -> None:
    note(sessions, **others)
    assert find_running({"HOME": str(tmp_path)}, CONVERSATION) == ()


@pytest.mark.parametrize("began_at", [None, "soon", 1e300, [], float("nan")])
def test_a_time_that_is_none_hides_no_process(sessions: Path, tmp_path: Path, began_at: object) -> None:
    note(sessions, startedAt=began_at)
    [found] = find_running({"HOME": str(tmp_path)}, CONVERSATION)
    assert found.started_at is None


def test_garbage_stops_nothing(sessions: Path, tmp_path: Path) -> None:
    sessions.joinpath("1.json").write_bytes(b"\xff{")
    sessions.joinpath("2.json").mkdir()
    os.mkfifo(sessions / "3.json")
    sessions.joinpath("4.json").write_text("[1, 2]")
    sessions.joinpath("5.json").symlink_to("nowhere")
    note(sessions)
    assert len(find_running({"HOME": str(tmp_path)}, CONVERSATION)) == 1


def test_no_folder_is_no_cli(tmp_path: Path) -> None:
    assert find_running({"HOME": str(tmp_path)}, CONVERSATION) == ()
    assert find_running({}, CONVERSATION) == ()
