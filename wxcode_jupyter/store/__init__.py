"""Where things are kept: one contract, MongoDB or SQLite behind it."""

from __future__ import annotations

import os
from urllib.parse import unquote

from ..errors import StoreError
from .base import Store
from .redaction import redact

__all__ = ["Store", "open_store", "redact"]

#: Name of the embedded store's file in the data directory.
EMBEDDED_FILE = "wxcode.sqlite3"


def open_store(url: str | None, data_dir: str | os.PathLike[str]) -> Store:
    """Return the store of this address, not connected yet: ``await store.open()`` comes next.

    Args:
        url: ``mongodb://...`` or ``mongodb+srv://...`` (database ``wxcode`` where the URL names none),
            ``sqlite:///absolute/path``, or None or ``""`` for the embedded store.
        data_dir: Folder of the embedded store's file ``wxcode.sqlite3``; made (0700) when it is missing.

    Raises:
        StoreError: Another kind of address, which is shown without its password.
    """
    if not url:
        return _sqlite(os.path.join(os.fspath(data_dir), EMBEDDED_FILE))
    if url.startswith(("mongodb://", "mongodb+srv://")):
        # Imported here, so that the embedded store starts without pymongo's client (0.1 s).
        from .mongo import MongoStore

        return MongoStore(url)
    if url.startswith("sqlite:///") and url.strip("/") != "sqlite:":
        return _sqlite("/" + unquote(url.removeprefix("sqlite:///")).lstrip("/"))
    raise StoreError(
        f"{redact(url)!r} is no address of a store. Use mongodb://host/database, mongodb+srv://host/database, "
        f"sqlite:///absolute/path, or nothing for the embedded store.",
        url=redact(url),
    )


def _sqlite(path: str) -> Store:
    from .sqlite import SqliteStore

    return SqliteStore(path)
