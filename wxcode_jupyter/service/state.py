"""The states of a live session, and which may follow which.

::

    stopped -> starting -> (attention) -> idle <-> busy <-> waiting
    any live state -> attention -> where it was going;   any live state -> exited
"""

from __future__ import annotations

from ..models import SessionState as S

_LIVE = frozenset({S.STARTING, S.ATTENTION, S.IDLE, S.BUSY, S.WAITING})

#: From each state, the states that may follow it.
TRANSITIONS: dict[S, frozenset[S]] = {
    S.STOPPED: frozenset({S.STARTING}),
    S.STARTING: frozenset({S.ATTENTION, S.IDLE, S.BUSY, S.EXITED}),
    S.ATTENTION: frozenset({S.STARTING, S.IDLE, S.BUSY, S.WAITING, S.EXITED}),
    S.IDLE: frozenset({S.BUSY, S.ATTENTION, S.STARTING, S.EXITED}),
    S.BUSY: frozenset({S.IDLE, S.WAITING, S.ATTENTION, S.STARTING, S.EXITED}),
    S.WAITING: frozenset({S.BUSY, S.IDLE, S.ATTENTION, S.STARTING, S.EXITED}),
    S.EXITED: frozenset({S.STARTING}),
}


def may_follow(before: S, after: S) -> bool:
    """Whether ``after`` may follow ``before``; a state never follows itself."""
    return after in TRANSITIONS[before]
