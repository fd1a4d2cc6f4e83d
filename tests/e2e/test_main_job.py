"""The main job, for real: one durable conversation per output project, on both CLIs and both stores."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pymongo
import pytest
from bson import ObjectId

from tests.support.cli import CLI_VERSIONS, GSD_VERSIONS, each_cli
from tests.support.job import Job, command_line_of, phase_rule, until
from tests.support.outage import lineage
from wxcode_jupyter.models import CommandStatus, MilestoneStatus, SessionState

pytestmark = [pytest.mark.cli, pytest.mark.timeout(240)]


@pytest.fixture(params=["mongodb", "embedded"])
def store_url(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.getfixturevalue("mongo_url") if request.param == "mongodb" else ""


@each_cli
def test_two_milestones_share_one_conversation_that_outlives_stop_and_restart(
    tmp_path: Path, cli_version: str, store_url: str
) -> None:
    rules = [phase_rule(1), phase_rule(2)]
    with Job(tmp_path, cli_version, store_url=store_url, rules=rules, gsd="1.20.5") as job:
        client, model = job.client, job.model
        project = job.project(permission_mode="acceptEdits")
        first = client.new_milestone(project, "Invoices", context="# Invoices\nRebuild the invoice form.\n")
        command = job.done(client.start_milestone(first))
        context = f".milestones/{first.id}/MILESTONE-CONTEXT.md"
        assert model.prompts == [f"/gsd:new-milestone {context}"] == [command.text]
        assert (job.workspace / context).read_text() == "# Invoices\nRebuild the invoice form.\n"
        assert client.milestone(first.id).status is MilestoneStatus.IN_PROGRESS

        # 1. The id in the store is the name of the transcript that the CLI wrote.
        stored = client.get_project(project).claude_session_id
        assert job.transcripts() == [stored]
        if store_url:
            assert document(store_url, project.id)["claude_session_id"] == stored
        # 4. The working directory is the workspace root.
        assert any(str(job.workspace) in text for text in job.tool_results())

        # 3. The second milestone goes into the same process and conversation, acknowledged.
        before = client.session(project)
        second = client.new_milestone(project, "Orders", context="# Orders\n")
        accepted = job.done(client.start_milestone(second))
        after = client.session(project)
        assert model.prompts[1:] == [f"/gsd:new-milestone .milestones/{second.id}/MILESTONE-CONTEXT.md"]
        assert (before.pid, before.claude_session_id) == (after.pid, stored)
        assert accepted.accepted_at and accepted.prompt_id and accepted.claude_session_id == stored
        # 5. One .planning/, two phase folders.
        assert sorted(path.name for path in (job.workspace / ".planning/phases").iterdir()) == ["01-work", "02-work"]

        # 2. Stop, start: the same id, by --resume, and the model hears the earlier conversation.
        client.stop(project)
        assert client.session(project).state is SessionState.EXITED
        assert client.start_session(project).claude_session_id == stored
        line = command_line_of(client.session(project).pid)
        assert line[line.index("--resume") + 1] == stored
        job.ask(project, "do you remember?")
        heard = " ".join(model.user_texts(model.turn_requests[-1]))
        assert first.id in heard and second.id in heard and "do you remember?" in heard

        # 8. A restart of the server: the next start resumes.
        job.restart()
        job.ask(project, "and after a restart?")
        assert job.client.session(project).claude_session_id == stored
        assert job.transcripts() == [stored]
        assert "do you remember?" in " ".join(model.user_texts(model.turn_requests[-1]))
        if store_url:
            assert document(store_url, project.id)["claude_session_id"] == stored


@pytest.mark.parametrize("gsd_version", GSD_VERSIONS)
@each_cli
def test_a_milestone_is_started_in_the_installed_spelling(tmp_path: Path, cli_version: str, gsd_version: str) -> None:
    with Job(tmp_path, cli_version, gsd=gsd_version) as job:
        project = job.project()
        milestone = job.client.new_milestone(project, "Invoices", context="# Invoices\n")
        command = job.done(job.client.start_milestone(milestone))
        assert command.text == f"{job.spelling} .milestones/{milestone.id}/MILESTONE-CONTEXT.md"
        assert job.model.prompts == [command.text]


@each_cli
def test_clear_is_followed_and_the_lineage_keeps_both_ids(tmp_path: Path, cli_version: str, mongo_url: str) -> None:
    with Job(tmp_path, cli_version, store_url=mongo_url) as job:
        project = job.project()
        job.ask(project, "before the clear")
        old = job.client.get_project(project).claude_session_id
        terminal = job.terminal(project)
        terminal.wait_connected()
        job.until_state(project, SessionState.IDLE)
        terminal.type("/clear")
        until(lambda: "❯\xa0/clear" in job.client.screen(project) or "❯ /clear" in job.client.screen(project))
        terminal.type("\r")
        new = until(lambda: (now := job.client.get_project(project).claude_session_id) != old and now)
        assert document(mongo_url, project.id)["claude_session_id"] == new
        assert lineage(mongo_url, project.id) == [(old, "new"), (new, "clear")]

        job.ask(project, "after the clear")
        job.client.stop(project)
        job.ask(project, "resumed")
        assert job.client.session(project).claude_session_id == new
        assert job.model.user_texts(job.model.turn_requests[-1])[-2:] == ["after the clear", "resumed"]
        assert "before the clear" not in job.model.user_texts(job.model.turn_requests[-1])


@each_cli
def test_a_start_an_exit_without_a_prompt_and_a_start_work(tmp_path: Path, cli_version: str, store_url: str) -> None:
    with Job(tmp_path, cli_version, store_url=store_url) as job:
        project = job.project()
        job.client.start_session(project)
        job.until_state(project, SessionState.IDLE)
        unborn = job.client.session(project).claude_session_id
        terminal = job.terminal(project)
        terminal.wait_connected()
        terminal.type("/exit")
        until(lambda: "/exit" in job.client.screen(project))
        terminal.type("\r")
        job.until_state(project, SessionState.EXITED)
        assert terminal.wait("closed")["exit_code"] == 0

        job.ask(project, "now for real")
        born = job.client.get_project(project).claude_session_id
        assert born == job.client.session(project).claude_session_id != unborn
        assert born in job.transcripts()


def test_a_home_that_an_older_cli_has_used_is_no_trap(tmp_path: Path, mongo_url: str) -> None:
    older, newer = CLI_VERSIONS
    with Job(tmp_path, older, store_url=mongo_url) as job:
        project = job.project()
        job.ask(project, "said to the older one")
        stored = job.client.get_project(project).claude_session_id
    with Job(tmp_path, newer, store_url=mongo_url) as job:
        job.ask(project, "said to the newer one")
        assert job.client.session(project).claude_session_id == stored
        assert job.model.user_texts(job.model.turn_requests[-1]) == ["said to the older one", "said to the newer one"]
        assert lineage(mongo_url, project.id) == [(stored, "new")]


@each_cli
def test_a_conversation_that_the_cli_does_not_know_is_told_and_kept(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        job.ask(project, "to be forgotten")
        stored = job.client.get_project(project).claude_session_id
        job.client.stop(project)
        [transcript] = job.home.transcripts(job.workspace)
        forget(tmp_path, project.id, transcript)

        waiting = job.client.send(project, "are you there?")
        exited = job.until_state(project, SessionState.EXITED)
        assert exited.attention and exited.attention.kind == "conversation_unknown"
        assert "--fresh" in exited.message and str(stored) in exited.message
        assert job.client.get_project(project).claude_session_id == stored
        assert job.client.command(waiting).status is CommandStatus.QUEUED

        job.client.start_session(project, fresh=True)
        job.done(waiting)
        assert job.client.get_project(project).claude_session_id != stored
        assert job.model.prompts == ["to be forgotten", "are you there?"]


def forget(folder: Path, project_id: str, transcript: Path) -> None:
    """Delete a transcript, and our copies of it: the link and that of the store."""
    [file] = (folder / "jupyter").glob("**/wxcode.sqlite3")
    with closing(sqlite3.connect(file, isolation_level=None, timeout=20)) as store:
        until(lambda: store.execute("SELECT count(*) FROM transcripts").fetchone()[0])
        transcript.unlink()
        next((folder / "jupyter").glob(f"**/transcripts/{project_id}/{transcript.name}")).unlink()
        store.execute("DELETE FROM transcripts")


def document(url: str, project_id: str) -> dict[str, object]:
    with pymongo.MongoClient[dict[str, object]](url) as client:
        found = client.get_default_database()["output_projects"].find_one({"_id": ObjectId(project_id)})
    assert found is not None
    return found
