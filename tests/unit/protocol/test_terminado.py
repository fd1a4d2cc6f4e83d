"""The frames of terminado, as texts and as values."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.garbage import VALUES
from wxcode_jupyter.errors import InvalidBody
from wxcode_jupyter.models import TermSize
from wxcode_jupyter.protocol import terminado
from wxcode_jupyter.protocol.frames import Input, Resize


@pytest.mark.parametrize(
    ("message", "request_"),
    [
        ('["stdin", "ls\\r"]', Input(b"ls\r")),
        ('["stdin", "\\u00e9"]', Input("é".encode())),
        ('["set_size", 24, 80, 360, 720]', Resize(TermSize(24, 80))),
        ('["set_size", 24, 80]', Resize(TermSize(24, 80))),
        ('["set_size", 900, 80]', Resize(TermSize(500, 80))),
        ('["set_size", 0, 0, 0, 0]', None),
        ('["unknown", 1]', None),
    ],
)
def test_frames_of_clients(message: str, request_: object) -> None:
    assert terminado.decode(message) == request_


@pytest.mark.parametrize(
    "message",
    [
        *("", "{}", "[]", "null", "7", '["stdin"]', '["stdin", 7]', '["set_size"]', '["set_size", "1", 2]', "[[]]"),
        *(
            '["set_size", true, 2]',
            '["set_size", 1.0, 2]',
            '["set_size", NaN, 2]',
            "[" * 100_000,
            "1" * 10_000,
            b"\xff",
        ),
    ],
    ids=lambda message: repr(message)[:30],
)
def test_a_frame_that_does_not_fit(message: str | bytes) -> None:
    with pytest.raises(InvalidBody):
        terminado.decode(message)


def test_frames_of_the_server() -> None:
    assert json.loads(terminado.SETUP) == ["setup", {}]
    assert json.loads(terminado.DISCONNECT) == ["disconnect", 1]
    assert terminado.stdout("\x1b[1m✳") == '["stdout", "\\u001b[1m\\u2733"]'


almost_frames = st.lists(VALUES | st.integers(-1, 502) | st.sampled_from(["stdin", "set_size"]), max_size=4)


@given(st.binary() | st.text() | (almost_frames | VALUES).map(json.dumps))
def test_anything_is_decoded_or_refused(message: bytes | str) -> None:
    try:
        frame = terminado.decode(message)
    except InvalidBody as error:
        assert isinstance(error.field, str)
        return
    assert frame is None or isinstance(frame, Input | Resize)
    if isinstance(frame, Resize):
        assert 1 <= frame.size.rows <= 500
        assert 1 <= frame.size.cols <= 500
