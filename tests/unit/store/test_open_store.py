"""Which store an address means, and what is shown of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from wxcode_jupyter.errors import StoreError
from wxcode_jupyter.store import open_store, redact
from wxcode_jupyter.store.mongo import MongoStore
from wxcode_jupyter.store.sqlite import SqliteStore


@pytest.mark.parametrize("url", [None, ""])
def test_no_address_is_the_embedded_store(url: str | None, tmp_path: Path) -> None:
    store = open_store(url, tmp_path)
    assert isinstance(store, SqliteStore)
    assert store.url == f"sqlite://{tmp_path}/wxcode.sqlite3"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("prefix", ["sqlite://", "sqlite:///"])
async def test_sqlite_address(prefix: str, tmp_path: Path) -> None:
    store = open_store(f"{prefix}{tmp_path}/a%20folder/x.db", "/nowhere")
    await store.open()
    await store.close()
    assert (tmp_path / "a folder" / "x.db").exists()


@pytest.mark.parametrize("url", ["mongodb://h", "mongodb+srv://h.example/db"])
def test_mongodb_address(url: str) -> None:
    store = open_store(url, "/nowhere")
    assert isinstance(store, MongoStore)
    assert store.url == url


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:pw@h/db",
        "mongodb:/h",
        "MONGODB//h",
        "sqlite://relative",
        "sqlite:///",
        "sqlite:x",
        "/a/path",
        "u:pw@h",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(StoreError, match="mongodb://host/database") as caught:
        open_store(url, "/nowhere")
    assert "pw" not in str(caught.value)
    assert caught.value.url == redact(url)


def test_embedded_store_does_not_load_the_mongodb_client() -> None:
    code = "import sys, wxcode_jupyter.store as s; s.open_store(None, '/x'); sys.exit('pymongo' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mongodb://h:27017/db", "mongodb://h:27017/db"),
        ("mongodb://user@h/db", "mongodb://user@h/db"),
        ("mongodb://user:pw@h/db", "mongodb://user:***@h/db"),
        ("mongodb://user:@h/db", "mongodb://user:***@h/db"),
        ("mongodb+srv://user:pw@h.example/db?w=1", "mongodb+srv://user:***@h.example/db?w=1"),
        ("mongodb://user:p%40s%2Fs%3A@h1:1,h2:2/db", "mongodb://user:***@h1:1,h2:2/db"),
        ("mongodb://user:pw@%2Ftmp%2Fmongod.sock/db", "mongodb://user:***@%2Ftmp%2Fmongod.sock/db"),
        ("mongodb://%2Ftmp%2Fmongod.sock", "mongodb://%2Ftmp%2Fmongod.sock"),
        ("mongodb://user:p@w/x?y:z@h/db", "mongodb://user:***@h/db"),
        ("mongodb://user:a://b@h/db", "mongodb://user:***@h/db"),
        (
            "mongodb://h/?tlsCertificateKeyFilePassword=pw&tls=true",
            "mongodb://h/?tlsCertificateKeyFilePassword=***&tls=true",
        ),
        (
            "mongodb://u:k@h/?authMechanism=MONGODB-AWS&authMechanismProperties=AWS_SESSION_TOKEN:pw",
            "mongodb://u:***@h/?authMechanism=MONGODB-AWS&authMechanismProperties=***",
        ),
        ("mongodb://h/?proxyPassword=a@b", "mongodb://h/?proxyPassword=***"),
        ("user:pw@h", "user:***@h"),
        ("", ""),
    ],
)
def test_redact(url: str, shown: str) -> None:
    assert redact(url) == shown
