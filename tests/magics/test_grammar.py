from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxcode_jupyter.magics import subcommands
from wxcode_jupyter.magics.grammar import Line, Mistake, fill, replace_variables, seconds


def read(text: str, is_cell: bool = False) -> Line:
    line = subcommands.read(text, is_cell=is_cell)
    assert line is not None
    return line


@pytest.mark.parametrize(
    "text",
    [
        "fix it's Bob's \"bug\" for $HOME -p now",
        "'quoted' text",
        "what is 3 --wait 4?",
        'a lone " quote',
        "back\\slash and {braces} and {a} and $x",
        "two  blanks",
        "/gsd:progress",
        "-",
    ],
)
def test_text_is_taken_as_it_is(text: str) -> None:
    assert read(f"send {text}").taken == text
    assert read(f"send --wait -p demo {text}").taken == text
    assert read(f"send -- {text}").taken == text


@given(st.text(st.characters(blacklist_categories=["Cc", "Cs", "Z"]), min_size=1).filter(lambda t: t.strip() == t))
def test_any_text_behind_dashes_survives(text: str) -> None:
    assert read(f"send -- {text}").taken == text


def test_options_come_before_the_text() -> None:
    line = read("send --wait --timeout 30m -p 'my project' -o result --wait is a word")
    assert line.given == {"wait": True, "timeout": "30m", "project": "my project", "output": "result"}
    assert line.taken == "is a word"


@pytest.mark.parametrize(
    ("text", "taken", "given"),
    [
        ("gsd plan-phase 3 --wait", "plan-phase 3", {"wait": True}),
        ("gsd --clear plan-phase 3 --gaps --wait", "plan-phase 3 --gaps", {"clear": True, "wait": True}),
        ("gsd quick --timeout 5m --project demo --wait", "quick", {"wait": True, "project": "demo", "timeout": "5m"}),
        ("gsd quick --timeout=5m", "quick", {"timeout": "5m"}),
        ("gsd quick say --wait once", "quick say --wait once", {}),
        ("gsd quick 'a --wait'", "quick 'a --wait'", {}),
        ("gsd quick --wait=5", "quick --wait=5", {}),
        ("gsd quick -p demo", "quick -p demo", {}),
        ("gsd -- quick --wait", "quick --wait", {}),
        ("gsd --wait", None, {"wait": True}),
    ],
)
def test_a_command_has_options_on_both_sides(text: str, taken: str | None, given: dict[str, Any]) -> None:
    line = read(text)
    assert (line.taken, line.given) == (taken, given)


def test_a_name_has_options_on_both_sides() -> None:
    assert read('start --wait "Login page" --timeout=90') == read('start "Login page" --wait --timeout 90')
    assert read("new Bob's --element 5f").taken == "Bob's"


def test_values_may_hold_anything() -> None:
    line = read("project demo --workspace='/tmp/my folder' --claude-arg --verbose --claude-arg=-x")
    assert (line["workspace"], line["claude_arg"]) == ("/tmp/my folder", ["--verbose", "-x"])


def test_project_and_variable_may_stand_first() -> None:
    assert read("-p demo -o x status").given == {"project": "demo", "output": "x"}
    assert read("--project='a b' send hello it's me").taken == "hello it's me"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("strat demo", "'start'"),
        ("start", ""),
        ("start demo --wiat", "'--wait'"),
        ("start demo --timeout", "needs a value"),
        ("start Login page", "quotes"),
        ("start 'Login page", "not closed"),
        ("status now", "takes no"),
        ("status --fresh=1", "no option"),
        ("resume --fresh=1", "takes no value"),
        ("send -5 is odd", "after `--`|behind|`--`"),
        ("--wait send x", "subcommand"),
    ],
)
def test_mistakes_name_what_is_meant(text: str, hint: str) -> None:
    if text == "start":
        assert read(text).taken is None
        return
    with pytest.raises(Mistake, match=hint):
        read(text)


def test_a_cell_is_for_those_that_take_a_text() -> None:
    assert read("new login", is_cell=True).taken == "login"
    with pytest.raises(Mistake, match="one %"):
        read("status", is_cell=True)


@pytest.mark.parametrize("text", ["start --help", "start -h", "start?", "send --help me"])
def test_help_of_a_subcommand(text: str) -> None:
    assert read(text).wants_help


@pytest.mark.parametrize("text", ["", "  ", "--help", "-h"])
def test_help_of_all(text: str) -> None:
    assert subcommands.read(text, is_cell=False) is None


def test_every_subcommand_is_explained() -> None:
    overview = subcommands.overview()
    for item in subcommands.SUBCOMMANDS.values():
        assert item.name in overview
        assert item.summary in subcommands.explain(item)
        for option in item.options:
            assert option.names[0] in subcommands.explain(item)


@pytest.mark.parametrize(
    ("text", "expected"), [("90", 90), ("90s", 90), ("30m", 1800), ("2h", 7200), ("0.5h", 1800), ("1.5", 1.5)]
)
def test_times(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "m", "2d", "-1", "1e3", "half an hour"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="30m"):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{name}}", "value"),
        ("a {{name}}b {{number}}", "a valueb 3"),
        ("{{ name }} {name} {{a.b}} {{}}", "{{ name }} {name} {{a.b}} {{}}"),
        ("{{nested}}", "{{name}}"),
    ],
)
def test_variables(text: str, expected: str) -> None:
    variables: dict[str, Any] = {"name": "value", "number": 3, "nested": "{{name}}"}
    assert replace_variables(text, variables) == expected


def test_an_undefined_variable_is_a_mistake() -> None:
    with pytest.raises(Mistake, match=r"'nmae'.*'name'"):
        replace_variables("{{nmae}}", {"name": 1})


def test_a_value_never_becomes_an_option() -> None:
    line = fill(read("start {{which}} -p {{where}}"), {"which": "--wait", "where": "a b"})
    assert (line.taken, line.given) == ("--wait", {"project": "a b"})


def test_a_wrong_time_is_told_with_the_usage() -> None:
    with pytest.raises(Mistake, match="--timeout") as caught:
        fill(read("wait --timeout soon"), {})
    assert "%wxmilestone wait" in caught.value.usage
