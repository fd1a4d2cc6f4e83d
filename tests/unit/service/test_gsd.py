"""What the service says of GSD, and how a project's first brief is given to it: once, whoever asks."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.service.conftest import StubSessions
from wxcode_jupyter.errors import AlreadyInitialized, GsdMissing, InvalidBody, InvalidPath, NotFound
from wxcode_jupyter.models import CommandStatus, OutputProject
from wxcode_jupyter.service.checkpoints import Checkpoints
from wxcode_jupyter.service.commands import Commands
from wxcode_jupyter.service.config import Config
from wxcode_jupyter.service.events import EventLog
from wxcode_jupyter.service.gsd import Gsd
from wxcode_jupyter.service.milestones import Milestones
from wxcode_jupyter.store.base import Store

DATA = Path(__file__).parents[2] / "data"
TREES = DATA / "planning"


@pytest.fixture
def workspace(project: OutputProject) -> Path:
    """The project's workspace, with GSD."""
    shutil.copytree(DATA / "gsd" / "commands-folder", project.workspace_path, dirs_exist_ok=True)
    return Path(project.workspace_path)


@pytest.fixture
def make(store: Store, events: EventLog, sessions: StubSessions, config: Config) -> Callable[..., Gsd]:
    def build(**changes: object) -> Gsd:
        return Gsd(replace(config, **changes), store, Commands(store, events, sessions.typed()))  # type: ignore[arg-type]

    return build


@pytest.fixture
def gsd(make: Callable[..., Gsd]) -> Gsd:
    return make()


def install(workspace: Path, *names: str) -> None:
    for name in names:
        (workspace / ".claude" / "commands" / "gsd" / f"{name}.md").write_text(f"---\ndescription: {name}\n---\n")


def pretend_package(workspace: Path, name: str, version: str, workflow: str) -> None:
    folder = workspace / ".claude" / name
    (folder / "workflows").mkdir(parents=True)
    (folder / "VERSION").write_text(f"{version}\n")
    (folder / "workflows" / "new-milestone.md").write_text(workflow)


class TestLook:
    async def test_without_gsd(self, gsd: Gsd, project: OutputProject) -> None:
        found = await gsd.look(project.id)
        assert (found["installed"], found["layout"], found["commands"]) == (False, None, [])
        assert (found["next"], found["warning"]) == (None, None)
        assert found["progress"]["has_project"] is False

    async def test_commands_progress_and_the_next_step(self, gsd: Gsd, project: OutputProject, workspace: Path) -> None:
        install(workspace, "execute-phase")
        shutil.copytree(TREES / "get-shit-done-cc-1.20.5" / "mid-phase", workspace, dirs_exist_ok=True)
        found = await gsd.look(project.id)
        assert (found["installed"], found["layout"]) == (True, "commands/gsd")
        assert {"name": "execute-phase", "spelling": "/gsd:execute-phase", "description": "execute-phase"}.items() <= (
            next(item for item in found["commands"] if item["name"] == "execute-phase").items()
        )
        progress = found["progress"]
        assert (progress["phases_done"], progress["phases_total"], progress["current_phase"]) == (1, 3, "2")
        assert progress["unarchived_folders"] == ("01-invoices", "02-printing")
        assert found["next"]["text"] == "/gsd:execute-phase 2"

    async def test_a_step_that_is_not_installed_is_not_proposed(
        self, gsd: Gsd, project: OutputProject, workspace: Path
    ) -> None:
        install(workspace, "plan-phase")
        shutil.copytree(TREES / "get-shit-done-cc-1.20.5" / "fresh", workspace, dirs_exist_ok=True)
        assert (await gsd.look(project.id))["next"]["text"] == "/gsd:plan-phase 1"
        install(workspace, "discuss-phase")
        step = (await gsd.look(project.id))["next"]
        assert (step["text"], step["also"]) == ("/gsd:discuss-phase 1", ["/gsd:plan-phase 1"])

    async def test_a_folder_outside_is_not_read(self, make: Callable[..., Gsd], project: OutputProject) -> None:
        with pytest.raises(InvalidPath):
            await make(allowed_workspace_roots=("/nowhere",)).look(project.id)

    async def test_no_such_project(self, gsd: Gsd) -> None:
        with pytest.raises(NotFound):
            await gsd.look("0" * 24)


