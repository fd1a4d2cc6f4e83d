"""The server is killed at the worst moments: the CLI ends, and the next server settles what was under way, once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.cli import each_cli
from tests.support.conversation import asked
from tests.support.job import Job, alive, command_line_of, until
from tests.support.mid_turn import ENDLESS_STORY, begin_turn
from tests.support.mongod import Mongod
from tests.support.outage import clear_during_an_outage, lineage
from tests.support.processes import processes_of
from wxcode_jupyter.models import Command, CommandStatus
from wxcode_jupyter.testing.scripted_model import Rule, Say

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]


@each_cli
def test_in_mid_turn(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version, rules=[ENDLESS_STORY]) as job:
        turn = begin_turn(job, "an earlier one")
        job.restart(kill=True)
        until(lambda: not alive(turn.before.pid or 0), timeout_s=10.0)
        line = command_line_of(turn.is_resumed(job).pid)
        assert line[line.index("--resume") + 1] == turn.before.claude_session_id
        until(lambda: len(keepers(job)) == 1)


@each_cli
@pytest.mark.parametrize("event", ["UserPromptSubmit", "Stop"])
def test_by_a_hook_in_the_same_moment_as_ours(tmp_path: Path, cli_version: str, event: str) -> None:
    settings = tmp_path / "home" / ".claude" / "settings.json"
    settings.parent.mkdir(parents=True)
    victim = tmp_path / "victim"
    hook = {"hooks": [{"type": "command", "command": f"[ ! -e {victim} ] || kill -9 $(cat {victim})"}]}
    settings.write_text(json.dumps({"hooks": {event: [hook]}}))
    # As slow as a real one at least: the CLI writes its transcript every 0.1 s.
    with Job(tmp_path, cli_version, rules=[Rule("reach", [Say("it does", delay_s=0.5)])]) as job:
        project = job.project()
        job.ask(project, "an earlier one")
        victim.write_text(str(job.server.pid))
        command = job.client.send(project, "does this reach you?")
        until(lambda: not alive(job.server.pid))
        victim.unlink()
        job.restart(kill=True)
        ended = settle(job, command)
        if event == "Stop":
            assert ended.accepted_at is not None
            assert job.model.prompts.count(command.text) == 1


@each_cli
def test_while_a_text_is_put_in(tmp_path: Path, cli_version: str) -> None:
    text = "\n".join(f"line {number} of what is delivered" for number in range(1500))
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        job.ask(project, "an earlier one")
        command = job.client.send(project, text)
        job.until_status(command, CommandStatus.DELIVERING, CommandStatus.ACCEPTED, CommandStatus.COMPLETED)
        job.restart(kill=True)
        settle(job, command)


@each_cli
def test_a_conversation_that_began_while_the_store_was_away_too(tmp_path: Path, cli_version: str) -> None:
    with Mongod() as mongod, Job(tmp_path, cli_version, store_url=f"{mongod.url}/wxcode") as job:
        project, _, old = clear_during_an_outage(job, mongod)
        until(lambda: "during the outage" in asked(job))
        job.server.kill()
        mongod.start()

        job.restart()
        [new] = set(job.transcripts()) - {old}
        assert job.client.start_session(project).claude_session_id == new
        assert lineage(f"{mongod.url}/wxcode", project.id) == [(old, "new"), (new, "clear")]
        assert job.client.get_project(project).claude_session_id == new
        job.ask(project, "after the outage")
        heard = job.model.user_texts(job.model.turn_requests[-1])
        assert (heard[-1], "during the outage" in heard) == ("after the outage", True)


def settle(job: Job, command: Command) -> Command:
    """Resume, and find the command settled or delivered now; its text is in the conversation exactly once."""
    project = job.client.get_project(command.output_project_id)
    stored = project.claude_session_id
    assert job.client.start_session(project).claude_session_id == stored
    ended = job.until_status(command, CommandStatus.COMPLETED, CommandStatus.INTERRUPTED)
    job.ask(project, "still there?")
    assert asked(job) == ["an earlier one", command.text, "still there?"]
    assert job.transcripts() == [stored]
    return ended


def keepers(job: Job) -> list[str]:
    return [line for line in processes_of(job.home.path).values() if "terminal.keeper" in line]
