"""MongoDB in memory, as far as our store asks for it, one atomic step at a time under a schedule.

What is modelled is what a standalone server promises: each operation on a document is atomic, in some order, and
nothing else is. Every operation is one step; between two of them anybody else may take theirs. `explore` runs
coroutines in every order of their steps.
"""

from __future__ import annotations

import operator
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from wxcode_jupyter.store.documents import Document
from wxcode_jupyter.store.mongo_access import Database
from wxcode_jupyter.store.mongo_leases import MongoLeases
from wxcode_jupyter.store.mongo_projects import MongoProjects
from wxcode_jupyter.store.mongo_transcripts import MongoTranscripts
from wxcode_jupyter.store.mongo_work import MongoWork

_NUMBERED = ("wx_commands", "wx_claude_sessions", "wx_events")


class _Step:
    """Gives the others their turn."""

    def __await__(self) -> Generator[None]:
        yield


class Result:
    """What an update tells."""

    def __init__(self, matched: int, upserted_id: object = None) -> None:
        self.matched_count = self.deleted_count = matched
        self.upserted_id = upserted_id


class Found:
    """What a query found."""

    def __init__(self, documents: list[Document]) -> None:
        self._documents = documents

    async def to_list(self) -> list[Document]:
        return self._documents


class Collection:
    """Documents."""

    def __init__(self, database: ModelDatabase, name: str) -> None:
        self.database = database
        self.name = name
        self.documents: list[Document] = []

    async def find_one(
        self, query: Mapping[str, Any], projection: Mapping[str, Any] | None = None, sort: Sequence[Any] = ()
    ) -> Document | None:
        await _Step()
        found = self._matching(query, sort)
        return self._projected(found[0], projection) if found else None

    def find(
        self,
        query: Mapping[str, Any],
        projection: object = None,
        sort: Sequence[Any] = (),
        skip: int = 0,
        limit: int = 0,
    ) -> Found:
        found = self._matching(query, sort)[skip:]
        return Found([dict(document) for document in (found[:limit] if limit else found)])

    async def count_documents(self, query: Mapping[str, Any]) -> int:
        return len(self._matching(query))

    async def insert_one(self, document: Document) -> None:
        await _Step()
        document.setdefault("_id", ObjectId())  # as pymongo does
        self._insert(document)

    async def update_one(self, query: Mapping[str, Any], change: Any, upsert: bool = False) -> Result:
        await _Step()
        found = self._matching(query)[:1]
        if not found and upsert:
            given = {name: value for name, value in query.items() if not isinstance(value, Mapping)}
            self._insert(self._changed(given, change, inserts=True))
            return Result(0, given["_id"])
        self._apply(found, change)
        return Result(len(found))

    async def update_many(self, query: Mapping[str, Any], change: Any) -> Result:
        # Not one step: each document is compared and changed in a step of its own.
        await _Step()
        seen, matched = self._matching(query), 0
        for document in seen:
            if document is not seen[0]:
                await _Step()
            if _matches(document, query, self.database.now):
                self._apply([document], change)
                matched += 1
        return Result(matched)

    async def find_one_and_update(
        self, query: Mapping[str, Any], change: Any, return_document: bool = False
    ) -> Document | None:
        await _Step()
        assert return_document, "the document as it was is asked for by nobody"
        found = self._matching(query)[:1]
        self._apply(found, change)
        return dict(found[0]) if found else None

    async def delete_one(self, query: Mapping[str, Any]) -> Result:
        await _Step()
        found = self._matching(query)[:1]
        self.documents = [document for document in self.documents if document not in found]
        return Result(len(found))

    async def delete_many(self, query: Mapping[str, Any]) -> Result:
        await _Step()
        found = self._matching(query)
        self.documents = [document for document in self.documents if document not in found]
        return Result(len(found))

    def _matching(self, query: Mapping[str, Any], sort: Sequence[Any] = ()) -> list[Document]:
        found = [document for document in self.documents if _matches(document, query, self.database.now)]
        for field, direction in reversed(sort):
            found.sort(key=operator.itemgetter(field), reverse=direction < 0)
        return found

    def _insert(self, document: Document) -> None:
        for other in self.documents:
            numbered = self.name in _NUMBERED
            same = numbered and all(other[field] == document[field] for field in ("output_project_id", "seq"))
            if other["_id"] == document["_id"] or same:
                raise DuplicateKeyError("model")
        self.documents.append(dict(document))
        self.database.wrote()

    def _apply(self, found: Sequence[Document], change: Any) -> None:
        for document in found:
            after = self._changed(document, change)
            if after != document:
                document.clear()
                document.update(after)
                self.database.wrote()

    def _changed(self, document: Document, change: Any, *, inserts: bool = False) -> Document:
        after = dict(document)
        if isinstance(change, list):
            for stage in change:
                values = {
                    name: _value(expression, after, self.database.now) for name, expression in stage["$set"].items()
                }
                after.update(values)
            return after
        for kind, fields in change.items():
            for name, value in fields.items():
                if kind == "$set" or (kind == "$setOnInsert" and inserts):
                    after[name] = value
                elif kind == "$max":
                    after[name] = max(after.get(name, value), value)
                elif kind == "$inc":
                    after[name] = after.get(name, 0) + value
                elif kind == "$unset":
                    after.pop(name, None)
                elif kind != "$setOnInsert":
                    raise NotImplementedError(kind)
        return after

    def _projected(self, document: Document, projection: Mapping[str, Any] | None) -> Document:
        if not projection or all(value is True for value in projection.values()):
            return dict(document)
        if all(value is False for value in projection.values()):
            return {name: value for name, value in document.items() if name not in projection}
        return {
            name: document.get(name) if value is True else _value(value, document, self.database.now)
            for name, value in projection.items()
        }


