"""What a file may hold that somebody else writes: strategies for what has the form of ours, and for what has none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["\ud83d", "p", "text"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def nested(depth: int, *, of: str = "a") -> bytes:
    """Return the JSON of objects within objects."""
    return b'{"%s":' % of.encode() * depth + b"1" + b"}" * depth


def distorted(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Mapping[str, Any]]:
    """Objects with some of these fields, each as it should be or anything else."""
    return st.fixed_dictionaries({}, optional={name: given | VALUES for name, given in fields.items()})


def files(objects: st.SearchStrategy[Mapping[str, Any]]) -> st.SearchStrategy[bytes]:
    """Contents of a file: such an object, a part of one, or any bytes."""
    whole = objects.map(lambda value: json.dumps(value).encode())
    parts = st.tuples(whole, st.integers(0, 200)).map(lambda cut: cut[0][: cut[1]])
    return whole | parts | st.binary() | st.sampled_from([nested(depth) for depth in (99, 101, 3000)])
