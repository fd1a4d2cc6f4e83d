"""Offsets never change, readers never block the writer, and what is lost shows as a gap."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcode_jupyter.terminal import journal
from wxcode_jupyter.terminal.journal import Chunk, JournalReader, JournalWriter, SizeChange, SizeRecord


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "journal")


def read_all(reader: JournalReader, offset: int = 0, limit: int = 1 << 16) -> list[Chunk]:
    chunks = []
    while (chunk := reader.read(offset, limit)).data:
        chunks.append(chunk)
        offset = chunk.end
    return chunks


def test_a_reader_follows_at_its_own_offset(folder: str) -> None:
    writer, fast, slow = JournalWriter(folder, 1 << 20), JournalReader(folder), JournalReader(folder)
    assert fast.read(0) == Chunk(0, b"")
    writer.append(b"hello ")
    assert fast.read(0) == (0, b"hello ")
    writer.append(b"world")
    assert fast.read(6) == (6, b"world")
    assert fast.read(11) == (11, b"")
    assert slow.read(2, 6) == (2, b"llo wo")
    assert (fast.head, fast.oldest) == (11, 0)
    writer.close()


def test_it_goes_on_in_the_next_segment(folder: str) -> None:
    writer, reader = JournalWriter(folder, 1 << 20, segment_bytes=10), JournalReader(folder)
    for number in range(10):
        writer.append(b"%04d" % number)
    segments = sorted(name for name in os.listdir(folder) if name.isdigit())
    assert segments[:2] == ["0" * 20, "0" * 18 + "12"]
    assert b"".join(chunk.data for chunk in read_all(reader)) == b"".join(b"%04d" % n for n in range(10))
    assert reader.head == 40
    reader.close()
    writer.close()


def test_beyond_the_limit_whole_segments_go_and_a_late_reader_sees_the_gap(folder: str) -> None:
    writer, reader = JournalWriter(folder, limit_bytes=30, segment_bytes=10), JournalReader(folder)
    for number in range(25):
        writer.append(b"%04d" % number)
    chunks = read_all(reader)
    assert chunks[0].offset == reader.oldest > 0
    assert chunks[-1].end == reader.head == 100
    assert reader.head - reader.oldest <= 30 + 12
    reader.close()
    writer.close()


def test_the_newest_two_segments_stay_however_small_the_limit(folder: str) -> None:
    writer, reader = JournalWriter(folder, limit_bytes=0, segment_bytes=10), JournalReader(folder)
    for _ in range(9):
        writer.append(b"0123456789")
    assert (reader.oldest, reader.head) == (70, 90)
    writer.close()


def test_a_reader_in_a_segment_that_is_deleted_reads_it_to_its_end(folder: str) -> None:
    writer, reader = JournalWriter(folder, limit_bytes=0, segment_bytes=10), JournalReader(folder)
    writer.append(b"0123456789")
    assert reader.read(0, 5) == (0, b"01234")
    for _ in range(5):
        writer.append(b"0123456789")
    assert reader.read(5, 5) == (5, b"56789")
    assert reader.read(10, 5) == (40, b"01234")
    reader.close()
    writer.close()


@settings(max_examples=40)
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=30), st.integers(1, 50), st.integers(1, 100))
def test_what_is_read_is_what_was_appended_at_its_offset(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], segment_bytes: int, limit: int
) -> None:
    folder = str(tmp_path_factory.mktemp("journal"))
    writer, reader = JournalWriter(folder, 200, segment_bytes), JournalReader(folder)
    written = b""
    for piece in pieces:
        writer.append(piece)
        written += piece
        assert reader.head == writer.head == len(written)
    for chunk in read_all(reader, limit=limit):
        assert written[chunk.offset : chunk.end] == chunk.data
    reader.close()
    writer.close()


ON_A_FULL_DISK = """
    import json, os, resource, signal, sys
    from wxcode_jupyter.terminal.journal import JournalReader, JournalWriter
    folder = sys.argv[1]
    writer, reader = JournalWriter(folder, 1 << 20, 8192), JournalReader(folder)
    writer.append(b"a" * 1000)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, resource.RLIM_INFINITY))
    writer.append(b"b" * 1000)      # half of it fits
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    writer.append(b"c" * 1000)
    writer.append(b"d" * 1000)
    head_when_full = reader.head
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    writer.append(b"e" * 1000)
    offset, chunks = 0, []
    while (chunk := reader.read(offset, 65536)).data:
        chunks.append([chunk.offset, len(chunk.data), chunk.data[-1:].decode()])
        offset = chunk.end
    print(json.dumps([chunks, writer.head, reader.head, head_when_full]))
