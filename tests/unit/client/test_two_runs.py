"""Two runs of one milestone at once: in whatever order their requests come, each step is sent once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.unit.client.test_runs import BUILD, CHECK, PLAN, World
from wxcode_jupyter.client import Run


class Turns:
    """Lets two threads make so many requests each, one after the other, until one of them has ended."""

    def __init__(self, world: World, requests: int) -> None:
        self._changed = threading.Condition()
        self._threads: list[int] = []
        self._both = threading.Barrier(2)
        self._requests = self._left = requests
        self._answer = world.api.answer
        world.api.answer = self._wait  # type: ignore[method-assign]

    def take_part(self, act: Callable[[], Run]) -> Run:
        self._threads.append(threading.get_ident())
        self._both.wait(60)
        try:
            return act()
        finally:
            with self._changed:
                self._threads.remove(threading.get_ident())
                self._changed.notify_all()

    def _wait(self, method: str, url: str, body: Any) -> tuple[int, Any]:
        me = threading.get_ident()
        with self._changed:
            if me not in self._threads:
                return self._answer(method, url, body)
            assert self._changed.wait_for(lambda: self._threads[0] == me, 60)
            answer = self._answer(method, url, body)
            self._left -= 1
            if not self._left:
                self._threads.append(self._threads.pop(0))
                self._left = self._requests
                self._changed.notify_all()
            return answer


def steps_of(world: World) -> list[str]:
    return [text for text in world.sent if text != "/clear"]


@pytest.mark.parametrize("requests", [1, 2, 3, 5, 8, 13])
def test_in_turns(requests: int) -> None:
    world = World()
    turns = Turns(world, requests)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(turns.take_part, world.run) for _ in range(2)]
        done = [run.result(timeout=100) for run in runs]
    assert steps_of(world) == [world.begins, PLAN, BUILD, CHECK]
    assert all(run.gsd.reached for run in done)


def test_one_inside_the_other_at_any_request() -> None:
    world = World()
    world.run()
    for number in range(len(world.api.requests)):
        world = World()
        run_at(world, number, world.run)
        world.run()
        assert steps_of(world) == [world.begins, PLAN, BUILD, CHECK], number


def test_what_somebody_has_sent_is_waited_for() -> None:
    world = World()

    def send(command: dict[str, Any]) -> None:
        world.client.send(world.project, PLAN)

    world.gsd.effects[world.begins] = send
    world.run()
    assert world.sent == [world.begins, PLAN, "/clear", BUILD, "/clear", CHECK]


def run_at(world: World, number: int, act: Callable[[], object]) -> None:
    """Do something when the world is asked for the so-manieth time from now on."""
    answer, left = world.api.answer, [number]

    def count(method: str, url: str, body: Any) -> tuple[int, Any]:
        left[0] -= 1
        if left[0] == -1:
            act()
        return answer(method, url, body)

    world.api.answer = count  # type: ignore[method-assign]
