"""A command whose turn is over waits for what it has left running, until that ends or is let go."""

from __future__ import annotations

import pytest

from wxcode_jupyter.claude.hooks import HookEvent
from wxcode_jupyter.claude.transcript import Entry
from wxcode_jupyter.models import Command
from wxcode_jupyter.service.background import is_news, running
from wxcode_jupyter.service.changes import Change, Ended, Lingers
from wxcode_jupyter.service.turns import Turns

TEXT, OTHERS = "build it and test it in the background", "what time is it?"
NEWS = "<task-notification>\n<task-id>a</task-id>\n<status>completed</status>\n</task-notification>"


class Told:
    """Turns that are told what the CLI does, one whole turn at a time; ``words`` are the ends and the waits."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.changes: list[Change] = []
        self.number = 0

    def turn(self, text: str = TEXT, *left: str, says: str = "done", ends: str = "Stop", late: bool = False) -> None:
        self.number += 1
        prompt_id = f"p{self.number}"
        if text == TEXT:
            self.turns.submit(Command(f"c{self.number}", "project", TEXT))
        asked = self.event("UserPromptSubmit", prompt_id, prompt=text)
        tasks = [{"id": task, "type": "shell", "status": "running", "description": f"task {task}"} for task in left]
        stop = self.event(ends, prompt_id, last_assistant_message=says, background_tasks=tasks, error="rate_limit")
        if late:  # everything was read at once: the transcript before the hooks
            self.entries(prompt_id, text, says)
            for event in (asked, stop):
                self.turns.on_hook(event)
                self.settle(more_hooks=event is asked)
        else:  # the transcript is written a little later
            self.turns.on_hook(asked)
            self.settle()
            self.turns.on_hook(stop)
            self.entries(prompt_id, text, says if ends == "Stop" else "")
        self.settle()

    def entries(self, prompt_id: str, text: str, says: str) -> None:
        for entry in (
            *([Entry("queued", text, None)] if text == NEWS else []),
            Entry("prompt", text, prompt_id),
            Entry("assistant", says, None, final=True),
            Entry("ended", "", None),
        ):
            self.turns.on_entry(entry)

    def event(self, name: str, prompt_id: str, **data: object) -> HookEvent:
        return HookEvent("1.json", name, "session", {"prompt_id": prompt_id, **data})

    def settle(self, *, more_hooks: bool = False) -> None:
        self.changes += self.turns.settle(more_hooks=more_hooks)

    def let_go(self) -> None:
        self.turns.let_go()
        self.settle()

    @property
    def words(self) -> list[str]:
        said = []
        for change in self.changes:
            if isinstance(change, Ended):
                said.append(f"{change.command.id} {change.status}: {change.last_message}")
            elif isinstance(change, Lingers):
                said.append(f"{change.command.id if change.command else 'nobody'} waits for {', '.join(change.tasks)}")
        return said


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.mark.parametrize("late", [False, True])
def test_a_command_is_done_when_what_it_left_has_ended_and_claude_has_heard_of_it(told: Told, late: bool) -> None:
    told.turn(TEXT, "a", says="It runs.", late=late)
    assert told.words == ["c1 waits for task a"]
    assert told.turns.active and told.turns.lingers
    told.turn(NEWS, says="All tests pass.", late=late)
    assert told.words[1:] == ["c1 completed: All tests pass."]
    assert not told.turns.active


def test_what_ends_one_after_the_other_and_begins_more(told: Told) -> None:
    told.turn(TEXT, "a", "b")
    told.turn(NEWS, "b", "c", says="one")
    told.turn(NEWS, "c", says="two")
    assert told.words == [
        "c1 waits for task a, task b",
        "c1 waits for task b, task c",
        "c1 waits for task c",
    ]
    told.turn(NEWS, says="three")
    assert told.words[3:] == ["c1 completed: three"]


def test_what_somebody_asks_meanwhile_changes_neither_its_end_nor_its_last_words(told: Told) -> None:
    told.turn(TEXT, "a", says="It runs.")
    told.turn(OTHERS, "a", says="Noon.")
    assert told.turns.lingers and len(told.words) == 1
    told.turn(OTHERS, says="Noon.")  # and its end was joined to this one
    assert told.words[1:] == ["c1 completed: It runs."]


def test_a_tool_of_an_agent_in_the_background_does_not_send_claude_on(told: Told) -> None:
    turns = told.turns
    turns.submit(Command("c1", "project", TEXT))
    turns.on_hook(told.event("UserPromptSubmit", "p", prompt=TEXT))
    turns.on_entry(Entry("prompt", TEXT, "p"))
    task = {"id": "a", "type": "subagent", "status": "running", "description": "task a"}
    turns.on_hook(told.event("Stop", "p", last_assistant_message="It runs.", background_tasks=[task]))
    turns.on_hook(told.event("PostToolUse", "p", tool_name="Bash", agent_id="a"))
    assert turns.stopped
    turns.on_entry(Entry("ended", "", None))
    told.settle()
    assert told.words == ["c1 waits for task a"]


def test_what_is_let_go_holds_nothing_any_more(told: Told) -> None:
    told.turn(TEXT, "server", says="It serves.")
    told.let_go()
    assert told.words[1:] == ["c1 completed: It serves."]
    assert not told.turns.active
    told.turn(TEXT, "server", says="Tested.")
    assert told.words[2:] == ["c2 completed: Tested."]
    told.turn(TEXT, "server", "a")
    assert told.words[3:] == ["c3 waits for task a"]


def test_what_a_user_leaves_running_is_waited_for_too(told: Told) -> None:
    told.turn(OTHERS, "a")
    assert told.words == ["nobody waits for task a"]
    assert told.turns.lingers
    told.turn(NEWS)
    assert told.words[1:] == [] and not told.turns.active


@pytest.mark.parametrize("how", ["dies", "clears"])
def test_the_end_of_the_process_or_conversation_lets_go(told: Told, how: str) -> None:
    told.turn(TEXT, "a", says="It runs.")
    if how == "dies":
        told.turns.on_exit()
    else:
        told.turns.on_hook(HookEvent("2.json", "SessionStart", "other", {"source": "clear"}))
    told.settle()
    assert told.words[1:] == ["c1 completed: It runs."]
    assert not told.turns.active


def test_a_turn_about_the_news_that_fails_is_the_commands_failure(told: Told) -> None:
    told.turn(TEXT, "a", "b")
    told.turn(NEWS, "b", ends="StopFailure")
    assert told.words[1:] == ["c1 failed: None"]
    assert not told.turns.active


def test_a_turn_that_fails_waits_for_nothing(told: Told) -> None:
    told.turn(TEXT, "a", ends="StopFailure")
    assert told.words == ["c1 failed: None"]


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (None, {}),
        ("two", {}),
        ([{"id": "a", "status": "running", "command": "npm\n run dev"}], {"a": "npm run dev"}),
        ([{"id": "a", "status": "running", "type": "agent"}, {"id": "b", "status": "completed"}], {"a": "agent"}),
        ([{"status": "running"}, "a", {"id": "a", "status": "running"}], {"a": "a task"}),
    ],
)
def test_what_a_stop_lists(listed: object, expected: dict[str, str]) -> None:
    assert running({"background_tasks": listed}) == expected


def test_news() -> None:
    assert is_news(NEWS)
    assert not is_news(f"what does {NEWS} mean?")
