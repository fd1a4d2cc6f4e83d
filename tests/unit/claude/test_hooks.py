"""The hooks' settings and spool: what is installed, and how events are read back."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.garbage import distorted, files, nested
from wxcode_jupyter.claude import hooks
from wxcode_jupyter.claude.hooks import EVENTS, HookEvent, HookSpool


def installed(folder: Path, *events: bytes) -> HookSpool:
    """Return a spool in which events have arrived, as the relay leaves them."""
    spool = HookSpool(str(folder))
    spool.install(tui="default")
    for number, data in enumerate(events):
        (folder / "spool" / f"{1795361732585886497 + number}-{number}.json").write_bytes(data)
    return spool


def event(number: int = 0, **fields: Any) -> bytes:
    return json.dumps({"hook_event_name": "Stop", "session_id": "s", "number": number, **fields}).encode()


def test_the_settings_are_json_with_every_event_and_the_renderer(tmp_path: Path) -> None:
    spool = HookSpool(str(tmp_path / "it's"))
    spool.install(tui="fullscreen")
    settings = json.loads(Path(spool.settings_path).read_bytes())
    assert settings["tui"] == "fullscreen"
    assert tuple(settings["hooks"]) == EVENTS
    commands = {name: group["hooks"] for name, (group,) in settings["hooks"].items()}
    (asks,) = commands.pop("PermissionRequest")
    assert " asks " in asks["command"]
    assert asks["timeout"] * 1000 < 2**31  # a longer one would be over at once
    assert all(command == commands["Stop"] for command in commands.values())
    assert [command["type"] for command in commands["Stop"]] == ["command"]


def test_an_event_stays_until_it_is_removed(tmp_path: Path) -> None:
    spool = installed(tmp_path, event(0), event(1))
    first, second = spool.load()
    assert spool.load() == [first, second]
    spool.remove(first.key)
    spool.remove(first.key)
    assert HookSpool(str(tmp_path)).load() == [second]


def test_an_event_that_was_seen_is_not_read_again(tmp_path: Path) -> None:
    spool = installed(tmp_path, event(0), event(1), event(2))
    first, second, third = spool.load()
    (tmp_path / "spool" / second.key).write_bytes(b"whoever reads this puts it aside")
    assert spool.load({first.key, second.key}) == [third]
    assert sorted(path.name for path in (tmp_path / "spool").iterdir()) == [first.key, second.key, third.key]


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b"{}",
        b'{"hook_event_name": "Stop"}',
        b'{"session_id": "s"}',
    ],
)
def test_a_broken_file_is_put_aside_once(tmp_path: Path, broken: bytes, caplog: pytest.LogCaptureFixture) -> None:
    spool = installed(tmp_path, event())
    (tmp_path / "spool" / "1.json").write_bytes(broken)
    assert len(spool.load()) == 1
    assert len(spool.load()) == 1
    assert [record.getMessage().endswith("1.json") for record in caplog.records] == [True]
    assert (tmp_path / "spool" / "1.bad").read_bytes() == broken


def test_what_is_no_event_yet_is_left_alone(tmp_path: Path) -> None:
    spool = installed(tmp_path)
    (tmp_path / "spool" / ".4711").write_bytes(event())
    assert spool.load() == []
    assert (tmp_path / "spool" / ".4711").exists()


def test_a_folder_that_is_gone_holds_no_events(tmp_path: Path) -> None:
    assert HookSpool(str(tmp_path / "gone")).load() == []


@pytest.mark.parametrize(("data", "expected"), [({"prompt_id": "p"}, "p"), ({}, None), ({"prompt_id": 7}, None)])
def test_the_prompt_id(tmp_path: Path, data: dict[str, Any], expected: str | None) -> None:
    spool = installed(tmp_path, event(**data))
    assert spool.load()[0].prompt_id == expected


def test_half_an_emoji_is_replaced_before_any_store_sees_it(tmp_path: Path) -> None:
    spool = HookSpool(str(tmp_path / "session"))
    spool.install(tui="default")
    text = '{"hook_event_name": "Stop", "session_id": "s", "last_assistant_message": "half \\ud83d"}'
    (tmp_path / "session/spool/1-1.json").write_text(text)
    [event] = spool.load()
    assert event.data["last_assistant_message"] == "half ?"


def test_a_tool_call_that_is_nested_deeply_is_an_event_like_any_other(tmp_path: Path) -> None:
    given = b'{"hook_event_name": "PreToolUse", "session_id": "s", "tool_input": {"command": "pwd", "nest": %s}}'
    spool = installed(tmp_path, given % nested(1300))
    [event] = spool.load()
    assert event.name == "PreToolUse"
    assert event.data["tool_input"]["command"] == "pwd"
    json.dumps(event.data)


def test_what_is_no_file_is_put_aside_too(tmp_path: Path) -> None:
    spool = installed(tmp_path, event())
    (tmp_path / "spool" / "1.json").mkdir()
    assert len(spool.load()) == 1
    assert (tmp_path / "spool" / "1.bad").is_dir()


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["fifo", "endless"])
def test_what_would_make_us_wait_is_put_aside(tmp_path: Path, make: Callable[[Path], None]) -> None:
    (tmp_path / "spool").mkdir()
    make(tmp_path / "spool" / "1.json")
    assert HookSpool(str(tmp_path)).load() == []
    assert os.path.lexists(tmp_path / "spool" / "1.bad")


def test_a_spool_that_is_no_folder_holds_no_events(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file")
    assert HookSpool(str(tmp_path)).load() == []


FIELDS = distorted(
    hook_event_name=st.sampled_from(EVENTS), session_id=st.just("s"), prompt_id=st.just("p"), transcript_path=st.text()
)


@settings(deadline=None)
@given(
    st.lists(files(FIELDS), max_size=4), st.text(st.characters(exclude_characters="/\0", codec="utf-8"), max_size=30)
)
def test_whatever_lies_in_the_spool_it_is_read_or_put_aside(contents: list[bytes], key: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spool = HookSpool(folder)
        spool.install(tui="default")
        for number, content in enumerate(contents):
            Path(folder, "spool", f"{number}-{key}.json").write_bytes(content)
        events = spool.load()
        left = [path.name for path in Path(folder, "spool").iterdir() if path.suffix == ".json"]
        assert sorted(left) == [event.key for event in events]
        for event in events:
            assert event.prompt_id is None or isinstance(event.prompt_id, str)
            assert event.transcript_path is None or isinstance(event.transcript_path, str)
            assert event.at is None or event.at.tzinfo is not None
            json.dumps(event.data, ensure_ascii=False).encode()


def test_what_was_set_aside_can_be_taken_back(tmp_path: Path) -> None:
    spool = HookSpool(str(tmp_path))
    spool.install(tui="default")
    (tmp_path / "spool" / "1-1.json").write_text('{"hook_event_name": "SessionStart", "session_id": "s"}')
    [event] = spool.load()
    spool.set_aside(event.key)
    assert spool.load() == []
    spool.take_back(event.key)
    assert spool.load() == [event]
    spool.set_aside("none")
    spool.take_back("none")


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/h/.claude/projects/w/s-1.jsonl", True),
        ("/h/.ssh/id_ed25519", False),
        ("/h/.claude/projects/../../.ssh/s-1.jsonl", False),
        ("/h/.claude/projects/w/s-2.jsonl", False),
        ("", False),
        (None, False),
        (5, False),
    ],
)
def test_a_transcript_is_a_file_that_is_called_as_its_conversation(path: object, kept: bool) -> None:
    event = HookEvent("1-1.json", "SessionStart", "s-1", {"transcript_path": path})
    assert event.transcript_path == (path if kept else None)


def test_a_file_larger_than_any_event_is_put_aside_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    most = json.dumps({"hook_event_name": "Stop", "session_id": "s", "padding": "x" * 1000}).encode()
    monkeypatch.setattr(hooks, "EVENT_LIMIT_BYTES", len(most))
    spool = installed(tmp_path, most, most + b" ")
    assert len(spool.load()) == 1
    [aside] = tmp_path.joinpath("spool").glob("*.bad")
    assert aside.read_bytes() == most + b" "
