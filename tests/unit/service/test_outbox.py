"""Writes that must not be lost while the store is away: in order, repeated until they are done."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator

import pytest

from wxcode_jupyter.errors import Displaced, NotFound, StoreUnavailable
from wxcode_jupyter.service.outbox import Outbox


@pytest.fixture(autouse=True)
def short_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wxcode_jupyter.service.outbox._BACK_OFF_S", (0.0, 0.001, 0.002))


class FlakyStore:
    """Takes writes, or raises what the test says, one after another, before it takes them."""

    def __init__(self, *errors: Exception) -> None:
        self.taken: list[str] = []
        self.attempts: list[str] = []
        self.reachable = asyncio.Event()
        self.reachable.set()
        self._errors: Iterator[Exception] = iter(errors)

    def write(self, name: str) -> Callable[[], Awaitable[object]]:
        async def attempt() -> None:
            self.attempts.append(name)
            if error := next(self._errors, None):
                raise error
            if not self.reachable.is_set():
                raise away()
            self.taken.append(name)

        return attempt


def away() -> StoreUnavailable:
    return StoreUnavailable("mongodb://store does not answer.", url="mongodb://store")


async def test_writes_are_made_in_order() -> None:
    store, outbox = FlakyStore(), Outbox()
    for name in "abc":
        outbox.put(store.write(name))
    assert outbox.pending == 3
    await outbox.flush()
    assert (store.taken, outbox.pending) == (["a", "b", "c"], 0)


async def test_one_at_a_time() -> None:
    outbox, running, most = Outbox(), 0, 0

    async def write() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    for _ in range(5):
        outbox.put(write)
    await outbox.flush()
    assert most == 1


async def test_a_write_is_repeated_until_the_store_is_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    store, outbox = FlakyStore(*(away() for _ in range(7))), Outbox()
    outbox.put(store.write("a"))
    outbox.put(store.write("b"))
    await outbox.flush()
    assert store.attempts == ["a"] * 8 + ["b"]
    assert store.taken == ["a", "b"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]  # gone, and back; not each time
    assert "mongodb://store" in caplog.records[0].getMessage()


@pytest.mark.parametrize("error", [NotFound("no such project"), OSError("disk"), ValueError("a mistake of ours")])
async def test_any_other_error_is_logged_once_and_the_write_left_out(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    store, outbox = FlakyStore(error), Outbox()
    outbox.put(store.write("a"))
    outbox.put(store.write("b"))
    await outbox.flush()
    assert (store.attempts, store.taken) == (["a", "b"], ["b"])
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_flush_waits_however_long_the_store_is_away() -> None:
    store, outbox = FlakyStore(), Outbox()
    store.reachable.clear()
    outbox.put(store.write("a"))
    flushes = [asyncio.create_task(outbox.flush()) for _ in range(3)]
    while len(store.attempts) < 5:
        await asyncio.sleep(0)
    assert not any(flush.done() for flush in flushes)
    outbox.put(store.write("b"))
    store.reachable.set()
    await asyncio.gather(*flushes)
    assert store.taken == ["a", "b"]


async def test_flush_of_nothing_returns() -> None:
    await Outbox().flush()


async def test_a_write_may_put_another() -> None:
    store, outbox = FlakyStore(), Outbox()

    async def write() -> None:
        outbox.put(store.write("after"))

    outbox.put(write)
    await outbox.flush()
    assert store.taken == ["after"]


async def test_an_outbox_that_was_emptied_takes_new_writes() -> None:
    store, outbox = FlakyStore(), Outbox()
    for name in "ab":
        outbox.put(store.write(name))
        await outbox.flush()
    assert store.taken == ["a", "b"]


class TestClose:
    async def test_it_waits_for_what_is_pending(self) -> None:
        store, outbox = FlakyStore(away(), away()), Outbox()
        outbox.put(store.write("a"))
        assert await outbox.close() is True
        assert store.taken == ["a"]

    async def test_it_tells_what_was_given_up(self, caplog: pytest.LogCaptureFixture) -> None:
        store, outbox = FlakyStore(), Outbox()
        store.reachable.clear()
        outbox.put(store.write("a"))
        outbox.put(store.write("b"))
        assert await outbox.close(grace_s=0.02) is False
        assert "2 writes were given up" in caplog.text
        attempts = len(store.attempts)
        store.reachable.set()
        await asyncio.sleep(0)
        assert (len(store.attempts), store.taken) == (attempts, [])

    async def test_of_an_unused_one(self) -> None:
        assert await Outbox().close() is True


async def test_writes_that_are_refused_because_the_project_is_anothers_are_given_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, outbox, told = FlakyStore(Displaced("another server has it")), Outbox(), []

    def on_displaced() -> None:
        told.append(outbox.pending)
        outbox.put(store.write("the last word"))

    outbox.on_displaced = on_displaced
    for name in "abc":
        outbox.put(store.write(name))
    await outbox.flush()
    assert (told, store.attempts, store.taken) == ([0], ["a", "the last word"], ["the last word"])
    assert caplog.records == [], "whoever is told says so"


async def test_what_is_given_up_during_a_write_is_not_made_after_it() -> None:
    outbox, made = Outbox(), []

    async def first() -> None:
        made.append("first")
        outbox.give_up()
        outbox.put(last)

    async def left() -> None:
        made.append("left")

    async def last() -> None:
        made.append("last")

    outbox.put(first)
    outbox.put(left)
    await outbox.flush()
    assert made == ["first", "last"]


async def test_who_waits_for_writes_that_are_given_up_waits_no_longer() -> None:
    store, outbox = FlakyStore(), Outbox()
    store.reachable.clear()
    outbox.put(store.write("a"))
    flushing = asyncio.create_task(outbox.flush())
    while not store.attempts:
        await asyncio.sleep(0)
    outbox.give_up()
    await flushing
    assert store.taken == []
