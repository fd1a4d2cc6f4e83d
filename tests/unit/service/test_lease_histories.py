"""Every history, up to a depth, of two hosts and three servers: take, force, write, crash, reboot, sleep, come back.

The decisions are the product's (`seize`, `is_free`) and so is the store (`MongoLeases`, `MongoWork`), on a database in
memory. What the product cannot know, the world does: who really still believes to hold the project, and who holds which
lock. A host that sleeps is one of which nothing happens for as long as the others like; a write that is under way for
long is one that lands later. Within one operation the steps are one here: their orders are those of
`tests/unit/store/test_fence_interleavings.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import pytest

from tests.support.mongo_model import ModelDatabase, ModelStore, run
from wxcode_jupyter.errors import Displaced, HeldElsewhere
from wxcode_jupyter.models import Event, Holder, Lease
from wxcode_jupyter.service import lease as subject
from wxcode_jupyter.store import mongo_fence
from wxcode_jupyter.testing.store_conformance.values import add_project

DEPTH = 6
_HOST_OF = {"a1": "a", "a2": "a", "b1": "b"}  # server -> its host; both of a's have one HOME


class Violation(AssertionError):
    """What must hold did not."""


@dataclass(frozen=True)
class Truth:
    """What really is.

    Attributes:
        boots: How often each host was booted.
        beliefs: The lease that each server believes to hold; it has the lock of its host then.
        flying: A write that is on its way, by the number that it carries.
        days: For how long the world has existed, by the store's clock.
        forced: Whether anybody ever forced anything.
    """

    boots: tuple[tuple[str, int], ...] = (("a", 1), ("b", 1))
    beliefs: tuple[tuple[str, Lease], ...] = ()
    flying: int | None = None
    days: int = 0
    forced: bool = False

    def holder(self, server: str) -> Holder:
        """Return what the server says of itself."""
        host = _HOST_OF[server]
        return Holder(
            host, f"http://{server}/", 1, f"machine {host}", f"boot {dict(self.boots)[host]}", f"place {host}"
        )

    def locked(self, host: str) -> bool:
        """Say whether a server of the host has the lock."""
        return any(_HOST_OF[server] == host for server, _ in self.beliefs)

    def without(self, server: str) -> Truth:
        """Return the world without what the server believed."""
        return replace(self, beliefs=tuple(item for item in self.beliefs if item[0] != server))


class World:
    """One state of everything, and what can happen next."""

    def __init__(self, database: ModelDatabase, project_id: str, truth: Truth) -> None:
        self.database = database
        self.project_id = project_id
        self.truth = truth
        self.store = ModelStore(database)

    @property
    def lease(self) -> Lease | None:
        """The lease, as the store has it."""
        found: Lease | None = run(self.store.get_lease(self.project_id))
        return found

    @property
    def key(self) -> object:
        """What the future depends on."""
        events = self.database.wx_events.documents
        highest = max((event["fence"] for event in events), default=0)
        lease = self.lease
        known = None if lease is None else (lease.fence, lease.holder)
        beliefs = tuple((server, held.fence) for server, held in self.truth.beliefs)
        return known, highest, beliefs, self.truth.boots, self.truth.flying, self.truth.days

    def futures(self) -> Iterator[tuple[str, Callable[[World], Truth]]]:
        """Yield everything that can happen."""
        held = dict(self.truth.beliefs)
        for server, host in _HOST_OF.items():
            if server in held:
                yield f"{server} writes", partial(World.write, server=server)
                yield f"{server} renews", partial(World.renew, server=server)
                yield f"{server} stops", partial(World.stop, server=server)
                yield f"{server} crashes", partial(World.crash, server=server)
                if self.truth.flying is None:
                    yield f"{server} sends", partial(World.send, server=server)
            elif not self.truth.locked(host):
                yield f"{server} starts", partial(World.start, server=server, force=False)
                yield f"{server} forces", partial(World.start, server=server, force=True)
        for host in ("a", "b"):
            yield f"{host} boots", partial(World.boot, host=host)
        if self.truth.flying is not None:
            yield "the write lands", World.land
        if self.truth.days == 0:
            yield "days go by", World.wait

    def start(self, server: str, *, force: bool) -> Truth:
        """Take the project, as a server that has the lock of its host; only ``force`` may end another's belief."""
        before = self.lease
        try:
            lease = run(subject.seize(self.store, self.project_id, self.truth.holder(server), force=force))
        except HeldElsewhere:
            if force:
                raise Violation("force was refused") from None
            return self.truth
        if lease.fence != (before.fence if before else 0) + 1:
            raise Violation("the number does not grow by one")
        displaced = [held for _, held in self.truth.beliefs if before is not None and held.fence == before.fence]
        if displaced and not force:
            raise Violation("a holder that lives was displaced without force")
        return replace(
            self.truth,
            beliefs=(*self.truth.beliefs, (server, lease)),
            forced=self.truth.forced or force,
        )

    def write(self, server: str) -> Truth:
        """Write as who believes to hold it; who is refused believes it no longer."""
        return self.truth if self.lands(dict(self.truth.beliefs)[server].fence) else self.truth.without(server)

    def send(self, server: str) -> Truth:
        """Send a write that takes its time."""
        return replace(self.truth, flying=dict(self.truth.beliefs)[server].fence)

    def land(self) -> Truth:
        """Let the write arrive."""
        assert self.truth.flying is not None
        self.lands(self.truth.flying)
        return replace(self.truth, flying=None)

    def lands(self, fence: int) -> bool:
        """Write under a number; say whether it had an effect, which only the newest number may have."""
        lease = self.lease
        assert lease is not None
        events = self.database.wx_events.documents
        before = len(events)
        try:
            run(self.store.fenced(fence).append_event(Event(self.project_id, "told", {})))
        except Displaced:
            if fence == lease.fence:
                raise Violation("the holder was refused") from None
            return False
        if fence != lease.fence and len(events) > before:
            raise Violation("a stale write had an effect")
        return True

    def crash(self, server: str) -> Truth:
        """End without a word."""
        return self.truth.without(server)

    def renew(self, server: str) -> Truth:
        """Renew; who cannot believes it no longer."""
        held = dict(self.truth.beliefs)[server]
        before = self.lease
        if run(self.store.renew_lease(held)):
            if before is None or before.fence != held.fence:
                raise Violation("a stale lease was renewed")
            return self.truth
        if self.lease != before:
            raise Violation("a refused renewal changed the lease")
        return self.truth.without(server)

    def stop(self, server: str) -> Truth:
        """Give it back; that of somebody else stays."""
        held = dict(self.truth.beliefs)[server]
        before = self.lease
        released = run(self.store.release_lease(held))
        after = self.lease
        assert before is not None and after is not None
        if released != (before.fence == held.fence) or (not released and after != before):
            raise Violation("somebody else's lease was given back")
        return self.truth.without(server)

    def boot(self, host: str) -> Truth:
        """Boot a host: nothing of it goes on."""
        boots = {**dict(self.truth.boots), host: dict(self.truth.boots)[host] + 1}
        left = tuple(item for item in self.truth.beliefs if _HOST_OF[item[0]] != host)
        return replace(self.truth, boots=tuple(boots.items()), beliefs=left)

    def wait(self) -> Truth:
        """Let so much time go by that nobody would expect anybody to live."""
        self.database.now += timedelta(days=400)
        return replace(self.truth, days=400)

    def check(self) -> None:
        """Check what holds of every state."""
        held = [lease.fence for _, lease in self.truth.beliefs]
        if len(set(held)) != len(held):
            raise Violation("two hold the lease under one number")
        if len(held) > 1 and not self.truth.forced:
            raise Violation("two hold it although nobody forced anything")


