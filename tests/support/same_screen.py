"""Compares what a late client of a recorded session sees with what one sees that was there from the beginning."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from tests.support.xterm import Difference, Xterm, XtermHost, differences
from wxcode_jupyter.models import TermSize
from wxcode_jupyter.terminal.screen_ghostty import GhosttyScreen

HISTORY = 1000
REDRAW_BYTES = 3000


@dataclass(frozen=True)
class Recording:
    """A program's output, and from which offsets on the terminal had which size; the first one is at 0."""

    output: bytes
    sizes: Sequence[tuple[int, int, int]] = ((0, 24, 80),)

    def size_at(self, offset: int) -> TermSize:
        """Return the size that holds when so many bytes have come."""
        return [TermSize(rows, cols) for at, rows, cols in self.sizes if at <= offset][-1]

    def between(self, begin: int, end: int) -> Iterator[bytes | TermSize]:
        """Give output and sizes as they came: ``begin``'s own size excepted, ``end``'s included."""
        for at, rows, cols in self.sizes:
            if begin < at <= end:
                yield self.output[begin:at]
                yield TermSize(rows, cols)
                begin = at
        yield self.output[begin:end]


@dataclass(frozen=True)
class Found:
    """A difference that a client saw that joined at ``joined``, when the output had come to ``seen``."""

    joined: int
    seen: int
    difference: Difference


def compare(host: XtermHost, recording: Recording, offsets: Sequence[int]) -> list[Found]:
    """Return what differs for clients that join at ``offsets``: at once, and when all output has come."""
    end = len(recording.output)
    found: list[Found] = []
    late: list[tuple[int, Xterm]] = []
    emulator = GhosttyScreen(recording.size_at(0))
    fed = shown = 0
    with ExitStack() as terminals:
        early = terminals.enter_context(host.terminal(recording.size_at(0)))
        for offset in sorted({*offsets, end}):
            _play(recording, fed, offset, emulator.feed, emulator.resize)
            fed = offset
            data, unread = emulator.snapshot(HISTORY) or (b"", 0)
            begin = offset - unread
            if recording.size_at(begin) != recording.size_at(offset):
                continue
            _play(recording, shown, begin, early.write, early.resize)
            shown = begin
            client = terminals.enter_context(host.terminal(recording.size_at(begin)))
            client.write(data)
            found += [Found(begin, begin, one) for one in differences(early.state(), client.state())]
            late.append((begin, client))
        last = early.state()
        for begin, client in late:
            _play(recording, begin, end, client.write, client.resize)
            found += [Found(begin, end, one) for one in differences(last, client.state())]
    emulator.close()
    return found


def cause(recording: Recording, found: Found) -> str:
    """Name the known cause of a difference, which is between the two emulators and not in the snapshot; else empty."""
    where, expected, actual = found.difference.where, found.difference.expected, found.difference.actual
    if any(0 < at <= found.seen < at + REDRAW_BYTES for at, _rows, _cols in recording.sizes):
        return "a change of size that the program has not answered by drawing again"
    if ".saved" in where and expected[1:] == actual[1:] and recording.output.count(b"\n", 0, found.seen):
        return "a saved cursor that stays with its line in xterm.js, and in its row in libghostty"
    if ".wraps" in where:
        return "a line that goes on is parted by erasing its end in libghostty, the next one's beginning in xterm.js"
    if ".rows" in where:
        pairs = [(e, a) for e, a in zip(expected, actual, strict=True) if e != a]
        if [(e.text, a.text) for e, a in pairs] == [("", " ")] and pairs[0][0] is expected[-1]:
            return "a blank where the next character wraps: there is no way to get there without writing it"
        if all(not (e.text or a.text) for e, a in pairs):
            return "what is left of an overwritten wide character has the pen's look in xterm.js"
    return ""


def _play(
    recording: Recording, begin: int, end: int, write: Callable[[bytes], None], resize: Callable[[TermSize], None]
) -> None:
    for piece in recording.between(begin, end):
        if isinstance(piece, TermSize):
            resize(piece)
        elif piece:
            write(piece)
