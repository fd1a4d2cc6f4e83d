"""Recordings: when output came, and asciinema's format."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import pytest

from tests.support.terminal import Bench, output_until, shell
from wxcode_jupyter.models import TermSize
from wxcode_jupyter.terminal import asciicast, journal, times
from wxcode_jupyter.terminal.journal import Chunk, JournalReader, JournalWriter, SizeChange
from wxcode_jupyter.terminal.times import Moment, TimesWriter


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def encoded(
    output: bytes, moments: list[Moment], *sizes: SizeChange, lost_before: int = 0, title: str = ""
) -> list[Any]:
    def read(offset: int, limit: int) -> Chunk:
        offset = max(offset, lost_before)
        return Chunk(offset, output[offset : offset + limit])

    return [json.loads(line) for line in asciicast.encode(moments, sizes, len(output), read, title)]


def test_output_at_its_times_and_sizes() -> None:
    moments = [Moment(0, 50.5), Moment(3, 51.25), Moment(6, 60.0)]
    assert encoded(b"onetwothree", moments, SizeChange(0, 24, 80), SizeChange(4, 30, 100), title="a title") == [
        {"version": 2, "width": 80, "height": 24, "timestamp": 50, "title": "a title"},
        [0.0, "o", "one"],
        [0.75, "o", "t"],
        [0.75, "r", "100x30"],
        [0.75, "o", "wo"],
        [9.5, "o", "three"],
    ]


def test_nothing_is_a_header_alone() -> None:
    assert encoded(b"", []) == [{"version": 2, "width": 80, "height": 24, "timestamp": 0}]


def test_a_recording_of_what_is_kept_begins_in_the_size_of_then() -> None:
    _, *events = encoded(b"....kept", [Moment(4, 5.0)], SizeChange(0, 24, 80), SizeChange(2, 30, 90))
    assert events == [[0.0, "o", "kept"]]
    assert encoded(b"....kept", [Moment(4, 5.0)], SizeChange(0, 24, 80), SizeChange(2, 30, 90))[0]["width"] == 90


def test_characters_are_whole_and_what_is_none_is_replaced() -> None:
    output = "日".encode() + b"\xff"
    assert encoded(output, [Moment(0, 1.0), Moment(2, 2.0)])[1:] == [[1.0, "o", "日\N{REPLACEMENT CHARACTER}"]]


def test_lost_output_and_a_clock_that_was_set_back() -> None:
    moments = [Moment(0, 10.0), Moment(4, 9.0), Moment(6, 11.0)]
    assert encoded(b"lostkept", moments, lost_before=5)[1:] == [[0.0, "o", "e"], [1.0, "o", "pt"]]


def test_moments_are_few(tmp_path: Path) -> None:
    clock = Clock()
    writer = TimesWriter(clock)
    segment = str(tmp_path / "segment")
    writer.begin(segment)
    for position in range(1, 1000):
        clock.now += 0.001
        writer.note(position)
    writer.close()
    writer.note(5000)
    moments = times.load(segment, 100)
    assert moments[0] == Moment(100, 1_700_000_000.0)
    assert 80 <= len(moments) <= 101
    assert moments[-1].offset - 100 == pytest.approx((moments[-1].at - 1_700_000_000.0) * 1000, abs=1)
    assert (tmp_path / "segment.times").stat().st_size == 8 * len(moments)


def test_a_full_disk_leaves_the_moments_before(tmp_path: Path) -> None:
    clock = Clock()
    writer = TimesWriter(clock)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, limits[1]))
    try:
        writer.begin(str(tmp_path / "segment"))
        for position in (1, 2, 3):
            clock.now += 1
            writer.note(position)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    writer.note(4)
    assert [moment.offset for moment in times.load(str(tmp_path / "segment"), 0)] == [0, 1]


@pytest.mark.parametrize("data", [b"", b"1234567"])
def test_a_file_that_was_never_finished_has_no_moments(tmp_path: Path, data: bytes) -> None:
    assert times.load(str(tmp_path / "missing"), 0) == []
    (tmp_path / "segment.times").write_bytes(data)
    assert times.load(str(tmp_path / "segment"), 0) == []


def test_times_go_with_their_segments(tmp_path: Path) -> None:
    folder = str(tmp_path / "journal")
    writer = JournalWriter(folder, limit_bytes=0, segment_bytes=10)
    for _ in range(5):
        writer.append(b"0123456789")
    writer.close()
    assert [moment.offset for moment in JournalReader(folder).moments()] == [30, 40]
    assert len(list(Path(folder).iterdir())) == 4
    journal.remove(folder)
    assert not Path(folder).exists()


async def test_a_session_is_recorded(bench: Bench) -> None:
    session = await bench.open(shell("printf first; read line; stty size; read line"), size=TermSize(10, 40))
    await output_until(session, b"first")
    session.set_explicit_size(TermSize(20, 60))
    await session.write(b"\n")
    await output_until(session, b"20 60")
    header, *events = [json.loads(line) for line in session.recording("a title")]
    assert (header["version"], header["width"], header["height"], header["title"]) == (2, 40, 10, "a title")
    assert abs(header["timestamp"] - session.started_at.timestamp()) < 30
    assert [0.0, "o", "first"] in events
    assert [kind for _at, kind, _text in events if kind == "r"] == ["r"]
    assert "".join(text for _at, kind, text in events if kind == "o") == "first\r\n20 60\r\n"
    ats = [at for at, _kind, _text in events]
    assert ats == sorted(ats)
