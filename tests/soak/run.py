"""The soak, run by hand: `make soak`, or `python -m tests.soak.run --minutes 3`. It exits 0 when everything held."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack, suppress
from pathlib import Path

from tests.soak.faults import Faults, plan
from tests.soak.figures import Figures, Sample, write_into
from tests.soak.world import World, cpu_s, weigh
from tests.support.mongod import Mongod

_SAMPLE_S, _IN_USE_S = 10.0, 60.0


class Course:
    """Looks at the processes every ten seconds, and in the end at what of the server's memory is in use, too."""

    def __init__(self, world: World, figures: Figures) -> None:
        self._world = world
        self._figures = figures
        self._next_in_use_s = 0.0
        self._used: dict[tuple[str, int], tuple[float, float]] = {}  # CPU at the first look and at the last

    async def follow(self, faults: Faults, planned: list[tuple[float, str]]) -> None:
        """Have the faults happen, and look, until the time is over."""
        began, end_s = time.monotonic(), self._figures.minutes * 60
        doing = asyncio.create_task(faults.run(planned, began))
        while (at_s := time.monotonic() - began) < end_s:
            if doing.done():
                doing.result()  # raises what has gone wrong
            await self._look(at_s)
            print(_line(self._figures.samples[-1], faults), flush=True)
            await asyncio.sleep(min(_SAMPLE_S, end_s - at_s))
        await doing
        await self._look(time.monotonic() - began)
        by_kind: dict[str, float] = defaultdict(float)
        for (kind, _), (first, last) in self._used.items():
            by_kind[kind] += last - first
        self._figures.cpu = {kind: used / (time.monotonic() - began) for kind, used in by_kind.items()}

    async def _look(self, at_s: float) -> None:
        by = {}
        for kind, pids in {**self._world.processes(), "clients": [os.getpid()]}.items():
            for pid in pids:
                with suppress(OSError):  # it is being killed
                    used = cpu_s(pid)
                    self._used[kind, pid] = (self._used.get((kind, pid), (used, used))[0], used)
                    by[kind] = weigh(pid)
        attached = sum(client.attached.is_set() for client in self._world.clients)
        in_use = at_s >= max(self._figures.judged_from_s, self._next_in_use_s)
        self._next_in_use_s = at_s + _IN_USE_S if in_use else self._next_in_use_s
        self._figures.samples.append(Sample(at_s, by, attached, await self._world.in_use_bytes() if in_use else None))


def _line(sample: Sample, faults: Faults) -> str:
    told = "; ".join(f"{kind} {weight}" for kind, weight in sample.by.items())
    return f"{sample.at_s:.0f} s, {sample.attached} attached, {sum(faults.done.values())} faults: {told}"


async def soak(world: World, figures: Figures) -> Faults:
    """Run it, and fill in what was measured."""
    faults = Faults(world, figures.seed)
    await world.open()
    planned = plan(figures.seed, figures.minutes, store=world.mongod is not None)
    await Course(world, figures).follow(faults, planned)
    commands, left = await world.end()
    figures.read_echoes(world.probed, faults.down)
    figures.compare(world, faults.lossy)
    figures.judge(world, faults, commands, left)
    return faults


def main() -> int:
    """Run it, print the figures, and write them where they are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", choices=("mongodb", "sqlite"), default="mongodb")
    parser.add_argument("--folder", type=Path, help="kept afterwards; else a temporary one")
    parser.add_argument("--write", type=Path, help="a page with a place for the figures")
    options = parser.parse_args()
    with ExitStack() as stack:
        mongod = stack.enter_context(Mongod()) if options.store == "mongodb" else None
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wxsoak-")))
        world = World(folder, options.sessions, options.seed, mongod)
        stack.callback(world.abandon)
        figures = Figures(options.minutes, options.seed, options.store)
        faults = asyncio.run(soak(world, figures))
        text = figures.markdown(world, faults)
        print(f"\n{text}\n\n{'It held.' if figures.passed else 'It did NOT hold.'}")
        if options.write:
            write_into(options.write, text)
        if not figures.passed:
            print(world.server.log()[-5000:])
    return 0 if figures.passed else 1


if __name__ == "__main__":
    sys.exit(main())
