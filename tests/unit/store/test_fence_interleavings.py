"""Every order of the steps of a taking and of a late write: once it is taken, the displaced holder writes nothing.

The real methods of the store for MongoDB run on a database in memory that promises what a standalone server does, and
no more (`tests/support/mongo_model.py`). Each part of the mechanism is left out once, too: the search finds what it is
for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from tests.support.mongo_model import ModelDatabase, ModelStore, Schedule, explore, run
from wxcode_jupyter.errors import Displaced
from wxcode_jupyter.models import Command, CommandStatus, Event, Lease
from wxcode_jupyter.store import mongo_fence, mongo_projects, mongo_work
from wxcode_jupyter.store.base import Store
from wxcode_jupyter.testing.store_conformance.leases import HERE, THERE, Held, LeasePromises
from wxcode_jupyter.testing.store_conformance.values import OpenAnother

#: For each write, which collection decides over it.
WRITES = {
    "update_project": "output_projects",
    "set_limited_until": "wx_projects",
    "set_first_session_id": "output_projects",
    "replace_session_id": "output_projects",
    "append_lineage": "wx_claude_sessions",
    "mark_born": "wx_claude_sessions",
    "move_milestone": "milestones",
    "move_command": "wx_commands",
    "append_event": "wx_events",
}
LATE = "the displaced holder"


class TestTheModel(LeasePromises):
    """The modelled database keeps what a real one does of the contract, as far as this is about leases."""

    @pytest.fixture
    def database(self) -> ModelDatabase:
        return ModelDatabase()

    @pytest.fixture
    async def open_another(self, database: ModelDatabase) -> OpenAnother:
        async def open_one() -> Store:
            return ModelStore(database)

        return open_one

    @pytest.fixture
    async def store(self, open_another: OpenAnother) -> Store:
        return await open_another()


@dataclass
class World:
    """One run: what was there when the lease had been taken, and who wrote after that."""

    database: ModelDatabase
    written: int | None = None
    refused: bool = False
    fences: list[int] = field(default_factory=list)

    async def take(self, held: Held) -> None:
        """Take the lease by force, as another server."""
        lease = await ModelStore(self.database).take_lease(held.project_id, THERE, over=held.lease.fence)
        assert lease is not None
        self.fences.append(lease.fence)
        self.written = len(self.database.writes)

    async def write(self, act: Callable[[], Awaitable[object]]) -> None:
        """Write as the displaced holder."""
        try:
            await act()
        except Displaced:
            self.refused = True

    @property
    def too_late(self) -> bool:
        """Whether the displaced holder has changed anything once the lease was taken."""
        assert self.written is not None
        return LATE in self.database.writes[self.written :]


@pytest.fixture(scope="module")
def beginning() -> tuple[ModelDatabase, Held]:
    """A held project with one of everything."""
    database = ModelDatabase()
    return database, run(Held.made(ModelStore(database)))


def only(patch: pytest.MonkeyPatch, collection: str) -> None:
    """Leave out what a taking does to other collections: in which order that comes makes no difference to this one."""
    numbered = mongo_fence._NUMBERED
    for part in ("_NUMBERED", "_STAMPED"):
        patch.setattr(mongo_fence, part, tuple(each for each in getattr(mongo_fence, part) if each == collection))
    if collection in numbered:
        patch.setattr(mongo_fence, "_raise_single", nothing)


async def nothing(*_: object) -> None:
    """Take no step."""


class Blind(int):
    """A number that says of none that it is greater: whoever writes under it compares nothing."""

    def __lt__(self, other: int) -> bool:
        return False


def search(
    beginning: tuple[ModelDatabase, Held], patch: pytest.MonkeyPatch, name: str, *, believes: int | None = None
) -> tuple[int, set[str]]:
    """Run a write and a taking in every order; return how many there are and what was seen.

    ``believes`` is the number that the displaced holder writes under, its own by default.
    """
    first, held = beginning
    only(patch, WRITES[name])
    worlds: list[World] = []
    seen = set()

    def make() -> tuple[ModelDatabase, dict[str, object]]:
        world = World(first.copy())
        worlds[:] = [world]
        store = ModelStore(world.database).fenced(believes or held.lease.fence)
        return world.database, {LATE: world.write(held.writes(store)[name]), "the other": world.take(held)}

    def check(_: Schedule) -> None:
        (world,) = worlds
        seen.add("too late" if world.too_late else "refused" if world.refused else "in time")

    return explore(make, check), seen  # type: ignore[arg-type]


@pytest.mark.parametrize("name", WRITES)
def test_no_write_of_a_displaced_holder_has_an_effect(
    beginning: tuple[ModelDatabase, Held], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    count, seen = search(beginning, monkeypatch, name)
    assert seen == {"in time", "refused"}
    assert count > 10


@pytest.mark.parametrize("name", WRITES)
def test_without_a_comparison_the_search_finds_a_late_write(
    beginning: tuple[ModelDatabase, Held], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    _, seen = search(beginning, monkeypatch, name, believes=Blind(1))
    assert ("too late" in seen) == (name != "set_first_session_id"), "there is one already"


@pytest.mark.parametrize(
    ("name", "module", "part", "instead"),
    [
        ("append_event", mongo_fence, "_append_barrier", "no barrier"),
        ("append_lineage", mongo_fence, "_append_barrier", "no barrier"),
        ("move_command", mongo_fence, "_STAMPED", ()),
        ("mark_born", mongo_fence, "_STAMPED", ()),
        ("move_command", mongo_work, "not_above", lambda fence: {}),
        ("mark_born", mongo_projects, "not_above", lambda fence: {}),
        ("set_limited_until", mongo_projects, "not_above", lambda fence: {}),
        ("replace_session_id", mongo_fence, "_LATER", [{"$set": {}}]),
        ("update_project", mongo_fence, "_LATER", [{"$set": {}}]),
        ("move_milestone", mongo_fence, "_LATER", [{"$set": {}}]),
        ("replace_session_id", mongo_fence, "check", lambda *_: None),
    ],
)
def test_each_part_of_the_mechanism_is_needed(
    beginning: tuple[ModelDatabase, Held],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    module: object,
    part: str,
    instead: object,
) -> None:
    async def no_barrier(*_: object) -> int:
        return 2**40

    monkeypatch.setattr(module, part, no_barrier if instead == "no barrier" else instead)
    assert "too late" in search(beginning, monkeypatch, name)[1]


def test_a_command_that_a_user_queues_meanwhile_is_not_the_displaced_holders(
    beginning: tuple[ModelDatabase, Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that comes between the taking's steps neither slips through nor keeps the new holder out."""
    only(monkeypatch, "wx_commands")
    first, held = beginning
    queued = Command(ModelStore(first).new_id(), held.project_id, "and this")
    taken = {"status": CommandStatus.DELIVERING}
    worlds: list[World] = []

    async def queue_and_deliver(world: World) -> None:
        await ModelStore(world.database).append_command(queued)
        store = ModelStore(world.database).fenced(held.lease.fence)
        await world.write(lambda: store.move_command(queued.id, {CommandStatus.QUEUED}, taken))

    def make() -> tuple[ModelDatabase, dict[str, object]]:
        world = World(first.copy())
        worlds[:] = [world]
        return world.database, {LATE: queue_and_deliver(world), "the other": world.take(held)}

    def check(_: Schedule) -> None:
        (world,) = worlds
        command = run(ModelStore(world.database).get_command(queued.id))
        if command.status is CommandStatus.QUEUED:
            assert world.refused
            store = ModelStore(world.database).fenced(world.fences[0])
            assert run(store.move_command(queued.id, {CommandStatus.QUEUED}, taken)) is not None
        else:
            assert not world.refused
            assert not world.too_late

    count = explore(make, check)  # type: ignore[arg-type]
    assert count > 100


def test_of_two_that_take_it_at_once_one_has_it_and_shuts_the_other_out(
    beginning: tuple[ModelDatabase, Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "wx_events")
    first, held = beginning
    won: dict[str, Lease] = {}
    databases: list[ModelDatabase] = []

    async def take(name: str, store: ModelStore) -> None:
        lease = await store.take_lease(held.project_id, HERE if name == "one" else THERE, over=held.lease.fence)
        if lease is not None:
            won[name] = lease

    def make() -> tuple[ModelDatabase, dict[str, object]]:
        won.clear()
        database = first.copy()
        databases[:] = [database]
        return database, {name: take(name, ModelStore(database)) for name in ("one", "two")}

    def check(_: Schedule) -> None:
        ((name, lease),) = won.items()
        assert lease.fence == held.lease.fence + 1
        store = ModelStore(databases[0])
        found = run(store.get_lease(held.project_id))
        assert (found.fence, found.holder) == (lease.fence, HERE if name == "one" else THERE)
        run(store.fenced(lease.fence).append_event(Event(held.project_id, "told", {})))
        with pytest.raises(Displaced):
            run(store.fenced(held.lease.fence).append_event(Event(held.project_id, "told", {})))

    assert explore(make, check) > 10  # type: ignore[arg-type]
