"""What is concluded about a command from hooks, transcript entries and looks at the screen, in whatever order."""

from __future__ import annotations

import pytest

from tests.support.turn_story import MIXTURE, OTHERS, TEXT, in_words, told
from wxcode_jupyter.service.changes import Ended
from wxcode_jupyter.service.mixing import MIXED, UNCERTAIN, UNKNOWN
from wxcode_jupyter.service.turns import BLOCKED, CUT, NOT_TAKEN


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        # the usual course, and every order in which its parts may be seen
        ("submit, hook p, entry p, stop p", "bound p, accepted p, completed"),
        ("submit, entry p, hook p, stop p", "bound p, accepted p, completed"),
        ("submit, hook p, stop p, entry p", "bound p, accepted p, completed"),
        ("submit, hook p, hook p, entry p, entry p, stop p, stop p", "bound p, accepted p, completed"),
        ("submit, hook p, entry p, tool p, stop", "bound p, accepted p, completed"),  # a Stop without an id
        ("submit, hook p, entry p, fail p", "bound p, accepted p, failed"),
        ("submit, hook p, fail p, entry p", "bound p, accepted p, failed"),
        # nothing is certain yet
        ("submit", ""),
        ("submit, entry p", ""),
        ("submit, hook p", "bound p"),
        ("submit, hook p, stop p", "bound p"),
        # refused
        ("submit, hook p, idle", "bound p, failed"),
        ("submit, unknown build", "failed"),
        ("submit, silent", "failed"),
        ("submit, hook p, silent", "bound p, failed"),
        ("submit, hook p, idle, entry p, stop p", "bound p, failed"),  # what comes too late changes nothing
        # interrupted
        ("submit, hook p, entry p, interrupt p", "bound p, accepted p, interrupted"),
        ("submit, hook p, entry p, interrupt", "bound p, accepted p, interrupted"),
        ("submit, hook p, entry p, idle", "bound p, accepted p, interrupted"),
        ("submit, hook p, entry p, interrupt p, stop p", "bound p, accepted p, interrupted"),
        ("submit, hook p, entry p, stop p, idle", "bound p, accepted p, completed"),
        # Claude is sent on by a hook of the user's
        ("submit, hook p, entry p, answer, halt p", "bound p, accepted p"),
        ("submit, hook p, entry p, answer, halt p, ended", "bound p, accepted p, completed"),
        ("submit, hook p, entry p, answer, halt p, answer, halt p, ended", "bound p, accepted p, completed"),
        ("submit, hook p, entry p, answer, halt p, tool p, idle", "bound p, accepted p, completed"),
        ("submit, hook p, entry p, answer, halt p, words, tool p, idle", "bound p, accepted p, interrupted"),
        ("submit, hook p, entry p, answer, halt p, words, interrupt p", "bound p, accepted p, interrupted"),
        ("submit, hook p, entry p, answer, halt p, fail p", "bound p, accepted p, failed"),
        ("submit, hook p, entry p, answer, halt p, idle", "bound p, accepted p, completed"),  # the transcript is silent
        ("submit, hook p, entry p, answer, halt p, exit", "bound p, accepted p, completed"),
        ("submit, hook p, entry p, answer, halt p, words, exit", "bound p, accepted p, interrupted"),
        ("submit, hook p, entry p, answer, halt p, own u, all", "bound p, accepted p, completed, user's u"),
        (
            "user u, own u, halt u, submit, hook p, entry p, stop p",
            "user's u, bound p, answered u, accepted p, completed",
        ),
        # the user types as well
        ("user u, entry u, stop u", "user's u, answered u"),
        (
            "user u, entry u, stop u, submit, hook p, entry p, stop p",
            "user's u, answered u, bound p, accepted p, completed",
        ),
        (
            "submit, user u, entry u, stop u, hook p, entry p, stop p",
            "user's u, answered u, bound p, accepted p, completed",
        ),
        (
            "submit, user u, hook p, entry u, stop u, entry p, stop p",
            "bound p, user's u, answered u, accepted p, completed",
        ),
        (
            "submit, hook p, entry p, user u, stop p, entry u, stop u",
            "bound p, accepted p, completed, user's u, answered u",
        ),
        ("submit, hook p, entry p, user u, tool u", "bound p, accepted p, interrupted"),  # ended without a word
        ("submit, hook p, user u, tool u", "bound p, failed"),
        ("submit, hook p, own u, stop u", "bound p, failed, user's u, answered u"),
        ("submit, hook p, stop p, user u, tool u", "bound p, accepted p, completed"),  # its Stop proves it
        ("submit, user u, entry u, stop u", "user's u, answered u"),
        ("user u, idle, submit, hook p, entry p, stop p", "bound p, accepted p, completed"),
        # the same text is sent again before the first has been seen in the transcript
        ("submit, hook p, stop p, hook q, entry p, answer, ended, idle", "bound p, accepted p, completed"),
        (
            "submit, hook p, fail p, hook q, entry p, error, ended, entry q, answer, stop q",
            "bound p, accepted p, failed, user's q, answered q",
        ),
        ("submit, hook p, hook q, entry p, interrupt p, idle", "bound p, accepted p, interrupted"),
        ("submit, hook p, hook q, idle, entry q, stop q", "bound p, failed, user's q, answered q"),
        # prompts in the CLI's queue: 2.1.330 reports them under the id of the turn that runs
        ("submit, hook p, entry p, queued, user p, stop p, own u, all", "bound p, accepted p, completed, user's u"),
        (
            "user u, own u, submit, hook u, stop u, entry p, all, stop p",
            "user's u, answered u, bound p, accepted p, completed",
        ),
        (
            "user u, own u, submit, hook u, stop u, stop p, entry p, all",
            "user's u, answered u, bound p, accepted p, completed",
        ),
        ("user u, own u, submit, hook u, entry p, stop p", "user's u, bound p, accepted p, completed"),
        ("submit, hook u, own u, all, entry p, stop p", "bound u, user's u, bound p, accepted p, completed"),
        ("user u, own u, submit, hook u, joined, stop u", "user's u, bound u, accepted u, completed"),
        ("user u, own u, submit, hook u, exit", "user's u, requeued"),
        ("submit, hook p, entry p, own u, interrupt u, all", "bound p, accepted p, interrupted, user's u"),
        ("submit, hook p, entry p, interrupt u, user u, own u", "bound p, accepted p, interrupted, user's u"),
        # hooks do not fire: the transcript alone tells
        ("submit, entry p, answer, all, idle", "bound p, accepted p, completed"),
        ("submit, entry p, all, answer, words, idle", "bound p, accepted p, interrupted"),
        ("submit, entry p, all, answer, exit", "bound p, accepted p, completed"),
        ("submit, entry p, answer, ended, all", "bound p, accepted p, completed"),
        ("submit, entry p, all, words, answer, ended", "bound p, accepted p, completed"),
        ("submit, entry p, all, ended", "bound p, accepted p, completed"),
        ("submit, hook p, entry p, answer, ended, stop p", "bound p, accepted p, completed"),
        ("user u, own u, stop u, submit, ended", "user's u, answered u"),  # of the turn before, read late
        ("submit, entry p, all, error, idle", "bound p, accepted p, failed"),
        ("submit, entry p, all, answer, own u, all, idle, idle", "bound p, accepted p, completed, user's u"),
        (
            "user u, own u, answer, stop u, submit, entry p, all, idle",
            "user's u, answered u, bound p, accepted p, interrupted",
        ),
        # the text stands in the box, and the user presses Enter, or does not
        ("stand, hook p, entry p, stop p", "bound p, accepted p, completed"),
        ("stand, entry p, all, answer, idle", "bound p, accepted p, completed"),
        ("stand, user u, own u, stop u", "user's u, answered u"),
        (
            "stand, user u, own u, stop u, hook p, entry p, stop p",
            "user's u, answered u, bound p, accepted p, completed",
        ),
        ("stand, exit", "requeued"),
        # the user has typed something to it, and pressed Enter
        ("user u, own u, fail u", "user's u, unanswered u"),
        ("user u, own u, interrupt u", "user's u"),
        ("user u, fail u, own v, error, ended, all", "user's v, unanswered v"),
        ("user u, own v, error, ended, all, fail u", "user's v, unanswered v"),
        ("user u, fail u, error, ended, own v, all", "user's v, unanswered v"),
        ("user u, error, ended, own v, all, fail u", "user's v, unanswered v"),
        ("submit, hook p, fail p, error, ended, entry q, all", "bound p, bound q, accepted q, failed"),
        ("submit, hook p, error, ended, entry q, all, fail p", "bound p, bound q, accepted q, failed"),
        ("submit, hook p, fail p, entry q, error, ended, all", "bound p, bound q, accepted q, failed"),
        ("stand, mixed u, mixture u, stop u", "failed, user's u, answered u"),
        ("stand, mixture u, all, answer, idle", "failed, user's u, answered u"),
        ("stand, mixed u, exit", "failed"),
        ("stand, unknown buildnow, idle, exit", "failed"),
        ("stand, unknown other, exit", "requeued"),
        ("submit, mixed u, mixture u, stop u", "user's u, answered u"),
        ("submit, mixed u, mixture u, stop u, silent", "user's u, answered u, failed"),
        ("submit, mixed u, mixture u, stop u, exit", "user's u, answered u, failed"),
        ("submit, user u, own u, stop u, exit", "user's u, answered u, requeued"),
        ("stand, hook p, exit", "bound p, requeued"),
        # another conversation begins
        ("submit, hook p, entry p, compact, stop p", "bound p, accepted p, completed"),
        ("submit, hook p, entry p, start", "bound p, accepted p, interrupted"),
        ("submit, hook p, start", "bound p, failed"),
        ("submit, start, hook p, entry p, stop p", "bound p, accepted p, completed"),
        # the process dies
        ("submit, exit", "requeued"),
        ("submit, entry p, exit", "bound p, accepted p, interrupted"),
        ("submit, hook p, exit", "bound p, requeued"),
        ("submit, hook p, entry p, exit", "bound p, accepted p, interrupted"),
        ("submit, hook p, stop p, exit", "bound p, requeued"),  # seen with 2.1.197 and SIGHUP
        ("submit, hook p, entry p, stop p, exit", "bound p, accepted p, completed"),
        ("submit, user u, entry u, hook p, exit", "user's u, bound p, requeued"),
        ("submit, user u, entry u, hook p, entry p, exit", "user's u, bound p, accepted p, interrupted"),
        ("user u, exit", ""),
        ("exit", ""),
    ],
)
def test_a_story(steps: str, expected: str) -> None:
    assert ", ".join(in_words(change) for change in told(steps.split(", ")).changes) == expected


