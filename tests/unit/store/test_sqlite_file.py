"""The embedded store's file: its rights, its format, and what happens when something happens to it."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from wxcode_jupyter.errors import StoreError, StoreUnavailable
from wxcode_jupyter.models import Event, Holder, OutputProject, ProjectOptions, TranscriptChunk, now
from wxcode_jupyter.store.sqlite import SqliteStore
from wxcode_jupyter.store.sqlite_file import FORMAT_VERSION
from wxcode_jupyter.testing.store_conformance import values

Connect = Callable[..., SqliteStore]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Give stores, not opened, that are closed at the end."""
    async with AsyncExitStack() as stack:

        def connect(path: Path, busy_timeout_s: float = 0.2) -> SqliteStore:
            store = SqliteStore(path, busy_timeout_s=busy_timeout_s)
            stack.push_async_callback(store.close)
            return store

        yield connect


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "wxcode.sqlite3"


async def add_project(store: SqliteStore, name: str = "billing") -> OutputProject:
    project = OutputProject(store.new_id(), name, f"/projects/{name}")
    await store.create_project(project, ProjectOptions())
    return project


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_files_are_for_their_owner_only(connect: Connect, path: Path) -> None:
    before = os.umask(0)
    try:
        store = connect(path)
        await store.open()
        await add_project(store)
    finally:
        os.umask(before)
    assert mode(path.parent) == 0o700
    assert {entry.name: mode(entry) for entry in path.parent.iterdir()} == {
        "wxcode.sqlite3": 0o600,
        "wxcode.sqlite3-shm": 0o600,
        "wxcode.sqlite3-wal": 0o600,
    }
    await store.close()
    assert [entry.name for entry in path.parent.iterdir()] == ["wxcode.sqlite3"]


async def test_many_open_a_new_file_at_once(connect: Connect, path: Path) -> None:
    stores = [connect(path, busy_timeout_s=30.0) for _ in range(8)]
    await asyncio.gather(*(store.open() for store in stores))
    projects = await asyncio.gather(*(add_project(store, str(number)) for number, store in enumerate(stores)))
    for store in stores:
        assert {project.id for project in (await store.list_projects()).items} == {project.id for project in projects}
    assert [entry.name for entry in path.parent.iterdir() if "sqlite3" not in entry.name] == []


async def test_durability_settings(connect: Connect, path: Path) -> None:
    store = connect(path)
    await store.open()

    def settings(db: sqlite3.Connection) -> list[object]:
        return [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "foreign_keys")]

    assert await store._file.read(settings) == ["wal", 2, 1]


async def test_newer_format_is_refused(connect: Connect, path: Path) -> None:
    store = connect(path)
    await store.open()
    await store.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {FORMAT_VERSION + 1}")
    with pytest.raises(StoreError, match="newer version") as caught:
        await store.open()
    assert not isinstance(caught.value, StoreUnavailable)


async def test_other_files_are_refused_and_left_alone(connect: Connect, path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        await connect(path).open()
    assert path.read_bytes() == before

    text = path.with_name("notes.txt")
    text.write_text("no database " * 100)
    with pytest.raises(StoreError):
        await connect(text).open()
    assert text.read_text() == "no database " * 100


async def test_folder_that_cannot_be_made(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = connect(tmp_path / "file" / "wxcode.sqlite3")
    with pytest.raises(StoreUnavailable) as caught:
        await store.open()
    assert caught.value.url == store.url
    (tmp_path / "file").unlink()
    await store.ping()


async def test_locked_file(connect: Connect, path: Path) -> None:
    store = connect(path)
    await store.open()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            await add_project(store)
        assert (await store.list_projects()).total == 0
        other.execute("ROLLBACK")
    project = await add_project(store)
    assert await store.get_project(project.id) == project


async def test_full_disk_undoes_and_recovers(connect: Connect, path: Path) -> None:
    store = connect(path)
    await store.open()
    project = await add_project(store)

    def fill(db: sqlite3.Connection) -> None:
        db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0]}")

    await store._file.read(fill)
    with pytest.raises(StoreUnavailable, match="full"):
        await store.append_event(Event(project.id, "e", {"text": "x" * 100_000}))
    assert await store.load_events(project.id) == ()
    await store.append_event(Event(project.id, "e", {"text": "x" * 100_000}))  # on a new connection, without the limit


