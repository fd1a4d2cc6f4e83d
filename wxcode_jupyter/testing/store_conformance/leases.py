"""Leases, and the writes that a displaced holder makes too late."""

# ruff: noqa: D102 (the names say what is promised)
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from ...errors import Displaced, NotFound
from ...models import (
    ClaudeSession,
    Command,
    CommandStatus,
    Event,
    Holder,
    Lease,
    LineageCause,
    Milestone,
    MilestoneStatus,
    ProjectStatus,
    TranscriptChunk,
)
from ...store.base import Store
from .values import OpenAnother, add_project

HERE = Holder("here", "http://here/", 7, "machine", "boot", "1:2")
THERE = Holder("there", "http://there/", 8, None, None, None)
SOON = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


async def taken(store: Store, project_id: str, holder: Holder, *, over: int) -> Lease:
    """Take the lease, which must succeed."""
    lease = await store.take_lease(project_id, holder, over=over)
    assert lease is not None
    return lease


class Held:
    """A project with one of everything that a session writes, and the first lease on it."""

    def __init__(self, store: Store, project_id: str, lease: Lease) -> None:
        self.store = store
        self.project_id = project_id
        self.lease = lease
        self.command = Command(store.new_id(), project_id, "build it")
        self.milestone = Milestone(store.new_id(), project_id, "invoices")

    @classmethod
    async def made(cls, store: Store) -> Held:
        project = await add_project(store)
        held = cls(store, project.id, await taken(store, project.id, HERE, over=0))
        await store.append_command(held.command)
        await store.create_milestone(held.milestone)
        await store.set_first_session_id(project.id, "first")
        await store.append_lineage(ClaudeSession(project.id, "first", LineageCause.NEW))
        return held

    def writes(self, store: Store) -> dict[str, Callable[[], Awaitable[object]]]:
        """Return every write of session state, as one to be made through ``store``."""
        project_id = self.project_id
        return {
            "update_project": lambda: store.update_project(project_id, {"status": ProjectStatus.ACTIVE}),
            "set_limited_until": lambda: store.set_limited_until(project_id, SOON),
            "set_first_session_id": lambda: store.set_first_session_id(project_id, "second"),
            "replace_session_id": lambda: store.replace_session_id(project_id, "first", "second"),
            "append_lineage": lambda: store.append_lineage(ClaudeSession(project_id, "second", LineageCause.CLEAR)),
            "mark_born": lambda: store.mark_born(project_id, "first", "/there"),
            "move_milestone": lambda: store.move_milestone(
                self.milestone.id, {MilestoneStatus.PENDING}, MilestoneStatus.IN_PROGRESS
            ),
            "move_command": lambda: store.move_command(
                self.command.id, {CommandStatus.QUEUED}, {"status": CommandStatus.DELIVERING}
            ),
            "append_event": lambda: store.append_event(Event(project_id, "told", {})),
            "append_transcript": lambda: store.append_transcript(
                TranscriptChunk(project_id, "first", 0, 0, 1, "", b"x")
            ),
        }

    async def everything(self) -> object:
        """Return all that these writes could change; a write of ``updated_at`` alone is nothing that anybody means."""
        store, project = self.store, await self.store.get_project(self.project_id)
        milestone = await store.get_milestone(self.milestone.id)
        return (
            (project.status, project.claude_session_id, await store.get_limited_until(self.project_id)),
            await store.load_lineage(self.project_id),
            milestone.status,
            await store.get_command(self.command.id),
            await store.load_events(self.project_id),
            await store.transcript_end(self.project_id, "first"),
        )


