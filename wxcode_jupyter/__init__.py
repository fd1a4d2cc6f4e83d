"""Durable Claude Code conversations for Jupyter.

Imports stand inside the functions: a kernel that loads the magics pays nothing for the server, and the other way round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .client import Client

__all__ = ["Client", "__version__", "load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """Register ``%wxmilestone``: ``%load_ext wxcode_jupyter``."""
    from .magics import load

    load(ipython)


def unload_ipython_extension(ipython: InteractiveShell) -> None:
    """Take the magics out again: ``%unload_ext wxcode_jupyter``."""
    from .magics import unload

    unload(ipython)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from .server.extension import WxcodeApp

    return [{"module": "wxcode_jupyter", "app": WxcodeApp}]


def __getattr__(name: str) -> Any:
    if name == "Client":
        from .client import Client

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
