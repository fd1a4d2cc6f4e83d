"""When output came: a file beside each segment of the journal, written by its writer, for recordings.

``<segment>.times`` begins with the time of the segment's first byte (8 bytes, milliseconds since 1970), then has eight
bytes per moment: milliseconds since then, and how far into the segment the output had come before (both 4 bytes,
little-endian). Moments are at least ``RESOLUTION_S`` apart: what comes in between belongs to the one before.
"""

from __future__ import annotations

import contextlib
import os
import struct
import time
from collections.abc import Callable
from typing import NamedTuple

RESOLUTION_S = 0.01

_SUFFIX = ".times"
_BEGIN = struct.Struct("<Q")
_MOMENT = struct.Struct("<II")
_LARGEST = (1 << 32) - 1


class Moment(NamedTuple):
    """The output from ``offset`` on came at ``at`` (seconds since 1970) or within ``RESOLUTION_S`` after it."""

    offset: int
    at: float


class TimesWriter:
    """Notes when output comes; what the disk does not take is missing in recordings, and never raises."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._fd: int | None = None
        self._began = 0.0
        self._noted = 0.0

    def begin(self, segment: str) -> None:
        """Go on beside the file ``segment``, whose first byte comes now."""
        self.close()
        self._began = self._noted = self._clock()
        with contextlib.suppress(OSError):
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            self._fd = os.open(segment + _SUFFIX, flags, 0o600)
            self._put(self._fd, _BEGIN.pack(int(self._began * 1000)))

    def note(self, position: int) -> None:
        """Note that the bytes from ``position`` in the segment on come now."""
        now = self._clock()
        if self._fd is None or 0 <= now - self._noted < RESOLUTION_S:
            return
        self._noted = now
        since_ms = min(max(int((now - self._began) * 1000), 0), _LARGEST)  # clocks may be set back
        self._put(self._fd, _MOMENT.pack(since_ms, position))

    def _put(self, fd: int, data: bytes) -> None:
        try:
            complete = os.write(fd, data) == len(data)
        except OSError:
            complete = False
        if not complete:  # what followed would be misread: the rest of the segment belongs to the moment before
            self.close()

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def load(segment: str, start: int) -> list[Moment]:
    """Return the moments of the file ``segment``, whose first byte is the journal's byte ``start``; in order."""
    try:
        with open(segment + _SUFFIX, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return []
    if len(data) < _BEGIN.size:
        return []
    began = _BEGIN.unpack_from(data)[0] / 1000
    complete = len(data) - (len(data) - _BEGIN.size) % _MOMENT.size
    moments = _MOMENT.iter_unpack(data[_BEGIN.size : complete])
    return [Moment(start, began), *(Moment(start + position, began + since / 1000) for since, position in moments)]


def remove(segment: str) -> None:
    """Delete the file beside ``segment``."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(segment + _SUFFIX)
