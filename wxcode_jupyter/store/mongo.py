"""The store in MongoDB, shared with the wxcode application.

``output_projects`` and ``milestones`` belong to wxcode as much as to us: every write there names its fields, no
document is ever replaced, no index is made. What must hold whatever wxcode writes lives in collections of our own:
``wx_projects`` (`mongo_reservations.py`, and the options), ``wx_milestones`` (the context's text), ``wx_commands``,
``wx_claude_sessions``, ``wx_events``, ``wx_transcripts`` and ``wx_leases`` (`mongo_fence.py`). A standalone server has
no transactions, so each method has one write that decides, and the writes around it may be repeated.

This module has the connection; what is read and written stands in `mongo_projects.py`, `mongo_work.py`,
`mongo_transcripts.py` and `mongo_leases.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pymongo
from bson.codec_options import DatetimeConversion
from bson.errors import BSONError
from pymongo import AsyncMongoClient
from pymongo.errors import (
    ConfigurationError,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
    WriteError,
)

from ..errors import StoreError, StoreUnavailable
from .documents import Document
from .mongo_access import Database, create_indexes
from .mongo_leases import MongoLeases
from .mongo_projects import MongoProjects
from .mongo_reservations import finish_deletion
from .mongo_transcripts import MongoTranscripts
from .mongo_work import MongoWork, finish_milestone
from .redaction import redact

DEFAULT_DATABASE = "wxcode"

#: How long a server is looked for, and how long one operation may take, retries included.
SERVER_SELECTION_TIMEOUT_MS = 3_000
OPERATION_TIMEOUT_MS = 5_000
CLOSE_TIMEOUT_S = 2.0
#: After an outage every session asks at once: dozens of connections, which pymongo would keep for ever.
IDLE_CONNECTION_MS = 60_000

#: Codes of write errors that say nothing against the document: the server is in trouble, or no longer the primary
#: (an ``update_many`` is not repeated by the driver).
_IN_TROUBLE = {
    91,  # ShutdownInProgress
    189,  # PrimarySteppedDown
    10058,  # LegacyNotPrimary
    10107,  # NotWritablePrimary
    11600,  # InterruptedAtShutdown
    11602,  # InterruptedDueToReplStateChange
    13435,  # NotPrimaryNoSecondaryOk
    13436,  # NotPrimaryOrSecondary
    14031,  # OutOfDiskSpace
}


class MongoStore(MongoProjects, MongoWork, MongoTranscripts, MongoLeases):
    """A store in a MongoDB database (4.4 or newer; standalone, replica set or sharded).

    An object belongs to one event loop. After an outage it works again by itself, also when the server was away at
    ``open()``.

    Args:
        url: ``mongodb://`` or ``mongodb+srv://``. Options that decide over durability (``w``, ``journal``,
            ``readPreference``) and time limits are ours.
        database: Name of the database; default is the one in the URL, or ``wxcode``.
    """

    def __init__(self, url: str, database: str | None = None) -> None:
        super().__init__()
        self.url = redact(url)
        self._secret_url = url
        self._database_name = database
        self._client: AsyncMongoClient[Document] | None = None
        self._indexes_made = False

    def __repr__(self) -> str:
        return f"MongoStore({self.url!r})"

    async def open(self) -> None:
        """Connect and create indexes."""
        if self._client is None:
            self._client = self._connect()
        async with self._reach() as db:
            for mark in await db.wx_projects.find({"deleting": True}, {"_id": True}).to_list():
                await finish_deletion(db, mark["_id"])
            for mark in await db.wx_milestones.find({"deleting": True}, {"_id": True}).to_list():
                await finish_milestone(db, mark["_id"])

    async def close(self) -> None:
        """Close every connection; a server that hangs is not waited for."""
        client, self._client = self._client, None
        self._indexes_made = False
        if client is not None:
            with pymongo.timeout(CLOSE_TIMEOUT_S):
                await client.close()

    async def ping(self) -> None:
        """Ask the server."""
        async with self._reach() as db:
            await db.command("ping")

    def _connect(self) -> AsyncMongoClient[Document]:
        try:
            return AsyncMongoClient(
                self._secret_url,
                tz_aware=True,
                datetime_conversion=DatetimeConversion.DATETIME_AUTO,  # one beyond Python's years is no error
                w="majority",
                journal=True,
                readPreference="primary",
                serverSelectionTimeoutMS=SERVER_SELECTION_TIMEOUT_MS,
                connectTimeoutMS=SERVER_SELECTION_TIMEOUT_MS,
                timeoutMS=OPERATION_TIMEOUT_MS,
                maxIdleTimeMS=IDLE_CONNECTION_MS,
                appname="wxcode_jupyter",
            )
        except (ConfigurationError, ValueError):
            # Without its cause: pymongo's message may quote a part of the password ("Port must be an integer").
            raise StoreError(
                f"{self.url!r} is no usable MongoDB address: check host, port and options, and percent-encode "
                f"user name and password.",
                url=self.url,
            ) from None

    @asynccontextmanager
    async def _reach(self) -> AsyncIterator[Database]:
        if self._client is None:
            raise StoreUnavailable(f"The store {self.url} is not open.", url=self.url)
        try:
            db = self._database(self._client)
            if not self._indexes_made:
                await create_indexes(db)
                self._indexes_made = True
            yield db
        except PyMongoError as error:
            raise self._translated(error) from error
        except (BSONError, OverflowError) as error:
            raise StoreError(f"MongoDB cannot keep this: {error}", url=self.url) from error

    def _database(self, client: AsyncMongoClient[Document]) -> Database:
        if self._database_name is not None:
            return client[self._database_name]
        return client.get_default_database(DEFAULT_DATABASE)

    def _translated(self, error: PyMongoError) -> StoreError:
        """Return our error for one of pymongo's: this document cannot be written, or the server is in trouble."""
        if isinstance(error, WriteError) and error.code not in _IN_TROUBLE:
            return StoreError(f"MongoDB at {self.url} refused the write: {error!s:.300}", url=self.url)
        if isinstance(error, InvalidOperation):
            return StoreUnavailable(f"The store {self.url} was closed meanwhile.", url=self.url)
        if isinstance(error, OperationFailure):
            hint = "Check the login and the rights of its user, and the server's log"
        else:
            hint = "Check that MongoDB runs there"
        return StoreUnavailable(f"The store {self.url} cannot be used. {hint}. ({error!s:.300})", url=self.url)
