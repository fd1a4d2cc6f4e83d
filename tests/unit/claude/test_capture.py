"""The session id, and everything else, from what `claude -p` prints."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxcode_jupyter.claude.capture import Message, StreamJson, capture_session_id

ID = "7f2ac6b8-47d9-4a1c-bef1-06270dffb98d"
OTHER_ID = "00000000-0000-4000-8000-000000000000"
INIT = json.dumps({"type": "system", "subtype": "init", "session_id": ID, "tools": ["Bash"] * 500}).encode()
HOOK = json.dumps({"type": "system", "subtype": "hook_started", "session_id": OTHER_ID}).encode()

#: What CLI 2.1.330 printed, with a SessionStart hook; the folder's name replaced.
RECORDED = Path(__file__).parents[2] / "data" / "stream_json" / "hooks-before-init.jsonl"


def read(*chunks: bytes, line_limit_bytes: int = 4 * 1024 * 1024) -> tuple[list[Message], StreamJson]:
    reader = StreamJson(line_limit_bytes=line_limit_bytes)
    messages = [message for chunk in chunks for message in reader.feed(chunk)]
    return messages + reader.close(), reader


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)] or [data]


def test_a_recorded_output() -> None:
    messages, reader = read(RECORDED.read_bytes())
    assert [message.get("subtype") for message in messages][:3] == ["hook_started", "hook_response", "init"]
    assert messages[-1]["type"] == "result"
    assert reader.session_id == messages[2]["session_id"]
    assert (reader.ignored_lines, reader.dropped_lines) == (0, 0)


def test_the_init_line_may_be_split_over_reads_and_come_after_others() -> None:
    output = HOOK + b"\n" + INIT + b"\n"
    messages, reader = read(*(output[at : at + 100] for at in range(0, len(output), 100)))
    assert reader.session_id == ID
    assert len(messages) == 2


def test_the_first_init_line_counts() -> None:
    _, reader = read(INIT, b"\n", INIT.replace(ID.encode(), OTHER_ID.encode()), b"\n")
    assert reader.session_id == ID


def test_no_id_before_the_line_has_ended() -> None:
    reader = StreamJson()
    assert reader.feed(INIT) == []
    assert reader.session_id is None
    assert len(reader.feed(b"\n")) == 1
    assert reader.session_id == ID


def test_a_last_line_without_a_newline_counts_at_the_end() -> None:
    reader = StreamJson()
    reader.feed(INIT)
    assert [message["session_id"] for message in reader.close()] == [ID]
    assert reader.close() == []


@pytest.mark.parametrize("line", [b"warning: x", b"{", b"[1]", b"3", b'"text"', b"[" * 100_000, b"\x00\xff\xfe"])
def test_lines_that_are_no_json_object_are_counted_and_ignored(line: bytes) -> None:
    messages, reader = read(line + b"\n" + INIT + b"\n")
    assert len(messages) == 1
    assert reader.session_id == ID
    assert reader.ignored_lines == 1


def test_blank_lines_crlf_and_a_byte_order_mark() -> None:
    messages, reader = read(b"\xef\xbb\xbf" + HOOK + b"\r\n\r\n\n" + INIT + b"\r\n")
    assert len(messages) == 2
    assert reader.session_id == ID
    assert reader.ignored_lines == 0


def test_bad_utf8_inside_a_message_costs_that_character_only() -> None:
    messages, _ = read(b'{"type": "assistant", "text": "a\xffb"}\n')
    assert messages == [{"type": "assistant", "text": "a\ufffdb"}]


def test_an_overlong_line_is_dropped_and_the_next_is_read() -> None:
    long = b'{"text": "' + b"x" * 9000 + b'"}'
    messages, reader = read(long[:1500], long[1500:], b"\n" + INIT + b"\n", line_limit_bytes=len(long) - 1)
    assert [message["type"] for message in messages] == ["system"]
    assert reader.session_id == ID
    assert reader.dropped_lines == 1
    messages, reader = read(long + b"\n", line_limit_bytes=len(long))
    assert len(messages) == 1
    assert reader.dropped_lines == 0


def test_an_overlong_line_is_not_kept() -> None:
    reader = StreamJson(line_limit_bytes=1000)
    for _ in range(100):
        reader.feed(b"x" * 1000)
    assert len(reader._line) <= 1000
    reader.close()
    assert reader.dropped_lines == 1


@pytest.mark.parametrize("value", [None, 3, "", "--dangerously-skip-permissions", f"{ID}\n", f" {ID}", [ID]])
def test_an_id_that_is_no_uuid_is_no_id(value: object) -> None:
    line = json.dumps({"type": "system", "subtype": "init", "session_id": value}).encode()
    messages, reader = read(line + b"\n" + INIT + b"\n")
    assert len(messages) == 2
    assert reader.session_id == ID


def test_capture_reads_no_further_than_the_id() -> None:
    chunks = iter([HOOK + b"\n", INIT + b"\n", b"rest"])
    assert capture_session_id(chunks) == ID
    assert next(chunks) == b"rest"
    assert capture_session_id([INIT]) == ID
    assert capture_session_id([HOOK, b"\n"]) is None


LINES = st.one_of(
    st.sampled_from([INIT, HOOK, b"", b"\r", b"nonsense", b"\xff\xfe", b'{"a": "\xc3\xa9"}', b"x" * 300]),
    st.binary(max_size=40),
)


@given(st.lists(LINES, max_size=8), st.lists(st.integers(0, 100_000), max_size=12), st.booleans())
def test_any_split_of_the_bytes_gives_the_same(lines: list[bytes], cuts: list[int], ended: bool) -> None:
    data = b"\n".join(lines) + (b"\n" if ended else b"")
    whole, one = read(data, line_limit_bytes=250)
    pieces, many = read(*split(data, cuts), line_limit_bytes=250)
    assert pieces == whole
    assert (many.session_id, many.ignored_lines, many.dropped_lines) == (
        one.session_id,
        one.ignored_lines,
        one.dropped_lines,
    )
    assert capture_session_id(split(data, cuts)) == capture_session_id([data])
