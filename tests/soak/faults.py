"""What goes wrong during the soak, and when: planned from a seed, done one after the other."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from tests.soak.world import World

#: Server and keeper are killed in the first half only: afterwards it is measured whether they grow.
CALM_FROM = 0.5

_SMALL = {"clients dropped": 5, "clients that stop reading": 3, "sizes changed": 3}
_SMALL_EVERY_S = (2.0, 7.0)
_EVERY_MINUTES = {"emulator killed": 3, "store away": 4, "server killed": 4, "server restarted": 7, "keeper killed": 8}
_OF_SERVER = ("server killed", "server restarted", "keeper killed")
_SETTLE_S = 3.0


def plan(seed: int, minutes: float, *, store: bool) -> list[tuple[float, str]]:
    """Return what happens at which second."""
    rng, end_s = random.Random(seed), minutes * 60
    planned, at = [], 5.0
    while (at := at + rng.uniform(*_SMALL_EVERY_S)) < end_s - 10:
        planned.append((at, rng.choices(list(_SMALL), list(_SMALL.values()))[0]))
    for name, every in _EVERY_MINUTES.items():
        span_s = end_s * (CALM_FROM if name in _OF_SERVER else 1)
        if name != "store away" or store:
            number = max(1, round(span_s / 60 / every))
            planned += [(rng.uniform(10, max(span_s - 15, 11)), name) for _ in range(number)]
    return sorted(planned)


class Faults:
    """Does what is planned.

    Attributes:
        done: How often what was done.
        down: The times (monotonic) from which to which the server was away.
        lossy: The epochs in which a keeper was killed: what it had read and not written is lost then.
    """

    def __init__(self, world: World, seed: int) -> None:
        self.done: Counter[str] = Counter()
        self.down: list[tuple[float, float]] = []
        self.lossy: set[int] = set()
        self._world = world
        self._random = random.Random(seed + 1)
        self._acts: dict[str, Callable[[], Awaitable[None]]] = {
            "clients dropped": self._drop,
            "clients that stop reading": self._stall,
            "sizes changed": self._resize,
            "emulator killed": self._kill_emulator,
            "store away": self._take_store_away,
            "server killed": self._kill_server,
            "server restarted": self._restart_server,
            "keeper killed": self._kill_keeper,
        }

    async def run(self, planned: list[tuple[float, str]], began: float) -> None:
        """Do it, each at its second after ``began`` (monotonic) or as soon as what was before is over."""
        for at, name in planned:
            await asyncio.sleep(began + at - time.monotonic())
            await self._acts[name]()
            self.done[name] += 1

    async def _drop(self) -> None:
        clients = self._world.clients
        often = [client for client in clients if client.kind == "returning"]
        for client in self._random.sample(clients, 3) + self._random.choices(often, k=self._random.randint(1, 8)):
            client.drop(reset=self._random.random() < 0.5, away_s=self._random.uniform(0, 3))

    async def _stall(self) -> None:
        for client in self._random.sample(self._world.clients, 3):
            client.stall(self._random.uniform(3, 20))

    async def _resize(self) -> None:
        drivers = [client for client in self._world.clients if client.whole]
        for client in self._random.sample(drivers, 3):
            client.resize(self._random.randint(10, 60), self._random.randint(40, 200))

    async def _kill_emulator(self) -> None:
        self._world.kill("emulator")

    async def _take_store_away(self) -> None:
        mongod = self._world.mongod
        assert mongod is not None
        await asyncio.to_thread(mongod.kill)
        await asyncio.sleep(self._random.uniform(3, 8))
        await asyncio.to_thread(mongod.start)

    async def _kill_server(self) -> None:
        await self._without_server(self._world.server.kill)

    async def _restart_server(self) -> None:
        await self._without_server(self._world.server.stop)

    async def _without_server(self, end: Callable[[], None]) -> None:
        began = time.monotonic()
        await asyncio.to_thread(end)
        await self._world.start_server()
        self.down.append((began, time.monotonic()))
        await asyncio.sleep(_SETTLE_S)

    async def _kill_keeper(self) -> None:
        self._world.begin_epoch()
        self.lossy.add(self._world.epoch)
        await asyncio.sleep(_SETTLE_S)
        before = self._world.processes()["keeper"]
        self._world.kill("keeper")
        while self._world.processes()["keeper"] in ([], before):
            await asyncio.sleep(0.05)
        await asyncio.sleep(_SETTLE_S)
        self._world.begin_epoch()
