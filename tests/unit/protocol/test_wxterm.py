"""The frames of ``wxterm.v1``, as bytes and as values."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxcode_jupyter.errors import InvalidBody
from wxcode_jupyter.models import TermSize
from wxcode_jupyter.protocol.frames import SIGNALS, Input, Resize, Signal
from wxcode_jupyter.protocol.wxterm import (
    INPUT_LIMIT_BYTES,
    Ack,
    Attach,
    ClientFrame,
    Closed,
    Failure,
    Output,
    Ping,
    Pong,
    RoleIs,
    ServerFrame,
    Size,
    Snapshot,
    State,
    decode_client,
    decode_server,
    encode,
)

CLIENT: list[tuple[bytes, ClientFrame]] = [
    (
        b'\x10{"stream": null, "offset": null, "rows": null, "cols": null, "window": 524288, "whole": false}',
        Attach(),
    ),
    (
        b'\x10{"stream": "5eed", "offset": 70000, "rows": 24, "cols": 80, "window": 65536, "whole": true}',
        Attach("5eed", 70000, TermSize(24, 80), 65536, True),
    ),
    (b"\x11ls\r", Input(b"ls\r")),
    (b"\x11", Input(b"")),
    (b"\x11\xff\x00", Input(b"\xff\x00")),
    (b"\x12\x00\x18\x00\x50", Resize(TermSize(24, 80))),
    (b"\x12\x01\xf4\x00\x01", Resize(TermSize(500, 1))),
    (b"\x13SIGINT", Signal("SIGINT")),
    (b"\x13EOF", Signal("EOF")),
    (b"\x14\x00\x00\x00\x00\x00\x01\x11\x70", Ack(70000)),
    (b"\x18", Ping(b"")),
    (b"\x18now", Ping(b"now")),
]

SERVER: list[tuple[bytes, ServerFrame]] = [
    (b"\x01\x00\x00\x00\x00\x00\x01\x11\x70\x1b[1m\xe2\x9c", Output(70000, b"\x1b[1m\xe2\x9c")),
    (b"\x02\x00\x00\x00\x00\x00\x01\x11\x70\x00\x18\x00\x50hello", Snapshot(70000, TermSize(24, 80), b"hello")),
    (b"\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x18\x00\x50", Snapshot(0, TermSize(24, 80), b"")),
    (b"\x03\x00\x00\x00\x00\x00\x01\x11\x70\x00\x18\x00\x50", Size(70000, TermSize(24, 80))),
    (
        b'\x04{"stream": "5eed", "connected": true, "state": "idle", "claude_session_id": "a-b", '
        b'"project": {"id": "1", "name": "\\u00e9"}, "message": "Connected.", "attention": null, "questions": 1, '
        b'"clients": 2}',
        State("5eed", True, "idle", "a-b", {"id": "1", "name": "é"}, "Connected.", None, 1, 2),
    ),
    (b'\x05{"role": "observer"}', RoleIs("observer")),
    (b'\x06{"code": "not_found", "message": "No."}', Failure("not_found", "No.")),
    (b'\x07{"exit_code": -15}', Closed(-15)),
    (b'\x07{"exit_code": null}', Closed(None)),
    (b"\x08now", Pong(b"now")),
]

#: What no client may send, and the member that is told to be wrong.
BAD: list[tuple[bytes | str, str]] = [
    (b"", ""),
    ('{"type":"input","data":"x"}', ""),
    (b"\x10", ""),
    (b"\x10[]", ""),
    (b"\x10" + b"[" * 100_000, ""),
    (b"\x10\xff", ""),
    (b'\x10{"stream": 5}', "stream"),
    (b'\x10{"offset": -1}', "offset"),
    (b'\x10{"offset": 9223372036854775808}', "offset"),
    (b'\x10{"offset": 1.0}', "offset"),
    (b'\x10{"offset": true}', "offset"),
    (b'\x10{"rows": 24}', "cols"),
    (b'\x10{"rows": 0, "cols": 80}', "rows"),
    (b'\x10{"rows": 24, "cols": 501}', "cols"),
    (b'\x10{"window": "1"}', "window"),
    (b'\x10{"whole": 1}', "whole"),
    (b"\x11" + b"x" * (INPUT_LIMIT_BYTES + 1), "data"),
    (b"\x12", "size"),
    (b"\x12\x00\x18\x00\x50\x00", "size"),
    (b"\x12\x00\x00\x00\x50", "rows"),
    (b"\x12\x00\x18\x01\xf5", "cols"),
    (b"\x13", "signal"),
    (b"\x13SIGKILL", "signal"),
    (b"\x13\xff", "signal"),
    (b"\x14\x00", "offset"),
    (b"\x18" + b"x" * 126, "data"),
]


@pytest.mark.parametrize(("golden", "frame"), CLIENT)
def test_frames_of_clients(golden: bytes, frame: ClientFrame) -> None:
    assert encode(frame) == golden
    assert decode_client(golden) == frame


@pytest.mark.parametrize(("golden", "frame"), SERVER)
def test_frames_of_the_server(golden: bytes, frame: ServerFrame) -> None:
    assert encode(frame) == golden
    assert decode_server(golden) == frame


@pytest.mark.parametrize(("message", "field"), BAD, ids=lambda value: repr(value)[:20])
def test_a_frame_that_does_not_fit_names_the_member(message: bytes | str, field: str) -> None:
    with pytest.raises(InvalidBody) as raised:
        decode_client(message)

    assert raised.value.field == field


def test_what_a_later_version_sends_is_ignored() -> None:
    assert decode_client(b"\x1fxyz") is None
    assert decode_client(b"\x01" + bytes(8)) is None  # not a client's
    assert decode_server(b"\x7f") is None
    assert decode_server(b"\x11ls") is None
    assert decode_client(b'\x10{"colour": "blue"}') == Attach()
    assert decode_server(b'\x05{"role": "driver", "since": 1}') == RoleIs("driver")


@pytest.mark.parametrize(("asked", "given"), [(1, 64 << 10), (100_000, 100_000), (1 << 30, 4 << 20)])
def test_a_window_is_what_is_possible(asked: int, given: int) -> None:
    frame = decode_client(b"\x10" + json.dumps({"window": asked}).encode())

    assert frame == Attach(window=given)


NAMES = {
    Attach: "ATTACH",
    Input: "INPUT",
    Resize: "RESIZE",
    Signal: "SIGNAL",
    Ack: "ACK",
    Ping: "PING",
    Output: "OUTPUT",
    Snapshot: "SNAPSHOT",
    Size: "SIZE",
    State: "STATE",
    RoleIs: "ROLE",
    Failure: "ERROR",
    Closed: "CLOSED",
    Pong: "PONG",
}


def test_types_and_members_are_those_of_the_page() -> None:
    page = resources.files("wxcode_jupyter").joinpath("PROTOCOL.md").read_text(encoding="utf-8")
    rows = {
        match[1]: (int(match[2], 16), match[3]) for match in re.finditer(r"^\| ([A-Z]+) \| (0x..) \| (.*)", page, re.M)
    }

    assert {name: kind for name, (kind, _body) in rows.items()} == {
        NAMES[type(frame)]: golden[0] for golden, frame in [*CLIENT, *SERVER]
    }
    for golden, frame in [*CLIENT, *SERVER]:
        if golden[1:2] == b"{":
            assert all(f'"{member}"' in rows[NAMES[type(frame)]][1] for member in json.loads(golden[1:]))


offsets = st.integers(0, (1 << 63) - 1)
sizes = st.builds(TermSize, st.integers(1, 500), st.integers(1, 500))
counts = st.integers(0, 1 << 40)
texts, names = st.text(), st.none() | st.text()
client_frames = st.one_of(
    st.builds(Attach, names, st.none() | offsets, st.none() | sizes, st.integers(64 << 10, 4 << 20), st.booleans()),
    st.builds(Input, st.binary()),
    st.builds(Resize, sizes),
    st.builds(Signal, st.sampled_from(SIGNALS)),
    st.builds(Ack, offsets),
    st.builds(Ping, st.binary(max_size=125)),
)
projects = st.none() | st.fixed_dictionaries({"id": texts, "name": texts})
server_frames = st.one_of(
    st.builds(Output, offsets, st.binary()),
    st.builds(Snapshot, offsets, sizes, st.binary()),
    st.builds(Size, offsets, sizes),
    st.builds(State, names, st.booleans(), texts, names, projects, texts, names, counts, counts),
    st.builds(RoleIs, texts),
    st.builds(Failure, texts, texts),
    st.builds(Closed, st.none() | st.integers(-64, 255)),
    st.builds(Pong, st.binary(max_size=125)),
)
KINDS = (*range(0x09), *range(0x10, 0x19))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)
MEMBERS = (
    "stream offset rows cols window whole connected state claude_session_id project message attention questions "
    "clients role code exit_code"
).split()
almost_bodies = st.dictionaries(st.sampled_from(MEMBERS), json_values | st.integers(-1, 502) | st.text())


@given(client_frames)
def test_a_clients_frame_survives_the_way(frame: ClientFrame) -> None:
    assert decode_client(encode(frame)) == frame


@given(server_frames)
def test_a_servers_frame_survives_the_way(frame: ServerFrame) -> None:
    assert decode_server(encode(frame)) == frame


def check(message: bytes | str) -> None:
    """Decode; whatever comes in, a frame comes out, or None, or InvalidBody."""
    for decode in (decode_client, decode_server):
        try:
            frame = decode(message)
        except InvalidBody as error:
            assert isinstance(error.field, str)
            continue
        assert frame is None or isinstance(encode(frame), bytes)


@given(st.binary() | st.text())
def test_anything_is_decoded_or_refused(message: bytes | str) -> None:
    check(message)


@given(st.sampled_from(KINDS), st.binary(max_size=40))
def test_any_body_of_a_known_type_is_decoded_or_refused(kind: int, body: bytes) -> None:
    check(bytes((kind,)) + body)


@given(st.sampled_from(KINDS), almost_bodies | json_values)
def test_any_json_body_is_decoded_or_refused(kind: int, body: Any) -> None:
    check(bytes((kind,)) + json.dumps(body).encode())
