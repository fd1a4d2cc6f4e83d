"""One mongod per test process, and a database of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pymongo
import pytest

from tests.support.mongod import Mongod


@pytest.fixture(scope="session")
def mongod() -> Iterator[Mongod]:
    """A server that all tests of this process share: for a test that stops one there is `Mongod` itself."""
    with Mongod() as server:
        yield server


@pytest.fixture
def mongo_url(mongod: Mongod) -> Iterator[str]:
    """The address of an empty database, dropped at the end."""
    database = f"test_{uuid4().hex}"
    yield f"{mongod.url}/{database}"
    with pymongo.MongoClient[dict[str, object]](mongod.url) as client:
        client.drop_database(database)
