"""Starting a milestone: once, whoever asks, and only where what it needs is there."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.service.conftest import StubSessions
from wxcode_jupyter.errors import (
    AlreadyStarted,
    Conflict,
    ContextTaken,
    GsdMissing,
    InvalidBody,
    InvalidId,
    NotFound,
    NotPending,
    ProjectNotInitialized,
    StoreUnavailable,
)
from wxcode_jupyter.models import Command, CommandStatus, Milestone, MilestoneStatus, OutputProject
from wxcode_jupyter.service.checkpoints import Checkpoints
from wxcode_jupyter.service.commands import Commands
from wxcode_jupyter.service.config import Config
from wxcode_jupyter.service.events import EventLog
from wxcode_jupyter.service.milestones import Milestones
from wxcode_jupyter.store.base import Store

GSD = Path(__file__).parents[2] / "data" / "gsd" / "commands-folder"


@pytest.fixture
def make(store: Store, events: EventLog, sessions: StubSessions, config: Config) -> Callable[..., Milestones]:
    def build(**changes: Any) -> Milestones:
        commands = Commands(store, events, sessions.typed())
        changed = replace(config, **changes)
        return Milestones(changed, store, events, commands, Checkpoints(changed, store, events))

    return build


@pytest.fixture
def milestones(make: Callable[..., Milestones]) -> Milestones:
    return make()


@pytest.fixture
def ready(project: OutputProject) -> Path:
    """A workspace with GSD and a PROJECT.md."""
    workspace = Path(project.workspace_path)
    shutil.copytree(GSD, workspace, dirs_exist_ok=True)
    (workspace / ".planning").mkdir()
    (workspace / ".planning" / "PROJECT.md").write_text("# Billing\n")
    return workspace


async def commands_of(store: Store, project: OutputProject) -> list[Command]:
    return list((await store.list_commands(project.id)).items)


async def test_its_command_is_queued_with_the_context_it_needs(
    store: Store, project: OutputProject, milestones: Milestones, ready: Path, sessions: StubSessions
) -> None:
    milestone = await milestones.create(project.id, " login ", context="# Login\né\n")
    command = await milestones.start(milestone.id)
    assert command.text == f"/gsd:new-milestone .milestones/{milestone.id}/MILESTONE-CONTEXT.md"
    assert (command.milestone_id, command.status) == (milestone.id, CommandStatus.QUEUED)
    assert (ready / ".milestones" / milestone.id / "MILESTONE-CONTEXT.md").read_text() == "# Login\né\n"
    assert sessions.started == [project.id]
    # In progress only once Claude has it.
    assert (await store.get_milestone(milestone.id)).status is MilestoneStatus.PENDING


async def test_a_second_start_is_refused_and_says_where_the_first_is(
    project: OutputProject, milestones: Milestones, ready: Path
) -> None:
    milestone = await milestones.create(project.id, "login")
    command = await milestones.start(milestone.id)
    with pytest.raises(AlreadyStarted) as caught:
        await milestones.start(milestone.id)
    assert (caught.value.command_id, caught.value.status) == (command.id, "pending")
    assert await milestones.start(milestone.id, command_id=command.id) == command
    await milestones.start_once(milestone.id)


class TestAContextThatIsThere:
    async def test_what_the_user_has_changed_since_is_what_claude_reads(
        self, store: Store, project: OutputProject, milestones: Milestones, make: Callable[..., Milestones], ready: Path
    ) -> None:
        milestone = await milestones.create(project.id, "login", context="# Login\n")
        prepared = await milestones.prepare(milestone.id)
        assert prepared["edited"] is False
        file = ready / prepared["context_path"]
        file.write_text("# Login, by card\n")
        for service in (milestones, make()):  # another server, too
            assert await service.prepare(milestone.id) == {**prepared, "bytes": 17, "edited": True}
        await milestones.start(milestone.id)
        assert file.read_text() == "# Login, by card\n"
        assert len(await commands_of(store, project)) == 1

    async def test_what_was_never_ours_is_refused_and_kept(
        self, store: Store, project: OutputProject, milestones: Milestones, ready: Path
    ) -> None:
        milestone = await milestones.create(project.id, "login", context="# Login\n")
        file = ready / ".milestones" / milestone.id / "MILESTONE-CONTEXT.md"
        file.parent.mkdir(parents=True)
        file.write_text("# Something else\n")
        for act in (milestones.prepare, milestones.start):
            with pytest.raises(ContextTaken, match="mv"):
                await act(milestone.id)
        assert file.read_text() == "# Something else\n"
        assert await commands_of(store, project) == []

        file.unlink()
        await milestones.start(milestone.id)
        assert file.read_text() == "# Login\n"

    async def test_what_wxcode_has_prepared_is_used(
        self, project: OutputProject, milestones: Milestones, ready: Path
    ) -> None:
        milestone = await milestones.create(project.id, "login")  # as wxcode makes them: without a context here
        file = ready / ".milestones" / milestone.id / "MILESTONE-CONTEXT.md"
        file.parent.mkdir(parents=True)
        file.write_text("# All about the login\n")
        assert (await milestones.prepare(milestone.id))["edited"] is True
        await milestones.start(milestone.id)
        assert file.read_text() == "# All about the login\n"

    async def test_a_file_that_is_gone_is_written_again(
        self, project: OutputProject, milestones: Milestones, ready: Path
    ) -> None:
        milestone = await milestones.create(project.id, "login", context="# Login\n")
        file = ready / (await milestones.prepare(milestone.id))["context_path"]
        file.unlink()
        assert (await milestones.prepare(milestone.id))["edited"] is False
        assert file.read_text() == "# Login\n"

    async def test_a_milestone_that_is_deleted_leaves_no_note(
        self, project: OutputProject, milestones: Milestones, config: Config, ready: Path
    ) -> None:
        milestone = await milestones.create(project.id, "login")
        await milestones.prepare(milestone.id)
        notes = Path(config.data_dir, "contexts")
        assert [path.name for path in notes.iterdir()] == [milestone.id]
        await milestones.delete(milestone.id)
        assert list(notes.iterdir()) == []


async def test_twenty_starts_at_once_are_one(
    store: Store, project: OutputProject, milestones: Milestones, ready: Path
) -> None:
    milestone = await milestones.create(project.id, "login")
    results = await asyncio.gather(*(milestones.start(milestone.id) for _ in range(20)), return_exceptions=True)
    assert [type(result) for result in results].count(Command) == 1
    assert [type(result) for result in results].count(AlreadyStarted) == 19
    assert len(await commands_of(store, project)) == 1


@pytest.mark.parametrize("status", [CommandStatus.FAILED, CommandStatus.INTERRUPTED])
async def test_what_never_reached_claude_may_be_started_again(
    store: Store, project: OutputProject, milestones: Milestones, ready: Path, status: CommandStatus
) -> None:
    milestone = await milestones.create(project.id, "login")
    first = await milestones.start(milestone.id)
    await store.move_command(first.id, {CommandStatus.QUEUED}, {"status": status})
    assert (await milestones.start(milestone.id)).id != first.id


@pytest.mark.parametrize("status", [MilestoneStatus.IN_PROGRESS, MilestoneStatus.COMPLETED, MilestoneStatus.FAILED])
async def test_one_that_is_not_pending_is_not_started(
    store: Store, project: OutputProject, milestones: Milestones, ready: Path, status: MilestoneStatus
) -> None:
    milestone = await milestones.create(project.id, "login")
    await store.move_milestone(milestone.id, {MilestoneStatus.PENDING}, status)
    with pytest.raises(AlreadyStarted):
        await milestones.start(milestone.id)
    assert await commands_of(store, project) == []


class TestWhatItNeeds:
    async def test_without_gsd_nothing_is_queued(
        self, store: Store, project: OutputProject, milestones: Milestones, sessions: StubSessions
    ) -> None:
        milestone = await milestones.create(project.id, "login")
        with pytest.raises(GsdMissing, match="npx"):
            await milestones.start(milestone.id)
        assert (await commands_of(store, project), sessions.started) == ([], [])

    async def test_without_a_project_nothing_is_queued(
        self, store: Store, project: OutputProject, milestones: Milestones, ready: Path, sessions: StubSessions
    ) -> None:
        (ready / ".planning" / "PROJECT.md").unlink()
        milestone = await milestones.create(project.id, "login")
        with pytest.raises(ProjectNotInitialized, match="new-project"):
            await milestones.start(milestone.id)
        assert (await commands_of(store, project), sessions.started) == ([], [])

    async def test_or_new_project_goes_first_where_it_is_configured(
        self, store: Store, project: OutputProject, make: Callable[..., Milestones], ready: Path
    ) -> None:
        (ready / ".planning" / "PROJECT.md").unlink()
        milestones = make(new_project_command="/gsd:new-project --auto @{brief_path}")
        first = await milestones.create(project.id, "login")
        second = await milestones.create(project.id, "invoices")
        command = await milestones.start(first.id)
        later = await milestones.start(second.id)
        queued = await commands_of(store, project)
        assert [each.text.split()[0] for each in queued] == ["/gsd:new-project", *["/gsd:new-milestone"] * 2]
        assert queued[1:] == [command, later]
        assert f".milestones/{first.id}/MILESTONE-CONTEXT.md" in queued[0].text

    async def test_new_project_is_not_repeated_after_a_failure_half_way(
        self,
        store: Store,
        project: OutputProject,
        make: Callable[..., Milestones],
        ready: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        (ready / ".planning" / "PROJECT.md").unlink()
        milestones = make(new_project_command="/gsd:new-project --auto @{brief_path}")
        milestone = await milestones.create(project.id, "login")
        append = store.append_command

        async def append_the_first_only(command: Command) -> Command:
            if command.milestone_id:
                raise StoreUnavailable("The store does not answer.", url="x")
            return await append(command)

        with monkeypatch.context() as patched, pytest.raises(StoreUnavailable):
            patched.setattr(store, "append_command", append_the_first_only)
            await milestones.start(milestone.id)
        await milestones.start(milestone.id)
        assert [command.milestone_id for command in await commands_of(store, project)] == [None, milestone.id]

    async def test_a_command_of_ones_own_needs_neither(
        self, project: OutputProject, make: Callable[..., Milestones]
    ) -> None:
        milestones = make(milestone_command="/wxcode:new-milestone {context_path} {element_name}")
        milestone = await milestones.create(project.id, "log{in}")
        command = await milestones.start(milestone.id)
        assert command.text == f"/wxcode:new-milestone .milestones/{milestone.id}/MILESTONE-CONTEXT.md log{{in}}"


class TestItsLife:
    async def test_created_twice_with_one_id_it_is_one(
        self, store: Store, project: OutputProject, milestones: Milestones
    ) -> None:
        identifier = store.new_id()
        first = await milestones.create(project.id, "login", context="text", milestone_id=identifier)
        assert await milestones.create(project.id, "login", context="text", milestone_id=identifier) == first
        for name, context in (("login", "other"), ("login", None), ("logout", "text")):
            with pytest.raises(Conflict, match="Another milestone"):
                await milestones.create(project.id, name, context=context, milestone_id=identifier)
        with pytest.raises(Conflict):
            await milestones.create(
                project.id, "login", context="text", element_id=store.new_id(), milestone_id=identifier
            )
        assert await store.get_milestone(identifier) == first
        assert (first.status, first.context) == (MilestoneStatus.PENDING, "text")

    async def test_what_does_not_fit_is_named(
        self, store: Store, project: OutputProject, milestones: Milestones
    ) -> None:
        for name in ("", " ", "x" * 201, "a\nb"):
            with pytest.raises(InvalidBody) as caught:
                await milestones.create(project.id, name)
            assert caught.value.field == "element_name"
        with pytest.raises(InvalidBody) as caught:
            await milestones.create(project.id, "login", context="é" * (1 << 20))
        assert caught.value.field == "context"
        with pytest.raises(InvalidId):
            await milestones.create("x", "login")
        with pytest.raises(NotFound):
            await milestones.create(store.new_id(), "login")

    @pytest.mark.parametrize("status", [MilestoneStatus.COMPLETED, MilestoneStatus.FAILED])
    async def test_its_end_is_the_users_word_and_told_once(
        self, store: Store, project: OutputProject, milestones: Milestones, status: MilestoneStatus
    ) -> None:
        milestone = await milestones.create(project.id, "login")
        closed = await milestones.close(milestone.id, status)
        assert closed == await milestones.close(milestone.id, status)
        assert (closed.status, closed.completed_at is not None) == (status, status is MilestoneStatus.COMPLETED)
        assert [event.data["status"] for event in await store.load_events(project.id)] == [status.value]

    @pytest.mark.parametrize("status", [MilestoneStatus.PENDING, MilestoneStatus.IN_PROGRESS])
    async def test_it_cannot_be_set_back(
        self, project: OutputProject, milestones: Milestones, status: MilestoneStatus
    ) -> None:
        milestone = await milestones.create(project.id, "login")
        with pytest.raises(InvalidBody):
            await milestones.close(milestone.id, status)

    async def test_only_one_that_was_not_started_can_be_deleted(
        self, store: Store, project: OutputProject, milestones: Milestones, ready: Path
    ) -> None:
        kept, gone = await milestones.create(project.id, "login"), await milestones.create(project.id, "invoices")
        await milestones.start(kept.id)
        with pytest.raises(NotPending):
            await milestones.delete(kept.id)
        await milestones.delete(gone.id)
        listed: tuple[Milestone, ...] = (await store.list_milestones(output_project_id=project.id)).items
        assert [milestone.id for milestone in listed] == [kept.id]


async def test_a_checkpoint_is_there_before_the_command_is_queued_and_a_git_that_fails_does_not_matter(
    store: Store, make: Callable[..., Milestones], config: Config, project: OutputProject, ready: Path
) -> None:
    subprocess.run(["git", "init", "-q"], cwd=ready, check=True)
    milestones = make()
    first = await milestones.create(project.id, "login")
    await milestones.start(first.id)
    second = await milestones.create(project.id, "logout")
    broken = make(environment={**config.environment, "PATH": "/nowhere"})
    await broken.start(second.id)
    events = [event.type for event in await store.load_events(project.id)]
    assert events == ["checkpoint_made", "command_queued", "checkpoint_failed", "command_queued"]
