"""How far a delivery has got, for whoever takes the session over from a server that died in it."""

from __future__ import annotations

import contextlib
import logging
from enum import Enum
from pathlib import Path

from ..folders import open_private
from ..models import Command

log = logging.getLogger(__name__)


class Stage(Enum):
    """What is proved of a command that is ``delivering``."""

    UNTYPED = "untyped"  # nothing of it was typed
    UNENTERED = "unentered"  # it may have been typed, in part or whole; we have not pressed Enter
    UNKNOWN = "unknown"  # nothing is proved


class DeliveryNote:
    """A file in a session's folder that names the command of which Enter has not been pressed so far.

    What was typed and not read yet lies in the terminal, where nobody can look for it: only who typed can say how far
    he got. The file is there before the store says ``delivering``; it gets another name before the first byte goes to
    the terminal, and is removed before Enter does. So a file that is there proves something, whenever its server died,
    and neither step needs room on the disk; one that is missing, or could not be made, proves nothing.

    Args:
        folder: The session's.
    """

    def __init__(self, folder: str | Path) -> None:
        self._untyped, self._unentered = Path(folder, "untyped"), Path(folder, "unentered")

    def begin(self, command: Command) -> None:
        """Note that nothing of this command was typed."""
        self.entering()
        try:
            with open(self._untyped, "w", encoding="ascii", opener=open_private) as file:
                file.write(command.id)
        except OSError as error:
            log.warning("A delivery cannot be noted; after a server's death it counts as sent: %s", error)

    def typing(self) -> None:
        """Note that something is about to be typed. Raises ``OSError`` where the file goes on saying otherwise."""
        with contextlib.suppress(FileNotFoundError):
            self._untyped.rename(self._unentered)

    def entering(self) -> None:
        """Note that Enter is about to be pressed. Raises ``OSError`` where the file goes on saying otherwise."""
        self._untyped.unlink(missing_ok=True)
        self._unentered.unlink(missing_ok=True)

    def stage(self, command: Command) -> Stage:
        """Return what is proved of this command; to be asked once its server cannot type any more."""
        if _read(self._untyped) == command.id:
            return Stage.UNTYPED
        return Stage.UNENTERED if _read(self._unentered) == command.id else Stage.UNKNOWN


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (FileNotFoundError, UnicodeDecodeError):
        return ""
