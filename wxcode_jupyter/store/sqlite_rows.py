"""Rows of the embedded store as documents: the few statements it consists of.

Names of tables and columns come from this package's source; values always travel as parameters.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn

from ..errors import NotFound
from .documents import Document, to_milliseconds

# What a query asks of a column: a value, None for null, or a tuple of alternatives; the key "seq >" asks for more than.
Query = Mapping[str, Any]


def find(db: sqlite3.Connection, table: str, query: Query, order: str = "rowid") -> Document | None:
    """Return the first row that matches, or None."""
    rows = select(db, table, query, order, 0, 1)
    return rows[0] if rows else None


def require(db: sqlite3.Connection, table: str, identifier: str, what: str) -> Document:
    """Return the row with this id. Raises ``NotFound``."""
    row = find(db, table, {"id": identifier})
    if row is None:
        raise_not_found(what, identifier)
    return row


def raise_not_found(what: str, identifier: str) -> NoReturn:
    """Raise ``NotFound``."""
    raise NotFound(f"There is no {what} {identifier}.", what=what, identifier=identifier)


def select(
    db: sqlite3.Connection, table: str, query: Query, order: str, skip: int = 0, limit: int | None = None
) -> list[Document]:
    """Return a slice of the rows that match; all of them without a ``limit``."""
    where, values = _where(query)
    statement = f"SELECT * FROM {table} WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?"  # noqa: S608
    return [dict(row) for row in db.execute(statement, (*values, -1 if limit is None else limit, skip))]


def count(db: sqlite3.Connection, table: str, query: Query) -> int:
    """Return how many rows match."""
    where, values = _where(query)
    (total,) = db.execute(f"SELECT COUNT(*) FROM {table} WHERE {where}", values).fetchone()  # noqa: S608
    return int(total)


def insert(db: sqlite3.Connection, table: str, row: Document) -> None:
    """Insert a row."""
    columns, marks = ", ".join(row), ", ".join("?" * len(row))
    values = [_to_column(value) for value in row.values()]
    db.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", values)  # noqa: S608


def update_rows(db: sqlite3.Connection, table: str, fields: Document, query: Query) -> int:
    """Set fields of the rows that match; return how many there were."""
    assignments = ", ".join(f"{name} = ?" for name in fields)
    where, values = _where(query)
    statement = f"UPDATE {table} SET {assignments} WHERE {where}"  # noqa: S608
    return db.execute(statement, [_to_column(value) for value in fields.values()] + values).rowcount


def delete_rows(db: sqlite3.Connection, table: str, query: Query) -> int:
    """Delete the rows that match; return how many there were."""
    where, values = _where(query)
    return db.execute(f"DELETE FROM {table} WHERE {where}", values).rowcount  # noqa: S608


def _where(query: Query) -> tuple[str, list[Any]]:
    conditions = ["TRUE"]
    values: list[Any] = []
    for name, value in query.items():
        if isinstance(value, tuple):
            conditions.append(f"{name} IN ({', '.join('?' * len(value))})")
            values.extend(value)
        else:
            conditions.append(f"{name} ?" if name.endswith((">", "<=")) else f"{name} IS ?")
            values.append(value)
    return " AND ".join(conditions), values


def _to_column(value: Any) -> Any:
    return to_milliseconds(value) if isinstance(value, datetime) else value
