from __future__ import annotations

import json
from pathlib import Path

import pytest

from wxcode_jupyter.testing.claude_home import API_KEY, ClaudeHome


def test_the_environment_is_from_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "real")
    monkeypatch.setenv("CLAUDECODE", "1")
    monkeypatch.setenv("PATH", "/some/bin")
    env = ClaudeHome(tmp_path / "home", "http://127.0.0.1:1", tmp_path / "bin" / "claude").env(EXTRA="x")
    assert "ANTHROPIC_AUTH_TOKEN" not in env and "CLAUDECODE" not in env
    assert env["PATH"] == f"{tmp_path}/bin:/some/bin"
    assert env["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:1"
    assert env["HOME"] == str(tmp_path / "home")
    assert env["EXTRA"] == "x"
    assert env["CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL"] == "1", "else each HOME's first CLI asks the net"


def test_the_first_run_screens_are_answered_as_asked(tmp_path: Path) -> None:
    ClaudeHome(tmp_path / "used", "http://x")
    state = json.loads((tmp_path / "used" / ".claude.json").read_text())
    assert state["hasCompletedOnboarding"] and state["bypassPermissionsModeAccepted"]
    assert state["customApiKeyResponses"]["approved"] == [API_KEY[-20:]]
    ClaudeHome(tmp_path / "new", "http://x", onboarded=False, key_approved=False, bypass_accepted=False)
    assert json.loads((tmp_path / "new" / ".claude.json").read_text()) == {"projects": {}}


def test_trust_keeps_what_the_cli_has_written(tmp_path: Path) -> None:
    home = ClaudeHome(tmp_path / "home", "http://x", trusted=[tmp_path / "a"])
    (tmp_path / "link").symlink_to(tmp_path / "b")
    home.trust(tmp_path / "link")
    again = ClaudeHome(tmp_path / "home", "http://x")
    assert again.trusts(tmp_path / "a") and again.trusts(tmp_path / "b")
    assert not again.trusts(tmp_path / "c")


def test_transcripts_are_found_by_the_workspace(tmp_path: Path) -> None:
    home = ClaudeHome(tmp_path / "home", "http://x")
    workspace = tmp_path / "work_space.v1"
    assert home.transcripts(workspace) == []
    name = str(workspace).replace("/", "-").replace("_", "-").replace(".", "-")
    folder = home.path / ".claude" / "projects" / name
    folder.mkdir(parents=True)
    transcript = folder / "id.jsonl"
    transcript.write_text('{"type": "user"}\n{"type": "assis')
    assert home.transcripts(workspace) == [transcript]
    assert home.read_transcript(transcript) == [{"type": "user"}]


def test_transcripts_are_found_where_the_cli_has_shortened_the_folders_name(tmp_path: Path) -> None:
    home = ClaudeHome(tmp_path / "home", "http://x")
    workspace = Path("/", *["long"] * 80)
    assert home.transcripts(workspace) == []
    folder = home.path / ".claude" / "projects" / f"{('-long' * 80)[:200]}-lf0eou"
    folder.mkdir(parents=True)
    transcript = folder / "id.jsonl"
    transcript.touch()
    assert home.transcripts(workspace) == [transcript]
