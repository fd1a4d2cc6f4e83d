"""What is read off the CLI's screens: recorded ones of two versions, and ones that are nearly right."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from tests.support.recorded_screens import VERSIONS, Screen, load, names
from wxcode_jupyter.claude.screens import Choice, Kind, choices, holds, is_limit_menu, read


@dataclass(frozen=True)
class Expected:
    kind: Kind
    box: str | None = None
    busy: bool = False


EMPTY, BUSY = Expected(Kind.BOX, ""), Expected(Kind.BOX, "", busy=True)
MENU, NOT_LOGGED_IN = Expected(Kind.MENU), Expected(Kind.LOGIN, "")

#: What is on the screen -> what must be read off it, in every version and size.
EXPECTED = {
    "idle": EMPTY,
    "resumed": EMPTY,
    "fullscreen-idle": EMPTY,
    "typed": Expected(Kind.BOX, "hello box"),
    "fullscreen-typed": Expected(Kind.BOX, "hi there"),
    "paste-short": Expected(Kind.BOX, "first line\nsecond line\nthird line"),
    "paste-long": Expected(Kind.BOX, "[Pasted text #1 +39 lines]"),
    "slash-partial-popup": Expected(Kind.BOX, "/gsd:new"),
    "slash-with-args": Expected(Kind.BOX, "/gsd:new-milestone .milestones/x/MILESTONE-CONTEXT.md"),
    "slash-unknown": EMPTY,
    "busy-before-token": BUSY,
    "busy-before-token-typed": Expected(Kind.BOX, "queued text", busy=True),
    "busy-mid-stream": BUSY,  # with "Press up to edit queued messages" in grey in the box
    "busy-queued-prompt": BUSY,
    "error-429": BUSY,  # retrying
    "error-400": EMPTY,
    "esc-before-token": Expected(Kind.BOX, "before token"),  # given back
    "esc-mid-stream": EMPTY,
    "not-logged-in": NOT_LOGGED_IN,
    "not-logged-in-after-prompt": NOT_LOGGED_IN,
    "custom-api-key": Expected(Kind.LOGIN),
    "onboarding-theme": Expected(Kind.CONNECTION),
    "trust": Expected(Kind.TRUST),
    "trust-after-down": Expected(Kind.TRUST),
    "bypass-warning": Expected(Kind.BYPASS),
    "renderer-menu-used-home": MENU,
    "permission-bash": MENU,
    "permission-lines": MENU,
    "permission-write": MENU,
    "ask-menu": MENU,
    "ask-menu-two": MENU,
    "ask-single": MENU,
    "ask-three": MENU,
    "ask-multi": MENU,
    "ask-multi-ticked": MENU,
    "ask-multi-next": MENU,
    "ask-text-typed": MENU,
    "ask-tab-chosen": MENU,
    "ask-review": Expected(Kind.OTHER),  # it has no hint of its keys; `sheet.py` reads it
    "permission-rule": MENU,
    "resume-unknown": Expected(Kind.OTHER),
}
#: Boxes in which one long line is wrapped, and how they end.
WRAPPED = {"paste-one-long-line": "wordend", "paste-4000-chars-one-line": "word[Pastedtext#1]"}

RECORDED = [(version, name) for version in VERSIONS for name in names(version)]
YES, NO = "Yes, I trust this folder", "No, exit"


@pytest.mark.parametrize(("version", "name"), [each for each in RECORDED if each[1].rpartition("-")[0] not in WRAPPED])
def test_a_recorded_screen(version: str, name: str) -> None:
    expected = EXPECTED[name.rpartition("-")[0]]
    reading = read(load(version, name))
    assert (reading.kind, reading.box, reading.busy) == (expected.kind, expected.box, expected.busy)
    assert reading.asks is bool(reading.message) is (expected.kind not in (Kind.BOX, Kind.OTHER))
    assert reading.free is (expected == EMPTY)


@pytest.mark.parametrize(("version", "name"), [each for each in RECORDED if each[1].rpartition("-")[0] in WRAPPED])
def test_a_recorded_box_whose_line_is_wrapped(version: str, name: str) -> None:
    reading = read(load(version, name))
    shown = "".join((reading.box or "").split())
    assert reading.kind is Kind.BOX
    assert shown.startswith("x" * 200 + "word")
    assert shown.endswith(WRAPPED[name.rpartition("-")[0]])


@pytest.mark.parametrize(
    ("version", "name", "expected"),
    [
        ("2.1.197", "trust", [Choice(YES, True), Choice(NO, False)]),
        ("2.1.197", "trust-after-down", [Choice(YES, False), Choice(NO, True)]),
        ("2.1.330", "trust", [Choice(NO, True), Choice(YES, False)]),
        ("2.1.330", "trust-after-down", [Choice(NO, False), Choice(YES, True)]),
        ("2.1.197", "bypass-warning", [Choice(NO, True), Choice("Yes, I accept", False)]),
        ("2.1.330", "bypass-warning", [Choice(NO, True), Choice("Yes, I accept", False)]),
        ("2.1.330", "renderer-menu-used-home", [Choice("Yes, try it", True), Choice("Not now", False)]),
        ("2.1.330", "custom-api-key", [Choice("Yes", False), Choice("No (recommended)", True)]),
        ("2.1.330", "idle", []),
        ("2.1.330", "resume-unknown", []),
    ],
)
def test_the_choices_of_a_menu(version: str, name: str, expected: list[Choice]) -> None:
    assert list(choices(load(version, f"{name}-80x24"))) == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_the_marked_choice_of_a_menu_that_follows_a_conversation(version: str) -> None:
    marked = [choice.label for choice in choices(load(version, "permission-write-80x24")) if choice.selected]
    assert marked == ["Yes"]  # not "write it", which has the same mark further up


def drawn(*rows: str, cursor: tuple[int, int] = (0, 0)) -> Screen:
    return Screen(tuple(rows), cursor)


RULE = "─" * 40


@pytest.mark.parametrize(
    "screen",
    [
        drawn(),
        drawn(*[""] * 24),
        drawn("❯ hello"),  # no rules
        drawn(RULE, "❯ hello"),  # the lower rule is not drawn yet
        drawn("❯ hello", RULE),
        drawn(RULE, RULE),
        drawn(RULE, "hello", RULE),  # no mark
        drawn(RULE, "  ❯ hello", RULE),  # a menu's mark stands further right
        drawn(RULE, "~❯ hello", RULE),
        drawn(" " + RULE, "❯ hello", " " + RULE),  # Claude's own output is indented
        drawn("-" * 40, "❯ hello", "-" * 40),
        drawn("─" * 7, "❯ hello", "─" * 7),
    ],
)
def test_what_is_no_box_is_not_taken_for_one(screen: Screen) -> None:
    reading = read(screen)
    assert (reading.kind, reading.box, reading.free, reading.asks) == (Kind.OTHER, None, False, False)


@pytest.mark.parametrize(
    ("screen", "text"),
    [
        (drawn(RULE, "❯", RULE, cursor=(1, 2)), ""),
        (drawn(RULE, "❯\xa0hello", RULE, cursor=(1, 7)), "hello"),
        (drawn(RULE, " ❯ hello", RULE, cursor=(1, 8)), "hello"),
        (drawn(RULE, "> hello", RULE, cursor=(1, 7)), "hello"),
        (drawn(f"{RULE} a title ──", "❯ hello", RULE, cursor=(1, 7)), "hello"),
        (drawn(RULE, "❯ one", "  two", "   three", "", RULE, cursor=(3, 8)), "one\ntwo\n three"),
        (drawn(RULE, "❯ old", RULE, "said", RULE, "❯ new", RULE, cursor=(5, 5)), "new"),  # the last one counts
        (drawn(RULE, "❯ Try this", RULE, cursor=(1, 2)), ""),  # grey: the cursor stands before it
        (drawn(RULE, "❯ Try this", RULE, cursor=(1, 3)), "Try this"),  # one column on: a draft
        (drawn(RULE, "❯ Try this", RULE, cursor=(2, 2)), "Try this"),
    ],
)
def test_the_text_of_a_box(screen: Screen, text: str) -> None:
    assert (read(screen).kind, read(screen).box) == (Kind.BOX, text)


@pytest.mark.parametrize(
    ("line", "busy"),
    [("✻ Thinking…", True), ("· Thinking… (3s)", True), ("⠂ Thinking…", True), ("✻ Baked for 2s", False), ("…", False)],
)
def test_a_spinner_above_the_box(line: str, busy: bool) -> None:
    reading = read(drawn(line, "", RULE, "❯", RULE, cursor=(3, 2)))
    assert (reading.busy, reading.free) == (busy, not busy)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_permission_menu_that_quotes_the_trust_screen_is_a_menu(version: str) -> None:
    screen = load(version, "permission-bash-80x24")
    quoting = tuple(line.replace("touch made.txt", "echo trust this folder") for line in screen.lines)
    assert read(replace(screen, lines=quoting)).kind is Kind.MENU


def test_a_box_that_is_higher_than_the_screen() -> None:
    rule = "─" * 40
    screen = drawn(*["  wait"] * 20, "  for it", rule, "  paste again to expand", cursor=(20, 8))
    text = "wait\n" * 40 + "for it"
    reading = read(screen)
    assert reading.kind is Kind.BOX
    assert holds(reading.box or "", text)
    assert not reading.free
    assert read(drawn("❯ wait", *["  wait"] * 20, rule, cursor=(20, 8))).box == "\n".join(["wait"] * 21)
    for other in (
        drawn("● said", *["  wait"] * 20, rule, cursor=(20, 8)),  # an answer above a menu
        drawn(*["  wait"] * 20, rule, cursor=(21, 0)),  # the cursor is not in it
        drawn(*["  wait"] * 5, rule, cursor=(4, 8)),  # there was room for the upper rule
    ):
        assert read(other).kind is Kind.OTHER


LIMIT_MENU = """
❯ week
  ⎿  You've hit your weekly limit · resets Nov 25, 8:39pm (UTC)