@pytest.mark.parametrize(
    ("steps", "message", "error"),
    [
        ("submit, hook p, entry p, stop p", "done", None),
        ("submit, hook p, entry p, fail p", None, "unknown: API Error: 400"),
        ("submit, hook p, entry p, interrupt p", None, "Interrupted."),
        ("submit, hook p, entry p, idle", None, "Interrupted before the first token."),
        ("submit, hook p, entry p, exit", None, CUT),
        ("submit, entry p, answer, exit", "said", None),
        ("submit, entry p, answer, ended, all", "said", None),
        ("submit, entry p, error, exit", None, "API Error: 400"),
        ("submit, hook p, idle", None, BLOCKED),
        ("submit, hook p, blocked, idle", None, f"{BLOCKED} blocked by hook:\nnot here"),
        ("blocked, submit, hook p, idle", None, BLOCKED),
        ("submit, hook p, entry p, stopped", None, "Operation stopped by hook: enough"),
        ("submit, silent", None, NOT_TAKEN),
        ("user u, own u, stop u, submit, silent", None, NOT_TAKEN),
        ("submit, user u, own u, stop u, silent", None, UNCERTAIN + OTHERS),
        ("submit, mixed u, mixture u, stop u, silent", None, MIXED + MIXTURE),
        ("stand, mixed u", None, MIXED + MIXTURE),
        ("stand, unknown buildnow", None, UNKNOWN + "Unknown command: buildnow"),
        ("stand, unknown build", None, "Unknown command: build"),
        ("submit, unknown other, unknown build", None, "Unknown command: build"),
    ],
)
def test_what_is_said_of_the_end(steps: str, message: str | None, error: str | None) -> None:
    ended = told(steps.split(", ")).changes[-1]
    assert isinstance(ended, Ended)
    assert (ended.last_message, ended.error) == (message, error)


