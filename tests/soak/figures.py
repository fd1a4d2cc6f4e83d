"""What the soak has measured: samples, the verdict, and both as Markdown."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.soak.faults import CALM_FROM, Faults
from tests.soak.world import Weight, World, lost_bytes

ECHO_P99_MS = 20.0
BEGIN, END = "<!-- figures: written by `make soak` -->", "<!-- end of figures -->"

_GROWTH_BYTES, _GROWTH_PART = 4 << 20, 0.05  # of memory, the larger of both; and
_GROWTH_DESCRIPTORS = 3  # of descriptors; segments of journals are bounded by their own limit
_LOSS_BYTES = 1 << 20  # of one session's output, by one death of the keeper


@dataclass(frozen=True)
class Sample:
    """One look: what each process has, and how many clients are attached.

    ``in_use_bytes`` is the server's memory without what its allocator keeps for later, where that was looked at.
    """

    at_s: float
    by: dict[str, Weight]
    attached: int
    in_use_bytes: int | None = None


@dataclass
class Figures:
    """All that was measured.

    Attributes:
        verdict: What was to hold, whether it did, and in figures.
    """

    minutes: float
    seed: int
    store: str
    samples: list[Sample] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)  # seconds per second
    echo_ms: list[float] = field(default_factory=list)
    excluded: int = 0
    printed_bytes: int = 0
    lost: list[str] = field(default_factory=list)
    lost_with_keepers: dict[str, int] = field(default_factory=dict)  # bytes by session
    verdict: list[tuple[str, bool, str]] = field(default_factory=list)

    @property
    def judged_from_s(self) -> float:
        """From when on nothing may grow: server and keeper are not restarted any more."""
        return self.minutes * 60 * (CALM_FROM + 0.05)

    @property
    def passed(self) -> bool:
        """Whether everything held."""
        return all(holds for _, holds, _ in self.verdict)

    def read_echoes(self, probed: Path, down: Sequence[tuple[float, float]]) -> None:
        """Take the probe's echoes; those beside which the server was away, by a fault, are counted and left out."""
        for line in probed.read_text().splitlines():
            began, took = line.split()
            at, ms = float(began), 5000.0 if took == "lost" else float(took)
            if any(at <= until and at + ms / 1000 >= since for since, until in down):
                self.excluded += 1
            else:
                self.echo_ms.append(ms)

    def compare(self, world: World, lossy: set[int]) -> None:
        """Compare what programs say that they have printed with what each client has read."""
        for session in world.sessions:
            printed = session.printed()
            self.printed_bytes += sum(length for length, _ in printed)
            if len(printed) != world.epoch + 1:
                self.lost.append(f"a program of kind {session.kind} ended after {len(printed)} epochs")
            for epoch, client, lacks in lost_bytes(session, printed):
                if epoch in lossy and 0 < lacks <= _LOSS_BYTES:
                    name = f"{session.kind} {session.project_id}"
                    self.lost_with_keepers[name] = max(self.lost_with_keepers.get(name, 0), lacks)
                else:
                    self.lost.append(f"{client.name} ({session.kind}), epoch {epoch}: {lacks} bytes are missing")

    def judge(self, world: World, faults: Faults, commands: dict[str, dict[str, Any]], left: list[str]) -> None:
        """Say what held."""
        wrong = self.lost + world.tally.faults
        self._note("no byte lost, none twice (sha256, all clients)", not wrong, "; ".join(wrong[:3]) or "none")
        p50, p99 = self.percentile(50), self.percentile(99)
        self._note(f"echo p99 under {ECHO_P99_MS:g} ms", p99 < ECHO_P99_MS, f"p50 {p50:.2f} ms, p99 {p99:.2f} ms")
        for process in ("server", "keeper", "emulator"):
            self._judge_growth(process)
        bad = _delivered_wrongly(world, commands)
        known = (
            f"{len(commands)} commands, {sum(each['status'] == 'completed' for each in commands.values())} completed"
        )
        self._note("each command once, all with a final status", not bad, "; ".join(bad[:3]) or known)
        self._note("no process left", not left, "; ".join(left[:3]) or "none")

    def percentile(self, percent: float) -> float:
        """Return a percentile of the echoes, in milliseconds."""
        ordered = sorted(self.echo_ms)
        return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)] if ordered else float("inf")

    def _judge_growth(self, process: str) -> None:
        late = [sample for sample in self.samples if sample.at_s >= self.judged_from_s and process in sample.by]
        calm = [_without_clients(sample, process) for sample in late]
        if len(calm) < 3:
            self._note(f"{process}: memory and descriptors flat", False, "too few samples")
            return
        resident, resident_later = _medians([each.memory_bytes for each in calm])
        descriptors, more = _medians([each.descriptors for each in calm])
        told = f"{_mib(resident)} → {_mib(resident_later)}, {descriptors:g} → {more:g} descriptors"
        memory, later = resident, resident_later
        if process == "server":
            memory, later = _medians([each.in_use_bytes for each in late if each.in_use_bytes is not None])
            told = f"in use {_mib(memory)} → {_mib(later)}, resident {told}"
        allowed = max(_GROWTH_BYTES, memory * _GROWTH_PART)
        flat = later - memory <= allowed and more - descriptors <= _GROWTH_DESCRIPTORS
        segments = max(each.segments for each in calm)
        told += f" (and segments of journals, {segments} at most)" if segments else ""
        self._note(f"{process}: memory and descriptors flat", flat, told)

    def _note(self, what: str, holds: bool, told: str) -> None:
        self.verdict.append((what, holds, told))

    def markdown(self, world: World, faults: Faults) -> str:
        """Return everything as it stands in docs/soak.md."""
        tally, seconds = world.tally, self.minutes * 60
        rows = [
            ("sessions, clients", f"{len(world.sessions)}, {len(world.clients) + len(world.of_kind('echo'))}"),
            ("printed", f"{self.printed_bytes / 1e6:,.0f} MB, {self.printed_bytes / seconds / 1e6:.2f} MB/s"),
            ("read by clients", f"{tally.wire_bytes / 1e6:,.0f} MB in {tally.frames:,} frames"),
            ("connections, screens sent anew", f"{tally.connections:,}, {tally.snapshots:,}"),
            ("echo p50, p90", f"{self.percentile(50):.2f} ms, {self.percentile(90):.2f} ms"),
            ("echo p99, p99.9", f"{self.percentile(99):.2f} ms, {self.percentile(99.9):.2f} ms"),
            ("echoes measured, left out (server away)", f"{len(self.echo_ms):,}, {self.excluded:,}"),
            ("server away, by faults", f"{sum(b - a for a, b in faults.down):.1f} s in {len(faults.down)} times"),
            ("lost with a killed keeper", _keepers_loss(self.lost_with_keepers)),
            *((f"CPU, {name}", f"{100 * part:.0f} % of a core") for name, part in self.cpu.items()),
        ]
        when = datetime.now(UTC).strftime("%Y-%m-%d")
        head = f"{when}, {self.minutes:g} minutes, seed {self.seed}, {self.store}, Python {platform.python_version()}."
        parts = [
            head,
            _table(
                ("what was to hold", "", "figures"),
                [(a, "held" if b else "**did not**", c) for a, b, c in self.verdict],
            ),
            _table(("measure", "figure"), rows),
            _table(("fault", "times"), [(name, str(count)) for name, count in sorted(faults.done.items())]),
            _table(("minute", "clients", "server", "keeper", "emulator"), list(self._course())),
        ]
        return "\n\n".join(parts)

    def _course(self) -> list[tuple[str, ...]]:
        """Return a row for a sample every so often: memory in MiB and descriptors."""
        chosen = self.samples[:: max(1, len(self.samples) // 15)]
        return [
            (f"{sample.at_s / 60:.1f}", str(sample.attached), *(_cell(sample, name) for name in _PROCESSES))
            for sample in chosen
        ]


def _without_clients(sample: Sample, process: str) -> Weight:
    """Return what a process has; of the server's descriptors one is each client's, and they come and go."""
    weight = sample.by[process]
    if process != "server":
        return weight
    return replace(weight, descriptors=weight.descriptors - sample.attached)


def _medians(values: Sequence[float]) -> tuple[float, float]:
    """Return the medians of the first third and of the last."""
    third = max(1, len(values) // 3)
    return statistics.median(values[:third]), statistics.median(values[-third:])


def _mib(size_bytes: float) -> str:
    return f"{size_bytes / 2**20:.1f} MiB"


_PROCESSES = ("server", "keeper", "emulator")


def _cell(sample: Sample, process: str) -> str:
    return str(sample.by.get(process, "-"))


def _keepers_loss(lost: dict[str, int]) -> str:
    return f"{sum(lost.values()):,} bytes of {len(lost)} sessions" if lost else "nothing"


def _delivered_wrongly(world: World, commands: dict[str, dict[str, Any]]) -> list[str]:
    wrong = []
    for session in world.of_kind("box"):
        prompts = session.prompts()
        for identifier, text in session.commands.items():
            status = commands.get(identifier, {}).get("status")
            times = prompts.count(text)
            if times > 1 or (status == "completed" and times != 1) or status in ("queued", "delivering", "accepted"):
                wrong.append(f"{text!r} is {status}, and was asked {times} times")
    return wrong


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    line: Callable[[Sequence[str]], str] = lambda cells: "| " + " | ".join(cells) + " |"  # noqa: E731
    return "\n".join([line(head), line(["---"] * len(head)), *map(line, rows)])


def write_into(page: Path, text: str) -> None:
    """Put the figures into their place in a page."""
    before, _, rest = page.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
