"""Which `SessionStart` is believed: the CLI's own file decides, where there is one."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from wxcode_jupyter.claude.hooks import HookEvent
from wxcode_jupyter.service.witness import FIRM_S, GRACE_S, Witness


@dataclass
class Stand:
    """A witness whose clock and file are ours."""

    opened: frozenset[str] = frozenset({"present"})
    now: float = 100.0
    looks: int = 0
    witness: Witness = field(init=False)

    def __post_init__(self) -> None:
        self.witness = Witness(self.look, lambda: self.now)

    def look(self) -> frozenset[str]:
        self.looks += 1
        return self.opened

    def names(self, *events: HookEvent, present: str = "present") -> tuple[list[str], list[str]]:
        heard, doubted = self.witness.admit(events, present)
        return [event.key for event in heard], [event.key for event in doubted]


def start(key: str, session: str) -> HookEvent:
    return HookEvent(key, "SessionStart", session, {"source": "clear"})


def stop(key: str, session: str = "present") -> HookEvent:
    return HookEvent(key, "Stop", session, {})


@pytest.fixture
def stand() -> Stand:
    return Stand()


def test_what_names_the_present_conversation_needs_no_look(stand: Stand) -> None:
    assert stand.names(start("1", "present"), stop("2"), stop("3", "another")) == (["1", "2", "3"], [])
    assert stand.looks == 0


def test_what_the_file_confirms_is_heard_at_once(stand: Stand) -> None:
    stand.opened = frozenset({"next"})
    assert stand.names(stop("1"), start("2", "next"), stop("3", "next")) == (["1", "2", "3"], [])
    assert not stand.witness.waits


def test_where_there_is_no_file_the_hook_is_believed(stand: Stand) -> None:
    stand.opened = frozenset()
    assert stand.names(start("1", "next"), stop("2", "next")) == (["1", "2"], [])


def test_what_the_file_does_not_say_yet_waits_and_what_follows_with_it(stand: Stand) -> None:
    events = [stop("1"), start("2", "next"), stop("3", "next")]
    assert stand.names(*events) == (["1"], [])
    assert stand.witness.waits
    stand.now += GRACE_S / 2
    assert stand.names(*events[1:]) == ([], [])
    stand.opened = frozenset({"next"})
    assert stand.names(*events[1:]) == (["2", "3"], [])
    assert not stand.witness.waits


def test_what_the_file_goes_on_contradicting_is_doubted_and_holds_up_nothing_more(stand: Stand) -> None:
    events = [start("1", "forged"), stop("2")]
    assert stand.names(*events) == ([], [])
    stand.now += GRACE_S
    assert stand.names(*events) == (["2"], ["1"])
    assert not stand.witness.waits
    assert stand.witness.reconsidered() is None


def test_a_real_change_behind_a_forged_one_is_followed(stand: Stand) -> None:
    stand.names(start("1", "forged"))
    stand.now += GRACE_S
    assert stand.names(start("1", "forged")) == ([], ["1"])
    stand.opened = frozenset({"next"})
    assert stand.names(start("2", "next")) == (["2"], [])


def test_a_change_that_the_file_tells_very_late_is_not_lost(stand: Stand) -> None:
    event = start("1", "next")
    stand.names(event)
    stand.now += GRACE_S
    assert stand.names(event) == ([], ["1"])
    stand.opened = frozenset({"next"})
    assert stand.witness.reconsidered() is event
    assert stand.names(event) == (["1"], [])
    assert stand.witness.reconsidered() is None


def test_of_one_that_another_has_followed_the_file_says_nothing(stand: Stand) -> None:
    """A server that takes over finds the conversation before, too, and so does a slow one after two `/clear`."""
    stand.opened = frozenset({"third"})
    assert stand.names(start("1", "second"), stop("2", "second"), start("3", "third"), present="first") == (
        ["1", "2", "3"],
        [],
    )


@pytest.mark.parametrize(("said_for_s", "heard"), [(FIRM_S / 2, True), (FIRM_S, False)])
def test_at_the_end_what_was_contradicted_for_long_is_not_believed(
    stand: Stand, said_for_s: float, heard: bool
) -> None:
    event = start("1", "next")
    assert stand.names(event) == ([], [])
    stand.now += said_for_s
    stand.opened = frozenset()  # the CLI has ended, and its file with it
    assert stand.names(event) == ((["1"], []) if heard else ([], ["1"]))
