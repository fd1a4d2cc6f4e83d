"""GSD's commands through the real CLI, on each layout: as they are installed, with their arguments."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.cli import CLI_VERSIONS, GSD_VERSIONS, each_cli, each_gsd
from tests.support.job import Job, until
from wxcode_jupyter.models import CommandStatus
from wxcode_jupyter.testing.scripted_model import Rule, Say, Use

pytestmark = [pytest.mark.cli, pytest.mark.timeout(240)]

TREES = Path(__file__).parents[1] / "data" / "planning"
PACKAGES = {
    "1.20.5": ("get-shit-done-cc-1.20.5", "commands/gsd"),
    "1.42.3": ("get-shit-done-cc-1.42.3", "skills"),
    "1.14.0": ("gsd-core-1.14.0", "commands"),
}


@each_gsd
@each_cli
def test_a_command_reaches_the_model_as_it_is_installed_with_its_arguments(
    tmp_path: Path, cli_version: str, gsd_version: str
) -> None:
    package, layout = PACKAGES[gsd_version]
    with Job(tmp_path, cli_version, gsd=gsd_version) as job:
        shutil.copytree(TREES / package / "mid-phase", job.workspace, dirs_exist_ok=True)
        client, project = job.client, job.project(permission_mode="acceptEdits")
        found = client.gsd(project)
        assert (found.installed, found.layout, found.version) == (True, layout, gsd_version)
        progress = found.command("progress")
        assert progress
        assert progress.description

        text = f"{progress.spelling} --forensic 'it is' $HOME"
        job.done(client.send(project, text))
        assert job.model.prompts == [text]
        # It was expanded: the model is given the command's own text, and with it the arguments.
        asked = job.model.user_texts(job.model.turn_requests[0])
        assert any("--forensic 'it is' $HOME" in heard and "<objective>" in heard for heard in asked)

        assert found.next
        job.done(client.send(project, found.next.text))
        assert job.model.prompts[1] == found.next.text


@each_cli
def test_init_makes_the_project_once(tmp_path: Path, cli_version: str) -> None:
    gsd_version = GSD_VERSIONS[0]
    project_md = "{{cwd}}/.planning/PROJECT.md"
    rule = Rule(
        "new-project", [Use("Write", {"file_path": project_md, "content": "# Billing\n"}), Say("Made.")], times=1
    )
    with Job(tmp_path, cli_version, gsd=gsd_version, rules=[rule]) as job:
        (job.workspace / ".planning" / "PROJECT.md").unlink()
        client, project = job.client, job.project(permission_mode="acceptEdits")
        command = client.init(project, "# Billing\nLetters for workshops.\n")
        job.done(command)
        assert client.gsd(project).progress.has_project
        assert client.gsd(project).progress.project == "Billing"
        assert client.init(project, "# Billing\nLetters for workshops.\n") == client.command(command)
        assert len(job.model.prompts) == 1
        assert "Letters for workshops." in str(job.model.turn_requests[0])  # the CLI attaches the file


def test_a_milestone_that_makes_1_42_3_delete_phases_is_warned_about_first(tmp_path: Path) -> None:
    with Job(tmp_path, CLI_VERSIONS[-1], gsd="1.42.3") as job:
        shutil.copytree(TREES / "get-shit-done-cc-1.20.5" / "archived", job.workspace, dirs_exist_ok=True)
        client, project = job.client, job.project(permission_mode="acceptEdits")
        assert "03-dunning-letters" in (client.gsd(project).warning or "")
        milestone = client.new_milestone(project, "Next", context="# Next\n")
        command = client.start_milestone(milestone)
        job.until_status(command, CommandStatus.COMPLETED)
        told = until(lambda: [event.type for event in client.events(project)], what="events")
        assert told.index("phases_unarchived") < told.index("command_queued")