class ModelDatabase:
    """A database; ``now`` is its clock. Values in documents are never changed in place, so copies may share them.

    Attributes:
        actor: Who takes the present step.
        writes: Who has changed a document, in order.
    """

    def __init__(self) -> None:
        self.now = datetime(2030, 1, 1, tzinfo=UTC)
        self.actor = ""
        self.writes: list[str] = []
        self._collections: dict[str, Collection] = {}

    def __getattr__(self, name: str) -> Collection:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> Collection:
        return self._collections.setdefault(name, Collection(self, name))

    def wrote(self) -> None:
        """Note that the actor has changed something."""
        self.writes.append(self.actor)

    def copy(self) -> ModelDatabase:
        """Return a database with the same documents."""
        other = ModelDatabase()
        other.now = self.now
        for name, collection in self._collections.items():
            other[name].documents = [dict(document) for document in collection.documents]
        return other


class ModelStore(MongoProjects, MongoWork, MongoTranscripts, MongoLeases):
    """The store for MongoDB, on a modelled one: all its code but for the connection."""

    def __init__(self, database: ModelDatabase) -> None:
        super().__init__()
        self.url = "model"
        self.database = database

    @asynccontextmanager
    async def _reach(self) -> AsyncIterator[Database]:
        yield cast(Database, self.database)

    async def open(self) -> None:
        """Nothing is to be opened."""

    async def close(self) -> None:
        """Nothing is to be closed."""

    async def ping(self) -> None:
        """It is there."""


def run(act: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end, nobody else in between."""
    while True:
        try:
            act.send(None)
        except StopIteration as end:
            return end.value


Actors = Mapping[str, Coroutine[Any, Any, object]]
Schedule = tuple[str, ...]


def explore(make: Callable[[], tuple[ModelDatabase, Actors]], check: Callable[[Schedule], None]) -> int:
    """Run the actors in every order of their steps, from the same beginning each time; return how many there are.

    An actor that raises one of our errors has ended. ``check`` is called after each order, with the actors by step.
    """
    count = 0
    pending: list[Schedule] = [()]
    while pending:
        prefix = pending.pop()
        database, actors = make()
        left = dict(actors)
        done: list[str] = []
        while left:
            if len(done) < len(prefix):
                name = prefix[len(done)]
            else:
                name, *others = left
                pending += [(*done, other) for other in others]
            done.append(name)
            database.actor = name
            if _ends(left[name]):
                del left[name]
        check(tuple(done))
        count += 1
    return count


def _ends(act: Coroutine[Any, Any, object]) -> bool:
    try:
        act.send(None)
    except StopIteration:
        return True
    return False


def _matches(document: Mapping[str, Any], query: Mapping[str, Any], now: datetime) -> bool:
    return all(
        bool(_value(condition, document, now)) if name == "$expr" else _meets(document, name, condition)
        for name, condition in query.items()
    )


def _meets(document: Mapping[str, Any], name: str, condition: Any) -> bool:
    value = document.get(name)
    if not isinstance(condition, Mapping) or not any(key.startswith("$") for key in condition):
        return bool(value == condition)
    return all(_compare(document, name, value, kind, wanted) for kind, wanted in condition.items())


def _compare(document: Mapping[str, Any], name: str, value: Any, kind: str, wanted: Any) -> bool:
    match kind:
        case "$in":
            return value in wanted
        case "$ne":
            return bool(value != wanted)
        case "$gt" | "$lt":
            order = operator.gt if kind == "$gt" else operator.lt
            return value is not None and bool(order(value, wanted))
        case "$exists":
            return (name in document) is wanted
        case "$not":
            return not _meets(document, name, wanted)
    raise NotImplementedError(kind)


def _value(expression: Any, document: Mapping[str, Any], now: datetime) -> Any:
    if expression == "$$NOW":
        return now
    if isinstance(expression, str) and expression.startswith("$"):
        return document.get(expression[1:])
    if not isinstance(expression, Mapping):
        return expression
    ((kind, arguments),) = expression.items()
    if kind == "$literal":
        return arguments
    values = _values(arguments, document, now)
    match kind:
        case "$type":
            (value,) = values
            return {str: "string", datetime: "date", type(None): "missing"}.get(type(value), "other")
        case "$eq":
            return next(values) == next(values)
        case "$ne":
            return next(values) != next(values)
        case "$or":
            return any(values)
        case "$add":
            return next(values) + timedelta(milliseconds=next(values))
        case "$subtract":
            return (next(values) - next(values)) / timedelta(milliseconds=1)
        case "$cond":
            condition, then, otherwise = values
            return then if condition else otherwise
    raise NotImplementedError(kind)


def _values(arguments: Any, document: Mapping[str, Any], now: datetime) -> Iterator[Any]:
    for argument in arguments if isinstance(arguments, list) else [arguments]:
        yield _value(argument, document, now)
