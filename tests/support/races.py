"""Races over one store: 8 threads of one process against 4 more processes, each with a loop and a store of its own.

All racers walk the same list of projects in the same order, a batch at a time: a barrier brings them together before
each batch, and within it the losers catch up with the winner by losing quickly.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import Self

from wxcode_jupyter.errors import FolderTaken, NameTaken
from wxcode_jupyter.models import OutputProject, ProjectOptions
from wxcode_jupyter.store import Store, open_store

BARRIER_TIMEOUT_S = 60.0

#: What one racer tries on one target; True when it won.
Attempt = Callable[[Store, str, str], Awaitable[bool]]


@dataclass(frozen=True)
class Race:
    """What is raced for: ``targets`` one after the other, ``batch_size`` of them between two barriers."""

    store_url: str
    attempt: Attempt
    targets: Sequence[str]
    batch_size: int = 25
    threads_per_process: Sequence[int] = (8, 1, 1, 1, 1)

    def run(self) -> Outcome:
        """Run it and return who won what. Raises what a racer raised."""
        context = multiprocessing.get_context("spawn")
        barrier = context.Barrier(sum(self.threads_per_process), timeout=BARRIER_TIMEOUT_S)
        outcome = Outcome()
        with _Children() as children:
            for number, threads in enumerate(self.threads_per_process):
                receiver, sender = context.Pipe(duplex=False)
                child = context.Process(target=_race_in_process, args=(self, number, threads, barrier, sender))
                children.add(child, receiver)
                child.start()
                sender.close()
            for wins in children.results():
                outcome.add(wins)
        return outcome


@dataclass
class Outcome:
    """Who won what: racer by target, every win counted."""

    winners: dict[str, list[str]] = field(default_factory=dict)

    def add(self, wins: list[tuple[str, str]]) -> None:
        """Add the wins of one process, as (target, racer)."""
        for target, racer in wins:
            self.winners.setdefault(target, []).append(racer)

    @property
    def winners_per_target(self) -> Counter[int]:
        """How many targets have how many winners."""
        return Counter(len(racers) for racers in self.winners.values())

    @property
    def winning_processes(self) -> set[str]:
        """The processes that won something: a race that one of them always wins is none."""
        return {racer.partition(".")[0] for racers in self.winners.values() for racer in racers}


async def set_first(store: Store, project_id: str, racer: str) -> bool:
    """Race to set a project's first conversation id."""
    return await store.set_first_session_id(project_id, f"first-{racer}")


async def replace(store: Store, target: str, racer: str) -> bool:
    """Race to replace a conversation id; the target is ``<project id> <id to replace>``."""
    project_id, old = target.split()
    return await store.replace_session_id(project_id, old, f"later-{racer}")


async def create_name(store: Store, name: str, racer: str) -> bool:
    """Race to create a project of this name, each racer in a folder of its own."""
    return await _create(store, name, f"/projects/{name}-{racer}")


async def create_folder(store: Store, folder: str, racer: str) -> bool:
    """Race to create a project in this folder, each racer under a name of its own."""
    return await _create(store, f"{folder}-{racer}", folder)


async def _create(store: Store, name: str, folder: str) -> bool:
    try:
        await store.create_project(OutputProject(store.new_id(), name, folder), ProjectOptions())
    except (NameTaken, FolderTaken):
        return False
    return True


class _Children:
    """The processes of a race: none is left when it ends."""

    def __init__(self) -> None:
        self._children: list[tuple[multiprocessing.process.BaseProcess, Connection]] = []

    def add(self, child: multiprocessing.process.BaseProcess, receiver: Connection) -> None:
        self._children.append((child, receiver))

    def results(self) -> list[list[tuple[str, str]]]:
        return [self._result(receiver) for _, receiver in self._children]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for child, receiver in self._children:
            receiver.close()
            if child.pid is not None:
                child.kill()
                child.join()

    @staticmethod
    def _result(receiver: Connection) -> list[tuple[str, str]]:
        result: list[tuple[str, str]] | BaseException = receiver.recv()
        if isinstance(result, BaseException):
            raise result
        return result


def _race_in_process(race: Race, number: int, thread_count: int, barrier: Barrier, sender: Connection) -> None:
    def run(racer: str) -> list[tuple[str, str]]:
        with ExitStack() as undo:
            undo.callback(barrier.abort)  # the others wait for no racer that has fallen
            wins = asyncio.run(_race_in_thread(race, racer, barrier))
            undo.pop_all()
        return wins

    with ThreadPoolExecutor(thread_count) as pool:
        racers = [pool.submit(run, f"{number}.{each}") for each in range(thread_count)]
    errors = [error for racer in racers if (error := racer.exception())]
    real = [error for error in errors if not isinstance(error, threading.BrokenBarrierError)]
    sender.send((real or errors)[0] if errors else [win for racer in racers for win in racer.result()])
    sender.close()


async def _race_in_thread(race: Race, racer: str, barrier: Barrier) -> list[tuple[str, str]]:
    store = open_store(race.store_url, "")
    await store.open()
    try:
        wins = []
        for start in range(0, len(race.targets), race.batch_size):
            # The loop of this thread has nothing else to do: to block it is the point.
            barrier.wait()
            for target in race.targets[start : start + race.batch_size]:
                if await race.attempt(store, target, racer):
                    wins.append((target, racer))
        return wins
    finally:
        await store.close()
