"""Takes a client's terminal answers out of what it types.

The emulator alone answers a program's queries: with several clients attached each of their terminals would answer too,
and the answers would land in the program's input. Removed are device attributes (DA1, DA2, DA3), status and cursor
reports (DSR, CPR), mode reports (DECRPM), DECRQSS and XTGETTCAP answers, XTVERSION, colours (OSC 4, 10 to 19), window
sizes, and the flags of the kitty keyboard. Keys, mouse, focus reports and everything within a bracketed paste stay as
they are, byte by byte.

One form has two meanings: ``ESC [ 1 ; n R`` with n from 2 to 16 is F3 with modifiers and a cursor report from the first
row. It is taken for the key: programs ask for the cursor seldom, and losing a key is the worse mistake.
"""

from __future__ import annotations

import re

MAX_HELD_BYTES = 4096
HOLD_S = 0.02

_PASTE_BEGIN = b"\x1b[200~"
_PASTE_END = b"\x1b[201~"

_REPLY = re.compile(
    rb"""\x1b(?:
        \[ \? [\d;]* [cnRu]                          # DA1, DSR and CPR of DEC, kitty keyboard
      | \[ > [\d;]* c                                # DA2
      | \[ \?? [\d;]* \$ y                           # DECRPM
      | \[ [03] n                                    # DSR
      | \[ (?! 1 ; (?: [2-9] | 1 [0-6] ) R) \d+ ; \d+ R   # CPR, except what may be F3
      | \[ [4689] ; \d+ ; \d+ t                      # sizes of window, screen and cell
      | P (?: > \| | ! \| | [01] (?: \$ | \+ ) r ) [^\x1b\x07]* \x1b \\   # XTVERSION, DA3, DECRQSS, XTGETTCAP
      | \] (?: 4 ; \d+ | 1 \d ) ; rgba? : [\da-fA-F/]+ (?: \x07 | \x1b \\ )   # colours
    )""",
    re.VERBOSE,
)
# What may become one of the above, at the end of a piece of input.
_BEGINNING = re.compile(
    rb"""\x1b (?:
        \[ (?: [?>]? [\d;]* \$? )?
      | P (?: [>!01] (?: [|$+] (?: [^\x1b\x07]* \x1b? ) )? )?
      | \] (?: [14] (?: [\d;]* (?: r (?: g (?: b (?: a? : [\da-fA-F/]* \x1b? | a )? )? )? )? )? )?
    )? \Z""",
    re.VERBOSE,
)


class ReplyFilter:
    """Filters one client's input, which may be cut anywhere.

    The beginning of what may be an answer, a lone ESC too, is held until the next piece; when none comes within
    ``HOLD_S`` it was a key: then the caller types what ``flush`` gives.
    """

    def __init__(self) -> None:
        self._held = b""
        self._pasting = False

    @property
    def pending(self) -> bool:
        """Whether something is held: ``flush`` is due ``HOLD_S`` after this became true."""
        return bool(self._held)

    def feed(self, data: bytes) -> bytes:
        """Return what of ``data``, and of what was held, may be typed now."""
        rest = self._held + data
        self._held = b""
        passed = bytearray()
        while rest:
            if self._pasting:
                paste, end, rest = rest.partition(_PASTE_END)
                if not end:
                    cut = len(paste) - _overlap(paste, _PASTE_END)
                    paste, self._held = paste[:cut], paste[cut:]
                self._pasting = not end
                passed += paste + end
            else:
                keys, begin, rest = rest.partition(_PASTE_BEGIN)
                keys = _REPLY.sub(b"", keys)
                if not begin:
                    beginning = _BEGINNING.search(keys, max(len(keys) - MAX_HELD_BYTES, 0))
                    if beginning:
                        keys, self._held = keys[: beginning.start()], beginning.group()
                self._pasting = bool(begin)
                passed += keys + begin
        return bytes(passed)

    def flush(self) -> bytes:
        """Return what is held: no answer came of it."""
        held, self._held = self._held, b""
        return held


def strip_replies(data: bytes) -> bytes:
    """Return ``data`` without terminal answers, taking it as the whole input; see ``ReplyFilter`` for pieces."""
    whole = ReplyFilter()
    return whole.feed(data) + whole.flush()


def _overlap(data: bytes, marker: bytes) -> int:
    """Return how many bytes at the end of ``data`` may be the beginning of ``marker``."""
    return next(length for length in range(len(marker) - 1, -1, -1) if data.endswith(marker[:length]))
