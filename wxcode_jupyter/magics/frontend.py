"""Whether somebody sits at this notebook.

A front end says with every execution whether it can be asked (``allow_stdin`` of the ``execute_request``): JupyterLab,
Notebook, VS Code and consoles can; nbclient, and with it papermill, nbconvert and ``jupyter execute``, says no. Plain
IPython has somebody when its standard input is a terminal. ``WXCODE_ATTENDED=0`` or ``1`` overrules it, for front ends
that do not say what they are.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from IPython.core.interactiveshell import InteractiveShell


def is_attended(shell: InteractiveShell) -> bool:
    """Return whether somebody is there to read a hint and to answer Claude."""
    said = os.environ.get("WXCODE_ATTENDED", "")
    if said in ("0", "1"):
        return said == "1"
    get_parent = getattr(shell, "get_parent", None)  # ipykernel's shell; plain IPython has none
    if get_parent is not None:
        request: dict[str, Any] = get_parent() or {}
        return bool(request.get("content", {}).get("allow_stdin", False))
    return sys.stdin is not None and sys.stdin.isatty()
