"""A project's folder: made before its first conversation, and missed ever after."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.unit.service.conftest import StubSessions
from wxcode_jupyter.errors import InvalidPath
from wxcode_jupyter.models import ClaudeSession, LineageCause, Milestone, OutputProject
from wxcode_jupyter.service.checkpoints import Checkpoints
from wxcode_jupyter.service.commands import Commands
from wxcode_jupyter.service.config import Config
from wxcode_jupyter.service.events import EventLog
from wxcode_jupyter.service.gsd import Gsd
from wxcode_jupyter.service.milestones import Milestones
from wxcode_jupyter.service.workspaces import workspace_for
from wxcode_jupyter.store.base import Store

Act = Callable[[], Awaitable[object]]


@pytest.fixture
async def acts(
    config: Config, store: Store, events: EventLog, sessions: StubSessions, project: OutputProject
) -> dict[str, Act]:
    """Everything that writes into a workspace, but for a session."""
    commands = Commands(store, events, sessions.typed())
    milestones = Milestones(config, store, events, commands, Checkpoints(config, store, events))
    gsd = Gsd(config, store, commands)
    milestone = Milestone(store.new_id(), project.id, "dunning letters", context="# Dunning\n")
    await store.create_milestone(milestone)
    return {
        "prepare": lambda: milestones.prepare(milestone.id),
        "start": lambda: milestones.start(milestone.id),
        "init": lambda: gsd.init(project.id, "a brief"),
    }


async def converse(store: Store, project: OutputProject) -> None:
    await store.append_lineage(ClaudeSession(project.id, "old", LineageCause.NEW, born=True))
    await store.set_first_session_id(project.id, "old")


async def test_it_is_made_for_a_project_without_a_conversation(
    config: Config, store: Store, project: OutputProject, acts: dict[str, Act]
) -> None:
    os.rmdir(project.workspace_path)
    await acts["prepare"]()
    assert await workspace_for(config, store, project) == project.workspace_path
    assert os.listdir(project.workspace_path) == [".milestones"]


@pytest.mark.parametrize("act", ["prepare", "start", "init"])
@pytest.mark.parametrize("left", ["nothing", "a dangling link"])
async def test_one_that_is_gone_is_not_made_anew_after_a_conversation(
    store: Store, project: OutputProject, acts: dict[str, Act], act: str, left: str
) -> None:
    workspace = Path(project.workspace_path)
    await converse(store, project)
    await asyncio.to_thread(workspace.rename, workspace.parent / "moved")
    if left == "a dangling link":
        workspace.symlink_to(workspace.parent / "nowhere")

    with pytest.raises(InvalidPath, match=r"is gone: .*Move it back.*resume --fresh") as refused:
        await acts[act]()
    assert refused.value.path == str(workspace)
    assert not workspace.exists()
    assert (await store.list_commands(project.id)).items == ()


async def test_one_that_was_brought_back_is_taken(
    config: Config, store: Store, project: OutputProject, acts: dict[str, Act]
) -> None:
    await converse(store, project)
    assert await workspace_for(config, store, await store.get_project(project.id)) == project.workspace_path
    await acts["prepare"]()
