"""What a client of a terminal asks for, whatever protocol it speaks."""

from __future__ import annotations

from dataclasses import dataclass

from ..models import TermSize

SIGNALS = ("SIGINT", "SIGTERM", "EOF")


@dataclass(frozen=True, slots=True)
class Input:
    """Keys from a client, as a terminal sends them."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Resize:
    """A client's size."""

    size: TermSize


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal that a client asks for: one of ``SIGNALS``."""

    name: str


Request = Input | Resize | Signal
