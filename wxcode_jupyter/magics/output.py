"""What a terminal has printed: to a file as it was printed, or here, with its colours and nothing else that acts."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from ..plain import clean_colored
from .cards import Card
from .grammar import Line, Mistake
from .results import Result


@dataclass(frozen=True, repr=False, kw_only=True)
class Output(Result):
    """The output of a live session; ``bytes`` of it are the output."""

    title: str
    data: bytes
    path: str | None = None

    def __bytes__(self) -> bytes:
        return self.data

    def _card(self) -> Card:
        rows = [("bytes", f"{len(self.data):,}"), *([("file", self.path)] if self.path else [])]
        return Card(self.title, rows=rows, notes=self.notes)


def save_output(data: bytes, name: str, file: str | None, line: Line) -> Output:
    """Write the output to a file, or print it where none is named."""
    path = Path(file).expanduser().absolute() if file else None
    if path is None:
        sys.stdout.write(clean_colored(data.decode(errors="replace")))
    else:
        try:
            path.write_bytes(data)
        except OSError as error:
            raise Mistake(f"{path} cannot be written: {error.strerror}.", line.subcommand.usage) from error
    return Output(title=f"{name}: output", data=data, path=None if path is None else str(path))
