"""What the real CLI adds to the environment of its children, against what we leave out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import CliRig, each_cli
from wxcode_jupyter.claude.environment import child_environment
from wxcode_jupyter.testing.scripted_model import Rule, Say, Use

pytestmark = pytest.mark.cli

#: What every shell sets, and two settings for package managers that mean no session.
HARMLESS = {"_", "OLDPWD", "PWD", "SHELL", "SHLVL", "COREPACK_ENABLE_AUTO_PIN", "NoDefaultCurrentDirectoryInExePath"}


@each_cli
def test_nothing_of_an_enclosing_session_is_left(tmp_path: Path, cli_version: str) -> None:
    dump = tmp_path / "environment"
    script = [Rule("look", [Use("Bash", {"command": f"env -0 > {dump}"}), Say("seen")])]
    with CliRig(tmp_path, cli_version, script) as rig:
        done = rig.headless("look around", "--allowedTools", "Bash")
        given = rig.home.env()

    assert done.returncode == 0, done.stdout + done.stderr
    inside = dict(entry.split("=", 1) for entry in dump.read_text().split("\0") if entry)
    assert inside["CLAUDECODE"] == "1"
    left = child_environment(inside)
    assert left.keys() - given.keys() - {"COLORTERM"} <= HARMLESS
    assert {name: left.get(name) for name in given} == given
