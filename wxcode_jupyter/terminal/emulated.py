"""One session's emulator, in the emulator's process: follows the journal, and leaves checkpoints on the way."""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import Any

from wxcode_jupyter.models import TermSize
from wxcode_jupyter.terminal import checkpoints
from wxcode_jupyter.terminal.journal import SEGMENT_BYTES, JournalReader, SizeChange, SizeRecord
from wxcode_jupyter.terminal.screen import Screen, ScreenFactory, view

SUSPECT_BYTES = 1 << 12
CHECKPOINT_BYTES = SEGMENT_BYTES

_OVERLAP_BYTES = 3
_CLEARS = (b"\x1b[2J", b"\x1bc")


class Emulated:
    """One session's emulator, fed from its journal in slices."""

    def __init__(self, request: dict[str, Any], make: ScreenFactory) -> None:
        self.number: int = request["session"]
        self._folder: str = request["folder"]
        self._start: int = request["start"]
        self._answered: int = request["answered"]
        self._suspects: list[list[int]] = request["suspects"]
        self._skips: list[list[int]] = request["skips"]
        self._journal = JournalReader(self._folder)
        self._size_record = SizeRecord(self._folder)
        self._sizes: deque[SizeChange] = deque()
        self._tail = b""
        self._replies = bytearray()
        self._make = make
        self._screen: Screen | None = None
        self._saved = checkpoints.load(self._folder, self._oldest, self._journal.head, request["distrusted"])
        self.offset = self._saved[0] if self._saved else self._oldest
        self.exact = self._saved is not None or self.offset == 0
        self._saved_at = self.offset

    @property
    def checkpoint(self) -> int:
        """Offset of the checkpoint from which it went on, -1 when it was none."""
        return self._saved[0] if self._saved else -1

    def next_slice(self, to: int) -> tuple[int, int]:
        """Return offset and length of what ``step`` would feed next on the way to ``to``; length 0 when there."""
        self._apply_sizes()
        end = min(to, self.offset + self.screen.slice_bytes)
        if self._sizes:
            end = min(end, self._sizes[0].offset)
        for begin, finish in self._suspects:
            if begin <= self.offset < finish:
                end = min(end, self.offset + SUSPECT_BYTES, finish)
            elif self.offset < begin:
                end = min(end, begin)
        for begin, _finish in self._skips:
            if self.offset < begin:
                end = min(end, begin)
        if self.offset < self._answered:
            end = min(end, self._answered)
        return self.offset, max(end - self.offset, 0)

    def step(self, to: int, length: int) -> None:
        """Feed the slice that ``next_slice`` gave, or skip what cannot be fed."""
        backlog = self.screen.backlog_bytes
        if backlog is not None and to - self.offset > backlog:
            self._lose(to - backlog // 2)
            return
        for begin, finish in self._skips:
            if begin <= self.offset < finish:
                self._lose(finish)
                return
        chunk = self._journal.read(self.offset, length)
        if chunk.offset > self.offset:
            self._lose(min(chunk.offset, self.offset + length) if chunk.data else self.offset + length)
            return
        if not chunk.data:  # promised, but gone
            self._lose(self.offset + length)
            return
        self.screen.feed(chunk.data)
        self.offset = chunk.end
        replies = self.screen.take_replies()
        if chunk.end > self._answered:
            self._replies += replies
        self._note_redraw(chunk.data)

    @property
    def screen(self) -> Screen:
        """The emulator: as the checkpoint has it, or else new, in the size that holds at the first offset."""
        if self._screen is None:
            self._screen = self._restore() or self._make(self._size_at_offset() or TermSize())
        return self._screen

    def take_replies(self) -> str:
        """Return the replies to queries that nobody has answered yet."""
        replies = self._replies.decode("latin-1")
        self._replies.clear()
        return replies

    def view(self, styled: bool) -> dict[str, Any]:
        """Return the ``ScreenView`` as JSON."""
        return dataclasses.asdict(view(self.screen, self.offset, self.exact, styled))

    def snapshot(self, history: int) -> tuple[dict[str, Any], bytes]:
        """Return the ``Snapshot`` as JSON, and its bytes."""
        size = dataclasses.asdict(self.screen.size)
        taken = self.screen.snapshot(history)
        if taken is None:
            return {"offset": self._journal.oldest, "size": size, "exact": False}, b""
        data, unread = taken
        return {"offset": self.offset - unread, "size": size, "exact": self.exact}, data

    def save(self) -> None:
        """Write a checkpoint when it is time."""
        if self.exact and self.offset - self._saved_at >= CHECKPOINT_BYTES:
            self._saved_at = self.offset
            state = self.screen.save()
            if state is not None:
                checkpoints.save(self._folder, self.offset, state)

    def close(self) -> None:
        """Free the emulator and the journal's descriptor."""
        self._journal.close()
        if self._screen:
            self._screen.close()

    @property
    def _oldest(self) -> int:
        return max(self._journal.oldest, self._start)

    def _restore(self) -> Screen | None:
        if self._saved is None:
            return None
        try:
            screen = self._make.restore(self._saved[1])
        except ValueError:  # of another version, or another emulator
            self._saved = None
            self.offset = self._oldest
            self.exact = self.offset == 0
            return None
        size = self._size_at_offset()
        if size and size.clamped() != screen.size:
            screen.resize(size)
        return screen

    def _size_at_offset(self) -> TermSize | None:
        self._sizes.extend(self._size_record.load_new())
        size = None
        while self._sizes and self._sizes[0].offset <= self.offset:
            change = self._sizes.popleft()
            size = TermSize(change.rows, change.cols)
        return size

    def _apply_sizes(self) -> None:
        screen = self.screen
        self._sizes.extend(self._size_record.load_new())
        while self._sizes and self._sizes[0].offset <= self.offset:
            change = self._sizes.popleft()
            screen.resize(TermSize(change.rows, change.cols))

    def _lose(self, next_offset: int) -> None:
        self.offset = next_offset
        self.exact = False
        self._tail = b""

    def _note_redraw(self, data: bytes) -> None:
        if not self.exact:
            recent = self._tail + data
            self.exact = any(clear in recent for clear in _CLEARS)
            self._tail = recent[-_OVERLAP_BYTES:]
