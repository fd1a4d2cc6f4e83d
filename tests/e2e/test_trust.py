"""Screens before the first prompt: nothing is typed into them, and what was queued goes out once they are answered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.cli import each_cli
from tests.support.job import Job
from tests.support.keys import choose
from tests.support.recorded_screens import Screen
from wxcode_jupyter.claude import screens
from wxcode_jupyter.client.values import Project
from wxcode_jupyter.errors import AttentionNeeded
from wxcode_jupyter.models import CommandStatus, SessionInfo, SessionState
from wxcode_jupyter.testing.claude_home import ClaudeHome

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]


@each_cli
def test_an_untrusted_folder_is_asked_about_and_the_command_waits_for_the_users_yes(
    tmp_path: Path, cli_version: str
) -> None:
    with Job(tmp_path, cli_version, trusted=False) as job:
        project = job.project()
        command = job.client.send(project, "said before the answer")
        info = until_asked(job, project, "trust")
        assert info.queued == 1
        assert "trusted" in info.message
        terminal = job.terminal(project)
        terminal.wait_connected()
        assert_untouched(job, project, info)
        assert not job.home.trusts(job.workspace)

        choose(job, project, terminal, "Yes")
        job.done(command)
        assert job.home.trusts(job.workspace)
        assert job.model.prompts == ["said before the answer"]
        assert job.client.session(project).attention is None


@each_cli
def test_the_answer_can_be_given_by_trust(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version, trusted=False) as job:
        project = job.project()
        command = job.client.send(project, "hello")
        until_asked(job, project, "trust")
        job.client.trust(project)
        job.done(command)
        assert job.home.trusts(job.workspace)
        with pytest.raises(AttentionNeeded, match="No trust screen"):
            job.client.trust(project)
        assert job.model.prompts == ["hello"]


@each_cli
def test_a_project_that_is_to_be_trusted_is_not_asked_about(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version, trusted=False) as job:
        project = job.project(trust=True)
        job.ask(project, "hello")
        assert job.home.trusts(job.workspace)
        assert "attention" not in states(job, project)


@each_cli
def test_own_workspaces_are_trusted_when_the_server_says_so_and_others_are_not(
    tmp_path: Path, cli_version: str
) -> None:
    with Job(tmp_path, cli_version, trusted=False, trust_own_workspaces=True) as job:
        own = job.client.create_project("own")
        job.ask(own, "hello")
        assert Path(own.workspace_path).parent == tmp_path / "workspaces"
        assert job.home.trusts(Path(own.workspace_path))

        other = job.project("other")
        job.client.start_session(other)
        until_asked(job, other, "trust")
        assert not job.home.trusts(job.workspace)


@each_cli
def test_a_users_no_ends_the_session_and_the_next_start_asks_again(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version, trusted=False) as job:
        project = job.project()
        command = job.client.send(project, "still here")
        until_asked(job, project, "trust")
        terminal = job.terminal(project)
        terminal.wait_connected()
        choose(job, project, terminal, "No, exit")
        exited = job.until_state(project, SessionState.EXITED)
        assert "Claude Code ended" in exited.message
        assert exited.queued == 1
        assert terminal.wait_closed() == 1000

        job.client.start_session(project)
        until_asked(job, project, "trust")
        assert job.client.command(command).status is CommandStatus.QUEUED
        job.client.trust(project)
        job.done(command)
        assert job.model.prompts == ["still here"]


@each_cli
def test_the_warning_of_bypassed_permissions_is_the_users_to_accept(tmp_path: Path, cli_version: str) -> None:
    ClaudeHome(tmp_path / "home", "", bypass_accepted=False)
    with Job(tmp_path, cli_version) as job:
        project = job.project(permission_mode="bypassPermissions")
        command = job.client.send(project, "hello")
        info = until_asked(job, project, "bypass")
        terminal = job.terminal(project)
        terminal.wait_connected()
        assert_untouched(job, project, info)
        with pytest.raises(AttentionNeeded):
            job.client.trust(project)
        assert_untouched(job, project, info)

        choose(job, project, terminal, "Yes, I accept")
        job.done(command)
        assert job.model.prompts == ["hello"]


@each_cli
def test_a_key_that_the_user_has_not_allowed_yet_is_asked_about(tmp_path: Path, cli_version: str) -> None:
    ClaudeHome(tmp_path / "home", "", key_approved=False)
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        command = job.client.send(project, "hello")
        info = until_asked(job, project, "login")
        terminal = job.terminal(project)
        terminal.wait_connected()
        assert_untouched(job, project, info)

        choose(job, project, terminal, "Yes")
        job.done(command)
        assert job.model.prompts == ["hello"]


@each_cli
def test_a_user_who_is_not_logged_in_is_told_and_nothing_is_typed(tmp_path: Path, cli_version: str) -> None:
    ClaudeHome(tmp_path / "home", "", key_approved=False)
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        command = job.client.send(project, "hello")
        until_asked(job, project, "login")
        terminal = job.terminal(project)
        terminal.wait_connected()
        choose(job, project, terminal, "No")

        info = until_asked(job, project, "login", text="Not logged in")
        assert_untouched(job, project, info)
        assert job.client.command(command).status is CommandStatus.QUEUED
        assert "/login" in info.message


@each_cli
def test_hooks_that_are_disabled_are_noticed_before_anything_is_typed(tmp_path: Path, cli_version: str) -> None:
    settings = tmp_path / "home" / ".claude" / "settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"disableAllHooks": True}))
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        command = job.client.send(project, "hello")
        info = until_asked(job, project, "hooks_disabled")
        assert "disableAllHooks" in info.message
        assert_untouched(job, project, info)
        assert job.client.command(command).status is CommandStatus.QUEUED

        settings.write_text("{}")
        job.client.stop(project)
        job.client.start_session(project)
        job.done(command)
        assert job.model.prompts == ["hello"]


def until_asked(job: Job, project: Project, kind: str, text: str = "") -> SessionInfo:
    """Wait until the session needs somebody, for this reason, and its screen is told with it."""
    while True:
        info = job.until_state(project, SessionState.ATTENTION)
        assert info.attention is not None
        if info.attention.kind == kind and text in info.attention.screen:
            assert info.screen
            return info
        assert info.attention.kind == kind or kind == "hooks_disabled", info


def assert_untouched(job: Job, project: Project, before: SessionInfo) -> None:
    """Nothing has been typed since: box, menu and its mark are the same, and the model knows nothing."""
    info = job.client.session(project)
    assert info.state is SessionState.ATTENTION
    assert asked_on(info.screen) == asked_on(before.screen) == asked_on(job.client.screen(project))
    assert job.model.turn_requests == []


def asked_on(screen: str | None) -> tuple[object, object]:
    """Return what a screen asks: its hints below change by themselves."""
    view = Screen(tuple((screen or "").split("\n")), (0, 0))
    found = screens.choices(view), screens.read(view).box
    assert any(found[0]) or found[1] is not None
    return found


def states(job: Job, project: Project) -> list[str]:
    return [str(event.data["state"]) for event in job.client.events(project) if event.type == "session_state"]