async def test_deleted_file_is_noticed(connect: Connect, path: Path) -> None:
    store = connect(path)
    await store.open()
    await add_project(store)
    for entry in path.parent.iterdir():
        entry.unlink()
    project = await add_project(store)
    another = connect(path)
    await another.open()
    assert (await another.list_projects()).items == (project,)


async def test_cancelled_write_is_done_or_not_and_the_store_goes_on(connect: Connect, path: Path) -> None:
    store = connect(path)
    await store.open()
    project = await add_project(store)
    writer = asyncio.create_task(store.append_event(Event(project.id, "e", {})))
    await asyncio.sleep(0)
    writer.cancel()
    await asyncio.wait([writer])
    last = await store.append_event(Event(project.id, "e", {}))
    assert [event.seq for event in await store.load_events(project.id)] == list(range(1, last.seq + 1))


_WRITER = """
import asyncio, sys
from wxcode_jupyter.models import Event, OutputProject, ProjectOptions
from wxcode_jupyter.store.sqlite import SqliteStore

async def main():
    store = SqliteStore(sys.argv[1])
    await store.open()
    project = OutputProject(sys.argv[2], "billing", "/projects/billing")
    await store.create_project(project, ProjectOptions())
    while True:
        event = await store.append_event(Event(project.id, "e", {}))
        print(event.seq, flush=True)

asyncio.run(main())
"""


async def test_sigkill_of_a_writing_process_loses_nothing_acknowledged(connect: Connect, path: Path) -> None:
    store = connect(path)
    await store.open()
    project_id = store.new_id()
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _WRITER, str(path), project_id, stdout=asyncio.subprocess.PIPE
    )
    assert writer.stdout is not None
    acknowledged = [int(await writer.stdout.readline()) for _ in range(200)]
    writer.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in (await writer.stdout.read()).split(b"\n")[:-1]]
    assert await writer.wait() == -signal.SIGKILL
    stored = [event.seq for event in await store.load_events(project_id, limit=1_000_000)]
    assert stored[: len(acknowledged)] == acknowledged == list(range(1, len(acknowledged) + 1))
    await store.append_event(Event(project_id, "e", {}))


async def test_a_file_that_was_made_before_a_table_was_added_gets_it(connect: Connect, path: Path) -> None:
    store = connect(path)
    await store.open()
    await store.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE transcripts")
    await store.open()
    project = await values.add_project(store)
    assert await store.append_transcript(TranscriptChunk(project.id, "a conversation", 0, 0, 1, "", b"x"))


async def test_a_file_that_was_made_before_a_column_was_added_gets_it(connect: Connect, path: Path) -> None:
    store = connect(path)
    await store.open()
    await store.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("ALTER TABLE commands DROP COLUMN resets_at")
        db.execute("ALTER TABLE commands DROP COLUMN missing")
    await store.open()
    project = await values.add_project(store)
    command = await values.add_command(store, project)
    moved = await store.move_command(command.id, {command.status}, {"resets_at": now(), "missing": "a plan"})
    assert moved is not None
    assert moved.resets_at is not None
    assert moved.missing == "a plan"


async def test_a_file_that_was_made_before_there_were_leases_gets_their_table(connect: Connect, path: Path) -> None:
    store = connect(path)
    await store.open()
    project = await values.add_project(store)
    await store.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE leases")
    await store.open()
    assert await store.get_lease(project.id) is None
    assert await store.take_lease(project.id, Holder("here"), over=0) is not None
