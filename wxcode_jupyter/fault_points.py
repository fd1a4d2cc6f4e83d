"""The steps of a command's way at which a test has a process die.

Whatever the moment at which a server, the CLI, the keeper or the store dies, a command is sent at most once, and never
forgotten. The moments that matter are named here, and the code says ``reach(FaultPoint.X)`` where it passes one.
Nothing happens there unless the server's process was started with ``WXCODE_FAULT_POINTS``, which only
`tests/faults` does: the name of a file that is read once, of one fault a line::

    kill <point> <n>    the process kills itself when it reaches the point for the n-th time
    stop <point> <n>    it stands still (SIGSTOP), so that whoever watches it kills something else in this very moment

The faults come one after the other: a point is counted from when the fault before has struck. Every point that is
reached is noted in ``<file>.reached``, one a line, with the act where a fault strikes there. This module imports
nothing of the package.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from enum import StrEnum
from pathlib import Path

ENVIRONMENT_NAME = "WXCODE_FAULT_POINTS"


class FaultPoint(StrEnum):
    """The steps, in the order in which a command passes them; then those of a new server that finds it under way."""

    COMMAND_STORED = "command_stored"
    """The command is in the queue, and who sent it was not told."""
    SESSION_SPAWNED = "session_spawned"
    """The CLI runs, and nobody follows it yet."""
    CONVERSATION_FIRST = "conversation_first"
    """The project's document has its first conversation id, the lineage does not."""
    CONVERSATION_APPENDED = "conversation_appended"
    """The lineage has a new conversation id, the project's document does not."""
    DELIVERY_MARKED = "delivery_marked"
    """The command is ``delivering`` in the store."""
    INPUT_HELD = "input_held"
    """Clients' keys are held, and nothing was typed."""
    TEXT_PARTLY_TYPED = "text_partly_typed"
    """The terminal has taken the beginning of what was to be typed."""
    TEXT_TYPED = "text_typed"
    """The terminal has taken the text; the CLI may not have read it."""
    TEXT_SEEN = "text_seen"
    """The text stands in the box; Enter comes next."""
    ENTER_PRESSED = "enter_pressed"
    """The terminal has taken Enter; the CLI may not have read it."""
    HOOK_HEARD = "hook_heard"
    """A hook event was read from the spool, and nothing of it is in the store."""
    PROMPT_BOUND = "prompt_bound"
    """The store has the id under which a hook has reported the prompt; it may not have been taken."""
    PROMPT_SEEN = "prompt_seen"
    """The command's prompt is in the transcript, or its effect is there; the store does not know."""
    ACCEPTED_STORED = "accepted_stored"
    """The command is ``accepted`` in the store."""
    TURN_END_SEEN = "turn_end_seen"
    """The command's turn has ended; the store does not know."""
    END_STORED = "end_stored"
    """The command has its final status, and no event has told of it."""
    WRITE_DONE = "write_done"
    """The store has taken a write of the outbox, which does not know it yet."""
    HOOK_FORGOTTEN = "hook_forgotten"
    """A hook event was removed from the spool."""

    PUT_BACK = "put_back"
    """A command of which nothing went in is ``queued`` again."""
    TAKEOVER_BEGUN = "takeover_begun"
    """A session that was left is about to be asked for."""
    TAKEOVER_ADOPTED = "takeover_adopted"
    """The keeper has given the session over, and nobody follows it yet."""
    TAKEOVER_DONE = "takeover_done"
    """What the session is about has been read from its transcript."""
    RECOVERY_BEGUN = "recovery_begun"
    """What dead sessions have left was read, and nothing was decided."""
    RECOVERY_FOLLOWED = "recovery_followed"
    """The conversation ids that they tell of are the project's."""
    RECOVERY_SETTLED = "recovery_settled"
    """A command that was under way has its new status, and no event has told of it."""
    RECOVERY_DONE = "recovery_done"
    """All commands are settled, and the folders of the dead sessions are still there."""

    @property
    def on_return(self) -> bool:
        """Whether only a server passes it that finds a session, or what is left of one."""
        return self.value.startswith(("takeover", "recovery"))


def reach(point: FaultPoint) -> None:
    """Say that a step has been reached. Costs one comparison where nothing is armed."""
    if _armed is not None:
        _armed.reach(point)


class Armed:
    """The faults of one process, of the file's lines.

    Args:
        file: Where they stand.
    """

    def __init__(self, file: Path) -> None:
        self._reached_path = file.with_name(f"{file.name}.reached")
        lines = (line.split() for line in file.read_text().splitlines())
        self._faults = deque((act, FaultPoint(point), int(count)) for act, point, count in lines)
        self._count = 0
        self._lock = threading.Lock()

    def reach(self, point: FaultPoint) -> None:
        """Note that the point was reached, and act if it is the next fault's."""
        with self._lock:
            act = self._note(point)
        if act == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif act == "stop":
            # To this thread, so that it goes no further: of a process's threads any may get the signal, and later.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

    def _note(self, point: FaultPoint) -> str:
        """Return what is to be done now, empty for nothing."""
        act = ""
        if self._faults and self._faults[0][1] is point:
            self._count += 1
            if self._count == self._faults[0][2]:
                act = self._faults.popleft()[0]
                self._count = 0
        with open(self._reached_path, "a", encoding="ascii") as file:
            file.write(f"{point} {act}".rstrip() + "\n")
        return act


def _arm() -> Armed | None:
    name = os.environ.get(ENVIRONMENT_NAME)
    return Armed(Path(name)) if name else None


_armed = _arm()
