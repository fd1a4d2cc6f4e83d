"""The emulator's process: one for all sessions of a server, so that a crash of the native emulator takes nobody along.

``python -m wxcode_jupyter.terminal.emulator``, with a socket as descriptor 0 and the mark as descriptor 3, started and
respawned by ``emulation.Emulation``. It reads the journals itself; requests (frames of ``wire``) are small:

- ``{"op": "open", "session", "folder", "start", "answered", "suspects", "skips"}``: replies to queries before
  ``answered`` were given by an earlier process; ``suspects`` are fed in small steps, ``skips`` not at all (ranges of
  offsets), nor what is before ``start``.
- ``{"op": "sync", "session", "id", "to", "view"?, "snapshot"?}`` -> ``{"id", "offset", "replies", "view"?,
  "snapshot"?}``: feed up to ``to``; ``view`` asks for what shows, with or without looks (``{"styled"}``), ``snapshot``
  for what makes it (``{"history"}``), whose bytes come as a memory file.
- ``{"op": "close", "session"}``

Sessions are fed in turns, a slice each. Before each slice the *mark* says what is about to be done, so that after a
crash the server knows by whom it was caused.
"""

from __future__ import annotations

import dataclasses
import os
import select
import socket
import struct
import sys
from collections import deque
from typing import Any

from wxcode_jupyter.models import TermSize
from wxcode_jupyter.terminal.journal import JournalReader, SizeChange, SizeRecord
from wxcode_jupyter.terminal.screen import Screen, ScreenFactory, find_emulator, view
from wxcode_jupyter.terminal.wire import Channel

MARK = struct.Struct("<qqqq")  # count of steps, session (-1: none), offset, length (0: a view)
MARK_FD = 3
SUSPECT_BYTES = 1 << 12

_OVERLAP_BYTES = 3
_CLEARS = (b"\x1b[2J", b"\x1bc")


class Emulated:
    """One session's emulator, fed from its journal in slices."""

    def __init__(self, request: dict[str, Any], make: ScreenFactory) -> None:
        self.number: int = request["session"]
        self._answered: int = request["answered"]
        self._suspects: list[list[int]] = request["suspects"]
        self._skips: list[list[int]] = request["skips"]
        self._journal = JournalReader(request["folder"])
        self._size_record = SizeRecord(request["folder"])
        self._sizes: deque[SizeChange] = deque()
        self._tail = b""
        self._replies = bytearray()
        self.offset = max(self._journal.oldest, request["start"])
        self.exact = self.offset == 0
        self._make = make
        self._screen: Screen | None = None

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
        """The emulator, made with the size that holds at the first offset."""
        if self._screen is None:
            self._sizes.extend(self._size_record.load_new())
            size = TermSize()
            while self._sizes and self._sizes[0].offset <= self.offset:
                change = self._sizes.popleft()
                size = TermSize(change.rows, change.cols)
            self._screen = self._make(size)
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

    def close(self) -> None:
        """Free the emulator and the journal's descriptor."""
        self._journal.close()
        if self._screen:
            self._screen.close()

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


class Worker:
    """Serves requests, sessions in turns."""

    def __init__(self, sock: socket.socket, mark_fd: int, make: ScreenFactory) -> None:
        self._channel = Channel(sock)
        self._mark_fd = mark_fd
        self._make = make
        self._sessions: dict[int, Emulated] = {}
        self._waiting: deque[dict[str, Any]] = deque()
        self._steps = 0

    def run(self) -> None:
        """Serve until the server is gone."""
        poll = select.poll()
        while True:
            events = select.POLLIN | (select.POLLOUT if self._channel.backlog else 0)
            poll.register(self._channel.fileno(), events)
            ready = poll.poll(0 if self._waiting else None)
            if ready and ready[0][1] & select.POLLOUT:
                self._channel.flush()
            if ready and ready[0][1] & ~select.POLLOUT:
                messages = self._channel.receive()
                if messages is None:
                    return
                for message in messages:
                    self._accept(message)
            if self._waiting:
                self._advance(self._waiting.popleft())

    def _accept(self, message: dict[str, Any]) -> None:
        if message["op"] == "open":
            self._sessions[message["session"]] = Emulated(message, self._make)
        elif message["op"] == "sync":
            self._waiting.append(message)
        elif message["op"] == "close":
            number = message["session"]
            self._sessions.pop(number).close()
            self._waiting = deque(waiting for waiting in self._waiting if waiting["session"] != number)

    def _advance(self, request: dict[str, Any]) -> None:
        session = self._sessions[request["session"]]
        self._set_mark(session.number, session.offset, 0)
        offset, length = session.next_slice(request["to"])
        if length:
            self._set_mark(session.number, offset, length)
            session.step(request["to"], length)
        if session.offset < request["to"]:
            self._waiting.append(request)
        else:
            self._answer(session, request)
        self._set_mark(-1, 0, 0)

    def _answer(self, session: Emulated, request: dict[str, Any]) -> None:
        answer = {"id": request["id"], "offset": session.offset, "replies": session.take_replies()}
        if "view" in request:
            self._mark_standing(session, request["to"])
            answer["view"] = session.view(**request["view"])
        if "snapshot" not in request:
            self._channel.send(answer)
            return
        self._mark_standing(session, request["to"])
        answer["snapshot"], data = session.snapshot(**request["snapshot"])
        with open(os.memfd_create("wxcode-snapshot"), "wb", buffering=0) as file:
            file.write(data)
            self._channel.send(answer, [file.fileno()])

    def _mark_standing(self, session: Emulated, to: int) -> None:
        """Note that the state is looked at as it is, in the size that holds now."""
        self._set_mark(session.number, session.offset, 0)
        session.next_slice(to)

    def _set_mark(self, session: int, offset: int, length: int) -> None:
        self._steps += 1
        os.pwrite(self._mark_fd, MARK.pack(self._steps, session, offset, length), 0)


def main(arguments: list[str]) -> None:
    """Serve on descriptor 0."""
    with socket.socket(fileno=os.dup(0)) as sock:
        Worker(sock, MARK_FD, find_emulator(*arguments[:1])).run()


if __name__ == "__main__":
    main(sys.argv[1:])
