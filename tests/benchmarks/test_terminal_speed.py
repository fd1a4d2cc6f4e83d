"""Figures of the terminal; run by hand with ``make bench`` on a quiet machine."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.terminal import Bench, output_until, python, shell
from wxcode_jupyter.terminal.attachment import Attachment
from wxcode_jupyter.terminal.session import TerminalSession

pytestmark = pytest.mark.benchmark

ECHO = python("""
    import os, tty
    tty.setraw(0)
    os.write(1, b"ready")
    while True: os.write(1, os.read(0, 100))
""")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with Bench(tmp_path) as bench:
        yield bench


def percentiles_ms(times: list[float]) -> tuple[float, float]:
    """Return median and 99th percentile."""
    return statistics.median(times) * 1000, statistics.quantiles(times, n=100)[98] * 1000


async def measure_echo(session: TerminalSession, count: int = 400) -> list[float]:
    times = []
    async with session.attach("driver", offset=session.head) as client:
        for _ in range(count):
            started = time.perf_counter()
            await session.write(b"k")
            await client.read()
            times.append(time.perf_counter() - started)
            await asyncio.sleep(0.01)
    return times


async def test_echo_and_what_fifty_idle_sessions_change_about_it(bench: Bench) -> None:
    session = await bench.open(ECHO, key="measured")
    await output_until(session, b"ready")
    await measure_echo(session, 50)
    alone, alone_99 = percentiles_ms(await measure_echo(session))
    watched: list[Attachment] = []
    for number in range(50):
        idle = await bench.open(ECHO, key=f"idle {number}", workspace=f"idle {number}")
        await output_until(idle, b"ready")
        watched.append(idle.attach("driver"))
    among, among_99 = percentiles_ms(await measure_echo(session))
    print(f"\necho: {alone:.2f} ms (p99 {alone_99:.2f}); among 50 idle: {among:.2f} ms (p99 {among_99:.2f})")
    assert among < alone * 1.3 + 0.1


async def test_flood(bench: Bench) -> None:
    session = await bench.open(
        python("""
            import os, tty
            tty.setraw(0)
            os.write(1, b"ready")
            os.read(0, 1)
            block = (b"all work and no play makes jack a dull boy\\r\\n" * 100)
            for _ in range(40000): os.write(1, block)
        """)
    )
    await output_until(session, b"ready")
    size = 0
    async with session.attach("driver") as client:
        await session.write(b"\n")
        started = time.perf_counter()
        async for chunk in client:
            size += len(chunk.data)
    rate = size / (time.perf_counter() - started) / 1e6
    print(f"\nflood: {size / 1e6:.0f} MB at {rate:.0f} MB/s")


async def test_screen(bench: Bench) -> None:
    session = await bench.open(shell("ls -la /usr/bin | tail -100; cat"))
    await output_until(session, b"\n")
    await session.screen()
    times = []
    for _ in range(300):
        started = time.perf_counter()
        await session.screen()
        times.append(time.perf_counter() - started)
    median, slow = percentiles_ms(times)
    print(f"\nscreen: {median:.2f} ms (p99 {slow:.2f})")
