from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.support.fake_api import FakeApi
from wxcode_jupyter import Client
from wxcode_jupyter.client.transport import Endpoint
from wxcode_jupyter.errors import AlreadyStarted, NameTaken, NotFound, WxcodeError
from wxcode_jupyter.models import CommandStatus, MilestoneStatus, ProjectStatus, SessionState


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def client(api: FakeApi) -> Client:
    return Client(Endpoint("http://h:1/"), transport=api.transport())


def test_a_project_is_made_found_and_changed(client: Client) -> None:
    made = client.create_project("demo", model="opus", claude_args=["--verbose"])
    assert (made.status, made.options.model, made.options.claude_args) == (
        ProjectStatus.CREATED,
        "opus",
        ("--verbose",),
    )
    assert made.created_at.utcoffset() == timedelta(0)
    assert client.project("demo") == made == client.ensure_project("demo")
    assert client.update_project(made, trust=True).options.trust
    with pytest.raises(NameTaken):
        client.create_project("demo")
    with pytest.raises(NotFound):
        client.project("other")


def test_lists_are_read_to_their_end(client: Client) -> None:
    project = client.create_project("demo")
    for number in range(230):
        client.new_milestone(project, f"m{number}")
    assert [item.element_name for item in client.milestones(project)] == [f"m{number}" for number in range(230)]


def test_a_lost_answer_doubles_neither_command_nor_milestone(
    client: Client, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = client.create_project("demo")
    client.start_session(project)
    lose = {"milestones", f"output-projects/{project.id}/commands"}
    real = api.answer

    def answer(method: str, url: str, body: Any) -> tuple[int, Any]:
        result = real(method, url, body)
        path = api.requests[-1][1]
        if method == "POST" and path in lose:
            lose.discard(path)
            raise httpx.ReadError("the answer was lost")
        return result

    monkeypatch.setattr(api, "answer", answer)
    client.new_milestone(project, "login")
    client.send(project, "hello")
    assert not lose
    assert len(api.milestones) == len(api.commands) == 1


def test_a_milestone_starts_once(client: Client) -> None:
    project = client.create_project("demo")
    milestone = client.new_milestone(project, "login", "# Login")
    assert client.prepare_milestone(milestone).context_path == f".milestones/{milestone.id}/MILESTONE-CONTEXT.md"
    command = client.start_milestone(milestone)
    assert (command.status, command.milestone_id) == (CommandStatus.QUEUED, milestone.id)
    with pytest.raises(AlreadyStarted):
        client.start_milestone(milestone.id)
    assert client.ensure_started(milestone) == command
    assert client.complete(milestone).status is MilestoneStatus.COMPLETED


def test_sending_starts_the_session(client: Client, api: FakeApi) -> None:
    project = client.create_project("demo")
    command = client.send(project, "it's $HOME -p")
    assert (command.text, client.session(project).state) == ("it's $HOME -p", SessionState.IDLE)
    assert client.commands(project, statuses=[CommandStatus.QUEUED]) == (command,)
    assert client.commands(project, statuses=[CommandStatus.FAILED]) == ()


def test_an_answer_of_another_version_is_told_as_such(client: Client, api: FakeApi) -> None:
    project = client.create_project("demo")
    api.sessions[project.id]["state"] = "levitating"
    with pytest.raises(WxcodeError, match=r"levitating.*version"):
        client.session(project)
