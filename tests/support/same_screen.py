"""Compares what a late client of a recorded session sees with what one sees that was there from the beginning."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from tests.support.xterm import Xterm, XtermHost, differences
from wxcode_jupyter.models import TermSize
from wxcode_jupyter.terminal.screen_ghostty import GhosttyScreen

HISTORY = 1000


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


def compare(host: XtermHost, recording: Recording, offsets: Sequence[int]) -> dict[int, list[str]]:
    """Return what differs for clients that join at ``offsets``, at once or when all output has come; mostly nothing."""
    end = len(recording.output)
    found: dict[int, list[str]] = {}
    late: dict[int, Xterm] = {}
    emulator = GhosttyScreen(recording.size_at(0))
    fed = shown = 0
    with ExitStack() as terminals:
        early = terminals.enter_context(host.terminal(recording.size_at(0)))
        for offset in sorted({*offsets, end}):
            _play(recording, fed, offset, emulator.feed, emulator.resize)
            fed = offset
            data, unread = emulator.snapshot(HISTORY) or (b"", 0)
            cut = offset - unread
            if recording.size_at(cut) != recording.size_at(offset):
                continue
            _play(recording, shown, cut, early.write, early.resize)
            shown = cut
            client = terminals.enter_context(host.terminal(recording.size_at(cut)))
            client.write(data)
            found[offset] = differences(early.state(), client.state())
            late[cut] = client
        last = early.state()
        for cut, client in late.items():
            _play(recording, cut, end, client.write, client.resize)
            found.setdefault(cut, []).extend(differences(last, client.state()))
    emulator.close()
    return {offset: what for offset, what in found.items() if what}


def _play(
    recording: Recording, begin: int, end: int, write: Callable[[bytes], None], resize: Callable[[TermSize], None]
) -> None:
    for piece in recording.between(begin, end):
        if isinstance(piece, TermSize):
            resize(piece)
        elif piece:
            write(piece)
