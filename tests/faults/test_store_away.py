"""MongoDB goes away and comes back: the terminal does not notice, and nothing that happened meanwhile is lost."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.support.cli import each_cli
from tests.support.job import Job, until
from tests.support.mongod import Mongod
from tests.support.outage import clear_during_an_outage, lineage
from wxcode_jupyter.client.values import Project
from wxcode_jupyter.errors import StoreUnavailable
from wxcode_jupyter.models import CommandStatus, SessionState
from wxcode_jupyter.store import EMBEDDED_FILE
from wxcode_jupyter.testing.scripted_model import Rule, Say

pytestmark = [pytest.mark.cli, pytest.mark.mongod, pytest.mark.timeout(180)]


@each_cli
def test_the_terminal_works_on_and_a_new_conversation_is_followed_afterwards(tmp_path: Path, cli_version: str) -> None:
    with Mongod() as mongod, Job(tmp_path, cli_version, store_url=f"{mongod.url}/wxcode") as job:
        project, terminal, old = clear_during_an_outage(job, mongod)
        job.model.wait_for(lambda: job.model.prompts == ["before the outage", "during the outage"])
        until(lambda: "ok: during the outage" in job.client.screen(project))
        terminal.wait_text("outage")
        assert_unavailable(job, project, mongod)

        mongod.start()
        new = until(lambda: job.transcripts()[1:])[0]
        until(lambda: job.client.get_project(project).claude_session_id == new)
        assert lineage(f"{mongod.url}/wxcode", project.id) == [(old, "new"), (new, "clear")]
        job.ask(project, "after the outage")
        assert job.model.user_texts(job.model.turn_requests[-1])[-2:] == ["during the outage", "after the outage"]
        job.client.stop(project)
        assert job.client.start_session(project).claude_session_id == new


@each_cli
@pytest.mark.parametrize("seen", [CommandStatus.DELIVERING, CommandStatus.ACCEPTED])
def test_a_command_under_way_is_recorded_afterwards(tmp_path: Path, cli_version: str, seen: CommandStatus) -> None:
    rules = [Rule("outage", [Say("answered meanwhile", gate="go")])]
    with Mongod() as mongod, Job(tmp_path, cli_version, store_url=f"{mongod.url}/wxcode", rules=rules) as job:
        project = job.project()
        job.client.start_session(project)
        job.until_state(project, SessionState.IDLE)
        command = job.client.send(project, "sent just before the outage")
        waiting = job.client.send(project, "and this waits")
        job.until_status(command, seen, CommandStatus.ACCEPTED)
        until(lambda: command.text in job.client.screen(project))  # the server knows that it may be delivered
        mongod.kill()
        job.model.gate("go").set()
        until(lambda: "answered meanwhile" in job.client.screen(project))
        mongod.start()
        ended = job.done(command)
        assert ended.last_message == "answered meanwhile"
        assert ended.accepted_at is not None
        job.done(waiting)
        assert job.model.prompts == [command.text, waiting.text]
        kinds = [event.type for event in job.client.events(project) if event.data.get("command_id") == command.id]
        assert kinds == ["command_queued", "command_delivering", "command_accepted", "command_completed"]


@each_cli
def test_a_server_that_starts_without_its_store_says_so_and_works_later(tmp_path: Path, cli_version: str) -> None:
    mongod = Mongod()
    with Job(tmp_path, cli_version, store_url=f"{mongod.url}/wxcode") as job:
        with pytest.raises(StoreUnavailable) as away:
            job.client.projects()
        assert mongod.location in str(away.value)
        assert f"{mongod.location}/wxcode" in job.server.log()
        [check] = [check for check in job.client.doctor() if check.name == "store"]
        assert not check.ok
        assert list(tmp_path.rglob(f"{EMBEDDED_FILE}*")) == [], "never a fall-back to the other kind"
        with mongod:
            project = until(lambda: made(job))
            job.ask(project, "it is there now")
            assert lineage(f"{mongod.url}/wxcode", project.id) == [(job.transcripts()[0], "new")]


def made(job: Job) -> Project | None:
    try:
        return job.client.ensure_project("demo", workspace_path=str(job.workspace))
    except StoreUnavailable:
        return None


def assert_unavailable(job: Job, project: Project, mongod: Mongod) -> None:
    """Every request that needs the store says which one is away."""
    api = f"{job.server.url}wxcode/api/v1"
    headers = {"Authorization": f"token {job.server.token}"}
    body = {"text": "not to be sent"}
    for method, path in (("GET", "output-projects"), ("POST", f"output-projects/{project.id}/commands")):
        answer = httpx.request(method, f"{api}/{path}", headers=headers, json=body, timeout=30)
        assert answer.status_code == 503
        assert answer.json()["reason"] == "store_unavailable"
        assert mongod.location in answer.json()["message"]
