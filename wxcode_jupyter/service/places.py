"""A folder per project that nobody moves, for a session to own beside its workspace.

A workspace can be renamed or replaced under a live session, and what then stands at its path is free for the next
server. The project is not: ``~/.wxcode/projects/<project id>`` is one for all servers of this user, whatever their data
folders are. Its name is the id alone: ids differ between stores, and where a store is a copy of another the
conversations are the same ones.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import SpawnFailed
from ..folders import make_private
from ..models import check_id
from .config import Config


def place_of(config: Config, project_id: str) -> str:
    """Return the folder that stands for a project, made (0700) where it is missing.

    Raises:
        SpawnFailed: It cannot be made.
    """
    folder = Path(config.home, ".wxcode", "projects", check_id(project_id))
    try:
        make_private(folder)
    except OSError as error:
        raise SpawnFailed(
            f"{folder}, by which servers keep out of each other's projects, cannot be made: {error}"
        ) from error
    return os.path.realpath(folder)
