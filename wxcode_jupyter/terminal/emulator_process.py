"""One life of the emulator's process: started, talked to, watched, buried."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from typing import Any

from .emulator import MARK, MARK_FD
from .helper import Helper
from .wire import Channel, FrameError

MODULE = "wxcode_jupyter.terminal.emulator"
STALL_S = 20.0

_log = logging.getLogger(__name__)


class EmulatorProcess:
    """One life of the worker's process."""

    def __init__(
        self, kind: str, on_answer: Callable[[dict[str, Any]], bool], on_death: Callable[[int, int, int, int], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_answer = on_answer
        self._on_death = on_death
        self._watchdog: asyncio.TimerHandle | None = None
        self._seen_mark = b""
        self._mark_fd = os.memfd_create("wxcode-emulator-mark")
        self._log_fd = os.memfd_create("wxcode-emulator-log")
        self._files: tuple[int, ...] = (self._mark_fd, self._log_fd)
        ours, theirs = socket.socketpair()
        with theirs:
            self.helper = Helper(
                MODULE,
                [kind] if kind else [],
                {0: theirs.fileno(), 2: self._log_fd, MARK_FD: self._mark_fd},
            )
        self._channel = Channel(ours)
        self._loop.add_reader(ours.fileno(), self._receive)

    def send(self, message: dict[str, Any]) -> None:
        """Send a request; one that comes when the worker is dead is sent to the next."""
        if self._channel.fileno() < 0:
            return
        self._channel.send(message)
        if self._channel.backlog:
            self._loop.add_writer(self._channel.fileno(), self._flush)

    def expect(self) -> None:
        """Kill the worker when it stands still although an answer is due."""
        if self._watchdog is None and self._channel.fileno() >= 0:
            self._seen_mark = self._read_mark()
            self._watchdog = self._loop.call_later(STALL_S, self._check_progress)

    async def stop(self) -> None:
        """End the process, which has nothing to lose, and take no notice of its end."""
        self._detach()
        self.helper.kill()
        await self.helper.exited
        self._close_files()

    def _receive(self) -> None:
        try:
            messages = self._channel.receive()
            for message in messages or ():
                for fd in self._channel.take_fds(message.get("fds", 0)):
                    with open(fd, "rb") as file:
                        file.seek(0)  # the position is shared with who wrote it
                        message["data"] = file.read()
                if not self._on_answer(message) and self._watchdog:
                    self._watchdog.cancel()
                    self._watchdog = None
        except FrameError:
            messages = None
            self.helper.kill()
        if messages is None:
            self._detach()
            self.helper.exited.add_done_callback(self._bury)

    def _bury(self, exited: asyncio.Future[int]) -> None:
        log = os.pread(self._log_fd, 1 << 20, 0)[-2000:].decode(errors="replace").strip()
        _log.warning("The emulator's process ended with status %s; it is started again. %s", exited.result(), log)
        mark = self._read_mark()
        self._close_files()
        _steps, session, offset, length, checkpoint = MARK.unpack(mark) if mark else (0, -1, 0, 0, -1)
        self._on_death(session, offset, length, checkpoint)

    def _detach(self) -> None:
        if self._watchdog:
            self._watchdog.cancel()
            self._watchdog = None
        if self._channel.fileno() < 0:
            return
        self._loop.remove_reader(self._channel.fileno())
        self._loop.remove_writer(self._channel.fileno())
        self._channel.close()

    def _close_files(self) -> None:
        for fd in self._files:
            os.close(fd)
        self._files = ()

    def _flush(self) -> None:
        if self._channel.flush():
            self._loop.remove_writer(self._channel.fileno())

    def _read_mark(self) -> bytes:
        return os.pread(self._mark_fd, MARK.size, 0)

    def _check_progress(self) -> None:
        mark = self._read_mark()
        if mark == self._seen_mark:
            self._watchdog = None
            self.helper.kill()
        else:
            self._seen_mark = mark
            self._watchdog = self._loop.call_later(STALL_S, self._check_progress)
