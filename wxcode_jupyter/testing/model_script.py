"""What the scripted model says: rules, their steps, and the file format of both.

A script is a list of rules. A new prompt takes the first rule that matches it and is not used up; the rule's steps
are then played one per request, so a step that calls a tool is followed, when the tool's result comes back, by the next
step. Where no rule matches, the model answers ``ok: <the first 60 characters of the prompt>``.

In Python::

    script = [
        Rule("new-milestone", [Use("Bash", {"command": "pwd"}), Say("Done. Shall I go on?")]),
        Rule(re.compile(r"count to (?P<n>\\d+)"), [Say("Counting to {{n}}", slow_s=0.05)]),
        Rule(None, [Fail(529), Say("back again")]),
    ]

The same as a YAML or JSON file::

    rules:
      - contains: new-milestone
        steps:
          - use: Bash
            input: {command: pwd}
          - say: Done. Shall I go on?
      - match: 'count to (?P<n>\\d+)'
        steps:
          - {say: 'Counting to {{n}}', slow_s: 0.05}
      - steps:
          - fail: 529
          - say: back again

A *rule* has one of ``contains`` (a plain text), ``match`` (a regular expression, searched with DOTALL) or neither,
which matches anything; ``times`` says how often it may be taken (unlimited, but once for a rule that matches anything,
so that a list of such rules is consumed in order). Named groups of the expression, and ``{{prompt}}`` and ``{{cwd}}``
(the working directory that the CLI tells), are replaced in every text of the steps.

The *prompt* is what the user typed: a slash command is its line (``/name arguments``), not the text it expands to.

A *step* is one answer of the model:

===========================  ==========================================================================================
``say: TEXT``                text; the turn ends
``use: TOOL, input: {...}``  a call of a tool of the CLI (Bash, Write, AskUserQuestion...), after ``text`` where given
``ask: QUESTION``            a question in plain text, which ends the turn as ``say`` does
``fail: STATUS``             an HTTP error (400, 429, 500, 529...) with ``message`` and ``headers``; the CLI's retry
                             gets the next step, or the same failure again when it was the last
``cut: TEXT``                the stream breaks off after this text; retries as for ``fail``
===========================  ==========================================================================================

and each takes ``delay_s`` (seconds of silence before anything is sent), ``gate`` (the name of a gate that must be
opened before anything is sent) and, where there is text, ``slow_s`` (seconds between words) and ``hold`` (a gate in
mid-stream: after the first line of a text of several, which is what the CLI shows before it is complete, else after
the first word).

A step that says or uses something may take ``context_tokens``: how full its usage says that the context is. Where that
is more than the CLI's window, it compacts the conversation by itself before its next request, and the turn goes on with
the next step: 190000 with ``CLAUDE_CODE_AUTO_COMPACT_WINDOW=100000`` in the CLI's environment (2.1.197, 2.1.330).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
T = TypeVar("T")


class ScriptError(ValueError):
    """A script file that cannot be understood; the message says where and why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Paced:
    """When an answer comes.

    Attributes:
        delay_s: Seconds of silence before anything is sent.
        gate: Name of the gate that must be open before anything is sent.
        slow_s: Seconds between two words of the text; 0 sends the text at once.
        hold: Name of a gate in mid-stream: only the first line, or the first word of a single line, is sent before.
    """

    delay_s: float = 0.0
    gate: str | None = None
    slow_s: float = 0.0
    hold: str | None = None


@dataclass(frozen=True, slots=True)
class Say(_Paced):
    """Answer with text; the turn ends. ``context_tokens``: see `Use`."""

    text: str
    context_tokens: int | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Use(_Paced):
    """Call one of the CLI's tools, after ``text`` where there is one; the turn goes on with the next step.

    ``context_tokens`` is how full the answer's usage says that the context is; None is as many as were sent, about.
    """

    tool: str
    input: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    context_tokens: int | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Fail(_Paced):
    """Answer with an HTTP error; ``headers`` are sent besides, such as those that tell of a usage limit."""

    status: int
    message: str = "scripted failure"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cut(_Paced):
    """Break the connection off after ``text``."""

    text: str = ""


Step: TypeAlias = Say | Use | Fail | Cut


@dataclass(frozen=True, slots=True)
class Rule:
    """What to answer to one kind of prompt.

    Attributes:
        match: Plain text that the prompt contains, an expression that is searched in it, or None for any prompt.
        steps: The answers, one per request of the turn. After the last one, what still comes is answered by ``ok``.
        times: How often the rule may be taken; None is without limit, and once for a rule that matches anything.
    """

    match: str | re.Pattern[str] | None
    steps: Sequence[Step]
    times: int | None = None

    def variables(self, prompt: str) -> dict[str, str] | None:
        """Return the named groups when the rule matches ``prompt``, else None."""
        if self.match is None:
            return {}
        if isinstance(self.match, str):
            return {} if self.match in prompt else None
        found = self.match.search(prompt)
        return None if found is None else {name: value or "" for name, value in found.groupdict().items()}

    @property
    def limit(self) -> int | None:
        """How often the rule may be taken, the default resolved."""
        return 1 if self.times is None and self.match is None else self.times