@pytest.fixture(autouse=True)
def events_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take fewer steps: what is written here is events, and the other collections are fenced alike."""

    async def nothing(*_: object) -> None:
        pass

    monkeypatch.setattr(mongo_fence, "_NUMBERED", ("wx_events",))
    monkeypatch.setattr(mongo_fence, "_STAMPED", ())
    monkeypatch.setattr(mongo_fence, "_raise_single", nothing)


def search(depth: int = DEPTH) -> int:
    """Go through all histories, each state once; return how many states there are. Raises ``Violation``."""
    database = ModelDatabase()
    project = run(add_project(ModelStore(database)))
    level: dict[object, tuple[World, tuple[str, ...]]] = {None: (World(database, project.id, Truth()), ())}
    seen = set()
    for _ in range(depth):
        following: dict[object, tuple[World, tuple[str, ...]]] = {}
        for world, history in level.values():
            for what, act in world.futures():
                then = World(world.database.copy(), project.id, world.truth)
                try:
                    then.truth = act(then)
                    then.check()
                except Violation as violation:
                    raise Violation(f"{violation}: {', '.join((*history, what))}") from None
                if (key := then.key) not in seen:
                    seen.add(key)
                    following[key] = (then, (*history, what))
        level = following
    return len(seen)


def test_in_no_history_does_anything_go_wrong() -> None:
    assert search() > 1000


def test_without_the_comparison_a_history_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Blind(int):
        def __lt__(self, other: int) -> bool:
            return False

    fenced = ModelStore.fenced
    monkeypatch.setattr(ModelStore, "fenced", lambda store, fence: fenced(store, Blind(fence)))
    with pytest.raises(Violation, match=r"a stale write had an effect: a1 starts, .* forces, "):
        search()


def test_without_the_barrier_a_history_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_barrier(*_: object) -> int:
        return 0

    monkeypatch.setattr(mongo_fence, "_append_barrier", no_barrier)
    with pytest.raises(Violation, match="a stale write had an effect"):
        search()


@pytest.mark.parametrize(
    ("free", "history"),
    [
        (lambda lease, ours: lease is None or lease.silent_s > 86400 or lease.holder is None, "days go by"),
        (lambda lease, ours: True, "a1 starts, b1 starts"),
        (lambda lease, ours: lease is None or lease.holder is None or lease.holder.place != ours.place, "b1 starts"),
    ],
)
def test_with_another_rule_of_who_may_take_it_a_history_is_found(
    monkeypatch: pytest.MonkeyPatch, free: Callable[[Lease | None, Holder], bool], history: str
) -> None:
    monkeypatch.setattr(subject, "is_free", free)
    with pytest.raises(Violation, match=f"without force: .*{history}"):
        search()
