"""`/clear` and `/compact`: commands without a prompt, known by their effect."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from wxcode_jupyter.claude.hooks import HookEvent
from wxcode_jupyter.claude.transcript import Entry, Kind
from wxcode_jupyter.models import Command, CommandStatus, now
from wxcode_jupyter.service.changes import Accepted, Change, Ended, Requeued
from wxcode_jupyter.service.mixing import UNKNOWN
from wxcode_jupyter.service.own_command import BROKEN_OFF, NO_EFFECT
from wxcode_jupyter.service.recovery import resolve
from wxcode_jupyter.service.turns import Turns

FEW = "Not enough messages to compact."


def hook(name: str, **data: str) -> HookEvent:
    return HookEvent("key", name, "session", data)


def tell(turns: Turns, step: str) -> list[Change]:
    word, _, text = step.partition(" ")
    match word:
        case "submit":
            turns.submit(Command("c", "project", text))
        case "stand":
            turns.stand(Command("c", "project", text))
        case "start":
            turns.on_hook(hook("SessionStart", source=text))
        case "precompact":
            turns.on_hook(hook("PreCompact"))
        case "noted":
            turns.on_entry(Entry("own_command", text, None))
        case "said":
            turns.on_entry(Entry("own_output", text, None))
        case "unknown":
            turns.on_entry(Entry("unknown_command", f"Unknown command: {text}", None))
        case "silent":
            turns.give_up()
        case "idle":
            turns.on_idle_box()
        case "exit":
            turns.on_exit()
        case _:
            raise ValueError(step)
    return turns.settle()


def in_words(change: Change) -> str:
    match change:
        case Accepted(_, prompt_id):
            assert prompt_id is None
            return "accepted"
        case Ended(_, status, _, error):
            return f"{status.value}: {error}" if error else status.value
        case Requeued():
            return "requeued"
    raise AssertionError(change)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("submit /clear", ""),
        ("submit /clear, start clear", "accepted, completed"),
        ("submit /clear, start compact", ""),
        ("submit /clear, noted /clear, said ", "accepted, completed"),
        ("submit /clear, silent", f"failed: {NO_EFFECT}"),
        ("submit /clear, unknown /clearnow, silent, exit", f"failed: {UNKNOWN}Unknown command: /clearnow"),
        ("stand /clear, unknown /clearnow, idle, exit", f"failed: {UNKNOWN}Unknown command: /clearnow"),
        ("submit /clear, unknown /other, exit", "requeued"),
        ("submit /clear, idle", ""),
        ("submit /clear, exit", "requeued"),
        ("stand /clear, start clear", "accepted, completed"),
        ("submit /compact, start clear", ""),
        ("submit /compact, precompact", "accepted"),
        ("submit /compact, precompact, start compact", "accepted, completed"),
        ("submit /compact, precompact, noted /compact, said \x1b[2mCompacted (ctrl+o)\x1b[22m", "accepted, completed"),
        (f"submit /compact, precompact, noted /compact, said {FEW}", f"accepted, failed: {FEW}"),
        (f"submit /compact names, noted /compact, said {FEW}", ""),  # of another one, read late
        (f"submit /compact names, said {FEW}", ""),
        (f"submit /compact names, noted /compact names, said {FEW}", f"accepted, failed: {FEW}"),
        ("submit /compact, precompact, silent", f"accepted, failed: {NO_EFFECT}"),
        ("submit /compact, precompact, exit", f"accepted, interrupted: {BROKEN_OFF}"),
        ("submit /compact, precompact, start compact, noted /compact, said Compacted, exit", "accepted, completed"),
    ],
)
def test_a_story(steps: str, expected: str) -> None:
    turns = Turns()
    changes = [change for step in steps.split(", ") for change in tell(turns, step)]
    assert ", ".join(map(in_words, changes)) == expected
    ended = any(isinstance(change, Ended | Requeued) for change in changes)
    assert turns.active is not ended


@pytest.mark.parametrize(
    ("status", "text", "events", "entries", "expected"),
    [
        (CommandStatus.DELIVERING, "/clear", [hook("SessionStart", source="clear")], [], CommandStatus.COMPLETED),
        (CommandStatus.DELIVERING, "/clear", [], [], CommandStatus.QUEUED),
        (CommandStatus.DELIVERING, "/compact", [hook("PreCompact")], [], CommandStatus.INTERRUPTED),
        (CommandStatus.ACCEPTED, "/compact", [], [], CommandStatus.INTERRUPTED),
        (CommandStatus.ACCEPTED, "/compact", [], ["/compact", "Compacted"], CommandStatus.COMPLETED),
        (CommandStatus.DELIVERING, "/compact", [], ["/compact", FEW], CommandStatus.FAILED),
    ],
)
def test_after_the_death_of_its_process(
    status: CommandStatus, text: str, events: Sequence[HookEvent], entries: Sequence[str], expected: CommandStatus
) -> None:
    begun = now()
    command = Command("c", "project", text, status=status, delivering_at=begun)
    kinds: tuple[Kind, Kind] = ("own_command", "own_output")
    later = begun + timedelta(seconds=1)
    conversation = [Entry(kind, said, None, at=later) for kind, said in zip(kinds, entries, strict=False)]
    old = [Entry("own_command", text, None, at=begun - timedelta(days=1)), Entry("own_output", "Compacted", None)]
    assert resolve(command, events, [*old, *conversation])["status"] is expected
