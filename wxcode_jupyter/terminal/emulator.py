"""The emulator's process: one for all sessions of a server, so that a crash of the native emulator takes nobody along.

``python -m wxcode_jupyter.terminal.emulator``, with a socket as descriptor 0 and the mark as descriptor 3, started and
respawned by ``emulation.Emulation``. It reads the journals itself; requests (frames of ``wire``) are small:

- ``{"op": "open", "session", "folder", "start", "answered", "suspects", "skips", "distrusted"}``: replies to queries
  before ``answered`` were given by an earlier process; ``suspects`` are fed in small steps, ``skips`` not at all
  (ranges of offsets), nor what is before ``start``; checkpoints at ``distrusted`` offsets are not used.
- ``{"op": "sync", "session", "id", "to", "view"?, "snapshot"?}`` -> ``{"id", "offset", "replies", "view"?,
  "snapshot"?}``: feed up to ``to``; ``view`` asks for what shows, with or without looks (``{"styled"}``), ``snapshot``
  for what makes it (``{"history"}``), whose bytes come as a memory file.
- ``{"op": "close", "session"}``

Sessions are fed in turns, a slice each. Before each slice the *mark* says what is about to be done, so that after a
crash the server knows by whom it was caused.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
from collections import deque
from typing import Any

from wxcode_jupyter.terminal.emulated import Emulated
from wxcode_jupyter.terminal.screen import ScreenFactory, find_emulator
from wxcode_jupyter.terminal.wire import Channel

# Count of steps, session (-1: none), offset, length (0: a view), offset of the checkpoint it began from (-1: none).
MARK = struct.Struct("<qqqqq")
MARK_FD = 3

_NICE = 5  # under load those who pass the bytes on go first


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
        self._set_mark(session, session.offset, 0)
        offset, length = session.next_slice(request["to"])
        if length:
            self._set_mark(session, offset, length)
            session.step(request["to"], length)
            session.save()
        if session.offset < request["to"]:
            self._waiting.append(request)
        else:
            self._answer(session, request)
        self._set_mark(None, 0, 0)

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
        self._set_mark(session, session.offset, 0)
        session.next_slice(to)

    def _set_mark(self, session: Emulated | None, offset: int, length: int) -> None:
        self._steps += 1
        number, checkpoint = (session.number, session.checkpoint) if session else (-1, -1)
        os.pwrite(self._mark_fd, MARK.pack(self._steps, number, offset, length, checkpoint), 0)


def main(arguments: list[str]) -> None:
    """Serve on descriptor 0."""
    os.nice(_NICE)
    with socket.socket(fileno=os.dup(0)) as sock:
        Worker(sock, MARK_FD, find_emulator(*arguments[:1])).run()


if __name__ == "__main__":
    main(sys.argv[1:])
