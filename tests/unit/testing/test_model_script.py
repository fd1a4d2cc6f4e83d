from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from wxcode_jupyter.testing.model_script import (
    Cut,
    Fail,
    Rule,
    Say,
    ScriptError,
    Use,
    load_script,
    parse_script,
    render,
)

SCRIPT = r"""
rules:
  - contains: new-milestone
    times: 2
    steps:
      - use: Bash
        input: {command: 'mkdir {{cwd}}/x'}
        text: Let me see.
        context_tokens: 190000
      - ask: Shall I go on?
        delay_s: 0.5
        context_tokens: 7
  - match: 'count to (?P<n>\d+)'
    steps:
      - {say: 'Counting to {{n}}', slow_s: 0.05, gate: begin, hold: middle}
  - steps:
      - {fail: 529, message: overloaded}
      - cut: half of
"""


def check(rules: list[Rule]) -> None:
    assert [rule.limit for rule in rules] == [2, None, 1]
    assert rules[0].steps == [
        Use("Bash", {"command": "mkdir {{cwd}}/x"}, "Let me see.", context_tokens=190_000),
        Say("Shall I go on?", delay_s=0.5, context_tokens=7),
    ]
    assert rules[1].variables("please count to 12") == {"n": "12"}
    assert rules[1].variables("please count") is None
    assert rules[1].steps == [Say("Counting to {{n}}", slow_s=0.05, gate="begin", hold="middle")]
    assert rules[2].steps == [Fail(529, "overloaded"), Cut("half of")]


def test_yaml_and_json_say_the_same(tmp_path: Path) -> None:
    import yaml

    as_yaml = tmp_path / "script.yaml"
    as_yaml.write_text(SCRIPT)
    check(load_script(as_yaml))
    as_json = tmp_path / "script.json"
    as_json.write_text(json.dumps(yaml.safe_load(SCRIPT)))
    check(load_script(as_json))


def test_a_list_of_rules_alone_is_a_script() -> None:
    assert parse_script([{"steps": [{"say": "hi"}]}]) == [Rule(None, [Say("hi")])]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({}, "a list of rules is expected"),
        ([{"contains": "x"}], "rule 1: a mapping with a list of 'steps'"),
        ([{"steps": [{"say": "x", "use": "Bash"}]}], "rule 1, step 1: exactly one of"),
        ([{"steps": [{"say": "x", "slowly": 1}]}], "rule 1, step 1: unknown 'slowly'"),
        ([{"when": "x", "steps": [{"say": "x"}]}], "rule 1: unknown 'when'"),
        ([{"contains": "x", "match": "y", "steps": [{"say": "x"}]}], "not both"),
        ([{"match": "(", "steps": [{"say": "x"}]}], "'match' is no regular expression"),
    ],
)
def test_a_mistake_names_its_place(data: object, reason: str) -> None:
    with pytest.raises(ScriptError, match=re.escape(reason)):
        parse_script(data)


@pytest.mark.parametrize("name", ["broken.yaml", "broken.json"])
def test_a_broken_file_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("{rules: [")
    with pytest.raises(ScriptError, match=name):
        load_script(path)


def test_placeholders_are_filled_at_any_depth_and_unknown_ones_stay() -> None:
    step = Use("AskUserQuestion", {"questions": [{"question": "{{name}}?", "n": 1}]}, "for {{name}} {{other}}")
    assert render(step, {"name": "Ada"}) == Use(
        "AskUserQuestion", {"questions": [{"question": "Ada?", "n": 1}]}, "for Ada {{other}}"
    )
    assert render(Fail(400, "no {{name}}"), {"name": "Ada"}) == Fail(400, "no Ada")
