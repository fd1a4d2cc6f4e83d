"""The frames of wxcode's JSON, as texts and as values."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxcode_jupyter.errors import InvalidBody
from wxcode_jupyter.models import TermSize
from wxcode_jupyter.protocol import wxjson
from wxcode_jupyter.protocol.frames import Input, Resize, Signal
from wxcode_jupyter.protocol.wxjson import OutputEncoder, decode

GOLDEN = [
    ('{"type":"input","data":"ls\\r"}', Input(b"ls\r")),
    ('{"type":"input","data":""}', Input(b"")),
    ('{"type":"input","data":"\\u001b[A","extra":1}', Input(b"\x1b[A")),
    (b'{"type":"input","data":"\xc3\xa9"}', Input("é".encode())),
    ('{"type":"resize","rows":24,"cols":80}', Resize(TermSize(24, 80))),
    ('{"type":"resize","rows":1,"cols":1}', Resize(TermSize(1, 1))),
    ('{"type":"resize","rows":500,"cols":500}', Resize(TermSize(500, 500))),
    ('{"type":"signal","signal":"SIGINT"}', Signal("SIGINT")),
    ('{"type":"signal","signal":"SIGTERM"}', Signal("SIGTERM")),
    ('{"type":"signal","signal":"EOF"}', Signal("EOF")),
    ('{"type":"ping"}', None),
    ('{"type":""}', None),
]

BAD: list[tuple[str | bytes, str]] = [
    ("", ""),
    ("ls", ""),
    ("[]", ""),
    ('"input"', ""),
    ("null", ""),
    (b"\xff\xfe\xfd", ""),
    ("[" * 100_000, ""),
    ("1" * 10_000, ""),
    ("{}", "type"),
    ('{"type":null}', "type"),
    ('{"type":["input"]}', "type"),
    ('{"type":"input"}', "data"),
    ('{"type":"input","data":7}', "data"),
    ('{"type":"resize","cols":80}', "rows"),
    ('{"type":"resize","rows":24}', "cols"),
    ('{"type":"resize","rows":0,"cols":80}', "rows"),
    ('{"type":"resize","rows":24,"cols":501}', "cols"),
    ('{"type":"resize","rows":24.0,"cols":80}', "rows"),
    ('{"type":"resize","rows":true,"cols":80}', "rows"),
    ('{"type":"resize","rows":"24","cols":80}', "rows"),
    ('{"type":"resize","rows":NaN,"cols":80}', "rows"),
    ('{"type":"signal"}', "signal"),
    ('{"type":"signal","signal":"SIGKILL"}', "signal"),
    ('{"type":"signal","signal":["SIGINT"]}', "signal"),
    ('{"type":"signal","signal":{}}', "signal"),
]


@pytest.mark.parametrize(("message", "frame"), GOLDEN)
def test_frames_of_clients(message: str | bytes, frame: object) -> None:
    assert decode(message) == frame


@pytest.mark.parametrize(("message", "field"), BAD)
def test_a_frame_that_does_not_fit_names_the_member(message: str | bytes, field: str) -> None:
    with pytest.raises(InvalidBody) as raised:
        decode(message)

    assert raised.value.field == field


@pytest.mark.parametrize(
    ("frame", "golden"),
    [
        (
            wxjson.status(connected=False, session_id=None, message="Connecting..."),
            '{"type": "status", "connected": false, "session_id": null, "message": "Connecting..."}',
        ),
        (
            wxjson.status(connected=True, session_id="a-b", message="é"),
            '{"type": "status", "connected": true, "session_id": "a-b", "message": "\\u00e9"}',
        ),
        (wxjson.error("No.", "not_found"), '{"type": "error", "message": "No.", "code": "not_found"}'),
        (wxjson.closed(-15), '{"type": "closed", "exit_code": -15}'),
        (wxjson.closed(None), '{"type": "closed", "exit_code": null}'),
        (OutputEncoder().encode(b"\x1b[1m\xe2\x9c\xb3"), '{"type": "output", "data": "\\u001b[1m\\u2733"}'),
    ],
)
def test_frames_of_the_server(frame: str, golden: str) -> None:
    assert frame == golden


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)
almost_frames = st.fixed_dictionaries(
    {"type": st.sampled_from(["input", "resize", "signal", "other"]) | json_values},
    optional={name: json_values | st.integers(-1, 502) for name in ("data", "rows", "cols", "signal")},
)


def check(message: str | bytes) -> None:
    """Decode; whatever comes in, a frame comes out, or None, or InvalidBody."""
    try:
        frame = decode(message)
    except InvalidBody as error:
        assert isinstance(error.field, str)
        return
    assert frame is None or isinstance(frame, Input | Resize | Signal)
    if isinstance(frame, Resize):
        assert 1 <= frame.size.rows <= 500
        assert 1 <= frame.size.cols <= 500


@given(st.binary() | st.text())
def test_anything_is_decoded_or_refused(message: str | bytes) -> None:
    check(message)


@given(almost_frames | json_values)
def test_any_json_is_decoded_or_refused(value: Any) -> None:
    text = json.dumps(value)
    check(text)
    check(text.encode())


@given(st.text())
def test_input_comes_through_as_it_was_sent(data: str) -> None:
    assert decode(json.dumps({"type": "input", "data": data})) == Input(data.encode())


@given(st.lists(st.binary()))
def test_output_is_the_same_however_it_is_cut(chunks: list[bytes]) -> None:
    encoder = OutputEncoder()
    frames = [encoder.encode(chunk) for chunk in chunks] + [encoder.finish()]

    assert all(frame is None or json.loads(frame)["data"] for frame in frames)
    text = "".join(json.loads(frame)["data"] for frame in frames if frame)
    assert text == b"".join(chunks).decode("utf-8", "replace")
