"""Transcripts are copied into the store as they grow, and come back whole."""

from __future__ import annotations

import asyncio
import os
import zlib
from hashlib import sha256
from pathlib import Path

import pytest

from wxcode_jupyter.claude.transcript import folder_of_links, keep, transcript_path
from wxcode_jupyter.errors import StoreError, StoreUnavailable
from wxcode_jupyter.models import ClaudeSession, LineageCause, OutputProject, TranscriptChunk
from wxcode_jupyter.service.keepsake import Keepsake, bring_back, copy, restore
from wxcode_jupyter.service.kept_text import CHUNK_BYTES, KeptText
from wxcode_jupyter.store.base import Store

CONVERSATION = "0b8f3c52-58a8-4d3c-9a52-0c7f2f1f7a11"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "projects" / "-workspace" / f"{CONVERSATION}.jsonl"


@pytest.fixture
def file(path: Path) -> Path:
    path.parent.mkdir(parents=True)
    path.write_bytes(b'{"said": "one"}\n')
    return path


@pytest.fixture
def kept(store: Store, project: OutputProject) -> KeptText:
    return KeptText(store, project.id, CONVERSATION)


async def text_of(kept: KeptText) -> bytes:
    end = await kept.end()
    assert end is not None
    return b"".join([text async for text in kept.load(end)])


def append(file: Path, text: bytes) -> None:
    with file.open("ab") as opened:
        opened.write(text)


async def test_only_what_is_new_is_copied_and_only_whole_lines(kept: KeptText, file: Path) -> None:
    await copy(kept, str(file))
    append(file, b'{"said": "two"}\n{"sai')
    await copy(kept, str(file))
    assert await text_of(kept) == b'{"said": "one"}\n{"said": "two"}\n'
    append(file, b'd": "three"}\n')
    await copy(kept, str(file))
    assert await text_of(kept) == file.read_bytes()
    chunks = [
        await kept.store.load_transcript(kept.project_id, CONVERSATION, generation=0, offset=offset)
        for offset in (0, 16, 32)
    ]
    assert [chunk and chunk.length for chunk in chunks] == [16, 16, 18]


async def test_copying_again_changes_nothing(kept: KeptText, file: Path) -> None:
    await copy(kept, str(file))
    end = await kept.end()
    await asyncio.gather(*(copy(kept, str(file)) for _ in range(4)))
    assert await kept.end() == end


async def test_several_at_once_do_not_double(kept: KeptText, file: Path) -> None:
    append(file, os.urandom(3 * CHUNK_BYTES).replace(b"\n", b"") + b"\n")
    await asyncio.gather(*(copy(kept, str(file)) for _ in range(4)))
    await copy(kept, str(file))
    assert await text_of(kept) == file.read_bytes()


@pytest.mark.parametrize("instead", [b'{"said": "1"}\n', b'{"said": "ONE"}\n', b'{"said": "uno"}\n{"said": "dos"}\n'])
async def test_a_file_that_was_replaced_is_never_mixed(kept: KeptText, file: Path, instead: bytes) -> None:
    await copy(kept, str(file))
    file.write_bytes(instead)
    await copy(kept, str(file))
    assert await text_of(kept) == instead
    end = await kept.end()
    assert end is not None
    assert end.generation == 1
    before = await kept.store.load_transcript(kept.project_id, CONVERSATION, generation=0, offset=0)
    assert before is not None  # what it was stays, too


async def test_a_file_that_is_behind_takes_nothing_away(kept: KeptText, file: Path) -> None:
    append(file, b'{"said": "elsewhere"}\n')
    await copy(kept, str(file))
    whole = file.read_bytes()
    for size in (0, 3, 16, 20):
        file.write_bytes(whole[:size])
        await copy(kept, str(file))
        assert await text_of(kept) == whole
        assert await restore(kept, str(file))
        assert file.read_bytes() == whole
    assert not await restore(kept, str(file))


async def test_a_file_that_is_gone_comes_back_whole(kept: KeptText, file: Path) -> None:
    append(file, os.urandom(2 * CHUNK_BYTES + 7).replace(b"\n", b"") + b"\n")
    whole = file.read_bytes()
    await copy(kept, str(file))
    file.unlink()
    file.parent.rmdir()
    assert await restore(kept, str(file))
    assert file.read_bytes() == whole
    assert os.listdir(file.parent) == [file.name]
    assert file.stat().st_mode & 0o777 == 0o600


async def test_a_line_that_was_not_copied_to_its_end_is_left_out(kept: KeptText, file: Path) -> None:
    text = b'{"said": "one"}\n{"said": "' + b"x" * CHUNK_BYTES
    assert await kept.append(0, 0, text, sha256(text).hexdigest())
    file.unlink()
    assert await restore(kept, str(file))
    assert file.read_bytes() == b'{"said": "one"}\n'


async def test_a_file_that_went_on_stays_as_it_is(kept: KeptText, file: Path) -> None:
    append(file, b'{"said": "two"}\n')
    await copy(kept, str(file))
    file.write_bytes(b'{"said": "other"}\n')
    assert not await restore(kept, str(file))
    assert file.read_bytes() == b'{"said": "other"}\n'


