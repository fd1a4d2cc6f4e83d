"""What is concluded from screens over time, each condition on its own clock."""

from __future__ import annotations

import pytest

from tests.support.recorded_screens import Screen, load
from tests.support.scripted_terminal import IDLE, box
from wxcode_jupyter.claude.hooks import HookEvent
from wxcode_jupyter.claude.transcript import Entry
from wxcode_jupyter.models import Command, TermSize
from wxcode_jupyter.service.turns import Turns
from wxcode_jupyter.service.watch import (
    GIVEN_BACK_S,
    HOOKS_EXPECTED_S,
    KEPT_S,
    MENU_S,
    SILENT_S,
    STANDS_S,
    STOPPED_S,
    WITHDRAWN_S,
    ScreenWatch,
)
from wxcode_jupyter.terminal.screen import ScreenView

TEXT = "build the thing"


def view(screen: Screen) -> ScreenView:
    return ScreenView(
        screen.lines, screen.cursor, "✳ Claude Code", False, True, 0, True, TermSize(len(screen.lines), 80)
    )


class Watch(ScreenWatch):
    """A watch whose time the test moves."""

    def __init__(self) -> None:
        self.time = 1000.0
        super().__init__(lambda: self.time, ready_timeout_s=60.0)

    def shown(self, screen: Screen) -> None:
        self.see(view(screen))

    def kind(self, *, started: bool = True, turn: bool = False) -> str | None:
        attention = self.attention(started=started, turn=turn)
        return attention.kind if attention else None


@pytest.fixture
def watch() -> Watch:
    watch = Watch()
    watch.shown(IDLE)
    watch.mark_ready(started=True)
    return watch


def submitted(*, taken: bool = False) -> Turns:
    turns = Turns()
    turns.submit(Command("c", "project", TEXT))
    if taken:
        turns.on_hook(HookEvent("1.json", "UserPromptSubmit", "s", {"prompt_id": "p", "prompt": TEXT}))
        turns.on_entry(Entry("prompt", TEXT, "p"))
        turns.settle()
    return turns


class TestSilentEnd:
    def test_an_idle_box_must_stand_for_long(self, watch: Watch) -> None:
        turns = submitted()
        assert not watch.silent_end(turns)
        watch.time += SILENT_S - 0.1
        assert not watch.silent_end(turns)
        watch.time += 0.1
        assert watch.silent_end(turns)

    def test_whatever_is_heard_begins_the_silence_anew(self, watch: Watch) -> None:
        turns = submitted()
        assert not watch.silent_end(turns)
        watch.time += SILENT_S - 0.1
        watch.heard()
        assert not watch.silent_end(turns)
        watch.time += SILENT_S - 0.1
        assert not watch.silent_end(turns)

    @pytest.mark.parametrize("screen", [box(above="✻ Working… (esc to interrupt)"), load("2.1.330", "trust-80x24")])
    def test_a_box_that_is_not_idle_is_no_silence(self, watch: Watch, screen: Screen) -> None:
        turns = submitted()
        assert not watch.silent_end(turns)
        watch.shown(screen)
        watch.time += SILENT_S
        assert not watch.silent_end(turns)

    def test_a_prompt_that_was_given_back_ends_its_turn_soon(self, watch: Watch) -> None:
        turns = submitted(taken=True)
        watch.shown(box(TEXT))
        assert not watch.silent_end(turns)
        watch.time += GIVEN_BACK_S
        assert watch.silent_end(turns)

    def test_a_stop_that_the_transcript_does_not_confirm_ends_its_turn_soon(self, watch: Watch) -> None:
        turns = submitted(taken=True)
        turns.on_hook(HookEvent("2.json", "Stop", "s", {"prompt_id": "p"}))
        assert turns.stopped
        assert not watch.silent_end(turns)
        watch.time += STOPPED_S - 0.1
        watch.heard()
        assert not watch.silent_end(turns)
        watch.time += STOPPED_S
        assert watch.silent_end(turns)


