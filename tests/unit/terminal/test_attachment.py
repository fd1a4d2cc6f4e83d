"""Clients follow the journal: nothing twice, nothing missing, nobody waits for another."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.support.terminal import Bench, output_to_end, output_until, python, shell, until
from wxcode_jupyter.models import TermSize
from wxcode_jupyter.terminal.attachment import CHUNK_BYTES


async def test_all_clients_see_all_bytes_whenever_they_come(bench: Bench) -> None:
    session = await bench.open(shell("for i in $(seq 1 2000); do echo line $i; done; read x; seq 1 50000"))
    early = asyncio.create_task(output_to_end(session))
    await output_until(session, b"line 2000\r\n")
    late = asyncio.create_task(output_to_end(session))
    await session.write(b"\n")
    await session.wait_closed()
    after = await output_to_end(session)
    assert await early == await late == after
    assert after.endswith(b"\r\n49999\r\n50000\r\n")


async def test_it_begins_at_the_offset_that_is_asked_for(bench: Bench) -> None:
    session = await bench.open(shell("printf 0123456789"))
    await session.wait_closed()
    async with session.attach("observer", offset=4) as client:
        assert await client.read() == (4, b"456789")
        assert await client.read() == (10, b"")
    assert session.read(2, 3) == (2, b"234")


async def test_a_client_that_does_not_read_costs_nothing_and_then_sees_the_gap(bench: Bench) -> None:
    session = await bench.open(
        shell("printf first; read x; head -c 30000000 /dev/zero; printf last"), limit_bytes=1 << 20
    )
    client = session.attach("driver", TermSize(24, 80))
    assert await client.read() == (0, b"first")
    await session.write(b"\n")
    await session.wait_closed()
    position, lost, last = 5, 0, b""
    async for chunk in client:
        assert chunk.offset >= position
        assert len(chunk.data) <= CHUNK_BYTES
        lost += chunk.offset - position
        position, last = chunk.end, chunk.data
    assert lost > 0
    assert position == session.head > 30_000_000
    assert last.endswith(b"last")


async def test_a_stream_comes_in_few_chunks(bench: Bench) -> None:
    session = await bench.open(
        python("""
            import os, time
            input()
            end = time.monotonic() + 0.3
            while time.monotonic() < end:
                os.write(1, b"x")
            os.write(1, b"end")
        """)
    )
    chunks = []
    async with session.attach("observer") as client:
        await session.write(b"\n")
        started = time.monotonic()
        async for chunk in client:
            chunks.append(chunk)
    assert b"".join(chunk.data for chunk in chunks).endswith(b"xend")
    assert len(chunks) <= (time.monotonic() - started) / 0.003 + 3


async def test_detaching_ends_a_read_that_waits(bench: Bench) -> None:
    session = await bench.open(("cat",))
    client = session.attach("driver", TermSize(10, 10))
    waiting = asyncio.create_task(client.read())
    await asyncio.sleep(0)
    client.detach()
    client.detach()
    assert (await waiting).data == b""
    assert session.clients == 0
    client.set_size(TermSize(5, 5))
    assert session.size == TermSize(10, 10)


async def test_a_read_that_is_cancelled_loses_nothing(bench: Bench) -> None:
    session = await bench.open(("cat",))
    async with session.attach("driver") as client:
        for _ in range(20):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.read(), 0.001)
        await session.write(b"hello\n")
        await until(lambda: session.head == 14)
        output = b""
        while len(output) < 14:
            output += (await client.read()).data
    assert output == b"hello\r\nhello\r\n"


async def test_a_role_that_does_not_exist_is_refused(bench: Bench) -> None:
    session = await bench.open(("cat",))
    with pytest.raises(ValueError, match="is not a valid Role"):
        session.attach("owner")
