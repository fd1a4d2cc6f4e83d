"""JSON that somebody else wrote: read as it is, as far as anybody can walk through it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.garbage import VALUES, nested
from wxcode_jupyter.claude.foreign import DEPTH, read_json


@settings(deadline=None)
@given(VALUES.filter(lambda value: value == value))
def test_what_is_not_deep_is_read_as_it_is(value: Any) -> None:
    wide = [value, "[{" * DEPTH, '\\"]', value]
    text = json.dumps(wide)
    expected = json.loads(json.dumps(wide, ensure_ascii=False).encode("utf-8", "replace"))
    assert repr(read_json(text.encode())) == repr(expected)


@settings(deadline=None)
@given(st.binary() | st.binary().map(lambda chunk: nested(3000)[:9000] + chunk))
def test_nothing_but_a_value_error_comes_out_of_any_bytes(raw: bytes) -> None:
    try:
        json.dumps(read_json(raw), ensure_ascii=False).encode()
    except ValueError as error:
        assert not isinstance(error, UnicodeEncodeError)


@pytest.mark.parametrize("depth", [1300, 100_000])
def test_only_what_is_too_deep_is_left_out(depth: int) -> None:
    raw = b'{"before": ["[{"], "deep": %s, "after": {"b": [1, {}]}}' % nested(depth)
    read = read_json(raw)
    assert read["before"] == ["[{"]
    assert read["after"] == {"b": [1, {}]}
    levels, inner = 1, read["deep"]
    while isinstance(inner, dict):
        levels, inner = levels + 1, inner["a"]
    assert (levels, inner) == (DEPTH, None)


def test_what_is_just_deep_enough_is_whole() -> None:
    assert read_json(nested(DEPTH)) == json.loads(nested(DEPTH))


@pytest.mark.parametrize("text", ['["half \\ud83d"]', '["half \\uDE00"]'])
def test_half_an_emoji_is_replaced(text: str) -> None:
    assert read_json(text.encode()) == ["half ?"]


def test_half_an_emoji_that_is_not_escaped_is_replaced() -> None:
    assert read_json('["half \ud83d"]'.encode("utf-8", "surrogatepass")) == ["half ?"]
