"""Which key follows from a screen, and what is done about keys that are swallowed, late, or not ours."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.support.recorded_screens import VERSIONS, Screen, load
from tests.support.scripted_terminal import IDLE, ScriptedTerminal
from wxcode_jupyter.claude import asking
from wxcode_jupyter.claude.answering import LEFT, AskScript, MenuScript, give
from wxcode_jupyter.claude.asking import Reply, items_of, replies
from wxcode_jupyter.claude.delivery import ENTER
from wxcode_jupyter.claude.menu import DOWN, UP
from wxcode_jupyter.claude.sheet import Line, Sheet, read_sheet
from wxcode_jupyter.errors import AttentionNeeded, InvalidBody

COLOUR = {
    "question": "Which colour do you want?",
    "header": "Colour",
    "options": [{"label": "Red", "description": "warm"}, {"label": "Blue (Recommended)", "description": "cold"}],
}
TOPPINGS = {
    "question": "Which toppings shall go on it?",
    "multiSelect": True,
    "options": [{"label": label} for label in ("Cheese", "Ham", "Olives")],
}
SIZE = {"question": "Which size is right?", "options": [{"label": "Small"}, {"label": "Large"}]}
ITEMS = items_of({"questions": [COLOUR, TOPPINGS, SIZE]})

each_version = pytest.mark.parametrize("version", VERSIONS)


def sheet(version: str, name: str) -> Sheet:
    found = read_sheet(load(version, f"{name}-120x40"))
    assert found is not None
    return found


def script(*answers: Reply) -> AskScript:
    return AskScript(ITEMS[: len(answers)], answers)


ALL = (Reply(("Red",)), Reply(("Ham",), "nuts"), Reply(("Large",)))


class TestSheet:
    @each_version
    def test_lines_marks_and_ticks(self, version: str) -> None:
        ticked = sheet(version, "ask-multi-ticked")
        assert [line.label for line in ticked.lines] == [
            "Cheese",
            "Ham",
            "Olives",
            "nuts",
            "Next",
            "Chat about this",
        ]
        assert [line.ticked for line in ticked.lines] == [False, True, False, True, None, None]
        assert ticked.mark == 3
        assert sheet(version, "ask-multi-next").mark == 4

    @each_version
    def test_a_long_label_is_one_line(self, version: str) -> None:
        small = read_sheet(load(version, "permission-bash-80x24"))
        assert small is not None
        assert "from this project" in small.lines[1].text
        assert small.lines[-1].text == "No"

    @each_version
    @pytest.mark.parametrize("name", ["idle-80x24", "typed-80x24", "busy-mid-stream-80x24"])
    def test_a_box_is_none(self, version: str, name: str) -> None:
        assert read_sheet(load(version, name)) is None


class TestAskScript:
    @each_version
    @pytest.mark.parametrize(
        ("name", "answers", "key"),
        [
            ("ask-single", [Reply(("Red",))], ENTER),
            ("ask-single", [Reply(("Blue (Recommended)",))], DOWN),
            ("ask-single", [Reply((), "green")], DOWN),
            ("ask-text-typed", [Reply((), "a green that is neither light nor dark")], ENTER),
            ("ask-text-typed", [Reply((), "another text")], None),  # somebody has begun to write there
            ("ask-text-typed", [Reply(("Red",))], None),
            ("ask-three", ALL, ENTER),
            ("ask-multi", ALL, DOWN),
            ("ask-multi-ticked", ALL, DOWN),
            ("ask-multi-next", ALL, ENTER),
            ("ask-multi-next", [Reply(("Red",)), Reply(("Ham",)), Reply(("Large",))], None),
            ("ask-multi-next", [Reply(("Red",)), Reply(("Cheese",), "nuts"), Reply(("Large",))], UP),
            ("ask-review", ALL, ENTER),
            ("ask-review", [*ALL[:2], Reply(("Small",))], LEFT),
            ("permission-rule", ALL, None),
        ],
    )
    def test_the_next_key(self, version: str, name: str, answers: Sequence[Reply], key: bytes | None) -> None:
        assert script(*answers).next_key(sheet(version, name)) == key

    @each_version
    def test_what_the_review_shows_to_be_wrong_is_put_right(self, version: str) -> None:
        wrong = script(*ALL[:2], Reply(("Small",)))
        assert wrong.next_key(sheet(version, "ask-review")) == LEFT
        assert wrong.next_key(sheet(version, "ask-tab-chosen")) in (UP, ENTER)  # where the mark stands differs
        assert wrong.next_key(sheet(version, "ask-multi-next")) == LEFT  # that one was right

    @each_version
    @pytest.mark.parametrize(
        ("shown", "key"),
        [("Type something", b"b"), ("b", b"olts"), ("bb", b"\x7f"), ("bo", None), ("nuts", None), ("bolts", DOWN)],
    )
    def test_a_text_goes_in_after_its_first_character(self, version: str, shown: str, key: bytes | None) -> None:
        asked = script(ALL[0], Reply(("Ham",), "bolts"), ALL[2])
        page = sheet(version, "ask-multi-ticked")
        lines = list(page.lines)
        lines[3] = Line(shown, shown, marked=True, ticked=shown != "Type something")
        page = Sheet(page.above, tuple(lines))
        assert asked.next_key(page) == key
        if key == b"olts":  # which goes out once
            asked.pressed(key)
            assert asked.next_key(page) is None


class TestGive:
    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A machine that does everything within 20 ms."""
        for name, value in (("_NEW_S", 0.001), ("_ARROW_S", 0.02), ("_ENTER_S", 0.02)):
            monkeypatch.setattr(f"wxcode_jupyter.claude.answering.{name}", value)

    @each_version
    async def test_enter_goes_out_only_once_an_arrow_has_moved_the_mark(self, version: str) -> None:
        menu = Permission(load(version, "permission-rule-120x40"))
        await menu.choose("Yes")
        assert menu.written == [DOWN, UP, ENTER]

    @each_version
    async def test_an_arrow_that_was_swallowed_is_pressed_again(self, version: str) -> None:
        menu = Permission(load(version, "permission-rule-120x40"), deaf=2)
        await menu.choose("No")
        assert menu.written[-1] == ENTER
        assert menu.confirmed == "No"

    @each_version
    async def test_a_menu_like_it_that_comes_next_is_left_alone(self, version: str) -> None:
        menu = Permission(load(version, "permission-rule-120x40"), again=True)
        await menu.choose("Yes")
        assert menu.written.count(ENTER) == 1

    async def test_enter_is_not_pressed_again_where_nothing_follows(self) -> None:
        menu = Permission(load("2.1.330", "permission-rule-120x40"), stalls=True)
        with pytest.raises(AttentionNeeded, match="has not followed"):
            await menu.choose("Yes")
        assert menu.written == [DOWN, UP, ENTER]

    async def test_another_menu_is_not_touched(self) -> None:
        menu = Permission(load("2.1.330", "permission-rule-120x40"))
        other = read_sheet(load("2.1.330", "permission-bash-120x40"))
        assert other is not None
        with pytest.raises(AttentionNeeded) as caught:
            await give(menu, MenuScript(other, "Yes"), changed=menu.changed, is_open=lambda: True)
        assert menu.written == []
        assert "npm test" in caught.value.screen

    async def test_nothing_is_pressed_for_a_question_that_is_asked_no_longer(self) -> None:
        menu = Permission(load("2.1.330", "permission-rule-120x40"))
        await menu.choose("Yes", is_open=False)
        assert menu.written == []


