"""When a question begins and ends, from hooks and screens in every order, with a clock of the test's."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tests.support.recorded_screens import VERSIONS, load
from wxcode_jupyter.claude.answering import AskScript
from wxcode_jupyter.claude.delivery import ENTER
from wxcode_jupyter.claude.hooks import HookEvent
from wxcode_jupyter.claude.open_hook import OpenHook
from wxcode_jupyter.claude.screens import Kind
from wxcode_jupyter.claude.sheet import Sheet, read_sheet
from wxcode_jupyter.errors import AlreadyAnswered, AttentionNeeded, InvalidBody, NotFound
from wxcode_jupyter.models import QuestionKind
from wxcode_jupyter.service.asked import Asked
from wxcode_jupyter.service.questions import GONE_S, UNKNOWN_S, Questions
from wxcode_jupyter.service.recorder import Recorder

COLOUR = {"question": "Which colour?", "options": [{"label": "Red"}, {"label": "Blue"}]}
COMMAND = {"command": "npm test --silent && echo 'a;b'"}


class Events:
    """Takes what would be recorded."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def emit(self, kind: str, data: dict[str, Any], *, key: str) -> None:
        self.seen.append((kind, data))


class Hook:
    """Stands for a hook that waits."""

    released = False

    def release(self) -> None:
        self.released = True


class World:
    def __init__(self) -> None:
        self.time = 100.0
        self.hooks: list[Hook] = []
        self.events = Events()
        self.questions = Questions("0" * 24, cast(Recorder, self.events), lambda: self.time, self.open_hook)
        self._count = 0

    def open_hook(self, _event: HookEvent) -> OpenHook:
        self.hooks.append(Hook())
        return cast(OpenHook, self.hooks[-1])

    def hear(self, name: str, tool: str = "", given: dict[str, Any] | None = None, prompt_id: str = "p") -> None:
        self._count += 1
        data = {"tool_name": tool, "tool_input": given or {}, "prompt_id": prompt_id}
        self.questions.hear(HookEvent(f"{self._count:019}-1.json", name, "session", data))

    def ask(self) -> Asked:
        self.hear("PreToolUse", "AskUserQuestion", {"questions": [COLOUR]})
        self.hear("PermissionRequest", "AskUserQuestion", {"questions": [COLOUR]})
        return self.questions._asked[-1]

    def see(self, sheet: Sheet | None, kind: Kind = Kind.MENU, *, after_s: float = 0.0, turn: bool = True) -> None:
        self.time += after_s
        self.questions.see(sheet, kind, turn=turn)

    def waiting(self) -> bool:
        return self.questions.waiting

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events.seen]


@pytest.fixture
def world() -> World:
    return World()


def menu(version: str = "2.1.330", name: str = "permission-rule-120x40") -> Sheet:
    found = read_sheet(load(version, name))
    assert found is not None
    return found


