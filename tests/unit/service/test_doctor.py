"""What the doctor finds, and how it says to mend it."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from wxcode_jupyter.errors import StoreUnavailable
from wxcode_jupyter.models import OutputProject
from wxcode_jupyter.service.config import Config
from wxcode_jupyter.service.doctor import Check, Doctor
from wxcode_jupyter.service.events import EventLog
from wxcode_jupyter.service.sessions import Sessions
from wxcode_jupyter.store.base import Store
from wxcode_jupyter.terminal import process
from wxcode_jupyter.terminal.process import KeeperClient

GSD = Path(__file__).parents[2] / "data" / "gsd" / "commands-folder"


@pytest.fixture
def config(config: Config, tmp_path: Path) -> Config:
    """A server on which nothing is missing."""
    program = tmp_path / "bin" / "claude"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho '9.9.9 (Claude Code)'\n")
    program.chmod(0o700)
    for folder in (config.data_dir, config.runtime_dir):
        os.mkdir(folder, 0o700)
    environment = {**config.environment, "PATH": f"{program.parent}:/usr/bin:/bin", "ANTHROPIC_API_KEY": "dummy"}
    return replace(config, environment=environment)


@pytest.fixture
def project(project: OutputProject, config: Config) -> OutputProject:
    """A project in which nothing is missing."""
    workspace = Path(project.workspace_path)
    shutil.copytree(GSD, workspace, dirs_exist_ok=True)
    (workspace / ".planning").mkdir()
    (workspace / ".planning" / "PROJECT.md").write_text("# Billing\n")
    trusted = {"projects": {str(workspace): {"hasTrustDialogAccepted": True}}}
    Path(config.environment["HOME"], ".claude.json").write_text(json.dumps(trusted))
    return project


async def examine(config: Config, store: Store, project: OutputProject | None = None) -> dict[str, Check]:
    """Return the findings by their names; no keeper runs unless the test has one."""
    sessions = Sessions(config, store, EventLog(store), dict)
    checks = await Doctor(config, store, sessions).examine(project.id if project else None)
    await sessions.close()
    return {check.name: check for check in checks}


async def test_where_nothing_is_missing_all_is_well(config: Config, store: Store, project: OutputProject) -> None:
    checks = await examine(config, store, project)
    assert [check for check in checks.values() if not check.ok or check.to_do] == []
    assert "9.9.9" in checks["Claude Code"].detail
    assert checks["store"].detail == store.url
    assert "dummy" not in str(checks)


async def test_the_keeper_is_found_and_none_is_started(
    config: Config, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await examine(config, store))["keeper"] == Check("keeper", True, "the first session starts it")
    client = await KeeperClient.connect(config.runtime_dir)
    assert (await examine(config, store))["keeper"] == Check("keeper", True, f"process {client.pid}, 0 session(s)")
    monkeypatch.setattr(process, "PROTOCOL_VERSION", 99)
    check = (await examine(config, store))["keeper"]
    assert not check.ok
    assert "another version" in check.detail
    assert "keeper stop" in check.remedy
    client.close()


async def test_a_project_is_not_needed(config: Config, store: Store) -> None:
    assert not {"workspace", "trust", "GSD"} & set(await examine(config, store))


@pytest.mark.parametrize(
    ("program", "detail"),
    [
        ("nonesuch", "not on the server's PATH"),
        ("false", "/false"),
        ("/nonesuch/claude", "not on the server's PATH"),
    ],
)
async def test_a_cli_that_does_not_run(config: Config, store: Store, program: str, detail: str) -> None:
    check = (await examine(replace(config, claude_command=(program,)), store))["Claude Code"]
    assert not check.ok
    assert detail in check.detail
    assert "npm install" in check.remedy


async def test_a_cli_that_does_not_answer(
    config: Config, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wxcode_jupyter.service.doctor._VERSION_TIMEOUT_S", 0.1)
    (tmp_path / "bin" / "claude").write_text("#!/bin/sh\nexec sleep 600\n")
    check = (await examine(config, store))["Claude Code"]
    assert not check.ok
    assert "does not answer" in check.detail


@pytest.mark.parametrize("login", ["nothing", "credentials", "account"])
async def test_the_login(config: Config, store: Store, login: str) -> None:
    home = Path(config.environment["HOME"])
    environment = {name: value for name, value in config.environment.items() if name != "ANTHROPIC_API_KEY"}
    if login == "credentials":
        (home / ".claude").mkdir()
        (home / ".claude" / ".credentials.json").write_text("{}")
    elif login == "account":
        (home / ".claude.json").write_text('{"oauthAccount": {}}')
    check = (await examine(replace(config, environment=environment), store))["login"]
    assert check.ok is (login != "nothing")


async def test_a_store_that_is_away(config: Config, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ping() -> None:
        raise StoreUnavailable("mongodb://store does not answer.", url="mongodb://store")

    monkeypatch.setattr(store, "ping", ping)
    check = (await examine(config, store))["store"]
    assert (check.ok, check.detail) == (False, "mongodb://store does not answer.")


async def test_folders_that_others_could_read(config: Config, store: Store) -> None:
    os.chmod(config.data_dir, 0o755)
    os.rmdir(config.runtime_dir)
    checks = await examine(config, store)
    assert not checks["data folder"].ok
    assert checks["data folder"].remedy == f"chmod 700 {config.data_dir}"
    assert not checks["runtime folder"].ok


async def test_a_project_that_lacks_everything(config: Config, store: Store, project: OutputProject) -> None:
    shutil.rmtree(project.workspace_path)
    Path(config.environment["HOME"], ".claude.json").write_text("no JSON")
    checks = await examine(config, store, project)
    missing = {name: check.remedy for name, check in checks.items() if not check.ok}
    assert set(missing) == {"workspace", "trust", "GSD"}
    assert all(missing.values())
    assert [check.name for check in checks.values() if check.to_do] == ["trust"]


async def test_a_project_without_its_first_file(config: Config, store: Store, project: OutputProject) -> None:
    Path(project.workspace_path, ".planning", "PROJECT.md").unlink()
    check = (await examine(config, store, project))["GSD"]
    assert (check.ok, check.to_do) == (False, True)
    assert check.remedy == f"cd {project.workspace_path} && claude /gsd:new-project"
