"""Opening, closing, ids."""

# ruff: noqa: D102 (the names say what is promised)
from __future__ import annotations

import pytest

from ...errors import InvalidId, StoreUnavailable
from ...models import check_id
from ...store.base import Store
from .values import OpenAnother, add_project


class LifecyclePromises:
    """A store opens and closes as often as one likes, and hands out ids."""

    async def test_open_twice(self, store: Store) -> None:
        await store.open()
        await store.ping()

    async def test_close_twice(self, store: Store) -> None:
        await store.close()
        await store.close()

    async def test_closed_store_is_unavailable(self, store: Store) -> None:
        await store.close()
        with pytest.raises(StoreUnavailable) as caught:
            await store.ping()
        assert caught.value.url == store.url
        with pytest.raises(StoreUnavailable):
            await store.list_projects()

    async def test_opens_again_with_everything(self, store: Store) -> None:
        project = await add_project(store)
        await store.close()
        await store.open()
        assert await store.get_project(project.id) == project

    async def test_another_store_sees_what_was_written(self, store: Store, open_another: OpenAnother) -> None:
        another = await open_another()
        project = await add_project(store)
        assert await another.get_project(project.id) == project

    async def test_ids_are_object_ids_and_new(self, store: Store) -> None:
        identifiers = [store.new_id() for _ in range(1000)]
        assert len(set(identifiers)) == 1000
        assert [check_id(identifier) for identifier in identifiers] == identifiers

    @pytest.mark.parametrize("identifier", ["", "1", "$where", "z" * 24, "A" * 24, "0" * 25, "0" * 23 + "\n"])
    async def test_what_is_no_id_is_refused(self, store: Store, identifier: str) -> None:
        for call in (
            store.get_project(identifier),
            store.update_project(identifier, {"name": "x"}),
            store.delete_project(identifier),
            store.get_options(identifier),
            store.get_limited_until(identifier),
            store.set_limited_until(identifier, None),
            store.set_first_session_id(identifier, "x"),
            store.replace_session_id(identifier, "x", "y"),
            store.mark_born(identifier, "x", None),
            store.load_lineage(identifier),
            store.get_milestone(identifier),
            store.list_milestones(output_project_id=identifier),
            store.move_milestone(identifier, [], "failed"),  # type: ignore[arg-type]
            store.update_milestone(identifier, {"context": "x"}),
            store.delete_milestone(identifier),
            store.get_command(identifier),
            store.list_commands(identifier),
            store.move_command(identifier, [], {"error": "x"}),
            store.load_events(identifier),
        ):
            with pytest.raises(InvalidId):
                await call
