"""A hook that waits, run as the CLI runs it: it stays until it is answered, let go, or killed."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.job import until
from wxcode_jupyter.claude.asking import Reply, items_of
from wxcode_jupyter.claude.hooks import HookEvent, HookSpool
from wxcode_jupyter.claude.open_hook import OpenHook, decide_permission, decide_question

EVENT = {"hook_event_name": "PermissionRequest", "session_id": "s", "tool_name": "Bash"}
COLOUR = {"question": "Which colour?", "options": [{"label": "Red"}, {"label": "Blue"}]}


class Waiting:
    """A hook that the CLI has just started."""

    def __init__(self, folder: Path) -> None:
        self.spool = HookSpool(str(folder))
        self.spool.install(tui="default")
        settings = json.loads(Path(self.spool.settings_path).read_bytes())
        (hook,) = settings["hooks"]["PermissionRequest"][0]["hooks"]
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {hook['command']}".removesuffix(" || :")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(EVENT).encode())
        self.process.stdin.close()
        self.process.stdin = None
        self.event = self._told()

    def _told(self) -> HookEvent:
        until(self.spool.load, what="the event")
        return self.spool.load()[0]

    @property
    def hook(self) -> OpenHook:
        return self.spool.open_hook(self.event)

    def said(self) -> bytes:
        out, err = self.process.communicate(timeout=60)
        assert (self.process.returncode, err) == (0, b"")
        return out

    def left(self) -> list[str]:
        return [path.name for path in (self.spool.folder / "answers").iterdir()]


@pytest.fixture(params=["plain", "it's a \n $(new) line"])
def waiting(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Waiting]:
    made = Waiting(tmp_path / request.param)
    yield made
    if made.process.poll() is None:
        made.process.kill()
    made.process.communicate()


def test_it_waits_and_says_what_it_is_told(waiting: Waiting) -> None:
    decision = {"behavior": "allow", "updatedInput": {"text": "é\u2028\n" * 40_000}}
    assert waiting.process.poll() is None
    assert waiting.hook.answer(decision)
    output: dict[str, Any] = json.loads(waiting.said())
    assert output == {"hookSpecificOutput": {"hookEventName": "PermissionRequest", "decision": decision}}
    assert waiting.left() == []
    assert not waiting.hook.answer(decision)
    assert waiting.left() == []


def test_it_is_let_go_and_says_nothing(waiting: Waiting) -> None:
    waiting.hook.release()
    assert waiting.said() == b""
    assert waiting.left() == []
    waiting.hook.release()


def test_one_that_was_killed_is_told_nothing(waiting: Waiting) -> None:
    waiting.process.kill()
    waiting.process.wait()
    assert not waiting.hook.answer({"behavior": "allow"})
    assert [name for name in waiting.left() if "answer" in name] == []
    waiting.hook.release()
    assert waiting.left() == []


def test_one_that_ends_while_it_is_told_is_told_nothing(waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def kill_and_write(file: int, data: bytes) -> int:
        waiting.process.kill()
        waiting.process.wait()
        return write(file, data)

    monkeypatch.setattr(os, "write", kill_and_write)
    assert not waiting.hook.answer({"behavior": "allow"})
    assert [name for name in waiting.left() if "answer" in name] == []
    waiting.hook.release()
    assert waiting.left() == []


def test_a_full_disk_leaves_it_to_the_keys(waiting: Waiting, caplog: pytest.LogCaptureFixture) -> None:
    answers = waiting.spool.folder / "answers"
    (answers / f"{waiting.event.key}.aside").mkdir()  # nothing can be written there, as root neither
    assert not waiting.hook.answer({"behavior": "allow"})
    assert len(caplog.messages) == 1
    assert waiting.process.poll() is None
    waiting.hook.release()
    assert waiting.said() == b""


def test_events_of_other_hooks_have_none(tmp_path: Path) -> None:
    spool = HookSpool(str(tmp_path))
    spool.install(tui="default")
    hook = spool.open_hook(HookEvent("1-1.json", "Stop", "s", {}))
    assert not hook.answer({"behavior": "allow"})
    hook.release()
    assert list((tmp_path / "answers").iterdir()) == []


def test_decisions() -> None:
    given = {"questions": [COLOUR], "metadata": {"kept": True}}
    decision = decide_question(given, items_of(given), [Reply(("Red",), "or nearly so")])
    assert decision == {
        "behavior": "allow",
        "updatedInput": {**given, "answers": {"Which colour?": "Red, or nearly so"}},
    }
    twice = {"questions": [COLOUR, COLOUR]}
    assert decide_question(twice, items_of(twice), [Reply(("Red",)), Reply(("Blue",))]) is None
    assert decide_permission("Yes") == {"behavior": "allow"}
    assert (decide_permission("No") or {})["interrupt"] is True
    assert decide_permission("Yes, and don't ask again for: npm test *") is None
