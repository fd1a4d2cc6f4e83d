"""At a usage limit a wait fails and says until when, or waits for it and goes on, once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.waited_world import WaitedWorld
from wxcode_jupyter.client.following import STEP_S
from wxcode_jupyter.client.limits import GO_ON, GRACE_S, OnLimit, handle
from wxcode_jupyter.client.waiting import Watch
from wxcode_jupyter.errors import CommandTimeout, UsageLimited
from wxcode_jupyter.models import Command

RESETS_IN_S = 2 * 3600
SAID = "You've hit your session limit · resets 8:39pm (UTC)"


class World(WaitedWorld):
    """A command that a limit has stopped, at a time that only sleeping moves."""

    def __init__(self) -> None:
        super().__init__()
        self.begin = datetime.now(UTC)

    def limited(self, *, resets: bool = True) -> Command:
        command = self.client.send(self.project, "build it")
        self.api.accept()()
        moment = (self.begin + timedelta(seconds=RESETS_IN_S)).isoformat() if resets else None
        done = self.begin.isoformat()
        self.api.end(outcome="limited", resets_at=moment, completed_at=done, last_message=SAID)()
        return self.client.command(command)

    def handle(self, command: Command, on_limit: OnLimit, *, timeout_s: float | None = None) -> Command:
        watch = Watch(
            self.client,
            self.project.id,
            timeout_s=timeout_s,
            observer=self.told.append,
            clock=lambda: self.time,
            sleep=self.nap,
            wall=lambda: self.begin + timedelta(seconds=self.time),
        )
        return handle(self.client, watch, command, on_limit)

    def nap(self, duration_s: float) -> None:
        self.naps.append(duration_s)
        self.time += 300.0 if self.time < RESETS_IN_S else duration_s

    @property
    def texts(self) -> list[str]:
        return [command.text for command in self.client.commands(self.project)]


def test_it_fails_and_says_until_when() -> None:
    world = World()
    command = world.limited()
    with pytest.raises(UsageLimited, match="session limit") as caught:
        world.handle(command, "fail")
    assert command.resets_at is not None
    assert f"{command.resets_at.astimezone():%Y-%m-%d %H:%M}" in str(caught.value)
    assert (caught.value.command_id, caught.value.resets_at) == (command.id, command.resets_at.isoformat())
    assert world.texts == ["build it"]


def test_it_waits_in_steps_and_goes_on_once() -> None:
    world = World()
    command = world.limited()
    finished: Callable[[], None] = world.api.end(outcome="finished", last_message="built")

    def after_the_limit() -> None:
        assert world.time >= RESETS_IN_S + GRACE_S - STEP_S
        world.api.accept()()
        finished()

    def look() -> None:
        if len(world.api.commands) == 1:
            world.api.happen(look)
        else:
            after_the_limit()

    world.api.happen(look)
    ended = world.handle(command, "wait")
    assert (ended.text, ended.outcome, ended.last_message) == (GO_ON, "finished", "built")
    assert world.texts == ["build it", GO_ON]
    assert max(world.naps) <= STEP_S
    assert [progress.kind for progress in world.told].count("limit") == 2

    assert world.handle(command, "wait").id == ended.id  # a second wait sends nothing more
    assert world.texts == ["build it", GO_ON]


def test_nothing_is_sent_where_something_was_asked_since() -> None:
    world = World()
    command = world.limited()
    world.api.happen(lambda: world.api.emit(world.project.id, "prompt_submitted", prompt="go on", prompt_id="q"))
    assert world.handle(command, "wait").id == command.id
    assert world.texts == ["build it"]


def test_without_a_time_it_fails_at_once() -> None:
    world = World()
    with pytest.raises(UsageLimited, match="does not say when"):
        world.handle(world.limited(resets=False), "wait")
    assert world.time == 0.0


def test_the_limit_of_the_wait_counts() -> None:
    world = World()
    with pytest.raises(CommandTimeout):
        world.handle(world.limited(), "wait", timeout_s=1800)
    assert world.texts == ["build it"]


@pytest.mark.parametrize(
    ("attended", "on_limit", "raises"), [(False, None, True), (True, "fail", True), (True, None, False)]
)
def test_a_wait_until_idle_that_ends_at_a_limit(attended: bool, on_limit: OnLimit | None, raises: bool) -> None:
    world = World()
    command = world.limited()
    with pytest.raises(UsageLimited) if raises else nullcontext():
        world.client.wait(world.project, commands=[command], attended=attended, on_limit=on_limit)


def test_a_limit_that_something_has_come_after_is_not_the_end_of_a_wait() -> None:
    world = World()
    limited = world.limited()
    after = world.client.send(world.project, "hello")
    world.api.set_command(after.id, "completed", outcome="finished")
    assert world.client.wait(world.project, commands=[after, limited], on_limit="fail").state == "idle"
