"""Which of several content types a client would rather have (RFC 9110, 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence


def preferred(accept: str, offered: Sequence[str]) -> str:
    """Return the offered type that the header ``accept`` ranks highest; of equals, and for none, the first."""
    ranks = dict(map(_read, filter(None, map(str.strip, accept.lower().split(",")))))

    def rank(kind: str) -> float:
        wide = kind.partition("/")[0] + "/*"
        return next((ranks[name] for name in (kind, wide, "*/*") if name in ranks), 0.0)

    return max(offered, key=rank)


def _read(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip() for piece in part.split(";"))
    quality = next((text[2:] for text in parameters if text.startswith("q=")), "1")
    try:
        return name, float(quality)
    except ValueError:
        return name, 0.0