❯ /rate-limit-options
──────────────────
  What do you want to do?

  ❯ 1. Stop and wait for limit to reset
    2. Upgrade your plan

  Enter to confirm · Esc to cancel
"""


def test_the_menu_of_a_usage_limit_is_known_by_its_default() -> None:
    assert is_limit_menu(LIMIT_MENU)
    assert not is_limit_menu(LIMIT_MENU.replace("❯ 1.", "  1.").replace("  2.", "❯ 2."))  # somebody has moved the mark
    assert not is_limit_menu(LIMIT_MENU.replace("Enter to confirm · Esc to cancel", "────\n❯ \n────"))
    assert not is_limit_menu("❯ what does '1. Stop and wait for limit to reset' mean?\n  Enter to confirm")


def test_a_menu_below_what_is_left_of_a_box_is_a_menu() -> None:
    rule = "─" * 40
    left = ["✻ Cogitated for 0s", rule, "❯ /moClaude─Code v2.1.197 ──", "│ Tips │", "❯ /model", "", rule]
    shown = [
        *left,
        "  Select model",
        "",
        "  ❯ 1. Default ✔",
        "    2. Opus",
        "",
        "  Enter to set as default · Esc to cancel",
    ]
    assert read(Screen(tuple(shown), (9, 2))).kind is Kind.MENU
    notice = [rule, "❯ ", rule, "  Continuing automatically at 8:39pm · Esc to cancel"]
    assert read(Screen(tuple(notice), (1, 2))).free
