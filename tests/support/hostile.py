"""Values full of hostile text, made from their types, and what a page makes of HTML."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar
from xml.etree.ElementTree import Element

import html5lib

#: Each begins with a word by which it is found again; short, since some places cut.
TEXTS = {
    "script": "find<script>alert(1)</script>",
    "handler": "find\"'><img src=x onerror=alert(1)>",
    "end of style": "find</style></pre></div><b>bold",
    "javascript": "find[a](javascript:alert(1))",
    "data": "find![a](data:text/html,x)<data:x>",
    "cdata": "find]]><![CDATA[<i>",
    "comment": "find--><!--<i>-->",
    "entity": "find&lt;b&gt;&#60;i&#62;&amp;",
    "markdown": "find_a_ **b** # c | d ~~e~~ https://x.y/z",
    "tag of a card": "find</wxcode-card><script>x",
    "bidi": "find\u202egnp.exe\u2066\u200f",
    "nul": "find\x00<i>\x7f\x85",
    "escapes": "find\x1b[2J\x1b]0;t\x07\x1b]52;c;eA==\x1b\\\x9b5A",
    "lines": "find\u2028a\u2029b\rc",
    "half": "find\ud800\udcff",
}
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class CannotMake(Exception):
    """A type for which nobody has said how."""


def make(kind: Any, text: str, known: Mapping[Any, Any], variable: Any = None) -> Any:
    """Return a value of a type, with ``text`` in each string.

    Args:
        kind: The type, as an annotation has it.
        text: The hostile text.
        known: Values of types that are taken as they are.
        variable: What a type variable stands for.
    """
    if kind in known:
        return known[kind]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, TypeVar):
        return make(variable, text, known)
    if origin in (typing.Union, types.UnionType):
        wanted = [each for each in arguments if each is not types.NoneType]
        return make(wanted[0], text, known, variable)
    if origin is typing.Literal:
        return arguments[0]
    if origin in (tuple, list, Sequence) or origin in (set, frozenset):
        items = [each for each in arguments if each is not Ellipsis]
        made = [make(each, text, known, variable) for each in items]
        return tuple(made * 2 if len(items) == 1 else made)
    if origin in (dict, Mapping):
        return {text: make(arguments[1], text, known, variable)}
    if kind is Any or kind is object:
        return text
    return _make_class(origin or kind, text, known, arguments[0] if arguments else variable)


def _make_class(kind: Any, text: str, known: Mapping[Any, Any], variable: Any) -> Any:
    simple: dict[Any, Any] = {
        str: text,
        bytes: text.encode("utf-8", "surrogatepass"),
        bool: False,
        int: 7,
        float: 7.5,
        datetime: MOMENT,
        Path: Path("/" + text.replace("\0", "")),
        BaseException: RuntimeError(text),
    }
    if kind in simple:
        return simple[kind]
    if issubclass(kind, Enum):
        return next(iter(kind))
    constructor: Callable[..., Any] = kind
    if not dataclasses.is_dataclass(kind):
        raise CannotMake(kind)
    hints = typing.get_type_hints(kind)
    fields = [each for each in dataclasses.fields(kind) if each.init and not each.name.startswith("_")]
    return constructor(**{each.name: make(hints[each.name], text, known, variable) for each in fields})


def parse(html: str) -> Element:
    """Return what a browser makes of HTML; raise for what it would have to mend."""
    parser = html5lib.HTMLParser(tree=html5lib.getTreeBuilder("etree"), strict=True, namespaceHTMLElements=False)
    fragment: Element = parser.parseFragment(html)
    return fragment


def squeeze(text: str) -> str:
    """Return text without the differences that a layout makes."""
    return re.sub(r"[\s`]+", "", text)


def check_elements(tree: Element, allowed: Mapping[str, set[str]], link: Callable[[str], bool]) -> None:
    """Assert that there are only these elements with these attributes, and links to where one may go."""
    for element in tree.iter():
        if element is tree:
            continue
        assert element.tag in allowed, element.tag
        assert set(element.attrib) <= allowed[element.tag], element.attrib
        for name, value in element.attrib.items():
            assert name != "href" or link(value), value
            assert "url(" not in value, value
