"""The widget; what it looks like and how it behaves stands in ``js/src``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import anywidget
from traitlets import Bool, Int, Unicode

from ..models import TermSize
from ..plain import clean_line
from . import tunnel
from .source import Source

_HERE = Path(__file__).parent
_BUNDLE = _HERE / "static" / "ipyxterm.js"


class Terminal(anywidget.AnyWidget):
    """A terminal in a notebook, on a WebSocket that speaks ``wxterm.v1``, or on a program of this kernel's.

    On a WebSocket the page connects by itself where it can, so that the terminal goes on while the kernel is busy or
    gone; else the frames go through the kernel, and the terminal stands still while a cell runs, which it says.

    Args:
        url: Address of the terminal, ``ws://`` or ``wss://``, as this kernel reaches it; or, instead of it:
        read: Blocks for the next bytes of a program's output and returns them; b"" is its end, or EIO, as of a PTY;
            called in a thread of its own.
        write: Takes the bytes that are typed; may block; called in another thread.
        resize: Takes rows and columns, where the program's size can be changed; called in the same.
        headers: What the kernel's own connection sends with it, such as a token. They never leave the kernel.
        page_url: Address that the page tries first, by its own cookies; one without a scheme is relative to the base
            URL of the Jupyter server that the page comes from; "" is none. Default: ``url``, where it needs no headers.
        rows: Height at first, in rows; it can be dragged.
        cols: Width; 0 for what fits into the cell.
        label: What is shown as its name until the server says one.
        clipboard: Whether programs in it may copy into the user's clipboard (OSC 52); none may ever read it.
        picture: Gives what stands in the notebook besides the widget, by MIME type: the last screen, for who has no
            kernel. Called at every display.
    """

    _esm = (_HERE / "loader.js").read_text()

    _tunnels: tunnel.Tunnels | None = None  # a widget whose constructor raised is closed, too

    page_url = Unicode(read_only=True).tag(sync=True)
    rows = Int(24, min=1, max=500).tag(sync=True)
    cols = Int(0, min=0, max=500).tag(sync=True)
    label = Unicode().tag(sync=True)
    clipboard = Bool(False, read_only=True).tag(sync=True)

    def __init__(
        self,
        url: str | None = None,
        *,
        read: Callable[[], bytes] | None = None,
        write: Callable[[bytes], object] | None = None,
        resize: Callable[[int, int], object] | None = None,
        headers: Mapping[str, str] | None = None,
        page_url: str | None = None,
        rows: int = 24,
        cols: int = 0,
        label: str = "",
        clipboard: bool = False,
        picture: Callable[[], Mapping[str, str]] | None = None,
    ) -> None:
        if (url is None) == (read is None) or (read is None) != (write is None):
            raise TypeError("A terminal is on a url, or on read and write.")
        if url is None:
            assert read is not None and write is not None
            dial, page_url = Source(read, write, resize, size=TermSize(rows, cols or 80)).dial, ""
        else:
            dial = functools.partial(tunnel.dial, url, headers or {})
            if page_url is None:  # the page's URL is saved with the notebook, which no secret may be
                page_url = url if not headers and tunnel.is_public(url) else ""
        self._picture = picture
        self._on = tunnel.bare(url) if url else "a program of this kernel's"
        self._tunnels = tunnel.Tunnels(dial, self._tell)
        self.set_trait("page_url", page_url)
        self.set_trait("clipboard", clipboard)
        super().__init__(rows=rows, cols=cols, label=label)
        self.on_msg(self._receive)

    def close(self) -> None:
        """End its connections, and take it from the page; the program lives on."""
        if self._tunnels is not None:
            self._tunnels.close()
        super().close()

    def __repr__(self) -> str:
        return f"<Terminal on {clean_line(self._on)}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:  # closed
            return None
        data, metadata = bundle
        picture = self._picture() if self._picture else {"text/plain": repr(self)}
        return {"text/html": f"<pre>{escape(picture['text/plain'])}</pre>", **data, **picture}, metadata

    def _receive(self, widget: object, message: dict[str, Any], buffers: list[Any]) -> None:
        if message.get("kind") == "bundle":
            self._tell({"kind": "bundle"}, [_BUNDLE.read_bytes()])
        else:
            assert self._tunnels is not None
            self._tunnels.receive(message, [bytes(buffer) for buffer in buffers])

    def _tell(self, message: dict[str, Any], buffers: list[bytes]) -> None:
        self.send(message, buffers)