class TestUndelivered:
    def test_it_needs_somebody_until_it_is_known_what_became_of_it(self, watch: Watch) -> None:
        watch.undelivered("not there", view(IDLE))
        assert watch.kind() == "delivery"
        watch.delivered()
        assert watch.kind() is None

    def test_a_box_that_has_stayed_free_tells_nothing(self, watch: Watch) -> None:
        watch.undelivered("not there", view(IDLE))
        watch.time += 10 * WITHDRAWN_S
        assert not watch.withdrawn(turn=False)

    def test_a_text_whose_cursor_stands_at_its_start_was_there_too(self, watch: Watch) -> None:
        watch.undelivered("not there", view(IDLE))
        watch.shown(Screen(box("something").lines, IDLE.cursor, ""))
        watch.shown(IDLE)
        assert not watch.withdrawn(turn=False)
        watch.time += WITHDRAWN_S
        assert watch.withdrawn(turn=False)

    def test_it_stands_when_it_has_stood_alone_for_a_while(self, watch: Watch) -> None:
        watch.undelivered("not there", view(IDLE))
        watch.shown(box(TEXT))
        assert not watch.stands(TEXT)
        watch.time += STANDS_S
        watch.shown(box(f"{TEXT} and what the user typed before"))
        assert not watch.stands(TEXT)
        watch.shown(box(TEXT))
        assert not watch.stands(TEXT)
        watch.time += STANDS_S
        assert watch.stands(TEXT)

    @pytest.mark.parametrize("between", [box("something else"), load("2.1.197", "ask-menu-80x24")])
    def test_it_was_taken_out_when_the_box_is_free_again_and_stays_so(self, watch: Watch, between: Screen) -> None:
        watch.undelivered("not there", view(IDLE))
        watch.shown(between)
        assert not watch.withdrawn(turn=False)
        watch.shown(IDLE)
        assert not watch.withdrawn(turn=False)
        watch.time += WITHDRAWN_S
        assert not watch.withdrawn(turn=True)
        assert not watch.withdrawn(turn=False)
        watch.time += WITHDRAWN_S
        assert watch.withdrawn(turn=False)


class TestHooks:
    def test_where_they_do_not_come_at_the_start(self) -> None:
        watch = Watch()
        watch.shown(IDLE)
        assert watch.kind(started=False) is None
        watch.time += HOOKS_EXPECTED_S + 0.1
        assert watch.kind(started=False) == "hooks_disabled"

    def test_where_they_stop_coming(self, watch: Watch) -> None:
        watch.hooks(missed=True)
        assert watch.kind(turn=True) is None
        assert watch.kind() == "hooks_disabled"
        watch.hooks(missed=False)
        assert watch.kind() is None


class TestMenus:
    def test_one_that_is_not_recognised_must_stand_for_a_moment(self, watch: Watch) -> None:
        """A first-run screen that is half drawn or half wiped away has nothing but its last line."""
        watch.shown(Screen(("", "", " Enter to confirm · Esc to cancel"), (2, 0)))
        assert watch.kind() is None
        watch.time += MENU_S - 0.1
        assert watch.kind() is None
        watch.time += 0.1
        assert watch.kind(turn=True) is None
        assert watch.kind() is None
        watch.time += MENU_S
        assert watch.kind() == "menu"


class TestKept:
    def test_a_text_that_was_sent_counts_as_kept_when_it_stands_in_an_idle_box_after_its_turn(
        self, watch: Watch
    ) -> None:
        watch.shown(box(TEXT))
        assert not watch.keeps(TEXT, turn=True)
        watch.time += KEPT_S
        assert not watch.keeps(TEXT, turn=False)
        watch.time += KEPT_S
        assert not watch.keeps("something else", turn=False)
        assert not watch.keeps(TEXT, turn=False)
        watch.time += KEPT_S
        assert watch.keeps(TEXT, turn=False)


def test_the_quiet_begins_anew_with_whatever_is_heard(watch: Watch) -> None:
    watch.time += 3.0
    assert watch.quiet_s == 3.0
    watch.heard()
    assert watch.quiet_s == 0.0


def test_what_is_heard_is_no_work_in_the_background(watch: Watch) -> None:
    watch.worked()
    watch.time += 3.0
    watch.heard()
    assert watch.unworked_s == 3.0
    watch.worked()
    assert watch.unworked_s == 0.0