async def test_nothing_kept_is_nothing_restored(kept: KeptText, path: Path) -> None:
    await copy(kept, str(path))
    assert not await restore(kept, str(path))
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("length", "digest", "data"), [(16, "", zlib.compress(b"x" * 16)), (3, "", zlib.compress(b"x" * 99)), (4, "", b"x")]
)
async def test_what_is_damaged_is_not_restored(
    kept: KeptText, file: Path, length: int, digest: str, data: bytes
) -> None:
    chunk = TranscriptChunk(kept.project_id, CONVERSATION, 0, 0, length, digest, data)
    assert await kept.store.append_transcript(chunk)
    file.unlink()
    with pytest.raises(StoreError, match="damaged"):
        await restore(kept, str(file))
    assert os.listdir(file.parent) == []


async def test_a_keepsake_follows_what_it_is_told_of(kept: KeptText, file: Path) -> None:
    keepsake = Keepsake(kept.store, kept.project_id)
    keepsake.note(CONVERSATION, str(file))
    append(file, b'{"said": "last"}\n')
    await keepsake.close()
    assert await text_of(kept) == file.read_bytes()


async def test_a_keepsake_waits_for_the_store(kept: KeptText, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = asyncio.Event()

    async def refuse(*_: object) -> None:
        refused.set()
        raise StoreUnavailable("away", url="")

    keepsake = Keepsake(kept.store, kept.project_id)
    with monkeypatch.context() as away:
        away.setattr(kept.store, "append_transcript", refuse)
        keepsake.note(CONVERSATION, str(file))
        await refused.wait()
    await keepsake.close()
    assert await text_of(kept) == file.read_bytes()


@pytest.mark.parametrize("name", ["no/such/file", "", "nul\x00byte", "/"])
async def test_what_is_no_transcript_does_no_harm(kept: KeptText, file: Path, name: str) -> None:
    keepsake = Keepsake(kept.store, kept.project_id)
    keepsake.note("other", name)
    keepsake.note(CONVERSATION, str(file))
    await keepsake.close()
    assert await text_of(kept) == file.read_bytes()


async def test_it_comes_back_where_the_cli_looks_now(kept: KeptText, file: Path, tmp_path: Path) -> None:
    """On another machine the HOME is another one, and what the CLI has said once is no path of it."""
    environment, data_dir, workspace = {"HOME": str(tmp_path / "other")}, str(tmp_path / "data"), "/w/billing"
    entry = ClaudeSession(
        kept.project_id,
        CONVERSATION,
        LineageCause.NEW,
        born=True,
        transcript_path="/home/ada/.claude/projects/x/y.jsonl",
    )
    await copy(kept, str(file))
    path = await bring_back(kept.store, data_dir, entry, environment, workspace)
    assert path == transcript_path(environment, workspace, CONVERSATION)
    assert Path(path).read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    "known", ["../../.ssh/{id}.jsonl", "x/../../../{id}.jsonl", "x/authorized_keys", "x/other.jsonl"]
)
async def test_a_path_in_the_store_that_no_transcript_has_is_not_written(
    kept: KeptText, file: Path, tmp_path: Path, known: str
) -> None:
    environment, data_dir, workspace = {"HOME": str(tmp_path)}, str(tmp_path / "data"), "/w/billing"
    path = f"{tmp_path}/.claude/projects/{known.format(id=CONVERSATION)}"
    entry = ClaudeSession(kept.project_id, CONVERSATION, LineageCause.NEW, born=True, transcript_path=path)
    await copy(kept, str(file))
    written = await bring_back(kept.store, data_dir, entry, environment, workspace)
    assert written == transcript_path(environment, workspace, CONVERSATION)
    assert not Path(path).exists()


async def test_our_link_comes_before_the_store(kept: KeptText, file: Path, tmp_path: Path) -> None:
    environment, data_dir, workspace = {"HOME": str(tmp_path)}, str(tmp_path / "data"), "/w/billing"
    entry = ClaudeSession(kept.project_id, CONVERSATION, LineageCause.NEW, born=True)
    await copy(kept, str(file))
    append(file, b'{"said": "not copied yet"}\n')
    assert keep(str(file), folder_of_links(data_dir, kept.project_id))
    inode = file.stat().st_ino
    file.unlink()
    path = await bring_back(kept.store, data_dir, entry, environment, workspace)
    assert os.stat(path).st_ino == inode


async def test_what_cannot_be_brought_back_stops_nothing(kept: KeptText, file: Path, tmp_path: Path) -> None:
    await copy(kept, str(file))
    (tmp_path / "file").write_text("no folder")
    entry = ClaudeSession(kept.project_id, CONVERSATION, LineageCause.NEW, born=True)
    environment = {"HOME": str(tmp_path / "file")}
    path = await bring_back(kept.store, str(tmp_path / "data"), entry, environment, "/w")
    assert not os.path.exists(path)