class Permission(ScriptedTerminal):
    """A recorded permission menu that follows the keys; ``deaf`` ones are swallowed first; it may stall at Enter."""

    def __init__(self, screen: Screen, *, deaf: int = 0, again: bool = False, stalls: bool = False) -> None:
        super().__init__(screen, on_write=self._press)
        self.first = screen
        self.deaf = deaf
        self.again = again
        self.stalls = stalls
        self.confirmed = ""
        self._marked = 0

    async def choose(self, label: str, *, is_open: bool = True) -> None:
        menu = read_sheet(self.first)
        assert menu is not None
        await give(self, MenuScript(menu, label), changed=self.changed, is_open=lambda: is_open)

    def _press(self, key: bytes) -> Sequence[Screen]:
        before = self._drawn()
        if self.deaf:
            self.deaf -= 1
            return [before]
        menu = read_sheet(before)
        assert menu is not None
        if key == ENTER and self.stalls:
            return [before]
        if key == ENTER:
            self.confirmed = menu.lines[menu.mark].text
            return [before, IDLE, self.first] if self.again else [before, IDLE]
        self._marked += {DOWN: 1, UP: -1}[key]
        return [before, self._drawn()]

    def _drawn(self) -> Screen:
        rows = [row.replace("❯ 1.", "  1.") for row in self.first.lines]
        number = self._marked + 1
        rows = [row.replace(f"  {number}. ", f"❯ {number}. ") for row in rows]
        return Screen(tuple(rows), self.first.cursor)


