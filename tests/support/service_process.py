"""The use cases without Jupyter, in a process of their own that may be killed: a server that starts in no time."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from types import TracebackType
from typing import Self

from wxcode_jupyter.service.app import Service
from wxcode_jupyter.service.config import Config

_ANSWERS_WITHIN_S = 60.0
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.support.service_process"])


class ServiceProcess:
    """A service that is open and has taken over what was left; ends in order with the ``with`` block, unless killed.

    Args:
        config: The service's.
        begin: The name of a project that is made, and whose session is started.

    Attributes:
        sessions: The processes of its live sessions, by project.
        pid: Its own.
    """

    def __init__(self, config: Config, begin: str | None = None) -> None:
        self._ours, theirs = _CONTEXT.Pipe()
        self._process: ForkServerProcess = _CONTEXT.Process(target=_run, args=(config, begin, theirs))
        self._process.start()
        theirs.close()
        assert self._ours.poll(_ANSWERS_WITHIN_S), "the service does not come up"
        self.sessions: dict[str, int | None] = self._ours.recv()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def kill(self) -> None:
        """SIGKILL it."""
        self._process.kill()
        self._process.join(_ANSWERS_WITHIN_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with suppress(BrokenPipeError):  # it was killed
            self._ours.send(None)
        self._ours.close()
        self._process.join(_ANSWERS_WITHIN_S)
        self._process.close()


def _run(config: Config, begin: str | None, pipe: Connection) -> None:
    asyncio.run(_serve(config, begin, pipe))


async def _serve(config: Config, begin: str | None, pipe: Connection) -> None:
    ourselves = {"url": "http://127.0.0.1:1/", "pid": os.getpid(), "host": socket.gethostname()}
    service = Service(config, lambda: ourselves)
    await service.open()
    try:
        if begin is not None:
            await service.sessions.start((await service.projects.create(begin)).id)
        pipe.send({session.project.id: session.info().pid for session in service.sessions.every()})
        await asyncio.to_thread(pipe.recv)
    finally:
        await service.close()
