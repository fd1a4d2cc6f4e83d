"""What the parts of the MongoDB store have in common: reaching the database, pages, numbered documents."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NoReturn
from weakref import WeakValueDictionary

from bson import ObjectId
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from ..errors import NotFound
from ..models import Page
from .base import Store
from .documents import Document, M, check_count, displaced
from .mongo_documents import from_mongo, object_id

Database = AsyncDatabase[Document]
Documents = AsyncCollection[Document]
Order = Sequence[tuple[str, int]]

OLDEST_FIRST: Order = (("created_at", 1), ("_id", 1))
#: Leaves out what only keeps displaced holders out (`mongo_fence.py`).
NO_BARRIER: Document = {"barrier": {"$exists": False}}

BY_SEQ: Order = (("seq", 1),)
TRANSCRIPT_KEY = ("output_project_id", "claude_session_id", "generation", "offset")
NEWEST_FIRST: Order = (("seq", -1),)


async def create_indexes(db: Database) -> None:
    """Create the indexes of our own collections; wxcode's get none, its documents may violate them."""
    for field in ("name", "path"):
        await db.wx_projects.create_index(field, unique=True, sparse=True)
    await db.wx_milestones.create_index("output_project_id")
    for name in ("wx_commands", "wx_claude_sessions", "wx_events"):
        await db[name].create_index([("output_project_id", 1), ("seq", 1)], unique=True)
    await db.wx_transcripts.create_index([(name, 1) for name in TRANSCRIPT_KEY], unique=True)
    await db.wx_events.create_index(
        [("output_project_id", 1), ("key", 1)], unique=True, partialFilterExpression={"key": {"$exists": True}}
    )


class MongoAccess(Store):
    """A store that reaches a database."""

    def __init__(self) -> None:
        super().__init__()
        self._turns: WeakValueDictionary[tuple[str, ObjectId], asyncio.Lock] = WeakValueDictionary()

    def new_id(self) -> str:
        """Return a new ObjectId."""
        return str(ObjectId())

    @abstractmethod
    def _reach(self) -> AbstractAsyncContextManager[Database]:
        """Give the database, its indexes made; errors of pymongo's leave the block as errors of ours."""

    async def _append(
        self, documents: Documents, document: Document, *, known: Document | None = None, repeats: str | None = None
    ) -> Document:
        """Insert ``document`` under the project's next ``seq``, or return the one that is there already.

        The unique index on (project, ``seq``) hands out the numbers: whoever inserts the one after the highest wins
        it. So they appear in their order, and a reader who goes on after the last one he saw misses none; a counter
        could hand out 5 and 6 and have 6 stored first.

        Args:
            known: A query for the document that makes this one a repetition.
            repeats: The field in which this one repeats the last one when both have the same value.

        Raises:
            Displaced: The last one carries a greater number than ours (`mongo_fence.py`).
        """
        project_id = document["output_project_id"]
        # Callers in this process wait for each other instead of losing to each other.
        turn = self._turns.setdefault((documents.name, project_id), asyncio.Lock())
        async with turn:
            while True:
                if known is not None and (stored := await documents.find_one(known)) is not None:
                    return stored
                await require(documents.database.output_projects, str(project_id), "output project", {"_id": True})
                last = await documents.find_one({"output_project_id": project_id}, sort=NEWEST_FIRST) or {}
                if self.fence is not None and last.get("fence", 0) > self.fence:
                    raise displaced(str(project_id), self.fence)
                if repeats is not None and (same := await _repeated(documents, document, repeats)) is not None:
                    return same
                fence = max(last.get("fence", 0), self.fence or 0)  # a user's write hands on what it found
                numbered = {**document, "seq": last.get("seq", 0) + 1, "fence": fence}
                try:
                    await documents.insert_one(numbered)
                except DuplicateKeyError:
                    continue
                return numbered


async def _repeated(documents: Documents, document: Document, field: str) -> Document | None:
    """Return the project's last document where it has the same value in this field; barriers are none."""
    query = {"output_project_id": document["output_project_id"], **NO_BARRIER}
    last = await documents.find_one(query, sort=NEWEST_FIRST)
    return last if last is not None and last.get(field) == document[field] else None


async def require(
    documents: Documents, identifier: str, what: str, fields: Mapping[str, bool] | None = None
) -> Document:
    """Return the document with this id, or only these ``fields`` of it. Raises ``NotFound``."""
    document = await documents.find_one({"_id": object_id(identifier)}, fields)
    if document is None:
        raise_not_found(what, identifier)
    return document


def raise_not_found(what: str, identifier: str) -> NoReturn:
    """Raise ``NotFound``."""
    raise NotFound(f"There is no {what} {identifier}.", what=what, identifier=identifier)


async def page(
    kind: type[M],
    documents: Documents,
    query: Document,
    order: Order,
    skip: int,
    limit: int,
    fields: Mapping[str, bool] | None = None,
) -> Page[M]:
    """Return a slice of what matches, and how many match."""
    items = await take(documents, query, order, skip, limit, fields)
    return Page(tuple(from_mongo(kind, item) for item in items), await documents.count_documents(query))


async def take(
    documents: Documents,
    query: Document,
    order: Order,
    skip: int,
    limit: int,
    fields: Mapping[str, bool] | None = None,
) -> list[Document]:
    """Return a slice of what matches. A ``limit`` of 0 is nothing, and not everything as to MongoDB."""
    skip, limit = check_count("skip", skip), check_count("limit", limit)
    if limit == 0:
        return []
    return await documents.find(query, fields, sort=order, skip=skip, limit=limit).to_list()
