"""MongoDB is away for a long time while everything is under way: all goes on, and afterwards all of it is written down.

In `make test` the outage lasts twelve seconds instead of sixty, which is longer than any time limit that it meets: a
server is looked for three seconds, an operation may take five (`store/mongo.py`), an outbox rests two seconds at most
between two attempts (`service/outbox.py`), and a delivery holds clients' keys for two (`service/deliverer.py`). From
then on an outage only repeats itself.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from tests.e2e.test_questions import COLOUR, asking, until_asked
from tests.support.conversation import asked
from tests.support.faults import FAULT_CLI_VERSIONS, LONG
from tests.support.job import Job, until
from tests.support.keys import CLEAR_LINE, press, put_draft
from tests.support.mongod import Mongod
from tests.support.socket import TerminalClient
from wxcode_jupyter.client.values import Project
from wxcode_jupyter.models import CommandStatus, Event, SessionState, now
from wxcode_jupyter.testing.scripted_model import Rule, Say, Use

pytestmark = [pytest.mark.cli, pytest.mark.mongod, pytest.mark.timeout(240)]

OUTAGE_S = 60.0 if LONG else 12.0

_STORY = Rule("long", [Use("Read", {"file_path": "{{cwd}}/notes.txt"}, gate="read"), Say("thus-it-ended", gate="end")])


@pytest.mark.parametrize("cli_version", FAULT_CLI_VERSIONS)
def test_everything_goes_on_and_is_written_afterwards(tmp_path: Path, cli_version: str) -> None:
    rules = [_STORY, *asking(COLOUR)]
    with Mongod() as mongod, Job(tmp_path, cli_version, store_url=f"{mongod.url}/wxcode", rules=rules) as job:
        works, asks = two_projects(job)
        story = job.client.send(works, "a long story")
        job.until_status(story, CommandStatus.ACCEPTED)
        waiting = [job.client.send(works, text) for text in ("a second one", "a third one")]
        question_command = job.client.send(asks, "ask me")
        question = until_asked(job, asks)
        terminal = job.terminal(works)
        terminal.wait_connected()
        pids = [job.client.session(project).pid for project in (works, asks)]

        began = now()
        mongod.kill()
        job.model.gate("read").set()
        type_meanwhile(job, works, terminal)
        assert job.client.answer(question, "Red").answer == ("Red",)
        until(lambda: "as you like" in job.client.screen(asks))
        job.model.gate("end").set()
        terminal.wait_text("thus-it-ended")
        until(lambda: job.client.session(works).state is SessionState.IDLE, what="seen without the store")
        until(lambda: time.time() - began.timestamp() > OUTAGE_S, timeout_s=OUTAGE_S + 30, what="a long outage")
        assert job.model.prompts == ["a long story", "ask me"], "nothing is delivered that cannot be written down"
        back = now()
        mongod.start()

        for command in (story, *waiting, question_command):
            job.done(command)
        assert asked(job) == ["a long story", "a second one", "a third one"]
        assert began < finished_at(job, story.id) < back
        assert all(finished_at(job, command.id) > back for command in waiting)
        assert_story(job.client.events(works), began, back)
        assert count(job.client.events(asks), "question", "answered", "command_completed") == [1, 1, 1]
        assert pids == [job.client.session(project).pid for project in (works, asks)]
        assert terminal.code is None


def two_projects(job: Job) -> tuple[Project, Project]:
    """Return two projects, each with a session that is ready."""
    other = job.folder / "other"
    other.mkdir()
    job.home.trust(other)
    (job.workspace / "notes.txt").write_text("once upon a time\n")
    projects = job.project(), job.client.create_project("asks", workspace_path=str(other))
    for project in projects:
        job.client.start_session(project)
        job.until_state(project, SessionState.IDLE)
    return projects


def type_meanwhile(job: Job, project: Project, terminal: TerminalClient) -> None:
    """Type something as a user does, see it, and take it away."""
    put_draft(job, project, terminal, "am I heard?")
    press(terminal, CLEAR_LINE, lambda: "am I heard?" not in job.client.screen(project).replace("\xa0", " "))


def finished_at(job: Job, command_id: str) -> datetime:
    completed_at = job.client.command(command_id).completed_at
    assert completed_at is not None
    return completed_at


def assert_story(events: Sequence[Event], began: datetime, back: datetime) -> None:
    """What happened is told once, in its order and with its time; nothing else is."""
    assert [event.seq for event in events] == sorted({event.seq for event in events})
    assert count(events, "session_started", "tool_started", "tool_finished", "session_ended") == [1, 1, 1, 0]
    assert count(events, "prompt_submitted", "assistant_message") == [3, 3]
    fates = [(event.data["command_id"], event.type) for event in events if event.type.startswith("command_")]
    for command_id in dict(fates):
        of_one = [kind for each, kind in fates if each == command_id]
        assert of_one == ["command_queued", "command_delivering", "command_accepted", "command_completed"]
    completed = [command_id for command_id, kind in fates if kind == "command_completed"]
    assert completed == [command_id for command_id, kind in fates if kind == "command_queued"]
    [tool] = [event for event in events if event.type == "tool_finished"]
    assert began < tool.created_at < back


def count(events: Sequence[Event], *kinds: str) -> list[int]:
    return [sum(event.type == kind for event in events) for kind in kinds]
