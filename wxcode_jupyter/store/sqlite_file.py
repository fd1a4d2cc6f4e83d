"""The file of the embedded store: its creation, its format, its connection and its one worker thread.

WAL with ``synchronous=FULL``: what a transaction committed is on disk. Any number of processes may have the file open,
as long as it lies on a local disk (WAL shares memory). The file is 0600, and so are SQLite's own files beside it.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import TypeVar
from urllib.parse import quote

from ..errors import StoreError, StoreUnavailable
from ..folders import make_private

#: ``PRAGMA user_version``: a later version migrates an older file, and an older version refuses a newer one.
FORMAT_VERSION = 1

#: ``PRAGMA application_id``: tells our files from any other program's ("wxjp").
_APPLICATION_ID = 0x77786A70

_SCHEMA = """
CREATE TABLE output_projects (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    workspace_path TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    claude_session_id TEXT,
    kb_id TEXT,
    stack_id TEXT,
    configuration_id TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    options TEXT NOT NULL,
    limited_until INTEGER
);
CREATE TABLE milestones (
    id TEXT PRIMARY KEY,
    output_project_id TEXT NOT NULL REFERENCES output_projects (id) ON DELETE CASCADE,
    element_name TEXT NOT NULL,
    element_id TEXT,
    status TEXT NOT NULL,
    wxcode_version TEXT,
    milestone_folder_name TEXT,
    context TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    completed_at INTEGER
);
CREATE INDEX milestones_of_project ON milestones (output_project_id);
CREATE TABLE commands (
    id TEXT PRIMARY KEY,
    output_project_id TEXT NOT NULL REFERENCES output_projects (id) ON DELETE CASCADE,
    text TEXT NOT NULL,
    seq INTEGER NOT NULL,
    milestone_id TEXT,
    status TEXT NOT NULL,
    outcome TEXT,
    resets_at INTEGER,
    missing TEXT,
    last_message TEXT,
    prompt_id TEXT,
    claude_session_id TEXT,
    error TEXT,
    created_at INTEGER NOT NULL,
    delivering_at INTEGER,
    accepted_at INTEGER,
    completed_at INTEGER,
    taken_back_at INTEGER,
    UNIQUE (output_project_id, seq)
);
CREATE TABLE claude_sessions (
    output_project_id TEXT NOT NULL REFERENCES output_projects (id) ON DELETE CASCADE,
    claude_session_id TEXT NOT NULL,
    cause TEXT NOT NULL,
    predecessor TEXT,
    born INTEGER NOT NULL,
    transcript_path TEXT,
    seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (output_project_id, seq)
);
CREATE TABLE events (
    output_project_id TEXT NOT NULL REFERENCES output_projects (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    type TEXT NOT NULL,
    data TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    idempotency_key TEXT,
    PRIMARY KEY (output_project_id, seq),
    UNIQUE (output_project_id, idempotency_key)
);
"""

#: Tables that files of this format may lack, because they were made before: added at the first use.
_ADDED_TABLES = {
    "leases": """
CREATE TABLE IF NOT EXISTS leases (
    output_project_id TEXT PRIMARY KEY REFERENCES output_projects (id) ON DELETE CASCADE,
    fence INTEGER NOT NULL,
    holder TEXT,
    renewed_at INTEGER NOT NULL
)
""",
    "transcripts": """
CREATE TABLE IF NOT EXISTS transcripts (
    output_project_id TEXT NOT NULL REFERENCES output_projects (id) ON DELETE CASCADE,
    claude_session_id TEXT NOT NULL,
    generation INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    length INTEGER NOT NULL,
    digest TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (output_project_id, claude_session_id, generation, offset)
)
""",
}

#: Columns, likewise.
_ADDED = (
    ("output_projects", "limited_until", "INTEGER"),
    ("output_projects", "events_pruned", "INTEGER"),
    ("commands", "resets_at", "INTEGER"),
    ("commands", "taken_back_at", "INTEGER"),
    ("commands", "missing", "TEXT"),
)

T = TypeVar("T")


class SqliteFile:
    """A SQLite file of our format, and the thread that works on it, one transaction after the other.

    Args:
        path: Absolute path of the file; it and its folder are made when they are missing.
        busy_timeout_s: How long a transaction waits for another process.
    """

    def __init__(self, path: str, busy_timeout_s: float) -> None:
        self.url = f"sqlite://{quote(os.fsencode(path))}"
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._worker: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def start(self) -> None:
        """Start the worker; idempotent."""
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, "wxcode-store")

    async def stop(self) -> None:
        """Let what was begun end, close the file and end the worker; idempotent."""
        worker, self._worker = self._worker, None
        if worker is not None:
            await asyncio.get_running_loop().run_in_executor(worker, self._disconnect)
            worker.shutdown()

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in the worker, on one snapshot of the data."""
        return await self._submit("BEGIN", work)

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in the worker, with no other writer; committed when it returns, undone when it raises.

        A caller that is cancelled does not stop a transaction that was begun.
        """
        return await self._submit("BEGIN IMMEDIATE", work)

    async def _submit(self, begin: str, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._worker is None:
            raise StoreUnavailable(f"The store {self.url} is not open.", url=self.url)
        return await asyncio.get_running_loop().run_in_executor(self._worker, self._transact, begin, work)

    # -- in the worker thread -------------------------------------------------------------------------------------

    def _transact(self, begin: str, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            connection = self._connected()
            try:
                connection.execute(begin)
                result = work(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError) as error:
            # The next call begins with a new connection: some errors (a lost -shm file) stick to the old one.
            self._disconnect()
            raise self._translated(error) from error
        return result

    def _connected(self) -> sqlite3.Connection:
        """Return the connection, a new one where the file was replaced: writes to a deleted file would be lost."""
        if self._connection is None or self._identity != _identity(self._path):
            self._disconnect()
            create(self._path)
            self._identity = _identity(self._path)
            self._connection = _connect(self._path, self._busy_timeout_s)
            self._check_format(self._connection)
            _add_tables(self._connection)
            _add_columns(self._connection)
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _check_format(self, connection: sqlite3.Connection) -> None:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != _APPLICATION_ID:
            self._disconnect()
            raise StoreError(f"{self._path} is a database of another program; choose another file.", url=self.url)
        if version != FORMAT_VERSION:
            self._disconnect()
            raise StoreError(
                f"{self._path} has format {version}, and this version of wxcode_jupyter knows {FORMAT_VERSION}: "
                f"it was written by a newer version. Upgrade wxcode_jupyter, or choose another file.",
                url=self.url,
            )

    def _translated(self, error: sqlite3.Error | OSError) -> StoreError:
        if isinstance(error, sqlite3.OperationalError | OSError):
            return StoreUnavailable(
                f"The store {self.url} cannot be used: {error}. Check its folder, the free space of the disk, and "
                f"whether another program keeps the file locked.",
                url=self.url,
            )
        return StoreError(f"The store {self.url} failed: {error}.", url=self.url)


def create(path: str) -> None:
    """Create the file with its tables, and its folder (0700); nothing when the file exists.

    It is made aside and linked into place, complete: of several processes one wins, none sees half of it. (And an
    existing file is never opened outside of SQLite: closing it would drop the locks of every connection to it.)
    """
    if os.path.exists(path):
        return
    folder = os.path.dirname(path)
    make_private(folder)
    with tempfile.TemporaryDirectory(prefix=".wxcode-store-", dir=folder) as aside:
        draft = os.path.join(aside, "draft")
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with closing(_connect(draft, 0.0)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
            connection.executescript(_SCHEMA)
            _add_tables(connection)
            _add_columns(connection)
        with suppress(FileExistsError):
            os.link(draft, path)


def _connect(path: str, busy_timeout_s: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(os.fsencode(path))}?mode=rw", uri=True, timeout=busy_timeout_s, isolation_level=None
    )
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _add_tables(connection: sqlite3.Connection) -> None:
    there = {row["name"] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table, statement in _ADDED_TABLES.items():
        if table not in there:
            connection.execute(statement)


def _add_columns(connection: sqlite3.Connection) -> None:
    for table, column, kind in _ADDED:
        if _has(connection, table, column):
            continue
        connection.execute("BEGIN IMMEDIATE")  # of several processes one adds it
        if not _has(connection, table, column):
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
        connection.execute("COMMIT")


def _has(connection: sqlite3.Connection, table: str, column: str) -> bool:
    return column in [row["name"] for row in connection.execute(f"PRAGMA table_info({table})")]


def _identity(path: str) -> tuple[int, int] | None:
    with suppress(FileNotFoundError):
        status = os.stat(path)
        return status.st_dev, status.st_ino
    return None
