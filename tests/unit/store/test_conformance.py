"""Both backends keep the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from wxcode_jupyter.store import Store
from wxcode_jupyter.store.mongo import MongoStore
from wxcode_jupyter.store.sqlite import SqliteStore
from wxcode_jupyter.testing.store_conformance import OpenAnother, SharedDocumentsConformance, StoreConformance


class _Opener:
    """Open stores, and close them all at the end."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    async def open(self, store: Store) -> Store:
        self._stack.push_async_callback(store.close)
        await store.open()
        return store


class TestSqliteStore(StoreConformance):
    @pytest.fixture
    async def open_another(self, tmp_path: Path) -> AsyncIterator[OpenAnother]:
        async with AsyncExitStack() as stack:
            opener = _Opener(stack)
            yield lambda: opener.open(SqliteStore(tmp_path / "data" / "wxcode.sqlite3"))

    @pytest.fixture
    async def store(self, open_another: OpenAnother) -> Store:
        return await open_another()


class _Wxcode:
    """The shared collections, written as wxcode does."""

    def __init__(self, db: AsyncDatabase[dict[str, Any]]) -> None:
        self._db = db

    async def insert(self, collection: str, document: Mapping[str, Any]) -> None:
        await self._db[collection].insert_one(dict(document))

    async def load(self, collection: str, identifier: str) -> dict[str, Any]:
        document = await self._db[collection].find_one({"_id": ObjectId(identifier)})
        assert document is not None
        return document

    async def replace(self, collection: str, identifier: str, document: Mapping[str, Any]) -> None:
        result = await self._db[collection].replace_one({"_id": ObjectId(identifier)}, document)
        assert result.matched_count == 1

    async def delete(self, collection: str, identifier: str) -> None:
        result = await self._db[collection].delete_one({"_id": ObjectId(identifier)})
        assert result.deleted_count == 1


@pytest.mark.mongod
class TestMongoStore(StoreConformance, SharedDocumentsConformance):
    @pytest.fixture
    async def open_another(self, mongo_url: str) -> AsyncIterator[OpenAnother]:
        async with AsyncExitStack() as stack:
            opener = _Opener(stack)
            yield lambda: opener.open(MongoStore(mongo_url))

    @pytest.fixture
    async def store(self, open_another: OpenAnother) -> Store:
        return await open_another()

    @pytest.fixture
    async def wxcode(self, mongo_url: str) -> AsyncIterator[_Wxcode]:
        async with AsyncMongoClient[dict[str, Any]](mongo_url, tz_aware=True) as client:
            yield _Wxcode(client.get_default_database())


def test_no_promise_hides_another() -> None:
    kinds = [kind for kind in TestMongoStore.__mro__ if kind.__module__.startswith(StoreConformance.__module__)]
    names = [name for kind in kinds for name in vars(kind) if name.startswith("test_")]
    assert len(names) == len(set(names))
