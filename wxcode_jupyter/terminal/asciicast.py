"""Recordings in asciinema's format (asciicast v2), for its players: a line of JSON about it, then one per moment."""

from __future__ import annotations

import codecs
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence

from .journal import Chunk, SizeChange
from .times import Moment

MEDIA_TYPE = "application/x-asciicast"


def encode(
    moments: Sequence[Moment],
    sizes: Iterable[SizeChange],
    head: int,
    read: Callable[[int, int], Chunk],
    title: str = "",
) -> Iterator[str]:
    """Give the lines, each with its end, reading the journal as it goes.

    Time begins at the first moment. Output that is lost is left out, without a trace; bytes that are no UTF-8 become
    replacement characters, since the format is text.

    Args:
        moments: When output came, in order; the recording begins at the first one's offset.
        sizes: The terminal's sizes, in order.
        head: Where it ends.
        read: The journal's ``read``.
        title: For players to show.
    """
    begin = moments[0] if moments else Moment(head, 0.0)
    changes = list(sizes)
    before = [change for change in changes if change.offset <= begin.offset] or [SizeChange(0, 24, 80)]
    header = {"version": 2, "width": before[-1].cols, "height": before[-1].rows, "timestamp": int(begin.at)}
    yield _line({**header, "title": title} if title else header)
    resizes = [change for change in changes if begin.offset < change.offset <= head]
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    latest = begin.at
    for moment, following in itertools.pairwise([*moments, Moment(head, 0.0)]):
        latest = max(latest, moment.at)
        elapsed = round(latest - begin.at, 3)
        offset = moment.offset
        while offset < following.offset or (resizes and resizes[0].offset <= offset):
            if resizes and resizes[0].offset <= offset:
                change = resizes.pop(0)
                yield _line([elapsed, "r", f"{change.cols}x{change.rows}"])
                continue
            end = min(following.offset, resizes[0].offset) if resizes else following.offset
            chunk = read(offset, end - offset)
            if not chunk.data or chunk.offset >= end:
                offset = end
                continue
            offset = min(chunk.end, end)
            text = decoder.decode(chunk.data[: end - chunk.offset])
            if text:
                yield _line([elapsed, "o", text])


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"
