"""What is concluded about a command from hooks, transcript entries and looks at the screen, in whatever order."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wxcode_jupyter.claude.hooks import HookEvent
from wxcode_jupyter.claude.prompts import has_within, same_prompt
from wxcode_jupyter.claude.transcript import Entry
from wxcode_jupyter.models import Command
from wxcode_jupyter.service.changes import Accepted, Answered, Bound, Change, Ended, Lingers, Requeued
from wxcode_jupyter.service.mixing import MIXED, UNCERTAIN, UNKNOWN
from wxcode_jupyter.service.turns import BLOCKED, CUT, NOT_TAKEN, Turns

TEXT, OTHERS = "build the thing", "what time is it?"
MIXTURE = f"please wait {TEXT}"


class Story:
    """A sequence of steps, told in words, and the changes that came out of it.

    ``submit``: Enter was pressed for a command; ``stand``: its text was put in without Enter. ``hook p`` / ``user u`` /
    ``mixed u``: the CLI reports the command's prompt, one of the user's, or the command's behind what the user has
    typed, under this id. ``entry p`` / ``own u`` / ``mixture u``, ``interrupt p``,
    ``unknown /x``, ``blocked``, ``stopped``, ``answer``, ``words``, ``error``, ``ended``, ``queued``, ``unqueued``,
    ``emptied``, ``joined``: entries of the transcript. ``halt p``: Claude has stopped, and may be sent on; ``stop p``:
    it was not, as the transcript says once it has the prompt. ``fail p``, ``tool p``, ``start``, ``compact``: other
    hooks; ``all``: there are no more hooks from before. ``idle``, ``silent``: looks at the screen. ``exit``: it is
    dead.
    """

    def __init__(self) -> None:
        self.turns = Turns()
        self.changes: list[Change] = []
        self.submitted: list[str] = []
        self.newest = ""
        self.stopped: set[str] = set()

    def tell(self, step: str) -> None:
        word, _, prompt_id = step.partition(" ")
        turns = self.turns
        match word:
            case "submit":
                self.submitted.append(f"c{len(self.submitted)}")
                turns.submit(Command(self.submitted[-1], "project", TEXT))
            case "hook" | "user" | "mixed":
                asked = {"hook": TEXT, "user": OTHERS, "mixed": MIXTURE}[word]
                self._hook("UserPromptSubmit", prompt_id, prompt=asked)
            case "stand":
                self.submitted.append(f"c{len(self.submitted)}")
                turns.stand(Command(self.submitted[-1], "project", TEXT))
            case "answer" | "words":
                turns.on_entry(Entry("assistant", "said", None, final=word == "answer"))
            case "ended":
                turns.on_entry(Entry("ended", "", None))
            case "error":
                turns.on_entry(Entry("failed", "API Error: 400", None))
            case "halt" | "stop":
                self._hook("Stop", prompt_id, last_assistant_message="done")
                if word == "stop":
                    self.stopped.add(prompt_id or self.newest)
            case "fail":
                self._hook("StopFailure", prompt_id, error="unknown", last_assistant_message="API Error: 400")
            case "tool":
                self._hook("PreToolUse", prompt_id)
            case "start":
                self._hook("SessionStart", "", source="clear")
            case "compact":
                self._hook("SessionStart", "", source="compact")
            case "all":
                turns.begin_unannounced(turns.unannounced)
            case "entry" | "own" | "mixture":
                self.newest = prompt_id
                asked = {"entry": TEXT, "own": OTHERS, "mixture": MIXTURE}[word]
                turns.on_entry(Entry("prompt", asked, prompt_id))
            case "queued" | "unqueued" | "emptied":
                turns.on_entry(Entry(word, OTHERS, None))
            case "joined":
                turns.on_entry(Entry("joined", TEXT, None))
            case "interrupt":
                turns.on_entry(Entry("interrupt", "[Request interrupted by user]", prompt_id or None))
            case "unknown":
                turns.on_entry(Entry("unknown_command", f"Unknown command: {prompt_id}", None))
            case "blocked":
                turns.on_entry(Entry("blocked", f"blocked by hook:\nnot here\n\nOriginal prompt: {TEXT}", None))
            case "stopped":
                turns.on_entry(Entry("stopped", "Operation stopped by hook: enough", None))
            case "idle":
                turns.on_idle_box()
            case "silent":
                turns.give_up()
            case "exit":
                turns.on_exit()
            case _:
                raise ValueError(step)
        self.changes += turns.settle()
        if self.newest in self.stopped:
            self.stopped.discard(self.newest)
            self.tell("ended")

    def _hook(self, name: str, prompt_id: str, **data: str) -> None:
        found = {"prompt_id": prompt_id} if prompt_id else {}
        self.turns.on_hook(HookEvent("key", name, "session", {**data, **found}))


def told(steps: Iterable[str]) -> Story:
    story = Story()
    for step in steps:
        story.tell(step)
    return story


def in_words(change: Change) -> str:
    match change:
        case Bound(_, prompt_id):
            return f"bound {prompt_id}"
        case Accepted(command, prompt_id):
            return f"accepted {prompt_id}" if command else f"user's {prompt_id}"
        case Ended(_, status):
            return status.value
        case Answered(prompt_id):
            return f"answered {prompt_id}"
        case Lingers(_, tasks):
            return f"waits for {len(tasks)}"
        case Requeued():
            return "requeued"


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


IDS = ("p", "q", "r")
STEPS = st.sampled_from(
    ["submit", "stand", "unknown", "idle", "silent", "start", "interrupt", "stop", "all"]
    + ["compact", "answer", "words", "error", "ended", "blocked", "stopped", "queued", "unqueued", "emptied", "joined"]
    + [
        f"{word} {each}"
        for word in ("hook", "user", "mixed", "entry", "own", "mixture", "halt", "stop", "tool", "interrupt")
        for each in IDS
    ]
)


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(STEPS, max_size=25))
@example(["submit", "hook p", "stop p", "user q", "tool q"])
@example(["submit", "hook p", "user q", "exit"])
def test_whatever_happens_a_command_is_taken_once_and_ends_once(steps: list[str]) -> None:
    story = Story()
    for step in [*steps, "exit"]:
        # The session puts no text in while a turn runs, or another text stands there.
        if step not in ("submit", "stand") or not (story.turns.active or story.turns.standing):
            story.tell(step)
    for command_id in story.submitted:
        noted = [change for change in story.changes if not isinstance(change, Answered)]
        mine = [change for change in noted if change.command and change.command.id == command_id]
        words = [in_words(change).partition(" ")[0] for change in mine]
        assert words.count("accepted") <= 1
        # The last of them, and only that, says what became of it: nothing is lost, nothing ends twice.
        assert [word in ("requeued", "completed", "failed", "interrupted") for word in words] == [
            *[False] * (len(words) - 1),
            True,
        ]
        assert "accepted" not in words or words[-1] != "requeued"
        assert words[-1] not in ("completed", "interrupted") or "accepted" in words


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(STEPS, max_size=25))
def test_after_the_end_nothing_is_open(steps: list[str]) -> None:
    story = told([*(step for step in steps if step not in ("submit", "stand")), "exit"])
    assert not story.turns.active
    noted = [change for change in story.changes if not isinstance(change, Answered)]
    assert all(isinstance(change, Accepted) and change.command is None for change in noted)


WRAPPED = '\n\n<pasted_content id="39d9">\nline 0\nline 1\n</pasted_content id="39d9">\n'


@pytest.mark.parametrize(
    ("reported", "meant", "same"),
    [
        (TEXT, TEXT, True),
        (" build  the\nthing", TEXT, True),
        (WRAPPED, "line 0\nline 1", True),
        (WRAPPED, "line 0\nline 2", False),
        ("[Pasted text #1 +39 lines]", "line\n" * 40, True),
        ("e\u0301t\u00e9", "\u00e9te\u0301", True),
        (f"<ide_selection>a file\nis open</ide_selection>\n{TEXT}", TEXT, True),
        (f"<ide_opened_file>a</ide_opened_file>please {TEXT}", TEXT, False),
        (f"do not {'a long text ' * 5}", "a long text " * 5, False),
        (f"{'a long text ' * 5} of mine", "a long text " * 5, False),
        ("a long text " * 19, "a long text " * 20, False),
        ("yesterday", "yes", False),
        ("please say yes", "yes", False),
        (OTHERS, TEXT, False),
        ("", TEXT, False),
    ],
)
def test_which_prompt_is_the_commands(reported: str, meant: str, same: bool) -> None:
    assert same_prompt(reported, meant) is same


@pytest.mark.parametrize(
    ("reported", "meant", "within"),
    [
        (TEXT, TEXT, False),
        (WRAPPED, "line 0\nline 1", False),
        (f"wait {WRAPPED}", "line 0\nline 1", True),
        (MIXTURE, TEXT, True),
        ("/clearslow", "/clear", True),
        (f"{TEXT[:5]} {TEXT[5:]}, slowly", TEXT, True),
        (OTHERS, TEXT, False),
    ],
)
def test_which_prompt_has_the_commands_within(reported: str, meant: str, within: bool) -> None:
    assert has_within(reported, meant) is within
