"""What is ours alone is closed to others before anything is read from it: looked at whenever a server starts."""

from __future__ import annotations

import logging
import os

from ..errors import NotPrivate
from ..folders import NotOurs, make_private, tighten
from .config import Config

log = logging.getLogger(__name__)

_SHOWN = 3


def secure(config: Config, *, me: int | None = None) -> None:
    """Make the data folder and the runtime folder where they are missing, and close them, with what is in them.

    Modes that are wider than ours (0700, 0600) are taken back, which the log tells in one line.

    Args:
        config: Says where they are.
        me: The user that we are; by default the process's.

    Raises:
        NotPrivate: Something in them belongs to another user.
    """
    user = os.geteuid() if me is None else me
    for folder in (config.data_dir, config.runtime_dir):
        try:
            make_private(folder)
            found = tighten(folder, user)
        except NotOurs as error:
            raise NotPrivate(
                f"{error.path} belongs to user {error.owner}, and only user {user} may have anything in {folder}: who "
                "owns it could change what this server believes. See how it came there; then give it back (chown -R), "
                "or move it away.",
                path=error.path,
                owner=error.owner,
            ) from error
        if found:
            shown = ", ".join(found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
            log.warning("%d files and folders were open to other users, and are closed now: %s", len(found), shown)
