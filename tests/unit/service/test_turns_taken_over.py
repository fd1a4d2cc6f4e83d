"""Following turns from their middle: what another server has stopped following, known from the store and transcript."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.turn_story import OTHERS, TEXT, Story, in_words
from wxcode_jupyter.claude.hooks import HookEvent
from wxcode_jupyter.claude.transcript import Entry
from wxcode_jupyter.models import Command, CommandStatus
from wxcode_jupyter.service.changes import Ended

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)


def entries(words: str) -> list[Entry]:
    """Return a transcript in the words of ``Story``, an entry a second; ``|`` is when the delivery began."""
    found: list[Entry] = []
    before, _, after = words.partition("|")
    for number, part in ((-100, before), (0, after)):
        for word in filter(None, (each.strip() for each in part.split(","))):
            number += 1
            kind, _, prompt_id = word.partition(" ")
            at = BEGAN + timedelta(seconds=number)
            match kind:
                case "entry" | "own":
                    found.append(Entry("prompt", TEXT if kind == "entry" else OTHERS, prompt_id, at=at))
                case "answer" | "words":
                    found.append(Entry("assistant", "said", None, final=kind == "answer", at=at))
                case "ended":
                    found.append(Entry("ended", "", None, at=at))
                case "error":
                    found.append(Entry("failed", "API Error: 400", None, at=at))
                case "interrupt":
                    found.append(Entry("interrupt", "[Request interrupted by user]", None, at=at))
                case _:
                    raise ValueError(word)
    return found


@pytest.mark.parametrize(
    ("status", "transcript", "steps", "expected"),
    [
        # a command that was accepted, and its turn
        ("accepted", "own u, answer, ended | entry p", "", ""),
        ("accepted", "| entry p, answer, ended", "", "completed"),
        ("accepted", "| entry p", "stop p", "completed"),
        ("accepted", "| entry p, words", "tool p, answer, stop p", "completed"),
        ("accepted", "| entry p, error", "fail p", "failed"),
        ("accepted", "| entry p, error", "idle", "failed"),
        ("accepted", "| entry p, interrupt", "", "interrupted"),
        ("accepted", "| entry p", "exit", "interrupted"),
        ("accepted", "| entry p, answer, ended, own u", "all", "completed, user's u"),
        ("accepted", "entry o, answer, ended | entry p", "ended", "completed"),  # the same text was asked before
        # one that was about to be
        ("delivering", "own u, answer, ended | ", "hook p, entry p, stop p", "bound p, accepted p, completed"),
        ("delivering", "own u, answer, ended | entry p", "all, stop p", "bound p, accepted p, completed"),
        ("delivering", "| entry p, answer, ended", "all", "bound p, accepted p, completed"),
        ("delivering", "entry o, answer, ended | ", "all, idle", ""),  # the one of before is not ours
        ("delivering", "entry o, answer, ended | ", "silent", "failed"),
        ("delivering", "", "exit", "requeued"),
        # none: of the user's own prompts only the one whose turn runs is news
        (None, "own u, answer, ended", "all", ""),
        (None, "own u, answer, ended, own v", "all, ended", "user's v, answered v"),
        (None, "own u, interrupt", "all", ""),
        (None, "", "user u, own u, stop u", "user's u, answered u"),
    ],
)
def test_a_story(status: str | None, transcript: str, steps: str, expected: str) -> None:
    story = Story()
    command = None
    if status is not None:
        known = "p" if status == "accepted" else None
        command = Command("c0", "project", TEXT, status=CommandStatus(status), prompt_id=known, delivering_at=BEGAN)
    told = entries(transcript)
    story.turns.take_over(command, told)
    story.newest = next((entry.prompt_id or "" for entry in reversed(told) if entry.kind == "prompt"), "")
    story.changes += story.turns.settle()
    for step in filter(None, steps.split(", ")):
        story.tell(step)
    assert ", ".join(in_words(change) for change in story.changes) == expected


def test_what_stands_in_the_box_was_not_submitted_by_the_server_before() -> None:
    story = Story()
    command = Command("c0", "project", TEXT, status=CommandStatus.DELIVERING, delivering_at=BEGAN)
    story.turns.take_over(command, entries("own u, answer, ended | "))
    assert story.turns.awaits_hook
    assert story.turns.let_stand()
    assert (story.turns.awaits_hook, story.turns.standing) == (False, command)
    assert not story.turns.let_stand()
    for step in ("submit", "hook p"):
        story.tell(step)
    assert not story.turns.let_stand()  # that Enter was ours


@pytest.mark.parametrize(
    ("transcript", "steps", "expected"),
    [
        ("own u, answer, ended | ", "", ""),
        # the user has pressed Enter himself, before or after
        ("own u, answer, ended | entry p", "", "bound p, accepted p"),
        ("own u, answer, ended | ", "hook p, entry p", "bound p, accepted p"),
        ("", "exit", "requeued"),
    ],
)
def test_that_enter_was_not_pressed_is_known(transcript: str, steps: str, expected: str) -> None:
    story = Story()
    command = Command("c0", "project", TEXT, status=CommandStatus.DELIVERING, delivering_at=BEGAN)
    story.turns.take_over(command, entries(transcript), entered=False)
    story.turns.begin_unannounced(story.turns.unannounced)
    story.changes += story.turns.settle()
    assert story.turns.inherited is ("entry" not in transcript)
    for step in filter(None, steps.split(", ")):
        story.tell(step)
    assert ", ".join(in_words(change) for change in story.changes) == expected


def test_what_stop_says_counts_where_the_transcript_only_tells_that_the_turn_is_over() -> None:
    story = Story()
    command = Command("c0", "project", TEXT, status=CommandStatus.DELIVERING, prompt_id="p", delivering_at=BEGAN)
    story.turns.take_over(command, entries("| entry p, words, ended"))
    said = {"prompt_id": "p", "last_assistant_message": "the end"}
    story.turns.on_hook(HookEvent("1-7.json", "Stop", "a", said))
    assert story.turns.ending
    [*_, end] = story.turns.settle()
    assert end == Ended(command, CommandStatus.COMPLETED, "the end")
    assert not story.turns.ending
