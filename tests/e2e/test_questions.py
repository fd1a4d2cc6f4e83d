"""What Claude asks, answered from outside by its hook, or by the keys of its menus: once, by whoever is first."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.server.api import Api
from tests.support.cli import each_cli
from tests.support.job import Job, alive, until
from tests.support.keys import DOWN, ENTER, press
from wxcode_jupyter.client import Policy
from wxcode_jupyter.client.values import Project
from wxcode_jupyter.errors import AlreadyAnswered, AnswerNeeded, InvalidBody, NotFound
from wxcode_jupyter.models import Command, CommandStatus, Question, QuestionKind, SessionState
from wxcode_jupyter.testing.scripted_model import Rule, Say, Use

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]


def asks(question: str, *labels: str, multi: bool = False) -> dict[str, Any]:
    options = [{"label": label, "description": f"that is {label.lower()}"} for label in labels]
    return {"question": question, "header": question.split()[1], "multiSelect": multi, "options": options}


COLOUR = asks("Which colour do you want?", "Red", "Blue (Recommended)")
TOPPINGS = asks("Which toppings shall go on it?", "Cheese", "Ham", "Olives", multi=True)
SIZE = asks("Which size is right?", "Small", "Large")


def asking(*questions: dict[str, Any]) -> list[Rule]:
    return [Rule("ask", [Use("AskUserQuestion", {"questions": list(questions)}), Say("as you like")])]


def until_asked(job: Job, project: Project) -> Question:
    """Wait until something is asked, and return it."""

    def look() -> Question | None:
        return next((question for question in job.client.questions(project) if question.open), None)

    return until(look, timeout_s=40, what="a question")


def waiting_hooks(job: Job) -> list[int]:
    """Return the processes of the hooks that wait for an answer in any session."""
    doors = (job.folder / "jupyter").rglob("answers/*-*.json")  # beside it the CLI makes and removes files of its own
    return [int(door.name.removesuffix(".json").rpartition("-")[2]) for door in doors]


def end_hooks(job: Job) -> None:
    """Kill the hooks that wait, so that keys are all that is left; the file of one that was killed may stay a while."""
    for pid in until(lambda: list(filter(alive, waiting_hooks(job))), what="a hook that waits"):
        os.kill(pid, signal.SIGKILL)


def begin(job: Job, text: str = "ask me") -> tuple[Project, Command, Question]:
    project = job.project()
    command = job.client.send(project, text)
    return project, command, until_asked(job, project)


@each_cli
def test_one_of_several_is_chosen(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version, rules=asking(COLOUR)) as job:
        project, command, question = begin(job)
        assert question.kind is QuestionKind.QUESTION
        assert question.title == "Which colour do you want?"
        assert [option.label for option in question.items[0].options] == ["Red", "Blue (Recommended)"]
        assert job.until_state(project, SessionState.WAITING)
        with pytest.raises(InvalidBody, match=r"'Red', 'Blue \(Recommended\)', or a text"):
            job.client.answer(question, "Green")
        with pytest.raises(NotFound):
            job.client.answer("0123456789abcdef01234567", "Red")

        answered = job.client.answer(question, "Blue")
        assert (answered.answer, answered.answered_by) == (("Blue (Recommended)",), "user")
        until(lambda: "by PermissionRequest hook" in job.client.screen(project), what="that no key was pressed")
        assert job.done(command).last_message == "as you like"
        assert "Blue (Recommended)" in job.tool_results()[0]
        with pytest.raises(AlreadyAnswered, match="Blue"):
            job.client.answer(question, "Red")
        kinds = [event.type for event in job.client.events(project)]
        assert (kinds.count("question"), kinds.count("answered")) == (1, 1)
        job.ask(project, "something else")
        assert job.model.prompts == ["ask me", "something else"]


@each_cli
def test_the_first_line_and_several_ticks_and_a_text_of_ones_own(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version, rules=asking(TOPPINGS)) as job:
        _, command, question = begin(job)
        answered = job.client.answer(question, "Cheese", "Olives")
        assert answered.answer == ("Cheese, Olives",)
        job.done(command)
        assert "Cheese, Olives" in job.tool_results()[-1]

        command = job.client.send(command.output_project_id, "ask me again")
        question = until_asked(job, job.client.get_project(command.output_project_id))
        assert job.client.answer(question, "Ham", text="half a pineapple").answer == ("Ham, half a pineapple",)
        job.done(command)
        assert "half a pineapple" in job.tool_results()[-1]


@each_cli
def test_several_questions_at_once(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version, rules=asking(COLOUR, TOPPINGS, SIZE)) as job:
        _, command, question = begin(job)
        assert len(question.items) == 3
        with pytest.raises(InvalidBody, match="3 things are asked"):
            job.client.answer(question, "Red")
        answered = job.client.answer(question, "Red", ["Ham", "Olives"], {"text": "something between"})
        assert answered.answer == ("Red", "Ham, Olives", "something between")
        job.done(command)
        for text in answered.answer:
            assert text in job.tool_results()[0]


@each_cli
def test_a_text_of_ones_own(tmp_path: Path, cli_version: str) -> None:
    text = "a green that is neither light nor dark, as moss is in the shade; " * 4 + "that's it"
    with Job(tmp_path, cli_version, rules=asking(COLOUR)) as job:
        _, command, question = begin(job)
        assert job.client.answer(question, text=text).answer == (text,)
        job.done(command)
        assert text in job.tool_results()[0]


@each_cli
def test_a_permission_is_given_and_another_refused(tmp_path: Path, cli_version: str) -> None:
    rules = [
        Rule("touch", [Use("Bash", {"command": "touch given.txt", "description": "look around"}), Say("touched")]),
        Rule("remove", [Use("Bash", {"command": "rm given.txt"}), Say("removed")]),
    ]
    with Job(tmp_path, cli_version, rules=rules) as job:
        project, command, question = begin(job, "touch it")
        assert (question.kind, question.tool_name, question.title) == (
            QuestionKind.PERMISSION,
            "Bash",
            "Bash: touch given.txt",
        )
        labels = [option.label for option in question.items[0].options]
        assert (labels[0], labels[-1]) == ("Yes", "No")
        with pytest.raises(InvalidBody, match="'Yes'"):
            job.client.answer(question, text="do something else")
        assert not (job.workspace / "given.txt").exists()
        assert job.client.answer(question, "Yes").answer == ("Yes",)
        job.done(command)
        assert (job.workspace / "given.txt").exists()

        command = job.client.send(project, "remove it")
        assert job.client.answer(until_asked(job, project), "No").answered_by == "user"
        job.until_status(command, CommandStatus.INTERRUPTED)
        job.until_state(project, SessionState.IDLE)
        assert (job.workspace / "given.txt").exists()
        job.ask(project, "something else")
        assert all(not question.open for question in job.client.questions(project))


@each_cli
def test_a_tool_that_fails_and_a_second_permission_after_it(tmp_path: Path, cli_version: str) -> None:
    steps: list[Any] = [
        Use("Bash", {"command": "touch one && false"}),
        Use("Bash", {"command": "touch two"}),
        Say("both"),
    ]
    with Job(tmp_path, cli_version, rules=[Rule("work", steps)]) as job:
        project, command, first = begin(job, "work")
        assert job.client.answer(first, "Yes").answered_by == "user"

        def second() -> Question | None:
            return next((q for q in job.client.questions(project) if q.open and q.id != first.id), None)

        found = until(second, timeout_s=40, what="the second permission")
        assert found.subject == "touch two"
        assert not (job.workspace / "two").exists()
        job.client.answer(found, "Yes")
        job.done(command)
        assert (job.workspace / "two").exists()


@each_cli
def test_keys_answer_where_no_hook_waits_any_more(tmp_path: Path, cli_version: str) -> None:
    steps: list[Any] = [
        Use("AskUserQuestion", {"questions": [COLOUR, TOPPINGS, SIZE]}),
        Use("Bash", {"command": "touch given.txt"}),
        Say("done"),
    ]
    with Job(tmp_path, cli_version, rules=[Rule("work", steps)]) as job:
        project, command, question = begin(job, "work")
        end_hooks(job)
        answered = job.client.answer(question, "Blue", ["Cheese", "Olives"], {"text": "something between"})
        assert answered.answer == ("Blue (Recommended)", "Cheese, Olives", "something between")
        permission = until_asked(job, project)
        for text in answered.answer:
            assert text in job.tool_results()[0]
        assert not (job.workspace / "given.txt").exists()
        end_hooks(job)
        assert job.client.answer(permission, "Yes").answered_by == "user"
        job.done(command)
        assert (job.workspace / "given.txt").exists()


@each_cli
def test_who_answers_in_the_terminal_first_has_answered(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version, rules=asking(COLOUR)) as job:
        project, command, question = begin(job)
        until(lambda: "❯ 1. Red" in job.client.screen(project), what="the menu")
        terminal = job.terminal(project)
        terminal.wait_connected()
        press(terminal, DOWN, lambda: "❯ 2. Blue" in job.client.screen(project))
        press(terminal, ENTER, lambda: job.client.session(project).state is not SessionState.WAITING)
        with pytest.raises(AlreadyAnswered):
            job.client.answer(question, "Red")
        job.done(command)
        (answered,) = job.client.questions(project)
        assert (answered.answer, answered.answered_by) == (("Blue (Recommended)",), "terminal")
        until(lambda: not waiting_hooks(job), what="the hook to be let go")
        assert job.model.prompts == ["ask me"]


@each_cli
def test_a_permission_given_in_the_terminal_is_not_taken_back_by_who_is_late(tmp_path: Path, cli_version: str) -> None:
    work = {"command": "touch one; while [ ! -e go ]; do sleep 0.05; done; touch two", "description": "it"}
    with Job(tmp_path, cli_version, rules=[Rule("work", [Use("Bash", work), Say("done")])]) as job:
        project, command, question = begin(job, "work")
        until(lambda: "❯ 1. Yes" in job.client.screen(project), what="the menu")
        terminal = job.terminal(project)
        terminal.wait_connected()
        press(terminal, ENTER, lambda: (job.workspace / "one").exists())
        with pytest.raises(AlreadyAnswered):  # its hook waits still, and would end the tool
            job.client.answer(question, "No")
        (job.workspace / "go").touch()
        assert job.done(command).last_message == "done"
        assert (job.workspace / "two").exists()
        assert job.client.questions(project)[0].answered_by == "terminal"


@each_cli
def test_of_two_answers_at_once_one_wins(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version, rules=asking(COLOUR)) as job:
        _, command, question = begin(job)
        with Api(job.server) as api, ThreadPoolExecutor(2) as threads:
            route = f"/questions/{question.id}/answer"
            given = list(threads.map(lambda label: api.post(route, json={"choices": [label]}), ["Red", "Blue"]))
        assert sorted(response.status_code for response in given) == [200, 409]
        lost = next(response.json() for response in given if response.status_code == 409)
        won = next(response.json() for response in given if response.status_code == 200)
        assert lost["reason"] == "already_answered"
        job.done(command)
        assert won["answer"][0] in job.tool_results()[0]


@each_cli
def test_an_interrupt_drops_what_is_asked(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version, rules=asking(COLOUR)) as job:
        project, command, question = begin(job)
        until(lambda: "❯ 1. Red" in job.client.screen(project), what="the menu")

        def interrupted() -> bool:
            return job.client.command(command).status is CommandStatus.INTERRUPTED

        for _ in range(5):  # 2.1.330 drops keys while a menu is new
            job.client.interrupt(project)
            try:
                until(interrupted, timeout_s=5)
                break
            except AssertionError:
                continue
        assert interrupted()
        until(lambda: not job.client.questions(project)[0].open, what="the question to end")
        (dropped,) = job.client.questions(project)
        assert (dropped.id, dropped.answered_by, dropped.answer) == (question.id, None, ())
        job.ask(project, "something else")


@each_cli
def test_a_run_that_nobody_watches_fails_at_once_or_answers_by_its_policy(tmp_path: Path, cli_version: str) -> None:
    steps: list[Any] = [
        Use("AskUserQuestion", {"questions": [COLOUR, SIZE]}),
        Use("Bash", {"command": "touch one"}),
        Use("Bash", {"command": "touch two"}),
        Say("done"),
    ]
    with Job(tmp_path, cli_version, rules=[Rule("work", steps)]) as job:
        project = job.project()
        command = job.client.send(project, "work")
        with pytest.raises(AnswerNeeded, match="Which colour do you want") as caught:
            job.client.wait_for(command, timeout_s=60)
        assert len(caught.value.questions[0]["items"]) == 2

        answers = {"*size*": "Large", "permission:Bash: touch one": "Yes"}
        with pytest.raises(AnswerNeeded, match="Permission for Bash: touch two"):
            job.client.wait_for(command, timeout_s=60, policy=Policy("first", answers))
        job.client.wait_for(command, timeout_s=60, policy=Policy("fail", {"permission:Bash: touch *": "Yes"}))
        assert (job.workspace / "two").exists()
        asked = job.client.questions(project)
        assert [(question.answer, question.answered_by) for question in asked] == [
            (("Red", "Large"), "policy"),
            (("Yes",), "policy"),
            (("Yes",), "policy"),
        ]
        events = [event.data for event in job.client.events(project) if event.type == "answered"]
        assert [data["answered_by"] for data in events] == ["policy"] * 3
