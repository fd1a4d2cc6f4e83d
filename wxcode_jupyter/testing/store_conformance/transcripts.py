"""Transcripts: appended by their length, by one of any number of writers, and read back as they were."""

# ruff: noqa: D102 (the names say what is promised)
from __future__ import annotations

import asyncio
import os
import zlib
from dataclasses import replace
from hashlib import sha256

import pytest

from ...errors import NotFound
from ...models import OutputProject, TranscriptChunk, TranscriptEnd
from ...store.base import Store
from .values import OpenAnother, add_project, session_id


def chunk(
    project: OutputProject, conversation: str, text: bytes, before: bytes = b"", generation: int = 0
) -> TranscriptChunk:
    """Return the chunk that appends ``text`` to what came before."""
    digest = sha256(before + text).hexdigest()
    return TranscriptChunk(project.id, conversation, generation, len(before), len(text), digest, zlib.compress(text))


class TranscriptPromises:
    """Of a conversation a text is kept that only grows, or is begun anew."""

    async def test_chunks_come_back_as_they_were(self, store: Store) -> None:
        project, conversation = await add_project(store), session_id()
        assert await store.transcript_end(project.id, conversation) is None
        first = chunk(project, conversation, b"\x00\xff one\n")
        second = chunk(project, conversation, b"two\n", b"\x00\xff one\n")
        assert [await store.append_transcript(each) for each in (first, second)] == [True, True]
        assert await store.transcript_end(project.id, conversation) == second.end
        assert await store.load_transcript(project.id, conversation, generation=0, offset=0) == first
        assert await store.load_transcript(project.id, conversation, generation=0, offset=first.length) == second
        assert await store.load_transcript(project.id, conversation, generation=0, offset=1) is None
        assert await store.transcript_end(project.id, session_id()) is None

    async def test_what_does_not_follow_is_refused(self, store: Store) -> None:
        project, conversation = await add_project(store), session_id()
        first = chunk(project, conversation, b"one\n")
        assert not await store.append_transcript(chunk(project, conversation, b"two\n", b"one\n"))
        assert not await store.append_transcript(replace(first, generation=1))
        assert await store.append_transcript(first)
        assert not await store.append_transcript(first)
        assert not await store.append_transcript(chunk(project, conversation, b"two\n", b"another\n"))
        assert not await store.append_transcript(replace(first, generation=2))
        assert await store.transcript_end(project.id, conversation) == first.end

    async def test_one_of_many_writers_wins(self, store: Store, open_another: OpenAnother) -> None:
        project, conversation = await add_project(store), session_id()
        stores = [store, await open_another(), await open_another()]
        before = b""
        for _ in range(5):
            rivals = [chunk(project, conversation, os.urandom(9), before) for _ in range(6)]
            won = await asyncio.gather(
                *(stores[number % 3].append_transcript(rival) for number, rival in enumerate(rivals))
            )
            assert won.count(True) == 1
            winner = rivals[won.index(True)]
            assert await store.transcript_end(project.id, conversation) == winner.end
            before += zlib.decompress(winner.data)

    async def test_a_new_generation_takes_the_place_of_the_text(self, store: Store) -> None:
        project, conversation = await add_project(store), session_id()
        texts = [b"first\n", b"second, longer\n", b"3rd\n"]
        for generation, text in enumerate(texts):
            assert await store.append_transcript(chunk(project, conversation, text, generation=generation))
            end = TranscriptEnd(generation, len(text), sha256(text).hexdigest())
            assert await store.transcript_end(project.id, conversation) == end
        assert not await store.append_transcript(chunk(project, conversation, b"late\n", texts[1], generation=1))
        kept = [
            await store.load_transcript(project.id, conversation, generation=generation, offset=0) is not None
            for generation in range(3)
        ]
        assert kept == [False, True, True]

    async def test_a_megabyte_that_does_not_compress(self, store: Store) -> None:
        project, conversation = await add_project(store), session_id()
        large = chunk(project, conversation, os.urandom(1 << 20))
        assert await store.append_transcript(large)
        assert await store.load_transcript(project.id, conversation, generation=0, offset=0) == large

    async def test_transcripts_go_with_their_project(self, store: Store) -> None:
        project, other, conversation = await add_project(store), await add_project(store, "other"), session_id()
        for each in (project, other):
            assert await store.append_transcript(chunk(each, conversation, b"said\n"))
        await store.delete_project(project.id)
        with pytest.raises(NotFound):
            await store.append_transcript(chunk(project, conversation, b"said\n"))
        with pytest.raises(NotFound):
            await store.transcript_end(project.id, conversation)
        assert await store.transcript_end(other.id, conversation) is not None
        await store.create_project(project, await store.get_options(other.id))
        assert await store.transcript_end(project.id, conversation) is None
