"""Commands: a queue, first in first out, moved by compare-and-set."""

# ruff: noqa: D102 (the names say what is promised)
from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from ...errors import InvalidBody, InvalidId, NotFound
from ...models import Command, CommandStatus
from ...store.base import Store
from .values import HOSTILE_TEXTS, OpenAnother, add_command, add_milestone, add_project, moment

QUEUED, DELIVERING, ACCEPTED = CommandStatus.QUEUED, CommandStatus.DELIVERING, CommandStatus.ACCEPTED


class CommandPromises:
    """A command is appended once, keeps its place, and moves by compare-and-set."""

    async def test_command_comes_back_as_it_went_in(self, store: Store) -> None:
        project = await add_project(store)
        command = Command(
            id=store.new_id(),
            output_project_id=project.id,
            text="/gsd:progress",
            milestone_id=store.new_id(),
            status=CommandStatus.COMPLETED,
            outcome="limited",
            resets_at=moment(5),
            missing="a plan",
            last_message="Which one?",
            prompt_id="p",
            claude_session_id="c",
            error="none",
            created_at=moment(1),
            delivering_at=moment(2),
            accepted_at=moment(3),
            completed_at=moment(4),
            taken_back_at=moment(6),
        )
        stored = await store.append_command(command)
        assert stored == replace(command, seq=stored.seq)
        assert stored.seq > 0
        assert await store.get_command(command.id) == stored

    async def test_order_is_that_of_appending(self, store: Store) -> None:
        project, other = await add_project(store), await add_project(store, "other")
        commands = []
        for number in range(5):
            commands.append(await add_command(store, project, str(number)))
            await add_command(store, other)
        assert (await store.list_commands(project.id)).items == tuple(commands)
        seqs = [command.seq for command in commands]
        assert seqs == sorted(set(seqs))

    async def test_appending_again_gives_what_is_stored(self, store: Store) -> None:
        project = await add_project(store)
        command = await add_command(store, project)
        moved = await store.move_command(command.id, [QUEUED], {"status": DELIVERING})
        assert await store.append_command(replace(command, text="other")) == moved
        assert (await store.list_commands(project.id)).total == 1

    async def test_appended_at_once_each_has_its_place(self, store: Store, open_another: OpenAnother) -> None:
        project = await add_project(store)
        stores = [store, await open_another(), await open_another()]
        commands = [Command(store.new_id(), project.id, str(i)) for i in range(15)]
        stored = await asyncio.gather(
            *(stores[i % 3].append_command(command) for i, command in enumerate([*commands, *commands]))
        )
        assert stored[:15] == stored[15:]
        page = await store.list_commands(project.id)
        assert page.items == tuple(sorted(stored[:15], key=lambda command: command.seq))
        assert len({command.seq for command in page.items}) == 15

    async def test_list_selects_and_pages(self, store: Store) -> None:
        project = await add_project(store)
        milestone = await add_milestone(store, project)
        commands = [await add_command(store, project, str(i), milestone.id if i % 2 else None) for i in range(6)]
        for command in commands[:3]:
            await store.move_command(command.id, [QUEUED], {"status": DELIVERING})
        page = await store.list_commands(project.id, statuses=[QUEUED], limit=2)
        assert ([command.text for command in page.items], page.total) == (["3", "4"], 3)
        page = await store.list_commands(project.id, statuses=[QUEUED, DELIVERING], skip=4)
        assert ([command.text for command in page.items], page.total) == (["4", "5"], 6)
        page = await store.list_commands(project.id, milestone_id=milestone.id, statuses={DELIVERING})
        assert [command.text for command in page.items] == ["1"]
        assert (await store.list_commands(project.id, statuses=[])).total == 0
        assert (await store.list_commands(project.id, limit=0)).items == ()

    async def test_commands_moving_compares_first(self, store: Store) -> None:
        command = await add_command(store, await add_project(store))
        assert await store.move_command(command.id, [DELIVERING], {"status": ACCEPTED}) is None
        assert await store.move_command(command.id, [], {"status": ACCEPTED}) is None
        assert await store.get_command(command.id) == command
        moved = await store.move_command(
            command.id, [QUEUED, DELIVERING], {"status": ACCEPTED, "prompt_id": "p", "accepted_at": moment(9)}
        )
        assert moved == replace(command, status=ACCEPTED, prompt_id="p", accepted_at=moment(9))
        assert await store.get_command(command.id) == moved
        cleared = await store.move_command(command.id, [ACCEPTED], {"prompt_id": None, "accepted_at": None})
        assert cleared == replace(command, status=ACCEPTED)

    async def test_commands_one_of_many_moves_wins(self, store: Store, open_another: OpenAnother) -> None:
        command = await add_command(store, await add_project(store))
        stores = [store, await open_another()]
        moved = await asyncio.gather(
            *(stores[i % 2].move_command(command.id, [QUEUED], {"status": DELIVERING}) for i in range(10))
        )
        assert len([each for each in moved if each is not None]) == 1

    async def test_commands_a_delivery_and_a_withdrawal_do_not_both_win(
        self, store: Store, open_another: OpenAnother
    ) -> None:
        project, other = await add_project(store), await open_another()
        for _ in range(10):
            command = await add_command(store, project)
            taken, withdrawn = await asyncio.gather(
                other.move_command(command.id, [QUEUED], {"status": DELIVERING}),
                store.move_command(command.id, [QUEUED], {"status": CommandStatus.INTERRUPTED, "error": "withdrawn"}),
            )
            assert (taken is None) != (withdrawn is None)
            assert await store.get_command(command.id) == (taken or withdrawn)

    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"text": "x"},
            {"seq": 1},
            {"$unset": {"status": 1}},
            {"status": "lost"},
            {"status": None},
            {"error": 5},
            {"accepted_at": "now"},
            {"accepted_at": datetime(2026, 1, 1)},
        ],
    )
    async def test_commands_changes_that_do_not_fit_are_refused(self, store: Store, changes: dict[str, Any]) -> None:
        command = await add_command(store, await add_project(store))
        with pytest.raises(InvalidBody):
            await store.move_command(command.id, [QUEUED], changes)
        assert await store.get_command(command.id) == command

    async def test_commands_unknown(self, store: Store) -> None:
        unknown = store.new_id()
        for call in (
            store.append_command(Command(store.new_id(), unknown, "x")),
            store.get_command(unknown),
            store.move_command(unknown, [QUEUED], {"status": DELIVERING}),
            store.list_commands(unknown),
        ):
            with pytest.raises(NotFound):
                await call

    async def test_milestone_id_is_checked(self, store: Store) -> None:
        project = await add_project(store)
        with pytest.raises(InvalidId):
            await store.append_command(Command(store.new_id(), project.id, "x", milestone_id="login"))
        with pytest.raises(InvalidId):
            await store.list_commands(project.id, milestone_id="login")

    async def test_commands_text_is_data(self, store: Store) -> None:
        project = await add_project(store)
        for text in HOSTILE_TEXTS:
            command = await add_command(store, project, text)
            assert (await store.get_command(command.id)).text == text
            moved = await store.move_command(command.id, [QUEUED], {"last_message": text, "error": text})
            assert moved is not None
            assert (moved.last_message, moved.error) == (text, text)

    async def test_times_are_kept_in_milliseconds(self, store: Store) -> None:
        project = await add_project(store)
        exact = moment(0).replace(microsecond=678_999)
        stored = await store.append_command(Command(store.new_id(), project.id, "x", created_at=exact))
        assert stored.created_at == moment(0)
        assert await store.get_command(stored.id) == stored
