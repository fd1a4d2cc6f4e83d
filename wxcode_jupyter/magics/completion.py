"""What ``%wxmilestone <TAB>`` offers: subcommands, options, names of projects, milestones and GSD's commands.

Completion never starts a server and never makes anybody wait: it asks only a server that this kernel is connected to,
gives it a short time, and remembers the answer for some seconds.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from ..client import Client
from ..errors import WxcodeError
from .context import Context
from .input import NAMES
from .subcommands import SUBCOMMANDS

_FRESH_S = 5.0
_TAKES_MILESTONE = frozenset({"start", "run", "complete", "fail"})


class Completer:
    """Completes lines of ours.

    Args:
        context: The kernel's state.
        clock: Seconds that only rise; injected by tests.
    """

    def __init__(self, context: Context, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._context = context
        self._clock = clock
        self._known: dict[str, tuple[float, list[str]]] = {}

    def __call__(self, shell: object, event: Any) -> list[str]:
        """Return what may stand at the cursor; IPython keeps what begins with the word before it."""
        before = event.text_until_cursor.lstrip().lstrip("%").split()
        if not event.text_until_cursor[-1:].isspace():
            before = before[:-1]
        if len(before) == 1:
            return list(SUBCOMMANDS)
        subcommand = SUBCOMMANDS.get(before[1]) if before else None
        if subcommand is None:
            return []
        if before[-1] in ("-p", "--project"):
            return self._projects()
        names = [name for option in subcommand.options for name in option.names]
        if event.symbol.startswith("-"):
            return names
        if subcommand.name == "project":
            return [*self._projects(), *names]
        if subcommand.name == "gsd":
            has_command = any(not word.startswith("-") for word in before[2:])
            return names if has_command else [*self._gsd_commands(), *names]
        if subcommand.name == "answer":
            return [*self._labels(), *names]
        if subcommand.name in _TAKES_MILESTONE:
            return [*self._milestones(), *names]
        return names

    def _projects(self) -> list[str]:
        return self._remembered("projects", lambda client: [item.name for item in client.projects()])

    def _milestones(self) -> list[str]:
        selected = self._context.selected
        if selected is None:
            return []
        return self._remembered(
            f"milestones of {selected}", lambda client: [item.element_name for item in client.milestones(selected)]
        )

    def _gsd_commands(self) -> list[str]:
        selected = self._context.selected
        if selected is None:
            return []
        return self._remembered(
            f"GSD of {selected}", lambda client: [item.name for item in client.gsd(selected).commands]
        )

    def _labels(self) -> list[str]:
        selected = self._context.selected
        if selected is None:
            return []
        return self._remembered(
            f"labels of {selected}",
            lambda client: [
                option.label
                for question in client.questions(selected)
                if question.open
                for item in question.items
                for option in item.options
            ],
        )

    def _remembered(self, key: str, ask: Callable[[Client], list[str]]) -> list[str]:
        at, names = self._known.get(key, (float("-inf"), []))
        if self._clock() - at < _FRESH_S:
            return names
        client = self._context.connected
        if client is None:
            return []
        try:
            with client.hurried() as hurried:
                names = [name if name.split() == [name] else shlex.quote(name) for name in ask(hurried)]
        except WxcodeError:  # nothing to offer is the right answer to a server that is slow or away
            names = []
        self._known[key] = (self._clock(), names)
        return names


def register(shell: InteractiveShell, context: Context) -> None:
    """Hook the completion of our names."""
    completer = Completer(context)

    def complete(shell: object, event: Any) -> list[str]:
        return completer(shell, event)

    for name in NAMES:
        for sign in ("%", "%%"):
            shell.set_hook("complete_command", complete, str_key=sign + name)  # type: ignore[no-untyped-call]
