"""The journal: everything a child ever wrote to its terminal, in order, by offset.

A folder of append-only segments, each named by the offset of its first byte (20 digits). The keeper's ``JournalWriter``
is the only writer; any number of ``JournalReader`` in any process follow it with ``pread`` at their own pace. A byte's
offset never changes. Old segments go once more than ``limit_bytes`` are kept, and an append that fails (full disk)
loses its bytes but not their offsets: either way a reader sees a gap, as an offset larger than the one it asked for.
The file ``sizes`` has one line ``offset rows cols`` per change of size, so that an emulator can be refilled exactly;
``checkpoints`` and ``times`` tell of the other files.
"""

from __future__ import annotations

import bisect
import contextlib
import errno
import os
from typing import NamedTuple

from ..folders import make_private
from . import checkpoints, times
from .complaint import complain
from .times import Moment, TimesWriter

SEGMENT_BYTES = 8 << 20

_NAME_DIGITS = 20
_SIZES_NAME = "sizes"
_READ_BYTES = 1 << 18


class Chunk(NamedTuple):
    """Bytes of the journal; ``offset`` is where they begin.

    An ``offset`` beyond the one that was asked for says that the bytes between are lost. No ``data`` means that there
    is nothing (yet).
    """

    offset: int
    data: bytes

    @property
    def end(self) -> int:
        """Offset of the byte after the last one."""
        return self.offset + len(self.data)


class SizeChange(NamedTuple):
    """From ``offset`` on the terminal had this size."""

    offset: int
    rows: int
    cols: int


class JournalWriter:
    """Appends to the journal; used by one process only.

    Args:
        folder: Made when it is missing; what an earlier journal left in it is removed.
        limit_bytes: Beyond it the oldest whole segments are deleted, the newest two excepted.
        segment_bytes: Size at which the next segment begins.
        goes_on: Go on, with a new segment, where a writer that has died was; nothing is removed.
    """

    def __init__(
        self, folder: str, limit_bytes: int, segment_bytes: int = SEGMENT_BYTES, *, goes_on: bool = False
    ) -> None:
        make_private(folder)
        if not goes_on:
            clear(folder)
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._segment_bytes = segment_bytes
        self._starts = _segment_starts(folder)
        self.head = self._starts[-1] + os.stat(_segment_path(folder, self._starts[-1])).st_size if self._starts else 0
        if self._starts and self.head == self._starts[-1]:
            _remove_segment(_segment_path(folder, self._starts.pop()))
        self._size = 0
        self._fd: int | None = None
        self._times = TimesWriter()
        self._failing = False

    def append(self, data: bytes) -> None:
        """Append ``data``; what the disk does not take is lost, with its offsets, and never raises."""
        rest = memoryview(data)
        try:
            while rest:
                if self._fd is None or self._size >= self._segment_bytes:
                    self._begin_segment()
                else:
                    self._times.note(self._size)
                assert self._fd is not None
                written = os.write(self._fd, rest)
                self._size += written
                self.head += written
                rest = rest[written:]
            self._failing = False
        except OSError as error:
            self.head += len(rest)
            self._end_segment()
            if not self._failing:  # one line per failure, not one per read of the PTY
                complain(f"journal {self._folder}: output is being lost: {error}")
            self._failing = True

    def close(self) -> None:
        """Close the newest segment; the files stay."""
        self._end_segment()

    def _begin_segment(self) -> None:
        self._end_segment()
        path = _segment_path(self._folder, self.head)
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._starts.append(self.head)
        self._size = 0
        self._times.begin(path)
        while len(self._starts) > 2 and self.head - self._starts[0] > self._limit_bytes:
            _remove_segment(_segment_path(self._folder, self._starts.pop(0)))

    def _end_segment(self) -> None:
        if self._fd is None:
            return
        os.close(self._fd)
        self._fd = None
        self._times.close()
        if not self._size:  # an empty one would claim an offset that was never written
            _remove_segment(_segment_path(self._folder, self._starts.pop()))


