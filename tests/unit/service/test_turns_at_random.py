"""Whatever is told of commands, in whatever order: each is taken once and ends once."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.turn_story import Story, in_words, told
from wxcode_jupyter.service.changes import Accepted, Answered, Unanswered

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
        noted = [change for change in story.changes if not isinstance(change, Answered | Unanswered)]
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
    noted = [change for change in story.changes if not isinstance(change, Answered | Unanswered)]
    assert all(isinstance(change, Accepted) and change.command is None for change in noted)
