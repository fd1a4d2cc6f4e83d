"""The characters that show nothing, and what is left of a text without them."""

from __future__ import annotations

import re
import unicodedata

#: Unicode's Default_Ignorable_Code_Point, U+FFF9 to U+FFFB and the other specials: 2.1.330 drops them out of a prompt,
#: except where they shape their neighbours (an emoji, a letter of Persian); 2.1.197 leaves them in.
INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_NOTHING = re.compile(rf"[\s{INVISIBLE}]+")


def essence(text: str) -> str:
    """Return what two forms of one text have in common: composed, without white space and invisible characters."""
    return unicodedata.normalize("NFC", _NOTHING.sub("", text))
