"""Until when a usage limit holds a project's queue, as the store tells, and what lifts it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from wxcode_jupyter.models import Command, CommandStatus, OutputProject
from wxcode_jupyter.service.limit import UsageLimit
from wxcode_jupyter.store.base import Store

NOW = datetime(2026, 11, 22, 14, tzinfo=UTC)
LATER = NOW + timedelta(hours=3)


@pytest.fixture
def limit(store: Store, project: OutputProject) -> UsageLimit:
    return UsageLimit(store, project.id, clock=lambda: NOW)


async def ended(store: Store, project: OutputProject, outcome: str, resets_at: datetime | None = None) -> Command:
    command = await store.append_command(Command(store.new_id(), project.id, "build it"))
    changes = {"status": CommandStatus.COMPLETED, "outcome": outcome, "resets_at": resets_at, "completed_at": NOW}
    moved = await store.move_command(command.id, {CommandStatus.QUEUED}, changes)
    assert moved is not None
    return moved


async def test_nothing_is_held_before_anything_was_done(limit: UsageLimit) -> None:
    assert await limit.until() is None
    assert not await limit.lift()


async def test_the_latest_command_that_completed_decides(
    limit: UsageLimit, store: Store, project: OutputProject
) -> None:
    await ended(store, project, "finished")
    await ended(store, project, "limited", LATER)
    waiting = await store.append_command(Command(store.new_id(), project.id, "and then"))
    assert await limit.until() == LATER
    await store.move_command(waiting.id, {CommandStatus.QUEUED}, {"status": CommandStatus.FAILED})
    assert await limit.until() == LATER  # what was refused shows nothing
    await ended(store, project, "finished")
    assert await limit.until() is None


@pytest.mark.parametrize("resets_at", [None, NOW, NOW - timedelta(days=1)], ids=["unknown", "now", "over"])
async def test_a_limit_without_a_time_to_come_holds_nothing(
    limit: UsageLimit, store: Store, project: OutputProject, resets_at: datetime | None
) -> None:
    await ended(store, project, "limited", resets_at)
    assert await limit.until() is None


async def test_what_is_lifted_is_lifted_for_every_server(
    limit: UsageLimit, store: Store, project: OutputProject
) -> None:
    command = await ended(store, project, "limited", LATER)
    assert await limit.lift()
    assert await UsageLimit(store, project.id, clock=lambda: NOW).until() is None
    assert (await store.get_command(command.id)).resets_at == NOW
    assert not await limit.lift()


async def test_a_prompt_of_somebody_elses_that_runs_into_one_holds_as_well(
    limit: UsageLimit, store: Store, project: OutputProject
) -> None:
    await limit.reach(LATER)
    assert await UsageLimit(store, project.id, clock=lambda: NOW).until() == LATER
    assert await UsageLimit(store, project.id, clock=lambda: LATER).until() is None
    await ended(store, project, "limited", LATER + timedelta(hours=1))
    assert await limit.until() == LATER + timedelta(hours=1)
    assert await limit.lift()
    assert await limit.until() is None
    assert not await limit.lift()


async def test_what_was_noted_is_forgotten_when_a_prompt_is_answered(limit: UsageLimit) -> None:
    await limit.reach(LATER)
    assert await limit.pass_by()
    assert await limit.until() is None
    assert not await limit.pass_by()
