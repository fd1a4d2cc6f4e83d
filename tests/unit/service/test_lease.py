"""Who may take a lease without asking, and how one is held and lost."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from wxcode_jupyter.errors import Displaced, HeldElsewhere, NotFound, StoreUnavailable
from wxcode_jupyter.models import Event, Holder, Lease, OutputProject, now
from wxcode_jupyter.service.config import Config
from wxcode_jupyter.service.lease import Leases, Tenure, is_free
from wxcode_jupyter.service.machine import Machine
from wxcode_jupyter.store import sqlite_leases
from wxcode_jupyter.store.base import Store

OURS = Holder("host", "http://ours/", 1, "machine", "boot", "1:2")
ANOTHER = Machine("there", "machine 2", "boot 2")


@pytest.mark.parametrize(
    ("theirs", "free"),
    [
        pytest.param(OURS, True, id="ourselves"),
        pytest.param(replace(OURS, pid=2, url="http://two/"), True, id="another server that met us on the lock"),
        pytest.param(replace(OURS, host="renamed"), True, id="the same lock, under another name of the host"),
        pytest.param(replace(OURS, place="3:4"), False, id="another HOME, or a container beside ours"),
        pytest.param(replace(OURS, boot_id="before", place="3:4"), True, id="our machine before it was booted again"),
        pytest.param(replace(OURS, boot_id="before", host="other"), False, id="a clone with our machine id"),
        pytest.param(replace(OURS, boot_id="before", machine_id="other"), False, id="another machine with our name"),
        pytest.param(replace(OURS, boot_id="before", machine_id=None), False, id="a container with our name"),
        pytest.param(replace(OURS, boot_id=None), False, id="one that says nothing of its boot"),
        pytest.param(Holder("elsewhere"), False, id="one that says nothing"),
    ],
)
@pytest.mark.parametrize("silent_s", [0.0, 1e9])
def test_who_is_displaced_without_asking(theirs: Holder, free: bool, silent_s: float) -> None:
    assert is_free(Lease("p", 1, theirs, silent_s), OURS) is free


@pytest.mark.parametrize("ours", [OURS, Holder("somebody")])
def test_what_nobody_has_is_free(ours: Holder) -> None:
    assert is_free(None, ours)
    assert is_free(Lease("p", 7, None, 0.0), ours)


@pytest.mark.parametrize(
    "both", [Holder("host", boot_id="same"), Holder("host", machine_id="same"), Holder("host", place="same")]
)
def test_nothing_is_concluded_from_what_both_do_not_know(both: Holder) -> None:
    assert not is_free(Lease("p", 1, both), both)


def test_this_machine_says_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Machine.local() == Machine.local()
    assert Machine.local().boot_id
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert Machine.local().machine_id is None  # in a container it is the image's, and says nothing of the machine


@pytest.fixture
def place(tmp_path: Path) -> str:
    (tmp_path / "place").mkdir()
    return str(tmp_path / "place")


@pytest.fixture
def here(config: Config, store: Store) -> Leases:
    return leases(config, store, "http://here/")


@pytest.fixture
def there(config: Config, store: Store) -> Leases:
    """Of a server on another machine."""
    return leases(replace(config, machine=ANOTHER), store, "http://there/")


def leases(config: Config, store: Store, url: str) -> Leases:
    return Leases(config, store, lambda: {"url": url, "pid": os.getpid(), "host": "unused"})


async def test_a_holder_is_not_displaced_by_silence_but_by_force(
    here: Leases, there: Leases, project: OutputProject, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = await here.take(project.id, place)
    monkeypatch.setattr(sqlite_leases, "now", lambda: now() + timedelta(days=3))
    for refuse in (there.check, there.take):
        with pytest.raises(HeldElsewhere, match="resume --force") as refused:
            await refuse(project.id, place)
        assert refused.value.details["silent_s"] == pytest.approx(3 * 86400, abs=100)
        assert refused.value.holder["url"] == "http://here/"
    await there.check(project.id, place, force=True)
    assert await held.store.renew_lease(held.lease), "to ask takes nothing"

    taken = await there.take(project.id, place, force=True)
    assert taken.lease.fence == held.lease.fence + 1
    assert not await held.store.renew_lease(held.lease)
    for tenure in (held, taken):
        tenure.drop()


async def test_clocks_that_disagree_give_no_negative_silence(
    here: Leases, there: Leases, project: OutputProject, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = await here.take(project.id, place)
    monkeypatch.setattr(sqlite_leases, "now", lambda: now() - timedelta(hours=5))
    with pytest.raises(HeldElsewhere) as refused:
        await there.check(project.id, place)
    assert refused.value.details["silent_s"] == 0
    held.drop()


async def test_what_is_given_back_is_anybodys(here: Leases, there: Leases, project: OutputProject, place: str) -> None:
    held = await here.take(project.id, place)
    await held.release()
    await held.release()
    taken = await there.take(project.id, place)
    await held.release()
    with pytest.raises(HeldElsewhere):
        await here.take(project.id, place)
    await taken.release()


async def test_the_next_server_on_this_host_takes_what_was_left(
    here: Leases, config: Config, store: Store, project: OutputProject, place: str
) -> None:
    (await here.take(project.id, place)).drop()
    tenure = await leases(config, store, "http://next/").take(project.id, place)
    assert tenure.lease.fence == 2
    await tenure.release()


async def test_of_a_project_that_is_not_there(here: Leases, store: Store, place: str) -> None:
    with pytest.raises(NotFound):
        await here.take(store.new_id(), place)


class Watched:
    """Counts how often a tenure says that it is lost."""

    def __init__(self, tenure: Tenure) -> None:
        self.times = 0
        self.lost = asyncio.Event()
        tenure.watch(self._on_displaced)

    def _on_displaced(self) -> None:
        self.times += 1
        self.lost.set()


async def test_it_is_renewed_until_it_is_released(
    config: Config, store: Store, project: OutputProject, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed = asyncio.Semaphore(0)
    renew = store.renew_lease

    async def renew_lease(lease: Lease) -> bool:
        renewed.release()
        return await renew(lease)

    monkeypatch.setattr(store, "renew_lease", renew_lease)
    tenure = await leases(replace(config, lease_renewal_s=0.001), store, "http://here/").take(project.id, place)
    for _ in range(5):
        await renewed.acquire()
    await tenure.release()
    assert not await store.renew_lease(tenure.lease)


async def test_an_outage_of_the_store_displaces_nobody(
    config: Config, store: Store, project: OutputProject, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = asyncio.Semaphore(0)
    with monkeypatch.context() as away:

        async def renew_lease(lease: Lease) -> bool:
            failures.release()
            raise StoreUnavailable("away", url="u")

        away.setattr(store, "renew_lease", renew_lease)
        tenure = await leases(replace(config, lease_renewal_s=0.001), store, "http://here/").take(project.id, place)
        watched = Watched(tenure)
        for _ in range(3):
            await failures.acquire()
    assert watched.times == 0
    await tenure.store.append_event(Event(project.id, "told", {}))
    await tenure.release()


async def test_who_slept_finds_out_at_its_next_renewal(
    config: Config,
    store: Store,
    there: Leases,
    project: OutputProject,
    place: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    asleep = await leases(config, store, "http://here/").take(project.id, place)
    taken = await there.take(project.id, place, force=True)
    assert await store.get_lease(project.id) is not None
    awake = Tenure(store, asleep.lease, 0.001)
    watched = Watched(awake)
    await watched.lost.wait()
    awake.displaced()
    assert watched.times == 1
    assert sum("taken it over by force" in record.message for record in caplog.records) == 1
    late = Watched(awake)
    assert late.times == 1, "who asks later is told at once"
    await taken.release()
    asleep.drop()


async def test_who_slept_finds_out_at_its_next_write(
    here: Leases, there: Leases, project: OutputProject, place: str
) -> None:
    asleep = await here.take(project.id, place)
    taken = await there.take(project.id, place, force=True)
    with pytest.raises(Displaced):
        await asleep.store.append_event(Event(project.id, "told", {}))
    await taken.store.append_event(Event(project.id, "told", {}))
    for tenure in (asleep, taken):
        await tenure.release()
