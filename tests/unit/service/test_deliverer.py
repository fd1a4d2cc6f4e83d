"""What is typed for a command while clients type too, on a terminal that shows everything late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support.scripted_terminal import box
from wxcode_jupyter.claude.delivery import CLEAR_BOX, ENTER
from wxcode_jupyter.models import Command, CommandStatus, Event, LineageCause, OutputProject, TermSize, now
from wxcode_jupyter.service import deliverer as module
from wxcode_jupyter.service import watch
from wxcode_jupyter.service.changes import Answered
from wxcode_jupyter.service.deliverer import Deliverer
from wxcode_jupyter.service.delivery_note import DeliveryNote, Stage
from wxcode_jupyter.service.events import EventLog
from wxcode_jupyter.service.keepsake import Keepsake
from wxcode_jupyter.service.outbox import Outbox
from wxcode_jupyter.service.pictures import Pictures
from wxcode_jupyter.service.recorder import Recorder
from wxcode_jupyter.service.turns import Turns
from wxcode_jupyter.service.watch import ScreenWatch
from wxcode_jupyter.store.base import Store
from wxcode_jupyter.terminal.screen import ScreenView
from wxcode_jupyter.terminal.session import TerminalSession

TEXT, MOUSE = "build the thing", b"\x1b[<35;10;10M"


class LateTerminal:
    """A box that shows what the test says, whatever is typed."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.shown = ""
        self.looks = 0

    async def write(self, data: bytes) -> None:
        self.written.append(data)

    async def screen(self) -> ScreenView:
        self.looks += 1
        screen = box(self.shown)
        return ScreenView(screen.lines, screen.cursor, "", False, True, 0, True, TermSize(len(screen.lines), 80))


class Desk:
    """A deliverer with one queued command."""

    def __init__(self, recorder: Recorder, store: Store, command: Command, note: DeliveryNote) -> None:
        self.terminal = LateTerminal()
        self.turns = Turns()
        self.woken = asyncio.Event()
        self.watch = ScreenWatch(asyncio.get_running_loop().time, ready_timeout_s=60.0)
        self.deliverer = Deliverer(
            command.output_project_id,
            cast(TerminalSession, self.terminal),
            recorder,
            self.turns,
            self.watch,
            note,
            wake=self.woken.set,
        )
        self.store, self.command, self.recorder, self.note = store, command, recorder, note

    async def events(self) -> tuple[Event, ...]:
        """Return what was told, once it is written."""
        await until(lambda: not self.recorder.pending)
        return await self.store.load_events(self.command.output_project_id)

    async def begin(self) -> asyncio.Task[bool]:
        """Let the delivery go as far as the text that is put in."""
        self.watch.see(await self.terminal.screen())
        task = asyncio.create_task(self.deliverer.deliver_next("a", begin=lambda: None))
        await until(lambda: self.terminal.written)
        return task

    async def deliver(self, shown: str = TEXT) -> None:
        """Let the delivery go through, with a box that shows this."""
        delivery = await self.begin()
        self.terminal.shown = shown
        assert await delivery

    async def looked(self, times: int) -> None:
        """Return when the deliverer has looked at the screen so many times more."""
        goal = self.terminal.looks + times
        await until(lambda: self.terminal.looks >= goal)


