"""The states of a session: the table is total, and leads nowhere by accident."""

from __future__ import annotations

from itertools import product

import pytest

from wxcode_jupyter.models import SessionState as S
from wxcode_jupyter.service.state import TRANSITIONS, may_follow


def reachable(start: S) -> set[S]:
    found, pending = {start}, [start]
    while pending:
        new = TRANSITIONS[pending.pop()] - found
        found |= new
        pending.extend(new)
    return found


def test_every_state_has_its_row() -> None:
    assert set(TRANSITIONS) == set(S)


@pytest.mark.parametrize("state", S)
def test_every_state_is_reached_from_the_first(state: S) -> None:
    assert state in reachable(S.STOPPED)


@pytest.mark.parametrize("state", S)
def test_no_state_follows_itself(state: S) -> None:
    assert not may_follow(state, state)


@pytest.mark.parametrize(("before", "after"), list(product((S.STOPPED, S.EXITED), S)))
def test_without_a_process_there_is_only_the_start(before: S, after: S) -> None:
    assert may_follow(before, after) is (after is S.STARTING)


@pytest.mark.parametrize("state", [state for state in S if state.live])
def test_a_process_may_always_end_and_never_just_be_gone(state: S) -> None:
    assert may_follow(state, S.EXITED)
    assert not may_follow(state, S.STOPPED)


@pytest.mark.parametrize("state", [state for state in S if state.live and state is not S.ATTENTION])
def test_attention_may_be_needed_at_any_time_and_be_over(state: S) -> None:
    assert may_follow(state, S.ATTENTION)
    assert may_follow(S.ATTENTION, state)


def test_claude_waits_only_in_a_turn() -> None:
    assert {state for state in S if may_follow(state, S.WAITING)} == {S.BUSY, S.ATTENTION}
