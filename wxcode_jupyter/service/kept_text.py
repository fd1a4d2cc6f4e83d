"""The text of a transcript as the store keeps it: read, appended to, compared with a file."""

from __future__ import annotations

import asyncio
import os
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256

from ..errors import StoreError
from ..models import TranscriptChunk, TranscriptEnd
from ..store.base import Store

#: Bytes of a chunk, uncompressed: a document of MongoDB has at most 16 MB.
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class KeptText:
    """What is kept of one conversation. All of it raises ``NotFound`` for the project, and ``StoreUnavailable``."""

    store: Store
    project_id: str
    claude_session_id: str

    async def end(self) -> TranscriptEnd | None:
        """Return how far it goes; None where nothing is kept."""
        return await self.store.transcript_end(self.project_id, self.claude_session_id)

    async def append(self, generation: int, offset: int, text: bytes, digest: str) -> bool:
        """Append a chunk at its end, with the digest of all up to there; False where somebody else has."""
        data = await asyncio.to_thread(zlib.compress, text)
        key = self.project_id, self.claude_session_id, generation, offset
        return await self.store.append_transcript(TranscriptChunk(*key, len(text), digest, data))

    async def load(self, end: TranscriptEnd) -> AsyncIterator[bytes]:
        """Yield it up to its end, a chunk at a time. Raises ``StoreError``, at the end at the latest, if it is damaged.

        Args:
            end: What ``end`` has returned.
        """
        offset, hasher = 0, sha256()
        while offset < end.length:
            chunk = await self.store.load_transcript(
                self.project_id, self.claude_session_id, generation=end.generation, offset=offset
            )
            text = await asyncio.to_thread(_unpacked, chunk) if chunk is not None else b""
            if not text:
                raise self._damaged()
            hasher.update(text)
            yield text
            offset += len(text)
        if hasher.hexdigest() != end.digest:
            raise self._damaged()

    async def lines(self, end: TranscriptEnd) -> AsyncIterator[bytes]:
        """Yield it as ``load`` does, but for a last line that was not copied to its end."""
        rest = b""
        async for text in self.load(end):
            whole, newline, rest = (rest + text).rpartition(b"\n")
            yield whole + newline

    async def continues(self, end: TranscriptEnd, fd: int, size: int) -> bool:
        """Tell whether a file's first ``size`` bytes, fewer than are kept, are an earlier state of it."""
        offset = 0
        async for text in self.load(end):
            here = await asyncio.to_thread(os.pread, fd, min(len(text), size - offset), offset)
            offset += len(here)
            if not text.startswith(here):
                return False
            if offset == size or not here:
                break
        return offset == size

    def _damaged(self) -> StoreError:
        return StoreError(
            f"The transcript of conversation {self.claude_session_id} that {self.store.url} keeps is damaged.",
            url=self.store.url,
        )


def _unpacked(chunk: TranscriptChunk) -> bytes:
    """Return a chunk's text, no byte more than it says that it has; empty where it is not what it says."""
    try:
        text = zlib.decompressobj().decompress(chunk.data, chunk.length + 1)
    except zlib.error:
        return b""
    return text if len(text) == chunk.length else b""