class TestClearing:
    @pytest.mark.parametrize(
        ("package", "workflow", "warns"),
        [
            ("get-shit-done", "gsd-sdk query phases.clear --confirm", True),
            ("get-shit-done", "nothing is cleared here", False),
            ("gsd-core", "phases.clear --confirm --archive-version", False),
        ],
    )
    async def test_who_is_warned(
        self, gsd: Gsd, project: OutputProject, workspace: Path, package: str, workflow: str, warns: bool
    ) -> None:
        pretend_package(workspace, package, "1.42.3", workflow)
        shutil.copytree(TREES / "get-shit-done-cc-1.20.5" / "archived", workspace, dirs_exist_ok=True)
        found = await gsd.look(project.id)
        assert found["version"] == "1.42.3"
        assert bool(found["warning"]) is warns
        if warns:
            assert "01-invoices, 02-printing, 03-dunning-letters" in found["warning"]

    async def test_nothing_to_clear(self, gsd: Gsd, project: OutputProject, workspace: Path) -> None:
        pretend_package(workspace, "get-shit-done", "1.42.3", "phases.clear")
        shutil.copytree(TREES / "get-shit-done-cc-1.42.3" / "fresh", workspace, dirs_exist_ok=True)
        assert (await gsd.look(project.id))["warning"] is None

    @pytest.mark.parametrize(("template", "warns"), [("", True), ("/wxcode:new-milestone {context_path}", False)])
    async def test_the_event_comes_before_the_command(
        self,
        store: Store,
        events: EventLog,
        sessions: StubSessions,
        config: Config,
        project: OutputProject,
        workspace: Path,
        template: str,
        warns: bool,
    ) -> None:
        pretend_package(workspace, "get-shit-done", "1.42.3", "phases.clear")
        shutil.copytree(TREES / "get-shit-done-cc-1.20.5" / "archived", workspace, dirs_exist_ok=True)
        commands = Commands(store, events, sessions.typed())
        checkpoints = Checkpoints(config, store, events)
        milestones = Milestones(replace(config, milestone_command=template), store, events, commands, checkpoints)
        milestone = await milestones.create(project.id, "one", context="# One\n")
        await milestones.start(milestone.id)
        told = await events.load(project.id)
        about = [event for event in told if event.type in ("phases_unarchived", "command_queued")]
        assert [event.type for event in about] == ["phases_unarchived"] * warns + ["command_queued"]
        if warns:
            assert about[0].data["folders"] == ["01-invoices", "02-printing", "03-dunning-letters"]
            assert about[0].data["milestone_id"] == milestone.id


class TestInit:
    async def test_the_brief_becomes_a_file_and_a_command(
        self, gsd: Gsd, project: OutputProject, workspace: Path
    ) -> None:
        command = await gsd.init(project.id, "# Billing\nLetters.\n")
        spelling, brief, auto = command.text.split()
        assert (spelling, brief[:1], auto) == ("/gsd:new-project", "@", "--auto")
        assert (workspace / brief[1:]).read_text() == "# Billing\nLetters.\n"

    async def test_the_same_brief_gives_the_same_command_also_at_once(
        self, gsd: Gsd, make: Callable[..., Gsd], store: Store, project: OutputProject, workspace: Path
    ) -> None:
        made = await asyncio.gather(*(each.init(project.id, "# Billing") for each in [gsd, make(), gsd, make()]))
        assert len({command.id for command in made}) == 1
        (workspace / ".planning").mkdir()
        (workspace / ".planning" / "PROJECT.md").write_text("# Billing\n")
        assert (await gsd.init(project.id, "# Billing\n")).id == made[0].id
        assert (await store.list_commands(project.id)).total == 1

    async def test_another_brief_is_refused_while_one_runs_and_once_there_is_a_project(
        self, gsd: Gsd, project: OutputProject, workspace: Path
    ) -> None:
        await gsd.init(project.id, "# Billing")
        with pytest.raises(AlreadyInitialized, match="runs already"):
            await gsd.init(project.id, "# Shop")
        (workspace / ".planning").mkdir()
        (workspace / ".planning" / "PROJECT.md").write_text("# By hand\n")
        with pytest.raises(AlreadyInitialized, match=r"PROJECT\.md"):
            await gsd.init(project.id, "# Shop")

    async def test_one_that_failed_is_queued_once_more(
        self, gsd: Gsd, store: Store, project: OutputProject, workspace: Path
    ) -> None:
        first = await gsd.init(project.id, "# Billing")
        await store.move_command(first.id, {CommandStatus.QUEUED}, {"status": CommandStatus.FAILED})
        second = await gsd.init(project.id, "# Billing")
        assert (second.id != first.id, second.text) == (True, first.text)

    async def test_nothing_is_queued_without_gsd_or_without_text(
        self, gsd: Gsd, store: Store, project: OutputProject
    ) -> None:
        with pytest.raises(GsdMissing):
            await gsd.init(project.id, "# Billing")
        with pytest.raises(InvalidBody) as empty:
            await gsd.init(project.id, " \n")
        assert empty.value.field == "brief"
        assert (await store.list_commands(project.id)).total == 0
