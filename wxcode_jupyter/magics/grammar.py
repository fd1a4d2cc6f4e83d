"""The grammar of ``%wxmilestone``: options first, then the text verbatim.

A line is read from the left, word by word. Words that begin with ``-`` are options; what follows the options of a
subcommand that takes text is that text, untouched: apostrophes, quotes, ``$`` and ``-p`` survive. One that takes a
command may have its own long options behind it, too; what else stands there is the command's. Other subcommands
take at most one name, and options on either side of it. A name or a value with spaces stands in quotes, ``--`` ends
the options. ``{{name}}`` is replaced by a variable after the line was cut into words: no value can become an option.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal, TypeVar

N = TypeVar("N", int, float)
_VARIABLE = re.compile(r"\{\{([A-Za-z_]\w*)\}\}")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smh]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


class Mistake(Exception):
    """What the user wrote cannot be meant; shown with the right usage.

    Attributes:
        message: What is wrong, and the nearest valid name.
        usage: The line as it should look, or "".
    """

    def __init__(self, message: str, usage: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.usage = usage


@dataclass(frozen=True, slots=True)
class Option:
    """One option; ``kind`` says what follows it."""

    names: tuple[str, ...]
    help: str
    metavar: str = ""
    kind: Literal["flag", "value", "many", "seconds", "count", "amount"] = "flag"

    @property
    def key(self) -> str:
        """The key of its value: the long name, in Python's spelling."""
        return max(self.names, key=len).lstrip("-").replace("-", "_")

    @property
    def usage(self) -> str:
        """How it stands in a line."""
        return f"{self.names[0]} {self.metavar}".strip()


@dataclass(frozen=True, slots=True)
class Subcommand:
    """One subcommand: what may stand in its line, and in its cell.

    ``takes`` is "name" (required), "name?" (optional), "text", "command" (text for another program) or "". ``cell``
    says whether ``%%wxmilestone`` may have it, and then the body is its text.
    """

    name: str
    summary: str
    takes: Literal["", "name", "name?", "text", "command"] = ""
    metavar: str = ""
    cell: bool = False
    options: tuple[Option, ...] = ()

    @property
    def takes_rest(self) -> bool:
        """Whether what follows the options is one text."""
        return self.takes in ("text", "command")

    @property
    def usage(self) -> str:
        """The usage line."""
        sign = "%%" if self.cell and self.takes != "text" else "%"
        options = [f"[{option.usage}]" for option in self.options]
        taken = f"[{self.metavar}]" if self.takes == "name?" else self.metavar
        words = [*options, taken] if self.takes_rest else [taken, *options]
        return " ".join([f"{sign}wxmilestone {self.name}", *filter(None, words)])


@dataclass(frozen=True, slots=True)
class Line:
    """A line, read: ``given`` has the options by key, ``taken`` the name or the text (None: absent)."""

    subcommand: Subcommand
    given: Mapping[str, Any] = field(default_factory=dict)
    taken: str | None = None
    wants_help: bool = False

    def __getitem__(self, key: str) -> Any:
        return self.given.get(key)


def cut_word(text: str, usage: str = "") -> tuple[str, str, bool]:
    """Cut the first word off: ``(word, rest, quoted)``. Quotes count at the beginning of a word, or after ``--x=``."""
    text = text.lstrip()
    prefix = re.match(r"--[\w-]+=(?=[\"'])", text)
    start = prefix.end() if prefix else 0
    if text[start : start + 1] not in ("'", '"'):
        word, *rest = text.split(maxsplit=1) or [""]
        return word, "".join(rest), False
    closing = re.compile(re.escape(text[start]) + r"(?=\s|$)").search(text, start + 1)
    if closing is None:
        raise Mistake(f"The quote {text[start]} is not closed.", usage)
    return text[:start] + text[start + 1 : closing.start()], text[closing.end() :], not prefix