def render(step: Step, variables: Mapping[str, str]) -> Step:
    """Return the step with every known ``{{name}}`` replaced; unknown ones stay as they are."""
    match step:
        case Use():
            return replace(step, text=_fill(step.text, variables), input=_fill(step.input, variables))
        case Fail():
            return replace(step, message=_fill(step.message, variables))
        case Say() | Cut():
            return replace(step, text=_fill(step.text, variables))


def load_script(path: Path) -> list[Rule]:
    """Read a script file: YAML by its suffix ``.yaml`` or ``.yml``, else JSON. Raises ``ScriptError``."""
    text = path.read_text(encoding="utf-8")
    try:
        return parse_script(_parse_yaml(text) if path.suffix in (".yaml", ".yml") else json.loads(text))
    except ValueError as error:
        raise ScriptError(f"{path}: {error}") from error


def parse_script(data: Any) -> list[Rule]:
    """Turn the parsed file, ``{"rules": [...]}`` or the list alone, into rules. Raises ``ScriptError``."""
    rules = data.get("rules") if isinstance(data, dict) else data
    if not isinstance(rules, list):
        raise ScriptError("a list of rules is expected, alone or under 'rules'")
    return [_parse_rule(rule, f"rule {number}") for number, rule in enumerate(rules, 1)]


_RULE_KEYS = {"contains", "match", "steps", "times"}
_PACE_KEYS = {"delay_s", "gate", "slow_s", "hold"}
_STEP_KEYS = {
    "say": {"context_tokens"},
    "ask": {"context_tokens"},
    "use": {"input", "text", "context_tokens"},
    "fail": {"message", "headers"},
    "cut": set[str](),
}


def _parse_rule(data: Any, where: str) -> Rule:
    if not isinstance(data, dict) or not isinstance(data.get("steps"), list) or not data["steps"]:
        raise ScriptError(f"{where}: a mapping with a list of 'steps' is expected")
    _refuse_unknown(data, _RULE_KEYS, where)
    if "contains" in data and "match" in data:
        raise ScriptError(f"{where}: 'contains' or 'match', not both")
    pattern: str | re.Pattern[str] | None = data.get("contains")
    if "match" in data:
        try:
            pattern = re.compile(data["match"], re.DOTALL)
        except re.error as error:
            raise ScriptError(f"{where}: 'match' is no regular expression: {error}") from error
    steps = [_parse_step(step, f"{where}, step {number}") for number, step in enumerate(data["steps"], 1)]
    return Rule(pattern, steps, data.get("times"))


def _parse_step(data: Any, where: str) -> Step:
    kinds = sorted(_STEP_KEYS.keys() & data.keys()) if isinstance(data, dict) else []
    if len(kinds) != 1:
        raise ScriptError(f"{where}: exactly one of {', '.join(_STEP_KEYS)} is expected")
    kind = kinds[0]
    _refuse_unknown(data, {kind} | _STEP_KEYS[kind] | _PACE_KEYS, where)
    pace = {key: data[key] for key in _PACE_KEYS & data.keys()}
    rest = {key: data[key] for key in _STEP_KEYS[kind] & data.keys()}
    match kind:
        case "use":
            return Use(str(data[kind]), **rest, **pace)
        case "fail":
            return Fail(int(data[kind]), **rest, **pace)
        case "cut":
            return Cut(str(data[kind] or ""), **pace)
        case _:
            return Say(str(data[kind]), **rest, **pace)


def _refuse_unknown(data: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(data.keys() - known)
    if unknown:
        raise ScriptError(f"{where}: unknown {', '.join(map(repr, unknown))}; known are {', '.join(sorted(known))}")


def _parse_yaml(text: str) -> Any:
    import yaml  # the only third-party import, and only for a YAML file

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ScriptError(str(error)) from error


def _fill(value: T, variables: Mapping[str, str]) -> T:
    """Replace placeholders in every string inside ``value``, which keeps its shape."""
    filled: Any = value
    if isinstance(value, str):
        filled = _PLACEHOLDER.sub(lambda found: variables.get(found[1], found[0]), value)
    elif isinstance(value, Mapping):
        filled = {key: _fill(item, variables) for key, item in value.items()}
    elif isinstance(value, (list, tuple)):
        filled = [_fill(item, variables) for item in value]
    return filled  # type: ignore[no-any-return]