class TestReplies:
    ONE, SEVERAL = ITEMS[:1], ITEMS[1:2]

    @pytest.mark.parametrize(
        ("choices", "text", "labels"),
        [
            (["Red"], None, ["Red"]),
            (["red"], None, ["Red"]),
            (["Blue"], None, ["Blue (Recommended)"]),
            (["2"], None, ["Blue (Recommended)"]),
            ([["Red"]], None, ["Red"]),
            (None, " green ", ["green"]),
            ([{"text": "green"}], None, ["green"]),
        ],
    )
    def test_one(self, choices: list[object] | None, text: str | None, labels: list[str]) -> None:
        (reply,) = replies(self.ONE, choices, text)
        assert reply.shown == labels[0]

    @pytest.mark.parametrize(
        ("choices", "text"),
        [
            (None, None),
            ([], None),
            (["Green"], None),
            ([""], None),
            (["0"], None),
            (["3"], None),
            (["9" * 5000], None),
            (["²"], None),
            (["Red", "Blue"], None),
            (["Red", {"text": "x"}], None),
            ([{"text": "x"}, "Red"], None),
            ([["Red"], "Blue"], None),
            ([[]], None),
            ([{}], None),
            ([{"text": 5}], None),
            ([5], None),
            (["Red"], "green"),
            (None, ""),
            (None, "two\nlines"),
            (None, "\x1b[A"),
            (None, "x" * 1001),
        ],
    )
    def test_what_does_not_fit_is_refused(self, choices: list[object] | None, text: str | None) -> None:
        with pytest.raises(InvalidBody) as caught:
            replies(self.ONE, choices, text)
        assert len(caught.value.message) < 300

    def test_several_kinds_for_one_item_are_told_what_is_meant(self) -> None:
        with pytest.raises(InvalidBody, match=r"A choice is a label, a list of labels, or .*'Red'"):
            replies(self.ONE, ["Red", {"text": "x"}], None)

    def test_several_of_one(self) -> None:
        assert replies(self.SEVERAL, ["Ham", "Cheese", "Ham"], "nuts")[0].shown == "Ham, Cheese, nuts"

    def test_one_of_each(self) -> None:
        given = replies(ITEMS, ["Red", ["Ham", "Olives"], {"text": "medium"}], None)
        assert [reply.shown for reply in given] == ["Red", "Ham, Olives", "medium"]
        with pytest.raises(InvalidBody, match="3 things"):
            replies(ITEMS, ["Red"], None)

    def test_a_permission_takes_no_text(self) -> None:
        menu = sheet("2.1.330", "permission-rule")
        item = type(ITEMS[0])("May it?", asking.options_of(menu))
        assert replies([item], ["Yes"], None)[0].labels == ("Yes",)
        assert replies([item], ["Yes, and don't"], None)[0].labels == (menu.lines[1].text,)
        with pytest.raises(InvalidBody):
            replies([item], None, "no, do this")


class TestPermissions:
    @each_version
    def test_the_menu_has_to_show_the_command(self, version: str) -> None:
        menu = sheet(version, "permission-rule")
        assert asking.asks_permission(menu, "npm test --silent && echo 'a;b'")
        assert not asking.asks_permission(menu, "rm -rf .")
        assert not asking.asks_permission(sheet(version, "ask-single"), "")

    @each_version
    def test_a_command_of_several_lines(self, version: str) -> None:
        menu = sheet(version, "permission-lines")
        assert asking.asks_permission(menu, "for f in *; do\n  echo $f\ndone && npm test")
        assert not asking.asks_permission(menu, "for f in *; do\n  rm $f\ndone && npm test")

    def test_the_subject_is_what_is_done_and_not_what_the_model_calls_it(self) -> None:
        assert asking.subject_of({"description": "list files", "command": "rm -rf ."}) == "rm -rf ."
        assert asking.subject_of({"file_path": "/w/x", "content": "y"}) == "/w/x"
        assert asking.subject_of({}) == asking.subject_of(None) == ""