def read_line(subcommand: Subcommand, rest: str) -> Line:
    """Read what follows the name of a subcommand. Raises ``Mistake``."""
    usage = subcommand.usage
    given: dict[str, Any] = {}
    taken: str | None = None
    ended = False
    while rest.strip():
        word, after, quoted = cut_word(rest, usage) if not subcommand.takes_rest or ended else _cut_option(rest, usage)
        if word == "--" and not quoted and not ended:
            ended, rest = True, after
            if subcommand.takes_rest:
                taken, rest = rest.strip(), ""
        elif word.startswith("-") and len(word) > 1 and not quoted and not ended:
            name, equals, value = word.partition("=")
            if name in ("--help", "-h"):
                return Line(subcommand, wants_help=True)
            option = _find_option(subcommand, name)
            if option.kind == "flag":
                if equals:
                    raise Mistake(f"{name} takes no value.", usage)
                given[option.key] = True
                rest = after
                continue
            if not equals:
                if not after.strip():
                    raise Mistake(f"{name} needs a value: {option.usage}.", usage)
                value, after, _ = cut_word(after, usage)
            given[option.key] = [*given.get(option.key, []), value] if option.kind == "many" else value
            rest = after
        elif subcommand.takes_rest:
            taken, rest = rest.strip(), ""
            if subcommand.takes == "command":
                taken = _cut_trailing(subcommand, taken, given)
        elif not subcommand.takes:
            raise Mistake(f"{subcommand.name} takes no {word!r}.", usage)
        elif taken is not None:
            raise Mistake(f"{subcommand.name} takes one {subcommand.metavar}; one with spaces stands in quotes.", usage)
        else:
            taken, rest = word, after
    return Line(subcommand, given, taken)


def replace_variables(text: str, variables: Mapping[str, Any]) -> str:
    """Replace each ``{{name}}`` by ``str`` of the variable, once: a value is not looked into. Raises ``Mistake``."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in variables:
            raise Mistake(f"{{{{{name}}}}}: there is no variable {name!r}{nearest(name, variables)}.")
        return str(variables[name])

    return _VARIABLE.sub(value, text)


def fill(line: Line, variables: Mapping[str, Any]) -> Line:
    """Return the line with its variables replaced and its values converted. Raises ``Mistake``."""
    given: dict[str, Any] = {}
    for option in line.subcommand.options:
        value = line[option.key]
        if value is None:
            continue
        if isinstance(value, list):
            given[option.key] = [replace_variables(item, variables) for item in value]
        elif isinstance(value, str):
            given[option.key] = _convert(option, replace_variables(value, variables), line.subcommand.usage)
        else:
            given[option.key] = value
    taken = None if line.taken is None else replace_variables(line.taken, variables)
    return Line(line.subcommand, given, taken)


def seconds(text: str) -> float:
    """Read ``90``, ``30m``, ``2h`` as seconds. Raises ``ValueError``."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no time: 90 (seconds), 30m or 2h is expected")
    return float(match.group(1)) * _SECONDS[match.group(2)]


def nearest(word: str, names: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` without its question mark, or "" when nothing is near."""
    found = get_close_matches(word, [str(name) for name in names], n=1, cutoff=0.6)
    return f"; the nearest is {found[0]!r}" if found else ""


def _cut_option(rest: str, usage: str) -> tuple[str, str, bool]:
    """Cut a word off only where it is an option: text may hold a lone quote."""
    return cut_word(rest, usage) if rest.lstrip().startswith("-") else ("", rest, True)


def _cut_trailing(subcommand: Subcommand, text: str, given: dict[str, Any]) -> str:
    """Cut the subcommand's own long options off the end of a command, into ``given``."""
    names = {name: option for option in subcommand.options for name in option.names if name.startswith("--")}
    while True:
        *before, last = text.rsplit(maxsplit=1) or [""]
        *further, named = before[0].rsplit(maxsplit=1) if before else [""]
        name, equals, value = last.partition("=")
        if before and (option := names.get(name)) and (option.kind == "flag") != bool(equals):
            given[option.key], text = value or True, before[0]
        elif further and (option := names.get(named)) and option.kind != "flag":
            given[option.key], text = last, further[0]
        else:
            return text.rstrip()


def _find_option(subcommand: Subcommand, name: str) -> Option:
    for option in subcommand.options:
        if name in option.names:
            return option
    names = [name for option in subcommand.options for name in option.names]
    hint = " A text that begins with a dash stands after `--`." if subcommand.takes_rest else ""
    raise Mistake(f"{subcommand.name} has no option {name}{nearest(name, names)}.{hint}", subcommand.usage)


def _number(kind: type[N], value: str, expected: str) -> N:
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f"{expected} is expected, not {value[:40]!r}") from None


def _convert(option: Option, value: str, usage: str) -> str | float | int:
    try:
        if option.kind == "seconds":
            return seconds(value)
        if option.kind == "count":
            return _number(int, value, "a whole number")
        if option.kind == "amount":
            return _number(float, value, "a number")
    except ValueError as error:
        raise Mistake(f"{option.names[0]}: {error}.", usage) from None
    return value