class LeasePromises:
    """A lease is taken by compare-and-set, and with it everything that carries a smaller number is kept out."""

    async def test_nobody_has_it_at_first(self, store: Store) -> None:
        project = await add_project(store)
        assert await store.get_lease(project.id) is None

    async def test_it_is_taken_renewed_and_given_back(self, store: Store) -> None:
        project = await add_project(store)
        lease = await taken(store, project.id, HERE, over=0)
        assert lease == Lease(project.id, 1, HERE)
        found = await store.get_lease(project.id)
        assert found is not None
        assert (found.fence, found.holder) == (1, HERE)
        assert 0 <= found.silent_s < 60
        assert await store.renew_lease(lease) is True
        assert await store.release_lease(lease) is True

        found = await store.get_lease(project.id)
        assert found is not None
        assert (found.fence, found.holder) == (1, None)
        assert await store.renew_lease(lease) is False
        assert await store.release_lease(lease) is False

    async def test_the_number_only_grows(self, store: Store) -> None:
        project = await add_project(store)
        for fence in range(5):
            lease = await taken(store, project.id, HERE, over=fence)
            assert lease.fence == fence + 1
            await store.release_lease(lease)

    @pytest.mark.parametrize("over", [0, 1, 3])
    async def test_it_is_not_taken_over_another_number_than_it_has(self, store: Store, over: int) -> None:
        project = await add_project(store)
        await taken(store, project.id, HERE, over=0)
        lease = await taken(store, project.id, HERE, over=1)
        assert await store.take_lease(project.id, THERE, over=over) is None
        found = await store.get_lease(project.id)
        assert found is not None
        assert (found.fence, found.holder) == (2, HERE)
        assert await store.renew_lease(lease)

    async def test_a_number_that_was_never_given_is_not_taken_over(self, store: Store) -> None:
        project = await add_project(store)
        assert await store.take_lease(project.id, HERE, over=1) is None
        assert await store.get_lease(project.id) is None

    async def test_of_many_that_take_it_over_the_same_one_wins(self, store: Store, open_another: OpenAnother) -> None:
        project = await add_project(store)
        stores = [store, await open_another(), await open_another()]
        for over in (0, 1):
            leases = await asyncio.gather(
                *(stores[i % 3].take_lease(project.id, HERE if i % 2 else THERE, over=over) for i in range(12))
            )
            assert [lease.fence for lease in leases if lease] == [over + 1]

    async def test_a_displaced_holder_neither_renews_it_nor_gives_it_back(self, store: Store) -> None:
        project = await add_project(store)
        old = await taken(store, project.id, HERE, over=0)
        new = await taken(store, project.id, THERE, over=1)
        assert await store.renew_lease(old) is False
        assert await store.release_lease(old) is False
        found = await store.get_lease(project.id)
        assert found is not None
        assert (found.fence, found.holder) == (2, THERE)
        assert await store.renew_lease(new) is True

    async def test_of_a_project_that_is_not_there(self, store: Store) -> None:
        nobody = store.new_id()
        with pytest.raises(NotFound):
            await store.get_lease(nobody)
        with pytest.raises(NotFound):
            await store.take_lease(nobody, HERE, over=0)
        assert await store.renew_lease(Lease(nobody, 1, HERE)) is False
        assert await store.release_lease(Lease(nobody, 1, HERE)) is False

    async def test_it_goes_with_its_project(self, store: Store) -> None:
        held = await Held.made(store)
        await store.delete_project(held.project_id)
        assert await store.renew_lease(held.lease) is False

    async def test_the_holder_writes(self, store: Store) -> None:
        held = await Held.made(store)
        for name, write in held.writes(store.fenced(held.lease.fence)).items():
            before = await held.everything()
            await write()
            assert (await held.everything() != before) == (name != "set_first_session_id"), name

    async def test_who_has_given_it_back_writes_until_somebody_takes_it(self, store: Store) -> None:
        held = await Held.made(store)
        await store.release_lease(held.lease)
        await held.writes(store.fenced(held.lease.fence))["append_event"]()
        await taken(store, held.project_id, THERE, over=1)
        with pytest.raises(Displaced):
            await held.writes(store.fenced(held.lease.fence))["append_event"]()

    async def test_a_displaced_holder_writes_nothing(self, store: Store, open_another: OpenAnother) -> None:
        held = await Held.made(store)
        stale = (await open_another()).fenced(held.lease.fence)
        await taken(store, held.project_id, THERE, over=1)
        before = await held.everything()
        for name, write in held.writes(stale).items():
            with pytest.raises(Displaced) as refused:
                await write()
            assert (refused.value.project_id, refused.value.fence) == (held.project_id, 1), name
        assert await held.everything() == before

    async def test_a_displaced_holder_copies_no_transcript(self, store: Store) -> None:
        held = await Held.made(store)
        text = TranscriptChunk(held.project_id, "first", 0, 0, 1, "digest", b"compressed")
        await taken(store, held.project_id, THERE, over=1)
        with pytest.raises(Displaced):
            await store.fenced(1).append_transcript(text)
        assert await store.transcript_end(held.project_id, "first") is None
        assert await store.fenced(2).append_transcript(text)

    async def test_what_users_write_afterwards_lets_nobody_in(self, store: Store) -> None:
        held = await Held.made(store)
        stale = store.fenced(held.lease.fence)
        await taken(store, held.project_id, THERE, over=1)
        later = await store.append_command(Command(store.new_id(), held.project_id, "and this"))
        await store.append_event(Event(held.project_id, "command_queued", {}))
        await store.update_project(held.project_id, {"name": "renamed"})
        for write in held.writes(stale).values():
            with pytest.raises(Displaced):
                await write()
        with pytest.raises(Displaced):
            await stale.move_command(later.id, {CommandStatus.QUEUED}, {"status": CommandStatus.DELIVERING})
        newer = store.fenced(2)
        assert await newer.move_command(later.id, {CommandStatus.QUEUED}, {"status": CommandStatus.DELIVERING})

    async def test_writes_of_users_ask_for_no_lease(self, store: Store) -> None:
        held = await Held.made(store)
        await taken(store, held.project_id, THERE, over=1)
        for write in held.writes(store).values():
            await write()

    async def test_taking_it_leaves_no_trace_in_what_is_read(self, store: Store) -> None:
        held = await Held.made(store)
        await held.store.append_event(Event(held.project_id, "told", {}), key="once")
        before = await held.everything()
        await taken(store, held.project_id, THERE, over=1)
        assert await held.everything() == before
        page = await store.list_commands(held.project_id)
        assert ([command.id for command in page.items], page.total) == ([held.command.id], 1)
        # What makes a repetition is known all the same: the event's key, the id that is the newest already.
        assert len(await store.load_events(held.project_id)) == 1
        await store.fenced(2).append_event(Event(held.project_id, "told", {}), key="once")
        assert len(await store.load_events(held.project_id)) == 1
        await store.fenced(2).append_lineage(ClaudeSession(held.project_id, "first", LineageCause.RESUMED))
        assert len(await store.load_lineage(held.project_id)) == 1

    async def test_writes_in_flight_end_before_it_is_taken_or_not_at_all(
        self, store: Store, open_another: OpenAnother
    ) -> None:
        held = await Held.made(store)
        stale, other = (await open_another()).fenced(held.lease.fence), await open_another()

        async def write(number: int) -> None:
            event = Event(held.project_id, "told", {"number": number})
            await stale.append_event(event)

        writing = [asyncio.create_task(write(number)) for number in range(20)]
        await taken(other, held.project_id, THERE, over=1)
        when_taken = await other.load_events(held.project_id)
        outcomes = await asyncio.gather(*writing, return_exceptions=True)
        assert await other.load_events(held.project_id) == when_taken
        assert len(when_taken) == outcomes.count(None)
        assert all(outcome is None or isinstance(outcome, Displaced) for outcome in outcomes)
