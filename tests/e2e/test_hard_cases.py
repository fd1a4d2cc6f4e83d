"""What can go wrong between a text and its answer: nothing is lost, sent twice, or called done that is not."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import each_cli
from tests.support.conversation import asked
from tests.support.job import Job, alive
from tests.support.keys import ENTER, ESCAPE, press, put_draft
from wxcode_jupyter.errors import InvalidRequest, UnsupportedCommand
from wxcode_jupyter.models import Command, CommandStatus, SessionState
from wxcode_jupyter.testing.scripted_model import Fail, Rule, Say, Use

pytestmark = [pytest.mark.cli, pytest.mark.timeout(240)]

MENU = "/model"
DELAYS_S = (0.0, 0.02, 0.05, 0.1, 0.2, 0.5)


@each_cli
def test_a_cli_that_is_killed_around_the_acknowledgement_has_each_text_once(tmp_path: Path, cli_version: str) -> None:
    delay = tmp_path / "delay"
    die = (
        f"[ -e {delay} ] || exit 0; s=$(cat {delay}); rm {delay}; cli=$PPID; (sleep $s; kill -9 $cli) >/dev/null 2>&1 &"
    )
    settings = tmp_path / "home" / ".claude" / "settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"hooks": {"UserPromptSubmit": [{"hooks": [{"type": "command", "command": die}]}]}}))
    with Job(tmp_path, cli_version, rules=[Rule("round", [Say("an answer", delay_s=0.3)])]) as job:
        project = job.project()
        job.ask(project, "begin")
        ended: list[Command] = []
        for number, seconds in enumerate(DELAYS_S):
            delay.write_text(str(seconds))
            command = job.client.send(project, f"round {number}")
            job.until_state(project, SessionState.EXITED)
            job.client.start_session(project)
            ended.append(job.until_status(command, CommandStatus.COMPLETED, CommandStatus.INTERRUPTED))
            assert not delay.exists()
        job.ask(project, "end")

        texts = ["begin", *(f"round {number}" for number in range(len(DELAYS_S))), "end"]
        assert asked(job) == texts  # the transcript: each once, in order
        assert len(job.transcripts()) == 1
        known = job.model.user_texts(job.model.turn_requests[-1])
        assert [text for text in known if text in texts] == texts  # and so the model knows them
        for command in ended:
            answered = command.status is CommandStatus.COMPLETED
            assert (command.last_message == "an answer") is answered


@each_cli
def test_a_cli_that_runs_at_a_tenth_of_its_speed_gets_everything_once(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        job.ask(project, "at full speed")
        pid = job.client.session(project).pid
        assert pid is not None
        texts = [f"slowly {number}\nand with a second line" for number in range(3)]
        with slowed(pid):
            commands = [job.client.send(project, text) for text in texts]
            ended = [job.done(command, timeout_s=90.0) for command in commands]
        assert [command.last_message for command in ended] == [f"ok: {text}" for text in texts]
        assert job.model.prompts == ["at full speed", *texts] == asked(job)
        job.until_state(project, SessionState.IDLE)


@contextmanager
def slowed(pid: int) -> Iterator[None]:
    """Let a process run for a tenth of the time only."""
    done = threading.Event()

    def throttle() -> None:
        while not done.wait(0.005):
            os.kill(pid, signal.SIGSTOP)
            done.wait(0.045)
            os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=throttle)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        if alive(pid):
            os.kill(pid, signal.SIGCONT)


@each_cli
def test_a_menu_that_opens_under_a_text_gets_no_enter(tmp_path: Path, cli_version: str) -> None:
    """The CLI is stopped while the user's keys, which open a menu, are on their way, and the command comes then."""
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        job.ask(project, "first")
        pid = job.client.session(project).pid
        assert pid is not None
        terminal = job.terminal(project)
        terminal.wait_connected()
        put_draft(job, project, terminal, MENU)
        os.kill(pid, signal.SIGSTOP)
        terminal.type(ENTER)
        os.kill(pid, signal.SIGCONT)
        command = job.client.send(project, "typed under a menu")
        job.until_state(project, SessionState.ATTENTION)
        assert job.client.command(command).status is not CommandStatus.ACCEPTED
        before = job.client.screen(project)
        assert job.model.prompts == ["first"]
        press(terminal, ESCAPE, lambda: job.client.session(project).state is not SessionState.ATTENTION)
        job.done(command)
        assert "Esc to" in before or "to cancel" in before
        assert job.model.prompts == ["first", "typed under a menu"] == asked(job)


@each_cli
def test_an_error_of_the_api_that_passes_is_no_end(tmp_path: Path, cli_version: str) -> None:
    rules = [
        Rule("busy", [Fail(529, "overloaded"), Fail(529, "overloaded"), Say("back again")]),
        Rule("wrong", [Fail(400, "this is scripted")]),
    ]
    with Job(tmp_path, cli_version, rules=rules) as job:
        project = job.project()
        busy = job.client.send(project, "are you busy?")
        wrong = job.client.send(project, "what is wrong?")
        after = job.client.send(project, "and now")
        ended = job.done(busy)
        assert (ended.last_message, ended.outcome) == ("back again", "finished")
        assert "this is scripted" in str(job.until_status(wrong, CommandStatus.FAILED).error)
        assert job.done(after).outcome == "finished"
        assert asked(job) == ["are you busy?", "what is wrong?", "and now"]
        assert job.model.prompts == ["are you busy?", "what is wrong?", "and now"]


@each_cli
def test_what_cannot_arrive_as_it_is_is_refused_before_anything_is_typed(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        refused = {
            "x" * (1 << 20): InvalidRequest,
            "an \x1b[31mescape": InvalidRequest,
            "a\x00b": InvalidRequest,
            "a\x08b": InvalidRequest,
            "a\tb": InvalidRequest,
            "exit": UnsupportedCommand,
            ":q": UnsupportedCommand,
        }
        for text, error in refused.items():
            with pytest.raises(error) as caught:
                job.client.send(project, text)
            assert len(str(caught.value)) > 20
        assert job.client.session(project).state is SessionState.STOPPED
        assert job.client.commands(project) == ()
        job.ask(project, "a\r\nb\rc")
        assert job.model.prompts == ["a\nb\nc"] == asked(job)


@pytest.fixture
def deep_stack() -> Iterator[None]:
    """Let the scripted model, which lives in this process, write and read what the server's Python cannot."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    yield
    sys.setrecursionlimit(before)


@each_cli
def test_a_tool_call_that_is_nested_deeply_ends_like_any_other(
    tmp_path: Path, cli_version: str, deep_stack: None
) -> None:
    """Seen in the field: what Python's JSON reader cannot hold ended the session, and every start after it."""
    deep: dict[str, Any] = {}
    for _ in range(1300):
        deep = {"a": deep}
    nested = Use("Bash", {"command": "pwd", "description": "where", "nest": deep})
    with Job(tmp_path, cli_version, rules=[Rule("nested", [nested, Say("done")])]) as job:
        project = job.project()
        job.ask(project, "warm up")
        pid = job.client.session(project).pid
        assert job.done(job.client.send(project, "nested please")).last_message == "done"
        assert job.client.session(project).pid == pid
        job.client.stop(project)
        job.client.start_session(project)
        job.until_state(project, SessionState.IDLE)
