"""A program of the kernel's as a terminal, as the protocol promises it."""

from __future__ import annotations

import os
import queue
from collections.abc import Iterator

import pytest

from tests.support.job import until
from tests.unit.ipyxterm.page import Page
from wxcode_jupyter.ipyxterm.source import KEPT_BYTES, Source
from wxcode_jupyter.models import TermSize
from wxcode_jupyter.protocol import wxterm
from wxcode_jupyter.protocol.frames import Input, Resize

SIZE = TermSize(24, 80)


class Program:
    """Prints what the test says, and writes down what is typed and which sizes it gets."""

    def __init__(self) -> None:
        self.printed: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.typed = b""
        self.sizes: list[tuple[int, int]] = []
        self.source = Source(self.printed.get, self.write, lambda *size: self.sizes.append(size), size=SIZE)

    def write(self, keys: bytes) -> None:
        self.typed += keys
        self.printed.put(b"<" + keys + b">")


@pytest.fixture
def program() -> Iterator[Program]:
    program = Program()
    yield program
    program.printed.put(b"")  # its end


def attached(program: Program, attach: wxterm.Attach | None = None) -> Page:
    page = Page(program.source.dial)
    page.send(attach or wxterm.Attach())
    page.wait(lambda: any(isinstance(frame, wxterm.Size) for frame in page.frames))
    return page


def test_what_it_prints_is_shown_and_what_is_typed_is_written(program: Program) -> None:
    program.printed.put(b"early ")
    page = attached(program)
    page.wait(lambda: page.output == b"early ")
    page.send(Input(b"a"), Input(b"b"))
    page.wait(lambda: page.output == b"early <a><b>")
    assert program.typed == b"ab"


def test_a_view_that_comes_back_gets_what_it_lacks(program: Program) -> None:
    page = attached(program)
    program.printed.put(b"0123456789")
    page.wait(lambda: page.output == b"0123456789")
    again = attached(program, wxterm.Attach(program.source.stream, 4))
    again.wait(lambda: again.output == b"456789")
    assert not any(isinstance(frame, wxterm.Snapshot) for frame in again.frames)


def test_a_second_view_sees_the_same(program: Program) -> None:
    one = attached(program)
    program.printed.put(b"hello")
    one.wait(lambda: one.output == b"hello")
    other = attached(program)
    other.wait(lambda: other.output == b"hello")


def test_a_view_that_acknowledges_nothing_gets_a_window_and_then_what_is_kept(program: Program) -> None:
    window = 64 << 10
    page = attached(program, wxterm.Attach(window=window))
    chunk = b"x" * (1 << 15)
    count = 2 * KEPT_BYTES // len(chunk)
    for _ in range(count):
        program.printed.put(chunk)
    until(lambda: program.source.end == count * len(chunk), timeout_s=60)
    page.wait(lambda: len(page.output) >= window)
    assert len(page.output) <= window + len(chunk)
    page.send(wxterm.Ack(window))
    page.wait(lambda: any(isinstance(frame, wxterm.Snapshot) and frame.data for frame in page.frames))
    assert page.output == chunk * (KEPT_BYTES // len(chunk))


def test_its_size_is_that_of_the_latest_view(program: Program) -> None:
    page = attached(program, wxterm.Attach(size=TermSize(30, 100)))
    page.send(Resize(TermSize(40, 120)))
    page.wait(lambda: wxterm.Size(0, TermSize(40, 120)) in page.frames)
    assert program.sizes == [(30, 100), (40, 120)]


def test_its_end_is_told_after_its_last_words(program: Program) -> None:
    page = attached(program)
    program.printed.put(b"bye")
    program.printed.put(b"")
    page.wait(lambda: page.said("closed"))
    assert page.frames[-2:] == [wxterm.Output(0, b"bye"), wxterm.Closed(None)]
    assert page.said("closed")[0]["code"] == 1000


def test_a_pty_ends_with_its_program() -> None:
    master, slave = os.openpty()
    source = Source(lambda: os.read(master, 1024), lambda keys: os.write(master, keys), size=SIZE)
    page = Page(source.dial)
    page.send(wxterm.Attach())
    os.write(slave, b"last words")
    os.close(slave)
    page.wait(lambda: page.said("closed"))
    assert page.output == b"last words"
    os.close(master)


def test_what_cannot_be_written_is_told() -> None:
    def refuse(keys: bytes) -> None:
        raise BrokenPipeError("it is gone")

    output: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    page = Page(Source(output.get, refuse, size=SIZE).dial)
    page.send(wxterm.Attach(), Input(b"x"))
    page.wait(lambda: wxterm.Failure("not_written", "The program did not take it: it is gone.") in page.frames)
    output.put(b"")
    page.wait(lambda: page.said("closed"))


def test_a_frame_that_does_not_fit_changes_nothing(program: Program) -> None:
    page = attached(program)
    page.say("frames", b"\x12\x00", seq=2)
    page.wait(lambda: any(isinstance(frame, wxterm.Failure) for frame in page.frames))
    page._seq = 2
    page.send(Input(b"still"), wxterm.Ping(b"p"))
    page.wait(lambda: wxterm.Pong(b"p") in page.frames)
    assert program.typed == b"still"


def test_a_program_that_takes_neither_size_nor_keys_is_shown_all_the_same() -> None:
    def fails(*_what: object) -> None:
        raise ValueError("it has ended")

    printed: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    page = Page(Source(printed.get, fails, fails, size=SIZE).dial)
    page.send(wxterm.Attach(size=TermSize(10, 40)), Input(b"keys"))
    printed.put(b"last words")
    page.wait(lambda: page.output == b"last words")

    def told() -> list[str]:
        return [frame.code for frame in page.frames if isinstance(frame, wxterm.Failure)]

    page.wait(lambda: told() == ["not_resized", "not_written"])
    printed.put(b"")
    page.wait(lambda: page.said("closed"))
