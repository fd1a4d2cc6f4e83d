"""Commands reach Claude exactly once and as they are, whatever else is typed in the terminal."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from tests.support.cli import each_cli
from tests.support.conversation import asked
from tests.support.job import Job, until
from tests.support.keys import CLEAR_LINE, CTRL_C, ENTER, press, put_draft, write_line
from wxcode_jupyter.client.values import Project
from wxcode_jupyter.models import Command, CommandStatus, SessionState
from wxcode_jupyter.service.mixing import MIXED, UNKNOWN
from wxcode_jupyter.testing.scripted_model import Rule, Say

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]


@each_cli
def test_a_users_draft_is_left_alone_and_the_command_waits_for_it(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        job.client.start_session(project)
        job.until_state(project, SessionState.IDLE)
        terminal = job.terminal(project)
        terminal.wait_connected()
        put_draft(job, project, terminal, "half a")
        command = job.client.send(project, "from the notebook")
        for more in (" tho", "ught", " of mine"):
            terminal.type(more)
            until(partial(shows, job, project, more))
        assert shows(job, project, "half a thought of mine")
        assert job.client.command(command).status is CommandStatus.QUEUED

        terminal.type(CLEAR_LINE)
        job.done(command)
        assert job.model.prompts == ["from the notebook"] == asked(job)


@each_cli
def test_a_text_that_does_not_get_into_the_box_is_told_and_goes_out_when_it_does(
    tmp_path: Path, cli_version: str
) -> None:
    with Job(tmp_path, cli_version) as job:
        project, command, pid = type_into_nothing(job)
        assert job.client.command(command).status is CommandStatus.DELIVERING
        os.kill(pid, signal.SIGCONT)
        job.done(command)
        assert job.model.prompts == [command.text] == asked(job)
        assert job.client.session(project).attention is None


@each_cli
def test_a_text_that_the_user_has_sent_himself_is_not_sent_again(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job:
        project, command, pid = type_into_nothing(job)
        terminal = job.terminal(project)
        terminal.wait_connected()
        terminal.type(ENTER)
        os.kill(pid, signal.SIGCONT)
        job.done(command)
        job.ask(project, "the next one")
        assert job.model.prompts == [command.text, "the next one"] == asked(job)


@each_cli
def test_a_text_that_stands_beside_the_users_waits_until_both_are_gone(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job:
        project, command, pid = type_into_nothing(job, behind="half a thought ")
        os.kill(pid, signal.SIGCONT)
        for text in ("half a thought", command.text):  # in whichever order
            until(partial(shows, job, project, text))
        assert job.client.session(project).state is SessionState.ATTENTION
        assert job.model.prompts == []
        terminal = job.terminal(project)
        terminal.wait_connected()
        press(terminal, CTRL_C, lambda: not shows(job, project, "half a thought"))
        job.done(command)
        assert job.model.prompts == [command.text] == asked(job)


@each_cli
def test_a_command_that_somebody_types_at_is_received_once_as_it_is_or_fails_with_the_reason(
    tmp_path: Path, cli_version: str
) -> None:
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        job.ask(project, "warm up")
        terminal = job.terminal(project)
        terminal.wait_connected()
        command = job.client.send(project, "deploy build number 0 to the staging machines and report")
        terminal.type("please wait ")
        # It waits while the text is on its way, and is let through at last; 2.1.330 takes one that comes in one piece
        # with other keys for a new line.
        press(terminal, ENTER, lambda: job.client.command(command).status.final)
        ended = job.until_status(command, CommandStatus.COMPLETED, CommandStatus.FAILED)
        job.until_state(project, SessionState.IDLE)
        got = [prompt for prompt in job.model.prompts if command.text in prompt]
        assert len(got) == 1
        if ended.status is CommandStatus.COMPLETED:
            assert got == [command.text]
        else:
            assert got[0] != command.text
            assert ended.error == f"{MIXED}{got[0]}"


@each_cli
def test_a_command_of_the_clis_own_that_somebody_types_at_is_done_once_or_fails_with_what_was_said(
    tmp_path: Path, cli_version: str
) -> None:
    with Job(tmp_path, cli_version) as job:
        project, command, pid = type_into_nothing(job, text="/clear")
        terminal = job.terminal(project)
        terminal.wait_connected()
        terminal.type("slow")
        os.kill(pid, signal.SIGCONT)
        until(partial(shows, job, project, "slow"))  # 2.1.197 forgets what was pasted in one piece with it
        press(terminal, ENTER, lambda: not shows(job, project, "❯ slow") and not shows(job, project, "❯ /clearslow"))
        ended = job.until_status(command, CommandStatus.COMPLETED, CommandStatus.FAILED)
        if ended.status is CommandStatus.FAILED:
            assert ended.error == f"{UNKNOWN}Unknown command: /clearslow"
        else:
            assert job.model.prompts == ["slow"]
        job.ask(project, "the next one")
        assert [event.type for event in job.client.events(project)].count("command_delivering") <= 3


def type_into_nothing(job: Job, *, text: str = "typed into nothing", behind: str = "") -> tuple[Project, Command, int]:
    """Send a command to a CLI that is stopped, as on a machine that has no time for it; return its pid too.

    ``behind`` is what the user has typed that nobody can see yet.
    """
    project = job.project()
    job.client.start_session(project)
    pid = job.until_state(project, SessionState.IDLE).pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    terminal = job.terminal(project)
    terminal.wait_connected()
    terminal.type(behind)
    terminal.send(type="signal", signal="none")
    terminal.wait("error")  # so the keys have been taken
    command = job.client.send(project, text)
    info = job.until_state(project, SessionState.ATTENTION)
    assert info.attention is not None
    assert info.attention.kind == "delivery"
    return project, command, pid


@each_cli
def test_keys_of_two_clients_never_get_into_a_command(tmp_path: Path, cli_version: str) -> None:
    text = "\n".join(f"line {number} of what is delivered" for number in range(1500))
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        job.client.start_session(project)
        job.until_state(project, SessionState.IDLE)
        clients = [job.terminal(project), job.terminal(project)]
        for client in clients:
            client.wait_connected()
        command = job.client.send(project, text)
        job.until_status(command, CommandStatus.DELIVERING, CommandStatus.ACCEPTED, CommandStatus.COMPLETED)
        for client, key in zip(clients, "xy", strict=True):
            client.type(key * 3)
        interfered = False  # on a machine so slow that the keys were let through before the text could be seen

        def is_over() -> bool:
            nonlocal interfered
            if not interfered and job.client.session(project).state is SessionState.ATTENTION:
                clients[0].type(CTRL_C)
                interfered = True
            return job.client.command(command).status is CommandStatus.COMPLETED

        until(is_over, timeout_s=60.0)
        assert job.model.prompts == [text]

        if not interfered:
            until(lambda: any(keys in job.client.screen(project) for keys in ("xxxyyy", "yyyxxx")))
        job.until_state(project, SessionState.IDLE)
        waits = job.client.send(project, "once the box is free")
        clients[0].type(CLEAR_LINE)
        job.done(waits)
        assert job.model.prompts == [text, "once the box is free"]


@each_cli
def test_the_users_own_prompts_are_not_taken_for_commands(tmp_path: Path, cli_version: str) -> None:
    slow = [Rule("command one", [Say("one", gate="one")]), Rule("of my own", [Say("own", gate="own")])]
    with Job(tmp_path, cli_version, rules=slow) as job:
        project = job.project()
        one = job.client.send(project, "command one")
        terminal = job.terminal(project)
        terminal.wait_connected()
        job.model.wait_for(lambda: job.model.prompts == ["command one"])
        # Typed while a command's turn runs, the CLI queues it itself; the next command comes after it.
        write_line(job, project, terminal, "one of my own")
        two = job.client.send(project, "command two")
        job.model.gate("one").set()
        assert job.done(one).last_message == "one"
        job.model.wait_for(lambda: len(job.model.prompts) == 2)
        job.until_state(project, SessionState.BUSY)
        assert job.client.command(two).status in (CommandStatus.QUEUED, CommandStatus.DELIVERING)
        job.model.gate("own").set()
        assert job.done(two).last_message == "ok: command two"
        assert job.model.prompts == ["command one", "one of my own", "command two"] == asked(job)


def shows(job: Job, project: Project, text: str) -> bool:
    return text in job.client.screen(project).replace("\xa0", " ")
