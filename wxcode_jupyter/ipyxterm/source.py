"""Bytes of a program of this process, told as ``wxterm.v1`` tells them: one reader, any number of views.

There is no emulator here: what is kept is the latest output itself, and a view that comes late draws that.
"""

from __future__ import annotations

import asyncio
import errno
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

from ..errors import InvalidBody
from ..models import TermSize
from ..protocol import wxterm
from ..protocol.frames import Input, Resize
from .tunnel import Channel, loop

#: So much of the output is kept for views that come, or come back.
KEPT_BYTES = 1 << 20
_CHUNK_BYTES = 32 << 10
_NORMAL = 1000


class Source:
    """One program.

    Args:
        read: Blocks for the next bytes of its output and returns them; b"" at its end. Called in a thread of its own.
        write: Takes what is typed, whole; may block. Called in another.
        resize: Takes rows and columns; without it the size stays as it is.
        size: Its size at first.
    """

    def __init__(
        self,
        read: Callable[[], bytes],
        write: Callable[[bytes], object],
        resize: Callable[[int, int], object] | None = None,
        *,
        size: TermSize,
    ) -> None:
        self.stream = uuid.uuid4().hex
        self.size = size
        self.resize = resize
        self.start = 0
        self.is_over = False
        self._read = read
        self._write = write
        self._kept = bytearray()
        self._writer = ThreadPoolExecutor(1, "ipyxterm-write")
        self._changed = asyncio.Condition()
        Thread(target=self._follow, name="ipyxterm-read", daemon=True).start()

    @property
    def end(self) -> int:
        """Offset up to which there is output."""
        return self.start + len(self._kept)

    def kept(self, offset: int, limit: int) -> bytes:
        """Return output from an offset that is kept."""
        return bytes(self._kept[offset - self.start :][:limit])

    async def dial(self) -> Channel:
        """Attach a view."""
        return _View(self)

    async def write(self, keys: bytes) -> None:
        """Type, after all that was typed before."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self._write, keys)

    async def set_size(self, size: TermSize) -> None:
        """Take a view's size: the latest decides."""
        if self.resize is None or size == self.size:
            return
        await asyncio.get_running_loop().run_in_executor(self._writer, self.resize, size.rows, size.cols)
        async with self._changed:
            self.size = size
            self._changed.notify_all()

    async def change(self, is_due: Callable[[], bool]) -> None:
        """Wait until something is due, which output, a size or an acknowledgement makes it."""
        async with self._changed:
            await self._changed.wait_for(is_due)

    async def notify(self) -> None:
        """Let those who wait look again."""
        async with self._changed:
            self._changed.notify_all()

    def _follow(self) -> None:
        """Read until the end; each chunk is taken before the next is read."""
        try:
            while chunk := self._next():
                asyncio.run_coroutine_threadsafe(self._append(chunk), loop()).result()
        finally:
            asyncio.run_coroutine_threadsafe(self._append(b""), loop()).result()

    def _next(self) -> bytes:
        try:
            return self._read()
        except OSError as error:
            if error.errno == errno.EIO:  # how the master of a PTY says that its program has ended
                return b""
            raise

    async def _append(self, chunk: bytes) -> None:
        self._kept += chunk
        if (surplus := len(self._kept) - KEPT_BYTES) > 0:
            del self._kept[:surplus]
            self.start += surplus
        self.is_over = not chunk
        await self.notify()


class _View:
    """One view's side of the protocol, as a ``Channel``."""

    close_code: int | None = _NORMAL
    close_reason: str | None = ""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._frames: list[wxterm.ServerFrame] = []
        self._window = wxterm.WINDOW_BYTES
        self._told_size: TermSize | None = None
        self._sent: int | None = None
        self._acknowledged = 0
        self._is_closed = False

    async def read(self) -> bytes | None:
        """Return the next frame of the server."""
        if self._is_closed:
            return None
        await self._source.change(self._is_due)
        frame = self._next()
        self._is_closed = isinstance(frame, wxterm.Closed)
        return wxterm.encode(frame)

    async def write(self, frame: bytes) -> None:
        """Take a frame of the client."""
        try:
            asked = wxterm.decode_client(frame)
        except InvalidBody as error:
            self._frames.append(wxterm.Failure(error.code, error.message))
        else:
            await self._take(asked)
        await self._source.notify()

    def close(self) -> None:
        """Leave."""
        self._is_closed = True

    async def _take(self, frame: wxterm.ClientFrame | None) -> None:
        match frame:
            case wxterm.Attach():
                await self._attach(frame)
            case Input(data):
                await self._type(data)
            case Resize(size):
                await self._resize(size)
            case wxterm.Ack(offset):
                self._acknowledged = max(self._acknowledged, min(offset, self._sent or 0))
            case wxterm.Ping(data):
                self._frames.append(wxterm.Pong(data))

    async def _type(self, keys: bytes) -> None:
        try:
            await self._source.write(keys)
        except Exception as error:  # the caller's own function: whatever it raises, the view is told
            self._frames.append(wxterm.Failure("not_written", f"The program did not take it: {error}."))

    async def _resize(self, size: TermSize) -> None:
        try:
            await self._source.set_size(size)
        except Exception as error:  # so is this one; a program that has ended has no size
            self._frames.append(wxterm.Failure("not_resized", f"The program did not take its size: {error}."))

    async def _attach(self, frame: wxterm.Attach) -> None:
        source = self._source
        if frame.size is not None:
            await self._resize(frame.size)
        self._window = frame.window
        self._frames += [self._state(), wxterm.RoleIs("driver")]
        known = frame.stream == source.stream and frame.offset is not None
        if known and frame.offset is not None and source.start <= frame.offset <= source.end:
            self._sent = self._acknowledged = frame.offset
            self._tell_size()
        else:
            self._begin_anew()

    def _is_due(self) -> bool:
        source, sent = self._source, self._sent
        if self._frames or sent is None:
            return bool(self._frames)
        is_output = sent < source.end and sent - self._acknowledged < self._window
        return is_output or self._told_size != source.size or (source.is_over and sent == source.end)

    def _next(self) -> wxterm.ServerFrame:
        source = self._source
        assert self._frames or self._sent is not None
        if not self._frames and self._sent is not None and self._sent < source.start:
            self._begin_anew()
        if not self._frames and self._told_size != source.size:
            self._tell_size()
        if self._frames:
            return self._frames.pop(0)
        offset = self._sent or 0
        if offset == source.end:
            return wxterm.Closed(None)
        chunk = source.kept(offset, _CHUNK_BYTES)
        self._sent = offset + len(chunk)
        return wxterm.Output(offset, chunk)

    def _begin_anew(self) -> None:
        """Draw what is kept on an empty screen; as a snapshot, because what it asks was answered long ago."""
        source = self._source
        self._sent = self._acknowledged = source.end
        self._tell_size()
        self._frames.append(wxterm.Snapshot(source.end, source.size, source.kept(source.start, KEPT_BYTES)))

    def _tell_size(self) -> None:
        self._told_size = self._source.size
        self._frames.append(wxterm.Size(self._sent or 0, self._source.size))

    def _state(self) -> wxterm.State:
        return wxterm.State(
            stream=self._source.stream,
            connected=True,
            state="",
            claude_session_id=None,
            project=None,
            message="",
            attention=None,
            questions=0,
            clients=1,
        )