@pytest.fixture
async def desk(store: Store, project: OutputProject, events: EventLog, tmp_path: Path) -> Desk:
    recorder = Recorder(
        store,
        events,
        Outbox(),
        project.id,
        cause=LineageCause.NEW,
        keepsake=Keepsake(store, project.id),
        links_folder=str(tmp_path / "links"),
        pictures=Pictures(str(tmp_path / "data"), project.id, project.workspace_path),
        conflict=lambda: None,
    )
    command = await store.append_command(Command(store.new_id(), project.id, TEXT))
    return Desk(recorder, store, command, DeliveryNote(tmp_path))


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_keys_that_a_slow_delivery_let_through_are_not_sent_with_its_text(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_INPUT_HOLD_S", 0.02)
    monkeypatch.setattr(module, "_ALONE_S", 0.5)
    delivery = await desk.begin()
    await desk.deliverer.write_from_client(b"xyz")
    desk.terminal.shown = TEXT  # and not yet what was typed behind it
    await desk.looked(2)
    desk.terminal.shown = f"{TEXT}xyz"
    await desk.looked(6)
    assert ENTER not in desk.terminal.written
    desk.terminal.shown = TEXT
    assert await delivery
    assert desk.terminal.written[1:] == [b"xyz", ENTER]
    assert desk.turns.command == desk.command


async def test_how_far_a_delivery_has_got_is_noted_before_each_step(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[tuple[str, Stage]] = []
    move, write = desk.store.move_command, desk.terminal.write

    async def spy_on_move(*given: Any) -> Any:
        noted.append(("moved", desk.note.stage(desk.command)))
        return await move(*given)

    async def spy_on_write(data: bytes) -> None:
        noted.append(("Enter" if data == ENTER else "typed", desk.note.stage(desk.command)))
        await write(data)

    monkeypatch.setattr(desk.store, "move_command", spy_on_move)
    monkeypatch.setattr(desk.terminal, "write", spy_on_write)
    await desk.deliver()
    assert noted == [("moved", Stage.UNTYPED), ("typed", Stage.UNENTERED), ("Enter", Stage.UNKNOWN)]


async def test_keys_of_clients_wait_for_a_delivery(desk: Desk) -> None:
    delivery = await desk.begin()
    typing = asyncio.create_task(desk.deliverer.write_from_client(b"xyz"))
    await desk.looked(2)
    assert len(desk.terminal.written) == 1
    desk.terminal.shown = TEXT
    assert await delivery
    await typing
    assert desk.terminal.written[1:] == [ENTER, b"xyz"]


async def test_a_mouse_is_no_key(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ALONE_S", 60.0)
    await desk.deliverer.write_from_client(MOUSE * 3 + b"\x1b[I")
    desk.terminal.written.clear()
    await desk.deliver()
    assert desk.terminal.written[1:] == [ENTER]
    assert (await desk.store.get_command(desk.command.id)).status is CommandStatus.DELIVERING


@pytest.mark.parametrize("typed", [True, False])
async def test_a_pasted_block_that_may_be_a_users_own_is_not_submitted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, typed: bool
) -> None:
    monkeypatch.setattr(module, "_ALONE_S", 0.0)
    await desk.deliver(shown="something else")
    assert desk.turns.standing == desk.command
    if typed:
        await desk.deliverer.write_from_client(b"\x1b[200~a\nb\nc\nd\n\x1b[201~")
    desk.terminal.shown = "[Pasted text #2 +4 lines]"
    desk.watch.see(await desk.terminal.screen())
    monkeypatch.setattr(watch, "STANDS_S", -1.0)  # at once
    await desk.deliverer.follow_standing()
    assert (ENTER in desk.terminal.written) is not typed


@pytest.fixture
async def inherited(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Give a command whose server has died before it pressed Enter."""
    for name in ("WITHDRAWN_S", "SILENT_S"):
        monkeypatch.setattr(watch, name, -1.0)  # at once
    delivering = {"status": CommandStatus.DELIVERING, "delivering_at": now()}
    command = await desk.store.move_command(desk.command.id, {CommandStatus.QUEUED}, delivering)
    assert command is not None
    desk.turns.take_over(command, [], entered=False)
    return command


@pytest.mark.parametrize("left", ["[Pasted text #2 +4 lines]", "build", f"{TEXT} and more"])
async def test_what_a_server_that_died_may_have_typed_in_part_is_typed_again(
    desk: Desk, inherited: Command, left: str
) -> None:
    desk.terminal.shown = left
    desk.watch.see(await desk.terminal.screen())
    removing = asyncio.create_task(desk.deliverer.follow_standing())
    await until(lambda: desk.terminal.written)
    desk.terminal.shown = ""
    await removing
    assert desk.terminal.written == [CLEAR_BOX]
    desk.watch.see(await desk.terminal.screen())
    assert not await desk.deliverer.deliver_next("a", begin=lambda: None)  # nothing goes out before it
    await desk.deliverer.follow_standing()
    assert (await desk.events())[-1].type == "command_requeued"
    desk.terminal.written.clear()
    await desk.deliver()
    assert desk.terminal.written[1:] == [ENTER]


async def test_for_the_whole_of_it_enter_is_pressed(
    desk: Desk, inherited: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "STANDS_S", -1.0)
    desk.terminal.shown = TEXT
    desk.watch.see(await desk.terminal.screen())
    submitting = asyncio.create_task(desk.deliverer.follow_standing())
    await until(lambda: desk.terminal.written)
    desk.terminal.shown = ""
    await submitting
    assert desk.terminal.written == [ENTER]
    assert desk.turns.command == inherited


async def test_what_a_user_has_typed_since_at_such_a_part_is_shown_to_him(desk: Desk, inherited: Command) -> None:
    await desk.deliverer.write_from_client(b"xyz")
    desk.terminal.written.clear()
    desk.terminal.shown = "build thexyz"
    desk.watch.see(await desk.terminal.screen())
    await desk.deliverer.follow_standing()
    assert desk.terminal.written == []
    attention = desk.watch.attention(started=True, turn=False)
    assert attention is not None
    assert (attention.kind, attention.message) == ("delivery", module.PERHAPS_A_PART)
    assert desk.turns.standing == inherited


@pytest.mark.parametrize("typed", [True, False])
async def test_a_text_that_was_sent_and_stays_in_the_box_is_removed_unless_a_client_has_typed_since(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, typed: bool
) -> None:
    monkeypatch.setattr(module, "_ENTER_READ_S", 0.0)
    await desk.deliver()
    if typed:
        await desk.deliverer.write_from_client(b"\x1b[A")  # he has called it back
    desk.watch.see(await desk.terminal.screen())
    monkeypatch.setattr(watch, "KEPT_S", -1.0)  # at once
    desk.turns.give_up()
    emptying = asyncio.create_task(desk.deliverer.empty_kept_box())
    await until(lambda: emptying.done() or CLEAR_BOX in desk.terminal.written)
    desk.terminal.shown = ""
    await emptying
    assert (CLEAR_BOX in desk.terminal.written) is not typed


async def limited(desk: Desk, until: timedelta) -> None:
    """Let a command before the one that waits have ended at a usage limit."""
    before = await desk.store.append_command(Command(desk.store.new_id(), desk.command.output_project_id, "before"))
    changes = {"status": CommandStatus.COMPLETED, "outcome": "limited", "resets_at": now() + until}
    await desk.store.move_command(before.id, {CommandStatus.QUEUED}, changes)


async def test_a_usage_limit_holds_what_is_queued_and_it_goes_out_when_that_is_over(desk: Desk) -> None:
    await limited(desk, timedelta(seconds=0.3))
    desk.watch.see(await desk.terminal.screen())
    assert not await desk.deliverer.deliver_next("a", begin=lambda: None)
    asks = [desk.deliverer.maybe_queued]
    assert (await desk.store.get_command(desk.command.id)).status is CommandStatus.QUEUED
    assert [event.type for event in await desk.events()] == ["queue_held"]
    async with asyncio.timeout(10):
        await desk.woken.wait()
    assert [*asks, desk.deliverer.maybe_queued] == [False, True]  # nobody asks the store all the time
    desk.terminal.shown = ""
    await desk.deliver()
    assert desk.turns.command == desk.command


async def test_a_prompt_of_somebody_elses_that_is_answered_lifts_the_limit(desk: Desk) -> None:
    await limited(desk, timedelta(hours=3))
    desk.watch.see(await desk.terminal.screen())
    assert not await desk.deliverer.deliver_next("a", begin=lambda: None)
    desk.recorder.change(Answered("u"), "a", None)
    await until(lambda: not desk.recorder.pending)
    await desk.deliver()
