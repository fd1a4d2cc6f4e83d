"""The embedded store: one SQLite file, for a user without a MongoDB.

Tables have the fields of the models as columns, times as milliseconds since the epoch. Each method is one transaction
in the file's worker thread (`sqlite_file.py`); one that writes begins with the write lock (``BEGIN IMMEDIATE``), so
that what it read before it writes still holds, whatever other processes do. The statements stand in `sqlite_rows.py`,
what is read and written in `sqlite_projects.py`, `sqlite_work.py`, `sqlite_transcripts.py` and `sqlite_leases.py`.
"""

from __future__ import annotations

import os

from bson import ObjectId

from .sqlite_file import SqliteFile
from .sqlite_leases import SqliteLeases
from .sqlite_projects import SqliteProjects
from .sqlite_transcripts import SqliteTranscripts
from .sqlite_work import SqliteWork

BUSY_TIMEOUT_S = 8.0


class SqliteStore(SqliteProjects, SqliteWork, SqliteTranscripts, SqliteLeases):
    """A store in a file. Any number of objects, in any number of processes, may have the same file open.

    After trouble with the file it works again by itself. An object belongs to one event loop.

    Args:
        path: The file; it is made (0600), and so is its folder (0700), when it is missing.
        busy_timeout_s: How long a method waits for the writers of other processes.
    """

    def __init__(self, path: str | os.PathLike[str], *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self._file = SqliteFile(os.path.abspath(path), busy_timeout_s)
        self.url = self._file.url

    def __repr__(self) -> str:
        return f"SqliteStore({self.url!r})"

    async def open(self) -> None:
        """Open the file, making it where it is missing."""
        self._file.start()
        await self.ping()

    async def close(self) -> None:
        """Close the file and end its thread."""
        await self._file.stop()

    async def ping(self) -> None:
        """Read something."""
        await self._file.read(lambda db: db.execute("SELECT 1 FROM output_projects LIMIT 1").fetchone())

    def new_id(self) -> str:
        """Return a new ObjectId."""
        return str(ObjectId())