"""


def test_a_full_disk_loses_bytes_but_no_offsets_and_it_goes_on_afterwards(folder: str) -> None:
    program = [sys.executable, "-c", textwrap.dedent(ON_A_FULL_DISK), folder]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    chunks, written, head, head_when_full = json.loads(done.stdout)
    assert chunks == [[0, 1500, "b"], [4000, 1000, "e"]]
    assert (written, head, head_when_full) == (5000, 5000, 1500)
    assert done.stderr.count("output is being lost") == 1


def test_a_full_disk_that_has_no_room_for_the_complaint_either(folder: str, tmp_path: Path) -> None:
    program = [sys.executable, "-c", textwrap.dedent(ON_A_FULL_DISK), folder]
    with open(tmp_path / "log", "wb") as log:
        done = subprocess.run(program, stdout=subprocess.PIPE, stderr=log, check=True, timeout=60)
    assert json.loads(done.stdout)[0] == [[0, 1500, "b"], [4000, 1000, "e"]]


def test_a_folder_that_is_deleted_under_the_writer_loses_output_only(
    folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = JournalWriter(folder, limit_bytes=0, segment_bytes=10)
    for round_begins in (True, False):
        for _ in range(5):
            writer.append(b"0123456789")
        if round_begins:
            shutil.rmtree(folder)
    assert writer.head == 100
    assert capsys.readouterr().err.count("output is being lost") == 1
    os.mkdir(folder)
    writer.append(b"again")
    assert read_all(JournalReader(folder)) == [(100, b"again")]
    writer.close()


def test_sizes_are_recorded_in_order_and_loaded_once(folder: str) -> None:
    os.mkdir(folder)
    written, read = SizeRecord(folder), SizeRecord(folder)
    assert read.load_new() == []
    written.append(SizeChange(0, 24, 80))
    written.append(SizeChange(10, 30, 100))
    assert read.load_new() == [(0, 24, 80), (10, 30, 100)]
    written.append(SizeChange(20, 24, 80))
    assert read.load_new() == [(20, 24, 80)]
    assert read.load_new() == []


def test_all_sizes_are_loaded_however_many_there_are(folder: str) -> None:
    os.mkdir(folder)
    changes = [SizeChange(offset, 24, 80) for offset in range(100_000)]
    Path(folder, "sizes").write_bytes(b"".join(b"%d %d %d\n" % change for change in changes))
    assert SizeRecord(folder).load_new() == changes


def test_a_size_for_which_the_disk_has_no_room_goes_out_with_the_next(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(path: str, flags: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    os.mkdir(folder)
    record = SizeRecord(folder)
    with monkeypatch.context() as patch:
        patch.setattr(journal, "_open_private", no_room)
        record.append(SizeChange(0, 24, 80))
    record.append(SizeChange(7, 30, 90))
    assert SizeRecord(folder).load_new() == [(0, 24, 80), (7, 30, 90)]


def test_a_journal_begins_empty_and_is_removed_with_its_folder(folder: str) -> None:
    earlier = JournalWriter(folder, 100)
    earlier.append(b"old")
    earlier.close()
    SizeRecord(folder).append(SizeChange(0, 24, 80))
    writer = JournalWriter(folder, 100)
    assert os.listdir(folder) == []
    writer.append(b"new")
    writer.close()
    assert JournalReader(folder).head == 3
    journal.remove(folder)
    assert not os.path.exists(folder)
    journal.remove(folder)


def test_files_of_others_in_its_folder_are_left_alone(folder: str) -> None:
    writer = JournalWriter(folder, 100)
    writer.append(b"x")
    writer.close()
    Path(folder, "notes").write_text("mine")
    journal.remove(folder)
    assert os.listdir(folder) == ["notes"]
