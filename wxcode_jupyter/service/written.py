"""Which context files are ours: those whose text was once what this server would write.

Without that nobody could tell a file that the user has changed since, which is what Claude shall read, from one that
somebody else has put there, which is not.
"""

from __future__ import annotations

import contextlib
import os

from ..folders import make_private, open_private
from ..models import check_id


class Written:
    """Notes of it, one empty file each, in ``<data_dir>/contexts``. Its methods belong in a thread."""

    def __init__(self, data_dir: str) -> None:
        self._folder = os.path.join(data_dir, "contexts")

    def note(self, milestone_id: str) -> None:
        """Note that the file has our text. Raises ``OSError``."""
        make_private(self._folder)
        os.close(open_private(self._path(milestone_id), os.O_WRONLY | os.O_CREAT))

    def has(self, milestone_id: str) -> bool:
        """Tell whether it ever had."""
        return os.path.exists(self._path(milestone_id))

    def forget(self, milestone_id: str) -> None:
        """Remove the note of a milestone that is deleted."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path(milestone_id))

    def _path(self, milestone_id: str) -> str:
        return os.path.join(self._folder, check_id(milestone_id))
