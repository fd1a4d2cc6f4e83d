"""``%wxmilestone``: grammar, subcommands, displays.

``grammar`` and ``subcommands`` say what may be written, ``commands`` and ``work`` do it, ``results`` and ``cards``
show it, ``magic`` ties them to IPython. A kernel is another process: nothing here imports the server's parts.
"""

from __future__ import annotations

from IPython.core.interactiveshell import InteractiveShell

from . import completion, input
from .gsd import NextStep
from .magic import UsageMistake, WxMagics
from .moving import ExportResult, ImportResult
from .report import ReportResult
from .results import (
    Answered,
    CommandResult,
    DoctorReport,
    EventLog,
    Help,
    Listing,
    MilestoneResult,
    ProjectCard,
    Questions,
    Result,
    Screen,
    SessionStatus,
)
from .rewinding import ForkResult, RewindResult
from .running import RunResult
from .terminal import LiveTerminal

__all__ = [
    "Answered",
    "CommandResult",
    "DoctorReport",
    "EventLog",
    "ExportResult",
    "ForkResult",
    "Help",
    "ImportResult",
    "Listing",
    "LiveTerminal",
    "MilestoneResult",
    "NextStep",
    "ProjectCard",
    "Questions",
    "ReportResult",
    "Result",
    "RewindResult",
    "RunResult",
    "Screen",
    "SessionStatus",
    "UsageMistake",
    "WxMagics",
    "load",
    "unload",
]


def load(shell: InteractiveShell) -> WxMagics:
    """Register the magics, their completion and their input rule in a shell; nothing connects yet."""
    magics = WxMagics(shell)
    shell.register_magics(magics)
    input.register(shell)
    completion.register(shell, magics.context)
    return magics


def unload(shell: InteractiveShell) -> None:
    """Take out what ``load`` put in; the magics go with the kernel."""
    input.unregister(shell)
    for kind in ("line", "cell"):
        for name in input.NAMES:
            shell.magics_manager.magics[kind].pop(name, None)