@pytest.mark.parametrize(
    ("steps", "active", "unconfirmed", "awaits_hook", "text"),
    [
        ("user u, stop u, entry u", False, False, False, ""),
        ("submit", True, True, True, TEXT),
        ("stand", False, False, False, ""),
        ("stand, hook p", True, True, False, TEXT),
        ("submit, hook p", True, True, False, TEXT),
        ("submit, hook p, entry p", True, False, False, TEXT),
        ("submit, hook p, entry p, stop p", False, False, False, ""),
        ("user u", True, True, False, OTHERS),
        ("user u, entry u", True, False, False, OTHERS),
        ("user u, entry u, halt u", True, False, False, OTHERS),
        ("user u, entry u, user v, stop u", True, True, False, OTHERS),
        ("submit, hook p, idle", False, False, False, ""),
        ("submit, hook p, exit", False, False, False, ""),
        ("user u, own u, queued, stop u", True, False, False, ""),
        ("user u, own u, queued, stop u, own v", True, True, False, ""),
        ("user u, own u, queued, stop u, own v, all", True, False, False, OTHERS),
        ("user u, own u, queued, stop u, own v, all, stop v", False, False, False, ""),
        ("user u, own u, queued, queued, unqueued, emptied, stop u", False, False, False, ""),
        ("submit, hook p, entry p, user p, stop p", True, False, False, ""),
        ("submit, hook p, entry p, user p, stop p, queued, own u, all, stop u", False, False, False, ""),
        ("submit, hook p, entry p, user p, stop p, idle", False, False, False, ""),
        ("user u, own u, queued, stop u, idle", False, False, False, ""),
        ("user u, own u, queued, stop u, start", False, False, False, ""),
        ("stop u, own u, all", False, False, False, ""),
    ],
)
def test_what_is_waited_for(steps: str, active: bool, unconfirmed: bool, awaits_hook: bool, text: str) -> None:
    turns = told(steps.split(", ")).turns
    assert (turns.active, turns.unconfirmed, turns.awaits_hook, turns.text) == (active, unconfirmed, awaits_hook, text)
