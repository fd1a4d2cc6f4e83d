"""Commands reach Claude whole, in order and exactly once, whatever else happens in the terminal."""

from __future__ import annotations

import json
import os
import signal
import unicodedata
from functools import partial
from pathlib import Path

import pytest

from tests.support.cli import each_cli
from tests.support.conversation import asked
from tests.support.job import Job, command_line_of, until
from tests.support.keys import CLEAR_LINE, CTRL_C, ENTER, press, put_draft, write_line
from wxcode_jupyter.client.values import Project
from wxcode_jupyter.models import Command, CommandStatus, SessionState
from wxcode_jupyter.service.mixing import MIXED, UNKNOWN
from wxcode_jupyter.testing.scripted_model import Fail, Rule, Say

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]

MENU = "Do you want to proceed?\n❯ 1. Yes\n  2. No, exit\n\nEnter to confirm · Esc to cancel"
HOUSE_RULES = """
case $(cat) in
    *forbidden*) echo 'not in this house' >&2; exit 2 ;;
    *stopped*) echo '{"continue": false, "stopReason": "enough"}' ;;
esac
"""
TEXTS = {
    "one line": 'What\'s in `a b`? It costs $5, "quoted".',
    "three lines": "first\n  second, indented\nthird",
    "forty lines": "\n".join(f"{number}. line of a longer text" for number in range(40)),
    "a file at its end": "look at @notes.md",
    "a name at its end": "ask @nobody",
    "emoji": "family 👩‍👩‍👧, flag 🇧🇷, thumb 👍🏽, heart ❤️ and 漢字",
    "combining": "e\u0301le\u0300ve, n\u0303, a\u030a: ação",
    "other scripts": "हिन्दी में क्षत्रिय, ภาษาไทย กำลัง, עִבְרִית, العربية, می‌خواهم, தமிழ், 한국어",
    "joiners of scripts": " ".join(
        f"{letter}{mark}{letter}"
        for letters, marks in (
            ("\u0628\u0647\u06a9\u0915\u0995\u0a15\u0a95\u0b15\u0b95\u0c15\u0c95\u0d15\u0d9a", "\u200c\u200d"),
            ("\u1820", "\u180b"),
            ("\u0e01\u0e81\u1000\u1780", "\u200b"),
        )
        for letter in letters
        for mark in marks
    ),
    "more emoji": "keys 1️⃣ #️⃣, ©️ ™️ ‼️ ▶️ 〰️, 👩‍❤️‍👨 🏳️‍🌈 👩🏽‍⚖️ 🐈‍⬛",
    "a path": "/etc/hosts is a file",
    "looks like a menu": MENU,
    "one long line": "word " * 1000 + "end",
    "a shell command": "!touch never",
    "a note": "# Title\n\n- [ ] a task",
    "a backslash at its end": "go on\\",
    "nothing but a backslash": "\\",
    "lines with a backslash at their ends": "one \\\ntwo \\",
    "a mark of the CLI": "[Pasted text #1 +3 lines]",
}