class JournalReader:
    """Reads the journal at any offset, while it grows; holds one descriptor at most, unless it is asked for more."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._open: tuple[int, int] | None = None  # start of a segment, descriptor
        self._held: dict[int, int] = {}  # such of all segments, once their files may go

    @property
    def head(self) -> int:
        """Offset after the newest byte; 0 for an empty or missing journal."""
        if self._held:
            start = max(self._held)
            return start + os.fstat(self._held[start]).st_size
        for start in reversed(_segment_starts(self._folder)):
            try:
                return start + os.stat(_segment_path(self._folder, start)).st_size
            except FileNotFoundError:
                continue
        return 0

    @property
    def oldest(self) -> int:
        """Offset of the oldest byte that is still kept; 0 for an empty journal."""
        return next(iter(self._starts()), 0)

    def read(self, offset: int, limit: int = _READ_BYTES) -> Chunk:
        """Return up to ``limit`` bytes from ``offset`` on; see ``Chunk`` for gaps and the end."""
        if self._open and offset >= self._open[0]:
            data = os.pread(self._open[1], limit, offset - self._open[0])
            if data:
                return Chunk(offset, data)
        while True:
            starts = self._starts()
            at = max(bisect.bisect_right(starts, offset) - 1, 0)
            try:
                for start in starts[at : at + 2]:
                    offset = max(offset, start)
                    data = os.pread(self._segment(start), limit, offset - start)
                    if data:
                        return Chunk(offset, data)
            except FileNotFoundError:  # deleted since it was listed
                continue
            return Chunk(offset, b"")

    def hold(self) -> None:
        """Keep a journal to which nothing more is written readable until ``close``, although its files be deleted."""
        for start in _segment_starts(self._folder):
            if start not in self._held:
                self._held[start] = os.open(_segment_path(self._folder, start), os.O_RDONLY | os.O_CLOEXEC)

    def moments(self) -> list[Moment]:
        """Return when the output that is kept came, in order."""
        starts = _segment_starts(self._folder)
        return [moment for start in starts for moment in times.load(_segment_path(self._folder, start), start)]

    def close(self) -> None:
        """Close what is open; a later ``read`` opens it again, where it is there still."""
        if self._open:
            os.close(self._open[1])
            self._open = None
        while self._held:
            os.close(self._held.popitem()[1])

    def _starts(self) -> list[int]:
        return sorted(self._held) or _segment_starts(self._folder)

    def _segment(self, start: int) -> int:
        if start in self._held:
            return self._held[start]
        if self._open and self._open[0] == start:
            return self._open[1]
        if self._open:
            os.close(self._open[1])
            self._open = None
        fd = os.open(_segment_path(self._folder, start), os.O_RDONLY | os.O_CLOEXEC)
        self._open = (start, fd)
        return fd


class SizeRecord:
    """The journal's record of sizes, seen from one process; each change is written by one process only."""

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, _SIZES_NAME)
        self._unwritten = b""
        self._read_to = 0

    def append(self, change: SizeChange) -> None:
        """Add a line; one that the disk refuses is kept in memory and goes out with the next."""
        self._unwritten += b"%d %d %d\n" % change
        self.flush()

    def flush(self) -> None:
        """Write what an earlier ``append`` could not."""
        if not self._unwritten:
            return
        try:
            with open(self._path, "ab", buffering=0, opener=_open_private) as file:
                while self._unwritten:
                    self._unwritten = self._unwritten[file.write(self._unwritten) :]
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise

    def load_new(self) -> list[SizeChange]:
        """Return the changes recorded since the last call, oldest first."""
        try:
            with open(self._path, "rb", buffering=0) as file:
                file.seek(self._read_to)
                data = file.read()
        except FileNotFoundError:
            return []
        complete = data[: data.rfind(b"\n") + 1]
        self._read_to += len(complete)
        return [SizeChange(*map(int, line.split())) for line in complete.splitlines()]


def clear(folder: str) -> None:
    """Delete the journal's files in ``folder``, and nothing else; the folder stays."""
    for start in _segment_starts(folder):
        _remove_segment(_segment_path(folder, start))
    _unlink(os.path.join(folder, _SIZES_NAME))
    checkpoints.clear(folder)


def remove(folder: str) -> None:
    """Delete the journal and its folder, which stays when something else is in it; missing ones are fine."""
    clear(folder)
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _remove_segment(path: str) -> None:
    _unlink(path)
    times.remove(path)


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):  # somebody may tidy up while we write
        os.unlink(path)


def _segment_starts(folder: str) -> list[int]:
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return sorted(int(name) for name in names if len(name) == _NAME_DIGITS and name.isdigit())


def _segment_path(folder: str, start: int) -> str:
    return os.path.join(folder, f"{start:0{_NAME_DIGITS}d}")