def test_a_question_is_asked_once_by_its_two_hooks_and_answered_by_the_third(world: World) -> None:
    world.ask()
    (question,) = world.questions.all()
    assert world.waiting()
    assert (question.kind, question.open, len(question.id)) == (QuestionKind.QUESTION, True, 24)
    world.hear("PostToolUse", "AskUserQuestion", {"questions": [COLOUR], "answers": {"Which colour?": "Blue"}})
    (question,) = world.questions.all()
    assert (question.answer, question.answered_by, world.waiting()) == (("Blue",), "terminal", False)
    assert world.kinds() == ["question", "answered"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_permission_is_asked_once_its_menu_is_there(world: World, version: str) -> None:
    world.hear("PermissionRequest", "Bash", COMMAND)
    world.see(None, Kind.BOX)
    assert not world.waiting()
    world.see(menu(version))
    (question,) = world.questions.all()
    labels = [option.label for option in question.items[0].options]
    assert (labels[0], labels[-1]) == ("Yes", "No")
    assert question.items[0].question == "Do you want to proceed?"
    world.hear("PostToolUse", "Bash", {"command": "another"})
    assert world.waiting()
    world.hear("PostToolUse", "Bash", COMMAND)
    assert not world.waiting()


def test_a_permission_whose_menu_is_not_recognised_is_for_its_hook_alone(world: World) -> None:
    world.hear("PermissionRequest", "Bash", {"command": "rm -rf ."})
    world.see(menu())
    world.see(menu(), after_s=UNKNOWN_S)
    (question,) = world.questions.all()
    assert [option.label for option in question.items[0].options] == ["Yes", "No"]
    asked = world.questions.claim(question.id, ["No"], None, "user")
    assert asked.claim is not None
    assert asked.claim.decision is not None
    assert asked.claim.script is None  # no key is pressed into a menu that is another's
    world.see(None, Kind.BOX)
    world.see(None, Kind.BOX, after_s=GONE_S)
    assert not world.waiting()


def test_a_menu_that_is_not_recognised_and_has_no_hook_is_never_answered(world: World) -> None:
    world.see(None)
    world.see(None, after_s=UNKNOWN_S)
    (question,) = world.questions.all()
    with pytest.raises(AttentionNeeded):
        world.questions.claim(question.id, ["Yes"], None, "user")


@pytest.mark.parametrize(("label", "behavior"), [("Yes", "allow"), ("No", "deny"), ("Yes, and don't", None)])
def test_a_hook_can_say_a_plain_yes_and_no(world: World, label: str, behavior: str | None) -> None:
    world.hear("PermissionRequest", "Bash", COMMAND)
    world.see(menu())
    asked = world.questions.claim(world.questions.all()[0].id, [label], None, "user")
    assert asked.claim is not None
    assert (asked.claim.decision or {}).get("behavior") == behavior
    assert asked.claim.script is not None


def test_the_hook_that_waits_is_let_go_with_its_question(world: World) -> None:
    asked = world.ask()
    (hook,) = world.hooks
    assert asked.hooked.is_set()
    assert not hook.released
    world.hear("PostToolUse", "AskUserQuestion", {"questions": [COLOUR], "answers": {"Which colour?": "Red"}})
    assert hook.released


def test_what_its_hook_was_told_is_whose_answer_it_was(world: World) -> None:
    world.ask()
    asked = world.questions.claim(world.questions.all()[0].id, ["Red"], None, "policy")
    assert asked.claim is not None
    asked.claim.told = True
    world.hear("PostToolUse", "AskUserQuestion", {"questions": [COLOUR], "answers": {"Which colour?": "Red"}})
    assert world.questions.all()[0].answered_by == "policy"


def test_a_menu_that_comes_late_is_recognised_still(world: World) -> None:
    world.hear("PermissionRequest", "Bash", COMMAND)
    world.see(None, Kind.BOX)
    world.see(None, Kind.BOX, after_s=UNKNOWN_S)
    world.see(menu())
    (question,) = world.questions.all()
    assert question.items[0].options
    assert world.kinds() == ["question"]


def test_a_menu_is_of_the_permission_that_it_names(world: World) -> None:
    world.hear("PermissionRequest", "Read", {"file_path": "/ws/src/a.py"})  # which a hook of the user's allows
    world.hear("PermissionRequest", "Bash", COMMAND)
    world.see(menu())
    (question,) = world.questions.all()
    assert (question.tool_name, question.subject) == ("Bash", COMMAND["command"])


def test_a_question_that_a_hook_refuses_before_its_menu_is_asked_no_longer(world: World) -> None:
    world.ask()
    world.see(None, Kind.BOX)
    assert world.waiting()
    world.see(None, Kind.BOX, after_s=UNKNOWN_S)
    assert not world.waiting()


def test_a_permission_that_a_hook_gives_is_not_asked(world: World) -> None:
    world.hear("PermissionRequest", "Bash", COMMAND)
    world.see(None, Kind.BOX)
    world.see(None, Kind.BOX, after_s=10 * UNKNOWN_S)
    assert not world.waiting()
    assert world.questions.all() == ()


def test_a_menu_that_is_gone_ends_its_question(world: World) -> None:
    world.hear("PermissionRequest", "Bash", COMMAND)
    world.see(menu())
    world.see(None, Kind.BOX, after_s=0.1)
    world.see(menu(), after_s=GONE_S)  # a row was missing for a moment
    assert world.waiting()
    world.see(None, Kind.BOX)
    world.see(None, Kind.BOX, after_s=GONE_S)
    assert not world.waiting()
    assert world.questions.all()[0].answered_by == "terminal"


def test_an_interrupted_question_is_nobodys_answer(world: World) -> None:
    world.ask()
    world.see(menu())
    world.questions.interrupted()
    world.see(None, Kind.BOX)
    world.see(None, Kind.BOX, after_s=GONE_S)
    (question,) = world.questions.all()
    assert (question.open, question.answered_by) == (False, None)


@pytest.mark.parametrize("name", ["Stop", "StopFailure", "SessionEnd", "SessionStart", "UserPromptSubmit"])
def test_the_end_of_its_turn_drops_a_question(world: World, name: str) -> None:
    world.ask()
    world.hear("UserPromptSubmit")  # queued during the turn, under its id
    assert world.waiting()
    world.hear(name, prompt_id="another")
    assert not world.questions.pending


def test_a_menu_that_no_hook_tells_of(world: World) -> None:
    world.see(menu())
    world.see(menu(), after_s=UNKNOWN_S / 2)
    assert not world.waiting()
    world.see(menu(), after_s=UNKNOWN_S)
    (question,) = world.questions.all()
    assert (question.kind, question.title) == (QuestionKind.MENU, "Do you want to proceed?")
    world.see(None, Kind.BOX)
    world.see(None, Kind.BOX, after_s=GONE_S)
    assert not world.waiting()


def test_the_first_claim_wins(world: World) -> None:
    identifier = world.ask().question.id
    with pytest.raises(NotFound):
        world.questions.claim("1" * 24, ["Red"], None, "user")
    with pytest.raises(InvalidBody):
        world.questions.claim(identifier, ["Green"], None, "user")
    asked = world.questions.claim(identifier, ["Red"], None, "user")
    with pytest.raises(AlreadyAnswered):
        world.questions.claim(identifier, ["Blue"], None, "policy")
    world.questions.release(asked)
    world.questions.claim(identifier, ["Blue"], None, "policy")


@pytest.mark.parametrize(("said", "by"), [("Red", "policy"), ("Blue", "terminal")])
def test_the_hook_tells_whose_answer_it_was(world: World, said: str, by: str) -> None:
    identifier = world.ask().question.id
    asked = world.questions.claim(identifier, ["Red"], None, "policy")
    assert asked.claim is not None
    assert isinstance(asked.claim.script, AskScript)
    asked.claim.script.pressed(ENTER)
    world.hear("PostToolUse", "AskUserQuestion", {"questions": [COLOUR], "answers": {"Which colour?": said}})
    (question,) = world.questions.all()
    assert (question.answer, question.answered_by) == ((said,), by)
    assert asked.ended.is_set()


def test_an_answer_that_was_never_confirmed_is_the_terminals(world: World) -> None:
    world.questions.claim(world.ask().question.id, ["Red"], None, "user")
    world.hear("PostToolUse", "AskUserQuestion", {"questions": [COLOUR], "answers": {"Which colour?": "Red"}})
    assert world.questions.all()[0].answered_by == "terminal"


def test_what_claude_does_next_ends_a_permission_that_was_confirmed(world: World) -> None:
    world.hear("PermissionRequest", "Bash", COMMAND)
    world.see(menu())
    asked = world.questions.claim(world.questions.all()[0].id, ["Yes"], None, "user")
    world.hear("PreToolUse", "Read", {"file_path": "/w/x"})  # at the same time as it
    assert world.waiting()
    assert asked.claim is not None
    assert asked.claim.script is not None
    asked.claim.script.pressed(ENTER)
    world.hear("PermissionRequest", "Bash", COMMAND)  # the same again: the tool has failed, which fires no hook
    first, second = (each.question for each in world.questions._asked)
    assert (first.answer, first.answered_by, second.open) == (("Yes",), "user", True)


@pytest.mark.parametrize("name", ["UserPromptSubmit", "Stop", "StopFailure"])
def test_a_permission_that_ends_with_what_comes_next_is_whose_answer_it_was(world: World, name: str) -> None:
    world.hear("PermissionRequest", "Bash", COMMAND)
    world.see(menu())
    asked = world.questions.claim(world.questions.all()[0].id, ["No"], None, "policy")
    assert asked.claim is not None
    asked.claim.told = True
    world.hear(name, prompt_id="the next")
    assert (asked.question.answer, asked.question.answered_by) == (("No",), "policy")
    assert world.kinds() == ["question", "answered"]
