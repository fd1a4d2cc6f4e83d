"""Our reading of the installed GSD, against the list of commands that the real CLI has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import CliRig, each_cli, each_gsd, install_gsd
from wxcode_jupyter.claude.capture import StreamJson
from wxcode_jupyter.claude.gsd import installed_commands, milestone_command

pytestmark = pytest.mark.cli


@each_cli
@each_gsd
def test_the_cli_has_the_commands_that_we_find_and_no_others(
    tmp_path: Path, cli_version: str, gsd_version: str
) -> None:
    with CliRig(tmp_path, cli_version) as rig:
        spelling = install_gsd(gsd_version, workspace=rig.workspace, home=rig.home.path)
        found = installed_commands(rig.workspace, rig.home.path)
        text = milestone_command(
            None,
            rig.workspace,
            rig.home.path,
            context_path="context.md",
            milestone_id="m",
            project_id="p",
            element_name="e",
        )
        output = rig.headless("hello", "--output-format", "stream-json", "--verbose").stdout

    messages = StreamJson().feed(output.encode())
    init = next(message for message in messages if message.get("subtype") == "init")
    known = {f"/{name}" for name in init["slash_commands"] if name.startswith("gsd")}
    assert {command.spelling for command in found.values()} == known
    assert all(command.description for command in found.values())
    assert text == f"{spelling} context.md"


def test_the_commands_of_a_milestones_life_are_found_with_their_help(tmp_path: Path) -> None:
    install_gsd("1.14.0", workspace=tmp_path, home=tmp_path)
    commands = installed_commands(tmp_path, tmp_path / "nowhere")
    assert {"new-project", "new-milestone", "plan-phase", "execute-phase", "complete-milestone"} <= commands.keys()
    assert commands["new-project"].argument_hint == "[--auto]"
