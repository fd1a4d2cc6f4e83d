"""The kernel's side of the REST API: ``Client``, how it finds a server, how it waits.

``transport`` speaks HTTP and maps errors, ``parse`` turns JSON into the package's values, ``operations`` has the
requests by subject, ``api`` puts them together, ``waiting`` follows the work, ``runs`` goes from one step of GSD's to
the next, ``discovery`` and ``headless`` find or start the server. Nothing here imports the server's parts: a kernel is
another process, often in another environment.
"""

from .api import Client
from .budgets import Budget
from .following import Observer, Progress
from .gsd import GsdCommand, GsdPhase, GsdProgress, GsdStatus, GsdStep
from .policies import Policy
from .runs import UNTIL, Run, Runner, RunStep, Until
from .terminal import TerminalAddress
from .values import Check, PreparedContext, Project, ServerInfo, asks_for_trust

__all__ = [
    "UNTIL",
    "Budget",
    "Check",
    "Client",
    "GsdCommand",
    "GsdPhase",
    "GsdProgress",
    "GsdStatus",
    "GsdStep",
    "Observer",
    "Policy",
    "PreparedContext",
    "Progress",
    "Project",
    "Run",
    "RunStep",
    "Runner",
    "ServerInfo",
    "TerminalAddress",
    "Until",
    "asks_for_trust",
]
