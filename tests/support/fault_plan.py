"""What a seeded run does: its world, its commands, and the faults that strike on their way. Pure: a seed is a plan."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tests.support.cli import CLI_VERSIONS
from wxcode_jupyter.fault_points import FaultPoint

#: Every command has one of its own; the model repeats it.
TAG = re.compile(r"cmd-\d+-\d+")

_ONCE = (FaultPoint.SESSION_SPAWNED, FaultPoint.CONVERSATION_FIRST)
_OFTEN = {FaultPoint.WRITE_DONE: 16, FaultPoint.HOOK_HEARD: 6, FaultPoint.HOOK_FORGOTTEN: 5}
_UNDER_WAY = (
    FaultPoint.INPUT_HELD,
    FaultPoint.TEXT_TYPED,
    FaultPoint.TEXT_SEEN,
    FaultPoint.ENTER_PRESSED,
    FaultPoint.PROMPT_SEEN,
    FaultPoint.TURN_END_SEEN,
)
_TAKEOVER = tuple(point for point in FaultPoint if point.value.startswith("takeover"))
_RECOVERY = tuple(point for point in FaultPoint if point.value.startswith("recovery"))
_ON_RETURN = (*_TAKEOVER, *_RECOVERY, FaultPoint.PUT_BACK)  # what is only reached after a death
_RETURNS = (2, 4)  # which of five runs have one of those
ON_THE_WAY = tuple(point for point in FaultPoint if point not in _ON_RETURN)


class Victim(StrEnum):
    """What is killed."""

    SERVER = "server"
    CLI = "cli"
    KEEPER = "keeper"
    MONGOD = "mongod"


@dataclass(frozen=True, slots=True)
class Fault:
    """``victim`` is killed when the server reaches ``point`` for the ``count``-th time since the fault before."""

    point: FaultPoint
    count: int
    victim: Victim

    @property
    def line(self) -> str:
        """How it stands in the file that arms a server."""
        return f"{'kill' if self.victim is Victim.SERVER else 'stop'} {self.point} {self.count}"


@dataclass(frozen=True, slots=True)
class Plan:
    """One run."""

    seed: int
    cli_version: str
    mongod: bool
    keep_sessions: bool
    texts: tuple[str, ...]
    faults: tuple[Fault, ...]


def plan_of(seed: int) -> Plan:
    """Return the run of a seed, from 1 on. Any 20 in a row have every fault point."""
    dice = random.Random(seed)
    mongod = dice.random() < 0.4
    keeps = dice.random() < 0.5
    victims = [Victim.SERVER, Victim.SERVER, Victim.CLI, Victim.KEEPER, *([Victim.MONGOD] * mongod)]
    turn, place = divmod((seed - 1) % 20, 5)
    if place in _RETURNS:
        faults, keeps = _on_return(_ON_RETURN[turn * 2 + _RETURNS.index(place)], dice)
    else:
        number = turn * 3 + (0, 1, 3).index(place)
        points = [ON_THE_WAY[number], *ON_THE_WAY[12 + number : 13 + number]]
        faults = [Fault(point, _count(dice, point), dice.choice(victims)) for point in points]
    if len(faults) < dice.randint(1, 3):
        point = dice.choice([point for point in ON_THE_WAY if point not in _ONCE])
        faults.append(Fault(point, _count(dice, point), dice.choice(victims)))
    texts = _texts(seed, dice, partly=any(fault.point is FaultPoint.TEXT_PARTLY_TYPED for fault in faults))
    return Plan(seed, dice.choice(CLI_VERSIONS), mongod, keeps, texts, tuple(faults))


def _on_return(point: FaultPoint, dice: random.Random) -> tuple[list[Fault], bool]:
    """Return the faults of a run in which something dies that finds what the dead have left, and ``keep_sessions``."""
    if point is FaultPoint.PUT_BACK:
        before = Fault(FaultPoint.INPUT_HELD, 1, Victim.CLI)
    else:
        before = Fault(dice.choice(_UNDER_WAY), dice.randint(1, 2), Victim.SERVER)
    return [before, Fault(point, 1, Victim.SERVER)], point in _TAKEOVER


def _count(dice: random.Random, point: FaultPoint) -> int:
    return 1 if point in (*_ONCE, FaultPoint.CONVERSATION_APPENDED) else dice.randint(1, _OFTEN.get(point, 2))


def _texts(seed: int, dice: random.Random, *, partly: bool) -> tuple[str, ...]:
    """Return two or three commands, long ones where something shall be typed partly."""
    texts = []
    for number in range(1, dice.randint(2, 3) + 1):
        tag = f"cmd-{seed}-{number}"
        kind = "long" if partly else dice.choice(("short", "short", "long", "unicode", "slash", "clear"))
        texts.append(text_of(kind if number > 1 or kind != "clear" else "short", tag))
    return tuple(texts)


def text_of(kind: str, tag: str) -> str:
    """Return a command."""
    match kind:
        case "long":
            return f"{tag} a long one\n" + "\n".join(f"line {number} of what is delivered" for number in range(1200))
        case "unicode":
            return f"{tag} größer, 日本語, naïve 👩‍💻 and\n— on a second line — «done»?"
        case "slash":
            return f"/note {tag} and nothing else"
        case "clear":
            return "/clear"
        case _:
            return f"{tag} a short one"


def seeds(environment: Mapping[str, str]) -> Sequence[int]:
    """Return the seeds to run: ``WXCODE_FAULT_SEED`` (7, or 7-12), else the first ``WXCODE_FAULT_RUNS``, or 20."""
    if wanted := environment.get("WXCODE_FAULT_SEED"):
        first, _, last = wanted.partition("-")
        return range(int(first), int(last or first) + 1)
    return range(1, int(environment.get("WXCODE_FAULT_RUNS", "20")) + 1)
