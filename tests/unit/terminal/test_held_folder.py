"""A session runs in the folder that was judged and locked, whatever is put at its path meanwhile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.swapping import exchange, swapped
from tests.support.terminal import Bench, output_to_end, shell
from wxcode_jupyter.errors import SpawnFailed, WxcodeError

_WHERE = shell("stat -c %i .; touch was-here")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.joinpath("ws").mkdir(parents=True)
    return folder


def inside(bench: Bench) -> Path:
    folder = bench.folder / "root"
    folder.joinpath("ws").mkdir(parents=True)
    return folder


async def test_a_link_that_is_put_in_before_the_lock_leads_nowhere(bench: Bench, outside: Path) -> None:
    root = inside(bench)
    spec = bench.spec(_WHERE, workspace="root/ws")
    root.rename(bench.folder / "moved")
    root.symlink_to(outside)

    with pytest.raises(SpawnFailed, match="A link stands in the way"):
        await bench.pool().open("key", spec)

    assert list((outside / "ws").iterdir()) == []


async def test_a_link_that_is_put_in_between_lock_and_start_leads_nowhere(bench: Bench, outside: Path) -> None:
    root, pool = inside(bench), bench.pool()
    spec = bench.spec(_WHERE, workspace="root/ws")
    async with pool.claim(spec.cwd):
        root.rename(bench.folder / "moved")
        root.symlink_to(outside)
        with pytest.raises(SpawnFailed, match=r"was moved to .*/moved/ws meanwhile"):
            await pool.open("key", spec)

    assert list((outside / "ws").iterdir()) == []
    assert not (bench.folder / "moved" / "ws" / "was-here").exists()


async def test_a_folder_in_its_place_is_another_one(bench: Bench) -> None:
    root, pool = inside(bench), bench.pool()
    spec = bench.spec(_WHERE, workspace="root/ws")
    async with pool.claim(spec.cwd):
        (bench.folder / "other" / "ws").mkdir(parents=True)
        exchange(root, bench.folder / "other")
        with pytest.raises(SpawnFailed, match="meanwhile"):
            await pool.open("key", spec)

    assert list((root / "ws").iterdir()) == []


async def test_no_session_starts_outside_while_links_come_and_go(bench: Bench, outside: Path) -> None:
    root, pool = inside(bench), bench.pool()
    started, refused, folder = 0, 0, (root / "ws").stat().st_ino
    spec = bench.spec(_WHERE, workspace="root/ws")
    with swapped(root, outside) as swapper:
        for number in range(40):
            each = replace(spec, journal_dir=f"{spec.journal_dir}-{number}")
            try:
                session = await pool.open(f"key {number}", each)
            except WxcodeError:
                refused += 1
                continue
            assert int(await output_to_end(session)) == folder
            started += 1

    assert swapper.count > 100
    assert started + refused == 40
    assert list((outside / "ws").iterdir()) == []
