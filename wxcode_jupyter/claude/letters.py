"""The characters that show nothing: which of them reach the model, and what is left of a text without them."""

from __future__ import annotations

import re
import unicodedata

_INVISIBLE = (  # Unicode's Default_Ignorable_Code_Point, and the interlinear marks
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_LINE_ENDS = "\u2028\u2029"  # 2.1.330 makes plain ones of them
_DROPPED = re.compile(f"[{_INVISIBLE}{_LINE_ENDS}]")
_NOTHING = re.compile(rf"[\s{_INVISIBLE}]+")
_BRAILLE_BLANK = "\u2800"
_EMOJI = "#*0-9\u00a9\u00ae\u203c\u2049\u2100-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
#: Where the characters shape what stands before them, 2.1.330 leaves them in (tried with each line of this table; it
#: drops all others without a word, some after a second Enter). 2.1.197 leaves everything in.
_SHAPING = re.compile(
    "|".join(
        (
            "[#*0-9]\ufe0f\u20e3",  # a key
            "\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f",  # the flag of a region
            rf"(?![#*0-9])[{_EMOJI}][\ufe0e\ufe0f]?(?:\u200d[{_EMOJI}]\ufe0f?)*",  # emoji, also of several people
            "[\u0620-\u06ff\u0750-\u077f][\u200c\u200d]",  # Arabic, Persian, Urdu
            "[\u0900-\u0dff][\u200c\u200d]",  # the scripts of India and Sri Lanka
            "[\u1820-\u18aa][\u180b-\u180d]",  # Mongolian
            "[\u0e01-\u0eff\u1000-\u109f\u1780-\u17b3\u17b6-\u17ff]\u200b",  # Thai, Lao, Burmese, Khmer: between words
        )
    )
)


def essence(text: str) -> str:
    """Return what two forms of one text have in common: composed, without white space and invisible characters."""
    return unicodedata.normalize("NFC", without_invisible(text))


def without_invisible(text: str) -> str:
    """Return a text without white space and the characters that show nothing."""
    return _NOTHING.sub("", text)


def shows_nothing(text: str) -> bool:
    """Whether nothing of a text can be seen, so that it would never be seen in the input box."""
    return not without_invisible(text.replace(_BRAILLE_BLANK, ""))


def first_dropped(text: str) -> str | None:
    """Return the first character that Claude Code would not pass on as it is, None if there is none."""
    found = _DROPPED.search(_SHAPING.sub("", text))
    return found[0] if found else None
