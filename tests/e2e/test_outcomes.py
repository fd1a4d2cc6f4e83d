"""How a turn ended: done, with a question in plain text, or at a usage limit."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.cli import each_cli
from tests.support.conversation import asked
from tests.support.job import Job, until
from tests.support.keys import ENTER, ESCAPE, press
from tests.support.socket import TerminalClient
from wxcode_jupyter.claude.screens import LIMIT_MENU
from wxcode_jupyter.client.values import Project
from wxcode_jupyter.errors import UsageLimited
from wxcode_jupyter.models import CommandStatus, SessionState
from wxcode_jupyter.testing.scripted_model import Fail, Rule, Say

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]


BLOCK = json.dumps({"decision": "block", "reason": "Tell the rest."})


def at_its_limit(resets_at: int, claim: str) -> Fail:
    """What the API says to a subscriber whose usage is up."""
    headers = {
        "anthropic-ratelimit-unified-status": "rejected",
        "anthropic-ratelimit-unified-reset": str(resets_at),
        "anthropic-ratelimit-unified-representative-claim": claim,
        "x-should-retry": "false",
    }
    return Fail(429, "This request would exceed your account's rate limit.", headers)


def said(job: Job, project: Project) -> list[str]:
    """Return what Claude has said at its stops, as far as it is known."""
    return [event.data["text"] for event in job.client.events(project) if event.type == "assistant_message"]


@each_cli
def test_a_turn_that_ends_with_a_question_asks(tmp_path: Path, cli_version: str) -> None:
    rules = [
        Rule("plan", [Say("Planned:\n\n- invoices\n- taxes\n\nDoes this match your vision? (yes / adjust)")]),
        Rule("why", [Say("Why? Because it was slow.\n\nIt is fast now.")]),
    ]
    with Job(tmp_path, cli_version, rules=rules) as job:
        project = job.project()
        assert job.ask(project, "plan it").outcome == "asks"
        assert job.ask(project, "yes").outcome == "finished"
        assert job.ask(project, "why").outcome == "finished"
        told = [event.data["outcome"] for event in job.client.events(project) if event.type == "command_completed"]
        assert told == ["asks", "finished", "finished"]


@each_cli
def test_a_turn_that_a_stop_hook_of_the_users_sends_on_is_not_over(tmp_path: Path, cli_version: str) -> None:
    once = tmp_path / "sent on"
    send_on = f"[ -e '{once}' ] || {{ touch '{once}'; echo '{BLOCK}'; }}"
    settings = tmp_path / "home" / ".claude" / "settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"hooks": {"Stop": [{"hooks": [{"type": "command", "command": send_on}]}]}}))
    rules = [Rule("tell it", [Say("half of it")]), Rule("Tell the rest", [Say("all of it", gate="rest")])]
    with Job(tmp_path, cli_version, rules=rules) as job:
        project = job.project()
        command = job.client.send(project, "tell it")
        after = job.client.send(project, "and then?")
        job.model.wait_for(lambda: len(job.model.prompts) == 2)
        until(lambda: "half of it" in said(job, project))  # so the hook has fired, and is read
        job.until_status(command, CommandStatus.ACCEPTED)
        assert job.client.command(after).status is CommandStatus.QUEUED
        assert job.client.session(project).state is SessionState.BUSY
        job.model.gate("rest").set()
        assert job.done(command).last_message == "all of it"
        job.done(after)
        assert job.model.prompts[::2] == ["tell it", "and then?"]


@each_cli
@pytest.mark.parametrize("claim", ["five_hour", "seven_day"])
def test_a_usage_limit_is_no_failure_and_says_until_when(tmp_path: Path, cli_version: str, claim: str) -> None:
    resets_at = int(time.time()) // 60 * 60 + (2 * 3600 if claim == "five_hour" else 4 * 86400)
    job = Job(tmp_path, cli_version, rules=[Rule("limit", [at_its_limit(resets_at, claim)], times=1)])
    job.home.subscriber = True
    job.server = job.new_server()
    with job:
        project = job.project()
        command = job.client.send(project, "up to the limit")
        after = job.client.send(project, "hello")
        ended = job.done(command)
        assert ended.outcome == "limited"
        assert ended.resets_at == datetime.fromtimestamp(resets_at, UTC)
        assert "You've hit your" in str(ended.last_message)
        with pytest.raises(UsageLimited, match="resets"):
            job.client.wait_for(ended)
        # Whatever menu the CLI opens about it, nobody is needed; and what is queued is not stopped by it, too.
        until(lambda: any(event.type == "queue_held" for event in job.client.events(project)))
        info = job.until_state(project, SessionState.IDLE)
        assert (info.queued, info.limited_until) == (1, ended.resets_at)
        with pytest.raises(UsageLimited, match="goes out by itself"):
            job.client.wait_for(after)
        if claim == "five_hour":
            job.client.start_session(project, now=True)
        else:  # somebody tries whether it is over
            terminal = job.terminal(project)
            terminal.wait_connected()
            draft_past_the_menu(job, project, terminal, "over?")
            press(terminal, ENTER, lambda: "over?" in job.model.prompts)
        assert job.done(after).outcome == "finished"
        until(lambda: job.client.session(project).state is SessionState.IDLE)
        prompts = ["up to the limit", *(["over?"] if claim == "seven_day" else []), "hello"]
        assert asked(job) == job.model.prompts == prompts
        assert job.client.session(project).limited_until is None


@each_cli
def test_a_usage_limit_that_somebody_runs_into_in_the_terminal_holds_the_queue(
    tmp_path: Path, cli_version: str
) -> None:
    resets_at = int(time.time()) // 60 * 60 + 2 * 3600
    job = Job(tmp_path, cli_version, rules=[Rule("limit", [at_its_limit(resets_at, "five_hour")], times=1)])
    job.home.subscriber = True
    job.server = job.new_server()
    with job:
        project = job.project()
        job.client.start_session(project)
        job.until_state(project, SessionState.IDLE)
        terminal = job.terminal(project)
        terminal.wait_connected()
        draft_past_the_menu(job, project, terminal, "up to the limit")
        press(terminal, ENTER, lambda: job.client.session(project).limited_until is not None)
        terminal.close()
        command = job.client.send(project, "hello")
        until(lambda: any(event.type == "queue_held" for event in job.client.events(project)))
        info = job.until_state(project, SessionState.IDLE)
        assert (info.queued, info.limited_until) == (1, datetime.fromtimestamp(resets_at, UTC))
        with pytest.raises(UsageLimited, match="goes out by itself"):
            job.client.wait_for(command)
        job.client.start_session(project, now=True)
        assert job.done(command).outcome == "finished"
        assert job.client.session(project).limited_until is None


@each_cli
def test_a_server_that_is_busy_is_no_limit_of_the_users(tmp_path: Path, cli_version: str) -> None:
    headers = {"x-should-retry": "false"}
    with Job(tmp_path, cli_version, rules=[Rule("busy", [Fail(429, "too many requests", headers)])]) as job:
        project = job.project()
        command = job.client.send(project, "are you busy?")
        failed = job.until_status(command, CommandStatus.FAILED)
        assert failed.outcome is None
        assert "429" in str(failed.error) or "limiting requests" in str(failed.error)
        assert job.ask(project, "hello").outcome == "finished"


def draft_past_the_menu(job: Job, project: Project, terminal: TerminalClient, text: str) -> None:
    """Type a text, and leave the menu that the CLI opens by itself at a limit, late on a busy machine."""

    def shown() -> str:
        return job.client.screen(project).replace("\xa0", " ")

    while f"❯ {text}" not in shown():
        if LIMIT_MENU in shown():
            press(terminal, ESCAPE, lambda: LIMIT_MENU not in shown())
        else:
            terminal.type(text)
            until(lambda: f"❯ {text}" in shown() or LIMIT_MENU in shown())
