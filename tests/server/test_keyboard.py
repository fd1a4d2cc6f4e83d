"""What waits of the input of many clients, for a program that does not read: bounded, in order, and whole."""

from __future__ import annotations

import asyncio

from tests.support.terminal import until
from wxcode_jupyter.server.keyboard import Keyboard
from wxcode_jupyter.service.backlog import Backlog

LIMIT_BYTES = 1000
PART = 400


class Program:
    """Reads nothing until it is told to."""

    def __init__(self) -> None:
        self.backlog = Backlog(LIMIT_BYTES)
        self.read = b""
        self.reads = asyncio.Event()

    async def write(self, data: bytes) -> None:
        await self.reads.wait()
        self.read += data

    def keyboard(self) -> Keyboard:
        return Keyboard(self.write, lambda _data: False, self.backlog)


async def test_who_types_leaves_and_comes_back_does_not_fill_the_memory() -> None:
    program, typing = Program(), []
    for number in range(50):
        keyboard = program.keyboard()
        typing.append(asyncio.create_task(keyboard.type(b"%c" % (65 + number) * PART)))
        await asyncio.sleep(0)
        keyboard.leave()

    await asyncio.wait_for(asyncio.gather(*typing), 20)  # nobody waits, and holds what he has typed, after he has left

    assert LIMIT_BYTES <= program.backlog.waiting_bytes < LIMIT_BYTES + PART
    program.reads.set()
    await until(lambda: program.backlog.waiting_bytes == 0)
    assert program.read == b"A" * PART + b"B" * PART + b"C" * PART


async def test_who_stays_waits_and_everything_arrives_in_order() -> None:
    program = Program()
    keyboard = program.keyboard()

    async def type_all() -> None:
        for number in range(20):
            await keyboard.type(b"%c" % (65 + number) * PART)

    typing = asyncio.create_task(type_all())
    await until(lambda: program.backlog.full)
    assert not typing.done()
    assert program.backlog.waiting_bytes < LIMIT_BYTES + PART
    program.reads.set()
    await asyncio.wait_for(typing, 20)
    await until(lambda: program.backlog.waiting_bytes == 0)
    assert program.read == b"".join(b"%c" % (65 + number) * PART for number in range(20))
    keyboard.leave()


async def test_one_client_after_the_other_finds_room_as_the_program_reads() -> None:
    program = Program()
    keyboards = [program.keyboard() for _ in range(10)]
    typing = [asyncio.create_task(each.type(b"x" * PART)) for each in keyboards]
    await until(lambda: program.backlog.full)
    program.reads.set()

    await asyncio.wait_for(asyncio.gather(*typing), 20)

    await until(lambda: len(program.read) == 10 * PART)
    assert program.backlog.waiting_bytes == 0
    for each in keyboards:
        each.leave()
