"""The bytes of a terminal as text, for protocols that have no bytes."""

from __future__ import annotations

import codecs


class TextStream:
    """Decodes UTF-8 that may be cut anywhere; what is no UTF-8 becomes U+FFFD."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, chunk: bytes) -> str:
        """Return the characters that are whole now."""
        return self._decoder.decode(chunk)

    def finish(self) -> str:
        """Return what is left of a character whose rest never came, at the end or before bytes that are lost."""
        text = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return text
