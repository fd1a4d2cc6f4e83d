"""What JupyterLab's terminal (terminado) and ours do with the same program, in one run; `make bench` prints the table.

Memory comes first: later it would be taken out of what the floods have left.

Each figure is measured on both servers in turns. Absolute figures are those of the machine; the ratios hold.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.benchmarks.rigs import Rig, rig
from tests.benchmarks.wire import Wire, end_mark
from tests.support.processes import resident_bytes
from wxcode_jupyter.models import TermSize
from wxcode_jupyter.terminal.screen import Screen, find_emulator

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

Row = tuple[str, str, str, str, str]


@pytest.fixture(scope="module")
def rigs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Rig, Rig]]:
    """Ours and the peer."""
    with ExitStack() as stack:
        ours, peer = (stack.enter_context(rig(tmp_path_factory.mktemp(name), name)) for name in ("wxcode", "terminado"))
        yield ours, peer


@pytest.fixture(scope="module")
def table() -> Iterator[list[Row]]:
    """The rows, printed at the end."""
    rows = [("measure", "terminado", "wxcode", "ratio", "target"), ("---", "---", "---", "---", "---")]
    yield rows
    print("\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows))


def compare(table: list[Row], what: str, theirs: float, ours: float, unit: str, target: str, digits: int = 2) -> None:
    """Add a row; the ratio says by how much ours is lower."""
    ratio = f"{theirs / max(ours, 1e-9):.2f}x"
    table.append((what, f"{theirs:.{digits}f} {unit}", f"{ours:.{digits}f} {unit}", ratio, target))


def echo_ms(client: Wire, times: int) -> list[float]:
    """Return how long each key took to come back."""
    taken = []
    for number in range(times):
        key = b"%03d" % (number % 1000)
        began = time.perf_counter()
        client.type(key)
        client.read_until(key)
        taken.append((time.perf_counter() - began) * 1000)
        time.sleep(0.01)  # a typist's pause: each echo is one after a silence
    return taken


def test_idle_sessions(rigs: tuple[Rig, Rig], table: list[Row]) -> None:
    number, cost, threads = 40, {}, {}
    for each in rigs:
        each.open()
        before, threads_before = resident_bytes(each.server.pid), each.threads()
        for _ in range(number):
            each.open()
        cost[each.binary] = (resident_bytes(each.server.pid) - before) / number / 1024
        threads[each.binary] = each.threads() - threads_before
    compare(table, "server memory of a detached idle session", cost[False], cost[True], "KiB", "< 100 KiB", 0)
    table.append((f"threads of {number} such", str(threads[False]), str(threads[True]), "", "none"))


def test_a_stalled_client(rigs: tuple[Rig, Rig], table: list[Row]) -> None:
    grown = {}
    for each in rigs:
        url = each.open()
        flood(each, url, b"\x0620;")
        stalled = each.attach(url, buffer_bytes=4096)
        before = resident_bytes(each.server.pid)
        flood(each, url, b"\x06200;")
        grown[each.binary] = (resident_bytes(each.server.pid) - before) / 1e6
        stalled.close()
    compare(table, "memory of one stalled client, 200 MB", grown[False], grown[True], "MB", "< 4 MB", 1)


@pytest.mark.parametrize("beside", ["idle", "beside a flood"])
def test_echo(beside: str, rigs: tuple[Rig, Rig], table: list[Row]) -> None:
    figures = {}
    for each in rigs:
        with ExitStack() as stack:
            client = each.attach(each.open())
            client.read_screen()
            stack.callback(client.close)
            echo_ms(client, 50)
            if beside != "idle":
                url = each.open()
                stack.callback(each.end, url)
                (_reader,) = stack.enter_context(each.readers(url, 1))
                typist = each.attach(url, buffer_bytes=4096)
                typist.read_screen()
                typist.type(b"\x060;")
                stack.callback(typist.close)
                time.sleep(0.5)  # the flood is under way
            taken = echo_ms(client, 500)
            figures[each.binary] = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
    targets = ("1x", "2x") if beside == "idle" else ("1.5x", "2x")
    for place, name in enumerate(("p50", "p99")):
        compare(table, f"echo {name}, {beside}", figures[False][place], figures[True][place], "ms", targets[place])


@pytest.mark.parametrize("clients", [1, 4])
def test_flood(clients: int, rigs: tuple[Rig, Rig], table: list[Row]) -> None:
    megabytes = 100
    speed, cpu, emulator = {}, {}, 0.0
    for each in rigs:
        url = each.open()
        with each.readers(url, clients) as readers:
            typist = each.attach(url, buffer_bytes=4096)
            typist.read_screen()
            before, began = each.cpu_s(), time.monotonic()
            typist.type(b"\x06%d;" % megabytes)
            ends = [float(reader.stdout.readline().split()[0]) for reader in readers if reader.stdout]
            typist.close()
            speed[each.binary] = megabytes / (max(ends) - began)
            each.settle(url)
            used = {kind: (value - before.get(kind, 0.0)) * 1000 / megabytes for kind, value in each.cpu_s().items()}
            emulator += used.pop("emulator", 0.0)  # the peer has none
            cpu[each.binary] = sum(used.values())
    what = f"{clients} client{'s' * (clients > 1)}"
    table.append(
        (
            f"flood throughput, {what}",
            f"{speed[False]:.1f} MB/s",
            f"{speed[True]:.1f} MB/s",
            f"{speed[True] / speed[False]:.2f}x",
            "1.7x" if clients == 1 else "4x",
        )
    )
    compare(table, f"CPU of a flood, {what}", cpu[False], cpu[True], "ms/MB", "2.8x" if clients == 1 else "5x", 1)
    table.append((f"... and of the emulator, {what}", "", f"{emulator:.1f} ms/MB", "", ""))


def test_late_attach(rigs: tuple[Rig, Rig], table: list[Row]) -> None:
    """After 10 MB of a log: until the last line is there."""
    taken, came = {}, {}
    for each in rigs:
        url = each.open()
        flood(each, url, b"\x0610;")
        each.settle(url)
        rounds = []
        for _ in range(5):
            began = time.perf_counter()
            late = each.attach(url)
            late.read_until(b"one")
            rounds.append((time.perf_counter() - began) * 1000)
            came[each.binary] = late.wire_bytes / 1000
            late.close()
        taken[each.binary] = statistics.median(rounds)
    compare(table, "late attach after 10 MB: time", taken[False], taken[True], "ms", "3x", 1)
    compare(table, "late attach after 10 MB: on the wire", came[False], came[True], "kB", "50x", 0)


def test_late_attach_to_full_screen_programs(rigs: tuple[Rig, Rig], table: list[Row]) -> None:
    """Drawn once, then updated in a part of the screen, 10 MB of it: is the screen right?"""
    right = dict.fromkeys((True, False), 0)
    for each in rigs:
        for kind in (0, 1):
            url = each.open()
            client = each.attach(url, whole=True)
            client.read_until(b"ready")
            client.type(b"\x14%d;" % kind)
            late, truth = make_screen(), make_screen()
            mark = end_mark(each.binary)
            while mark not in (frame := client.read()):
                truth.feed(client.text(frame) if frame else b"")
            truth.feed(client.text(frame))
            client.close()
            each.settle(url)
            comer = each.attach(url)
            while b"one" not in (frame := comer.read()) or comer.wire_bytes < 100:
                late.feed(comer.text(frame) if frame else b"")
            late.feed(comer.text(frame))
            comer.close()
            right[each.binary] += late.lines() == truth.lines() and late.alternate == truth.alternate
    table.append(("late attach after 10 MB: screens right", f"{right[False]} of 2", f"{right[True]} of 2", "", "all"))


def test_start_to_first_byte(rigs: tuple[Rig, Rig], table: list[Row]) -> None:
    taken = {}
    for each in rigs:
        rounds = []
        for _ in range(15):
            key = each.create()
            began = time.perf_counter()
            client = each.attach(each.start(key))
            client.read_until(b"first")
            rounds.append((time.perf_counter() - began) * 1000)
            client.close()
        taken[each.binary] = statistics.median(rounds)
    compare(table, "start to first byte", taken[False], taken[True], "ms", "3x", 1)


def flood(each: Rig, url: str, keys: bytes) -> None:
    """Have the program print, and read all of it."""
    client = each.attach(url, whole=True)
    client.read_screen()
    client.type(keys)
    client.read_until(end_mark(each.binary))
    client.close()


def make_screen() -> Screen:
    """Return an emulator of the benchmark's terminal."""
    return find_emulator()(TermSize(24, 80))
