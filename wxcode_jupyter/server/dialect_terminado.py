"""terminado's protocol, for JupyterLab's own terminal panel: the screen as it is, then what comes.

It has no frame for what else there is to tell: who watches through it sees the terminal, and the log has the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from ..errors import WxcodeError
from ..models import TermSize
from ..protocol import terminado
from ..protocol.frames import Request, Resize
from ..protocol.text import TextStream
from ..service.live import LiveSession
from ..terminal.attachment import Attachment, Role
from .dialect import Progress, Send, screen_for_all

_log = logging.getLogger(__name__)

_CHUNK_BYTES = 64 << 10
_RESET = "\x1bc"  # the panel keeps what it shows when it connects again
_SIZED_S = 0.5  # how long its first size is waited for: the screen is the better for it


class TerminadoDialect:
    """One client of terminado's protocol."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._refused = False
        self._size: asyncio.Future[TermSize] = asyncio.get_running_loop().create_future()

    async def hear(self, frame: str | bytes) -> Request | None:
        """Read a client's frame; the first size is that with which it is attached."""
        request = terminado.decode(frame)
        if isinstance(request, Resize) and not self._size.done():
            self._size.set_result(request.size)
            return None
        return request

    async def tell_progress(self, progress: Progress) -> None:
        """Say nothing: it has no frame for it."""

    async def tell_error(self, error: WxcodeError) -> None:
        """Log it, the first time: it has no frame for it."""
        _log.log(logging.DEBUG if self._refused else logging.INFO, "A terminal panel: %s", error.message)
        self._refused = True

    async def tell_closed(self, exit_code: int | None) -> None:
        """Say that the terminal has ended."""
        await self._send(terminado.DISCONNECT)

    async def attach(self, live: LiveSession, role: Role) -> Attachment:
        """Attach with the client's size, which it sends as soon as it is told that it may."""
        await self._send(terminado.SETUP)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SIZED_S):
                await asyncio.shield(self._size)
        return live.attach(role, self._size.result() if self._size.done() else None)

    async def show(self, live: LiveSession, attachment: Attachment) -> None:
        """Send the screen, and all that follows."""
        snapshot, text = await screen_for_all(live.terminal), TextStream()
        attachment.seek(snapshot.offset, snapshot.size)
        await self._send(terminado.stdout(_RESET + text.feed(snapshot.data)))
        while (chunk := await attachment.read(_CHUNK_BYTES)).data:
            if characters := text.feed(chunk.data):
                await self._send(terminado.stdout(characters))