@each_cli
def test_every_text_reaches_the_model_as_it_is(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job:
        (job.workspace / "notes.md").write_text("# Notes\n")
        project = job.project()
        for number, text in enumerate(TEXTS.values(), 1):
            job.ask(project, text)
            # The CLI composes accents; nothing else changes.
            assert job.model.prompts[number - 1 :] == [unicodedata.normalize("NFC", text)]


@each_cli
@pytest.mark.parametrize("kind", ["lines", "one line"])
def test_a_text_of_64_kib_arrives_whole(tmp_path: Path, cli_version: str, kind: str) -> None:
    words = [f"word{number:06d}" for number in range(6000)]
    text = ("\n" if kind == "lines" else " ").join(words)[: 64 << 10]
    assert len(text.encode()) == 64 << 10
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        job.ask(project, text)
        assert job.model.prompts == [text]


@each_cli
def test_commands_sent_to_a_busy_claude_go_out_in_order_and_once(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version, rules=[Rule("first", [Say("now", gate="begin")])]) as job:
        project = job.project()
        first = job.client.send(project, "first: wait for me")
        job.until_status(first, CommandStatus.ACCEPTED)
        texts = [f"number {number}" for number in range(5)]
        commands = [job.client.send(project, text) for text in texts]
        assert job.client.session(project).queued == 5
        assert job.model.prompts == [first.text]

        job.model.gate("begin").set()
        ended = [job.done(command) for command in (first, *commands)]
        assert job.model.prompts == [first.text, *texts] == asked(job)
        assert [command.last_message for command in ended] == ["now", *(f"ok: {text}" for text in texts)]
        moments = [moment for each in ended for moment in (each.accepted_at, each.completed_at)]
        assert moments == sorted(moments, key=str)


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
def test_where_hooks_do_not_come_any_more_the_transcript_tells(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        job.ask(project, "with hooks")
        lose_hooks(job, project)
        assert job.ask(project, "without").last_message == "ok: without"
        info = job.until_state(project, SessionState.ATTENTION)
        assert info.attention is not None
        assert info.attention.kind == "hooks_disabled"
        waiting = job.client.send(project, "afterwards")
        assert job.client.session(project).queued == 1

        job.client.stop(project)
        job.client.start_session(project)
        job.done(waiting)
        assert job.model.prompts == ["with hooks", "without", "afterwards"] == asked(job)


@each_cli
def test_where_hooks_do_not_come_and_the_server_is_killed_nothing_is_sent_twice(
    tmp_path: Path, cli_version: str
) -> None:
    with Job(tmp_path, cli_version, rules=[Rule("without", [Say("one\n\ntwo", hold="never")])]) as job:
        project = job.project()
        job.ask(project, "with hooks")
        lose_hooks(job, project)
        command = job.client.send(project, "without")
        until(lambda: "without" in asked(job))
        job.restart(kill=True)
        job.client.start_session(project)
        job.until_status(command, CommandStatus.INTERRUPTED)
        job.ask(project, "afterwards")
        assert job.model.prompts == ["with hooks", "without", "afterwards"] == asked(job)


def lose_hooks(job: Job, project: Project) -> None:
    """Take the relay away from the CLI that runs, as something that tidies up might, or `disableAllHooks`."""
    line = command_line_of(job.client.session(project).pid)
    Path(line[line.index("--settings") + 1]).with_name("relay.sh").unlink()


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


@each_cli
def test_what_the_cli_does_not_take_fails_with_the_reason(tmp_path: Path, cli_version: str) -> None:
    settings = tmp_path / "home" / ".claude" / "settings.json"
    settings.parent.mkdir(parents=True)
    rules = tmp_path / "house-rules"
    rules.write_text(HOUSE_RULES)
    hook = {"hooks": [{"type": "command", "command": f"sh {rules}"}]}
    settings.write_text(json.dumps({"hooks": {"UserPromptSubmit": [hook]}}))
    with Job(tmp_path, cli_version, rules=[Rule("bad", [Fail(400, "this is scripted")])]) as job:
        project = job.project()
        unknown = job.client.send(project, "/no-such-command with words")
        blocked = job.client.send(project, "something forbidden")
        wrong = job.client.send(project, "a bad idea")
        fine = job.client.send(project, "a fine idea")
        stopped = job.client.send(project, "something to be stopped")

        assert "Unknown command: /no-such-command" in failed(job, unknown)
        assert "not in this house" in failed(job, blocked)
        assert "this is scripted" in failed(job, wrong)
        job.done(fine)
        assert "Operation stopped by hook: enough" in failed(job, stopped)
        assert job.model.prompts == ["a bad idea", "a fine idea"]
        assert "something forbidden" not in asked(job)
        assert job.client.session(project).state is SessionState.IDLE


@each_cli
def test_a_cli_that_dies_while_a_command_is_put_in_gets_it_again(tmp_path: Path, cli_version: str) -> None:
    text = "\n".join(f"line {number} of what is delivered" for number in range(1500))
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        job.client.start_session(project)
        pid = job.until_state(project, SessionState.IDLE).pid
        command = job.client.send(project, text)
        job.until_status(command, CommandStatus.DELIVERING, CommandStatus.ACCEPTED, CommandStatus.COMPLETED)
        kill(pid)
        job.until_state(project, SessionState.EXITED)
        settle_and_check_once(job, command)


@each_cli
@pytest.mark.parametrize("delay_s", [0, 0.03, 0.2])
def test_a_cli_that_dies_at_the_hook_has_the_prompt_once(tmp_path: Path, cli_version: str, delay_s: float) -> None:
    settings = tmp_path / "home" / ".claude" / "settings.json"
    settings.parent.mkdir(parents=True)
    once = tmp_path / "killed"
    die = f"[ -e {once} ] || {{ touch {once}; cli=$PPID; (sleep {delay_s}; kill -9 $cli) & }}"
    hook = {"hooks": [{"type": "command", "command": die}]}
    settings.write_text(json.dumps({"hooks": {"UserPromptSubmit": [hook]}}))
    with Job(tmp_path, cli_version, rules=[Rule("reach", [Say("reached", delay_s=0.5)])]) as job:
        project = job.project()
        command = job.client.send(project, "does this reach you?")
        job.until_state(project, SessionState.EXITED)
        settle_and_check_once(job, command)


@each_cli
def test_a_cli_that_dies_in_mid_turn_does_not_get_the_command_again(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version, rules=[Rule("long", [Say("one\n\ntwo", hold="never")])]) as job:
        project = job.project()
        command = job.client.send(project, "a long story")
        waiting = job.client.send(project, "and then?")
        job.until_status(command, CommandStatus.ACCEPTED)
        kill(job.client.session(project).pid)
        ended = job.until_status(command, CommandStatus.INTERRUPTED)
        assert "ended in the middle of this turn" in str(ended.error)

        job.client.start_session(project)
        job.done(waiting)
        assert job.model.prompts == ["a long story", "and then?"] == asked(job)


def settle_and_check_once(job: Job, command: Command) -> None:
    """Resume, and find the command either interrupted (the CLI had it) or delivered now; never twice."""
    project = command.output_project_id
    taken = asked(job)
    assert taken in ([], [command.text])
    job.client.start_session(project)
    ended = job.until_status(command, CommandStatus.COMPLETED, CommandStatus.INTERRUPTED)
    after = job.ask(job.client.get_project(project), "still there?")
    assert asked(job) == [command.text, "still there?"]
    assert (ended.status is CommandStatus.INTERRUPTED) == (taken == [command.text])
    assert after.claude_session_id == job.client.get_project(project).claude_session_id


def shows(job: Job, project: Project, text: str) -> bool:
    return text in job.client.screen(project).replace("\xa0", " ")


def failed(job: Job, command: Command) -> str:
    """Wait until the command has failed, and return why."""
    return str(job.until_status(command, CommandStatus.FAILED).error)


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
