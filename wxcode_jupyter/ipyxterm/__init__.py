"""``Terminal``: a terminal in a notebook, on any WebSocket that speaks ``wxterm.v1`` or on a program of this kernel's.

``terminal`` is the widget, ``tunnel`` what carries its frames where the page cannot reach the server itself, ``source``
a program's bytes as such frames. What runs in the page is TypeScript: ``js/``, built into ``static/`` by
``hatch_build.py``. Nothing here knows of projects, sessions or Claude.
"""

from __future__ import annotations

from .terminal import Terminal

__all__ = ["Terminal"]
