"""When a journal that does not grow means that output is lost."""

from __future__ import annotations

from itertools import count

from wxcode_jupyter.terminal.loss import LOOK_S, LossWatch


def feed(watch: LossWatch, *heads: int) -> list[bool]:
    """Ring once for each look; return whether output was being lost then."""
    seen = []
    for number, head in enumerate(heads):
        watch.rung(number * LOOK_S, lambda head=head: head)  # type: ignore[misc]
        seen.append(watch.losing)
    return seen


def test_a_ring_may_be_heard_late_but_not_again_and_again() -> None:
    assert feed(LossWatch(), 1, 1, 1, 2, 2, 2, 3) == [False] * 7
    assert feed(LossWatch(), 1, 1, 1, 1, 1) == [False, False, False, True, True]


def test_it_is_over_when_the_journal_grows() -> None:
    assert feed(LossWatch(), 5, 5, 5, 5, 9, 9) == [False, False, False, True, False, False]


def test_a_flood_is_looked_at_now_and_then_only() -> None:
    watch, heads = LossWatch(), count()
    for number in range(1000):
        watch.rung(number / 1000, lambda: next(heads))
    assert next(heads) == 1 / LOOK_S


def test_a_change_is_told_once() -> None:
    watch = LossWatch()
    assert [watch.rung(number, lambda: 7) for number in range(6)] == [False, False, False, True, False, False]
    assert watch.rung(6, lambda: 8)
