"""What the end of a turn means: that it is done, that Claude asks something in plain text, or that a limit was reached.

Asking is read from the last lines of the last message: code is left out, then lines are looked at from the end. It
asks where the last sentence is a question, alone or with its answers behind it (``(yes / adjust)``, a list of options),
where it tells the user what to reply, or where one of the last two lines offers a choice ("Shall I ...? I would.").
What is asked further up is rhetorical, or answered below. A courtesy ("Anything else?") asks nothing.

A limit is read from the error with which the CLI ends the turn (``StopFailure`` with ``rate_limit``). 2.1.197 says
``You've hit your session limit · resets 8:39pm (UTC)``, 2.1.330 ``You've hit your 5-hour limit · resets ...``, both
``weekly limit · resets Nov 25, 8:39pm (UTC)``; where the server limits everybody they say ``API Error: ... (not your
usage limit)``, and that is no limit of the user's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

FINISHED, ASKS, LIMITED = "finished", "asks", "limited"

_LINE_LIMIT = 500  # characters at the end of a line that are looked at
_FENCED = re.compile(r"^(`{3,}|~{3,})[^\n]*\n.*?(?:^\1[`~]*[ \t]*$|\Z)", re.M | re.S)
_INLINE_CODE = re.compile(r"`[^`\n]+`")
_MARKUP = re.compile(r"</?\w+>|[*_]{1,3}(?=\S)|(?<=\S)[*_]{1,3}")
_DECORATION = re.compile(r"[\W_]*")
_HEAD = re.compile(r"^[\s>#│║|]*(?:[-*•→▶]\s+)?")
_ITEM = re.compile(r"^\s*(?:>\s*)?(?:[-*•]\s+|\(?\d{1,2}[.)]\s+|\(?[A-Za-z][.)]\s+|\[[ x]\]\s+)")
_QUESTION = re.compile(
    r"[?？؟][\s\"'”’»)\]│║|]*"
    # its answers: "(yes / adjust)", "[Y/n]", "yes / no", or a remark in parentheses
    r"(?:[(\[][^()\[\]]{1,80}[)\]][.\s]*|[\w'’ ]{1,24}(?:\s*[/|]\s*[\w'’ ]{1,24}){1,4}[.\s]*)?"
    r"[^\w\s]*\s*$"
)
_TELLS_TO_REPLY = re.compile(
    r"\b(?:please (?:confirm|choose|pick|select|answer|reply|decide|advise)\b"
    r"|(?:reply|respond|answer) (?:with|by)\b|\btype [\"'“`]|select (?:an|one) option|choose (?:one|an option)\b"
    r"|(?:waiting|wait) for your (?:answer|approval|confirmation|input|go-ahead|reply|decision|response)"
    r"|let me know (?:how|which|what|whether) (?:you|to|one|option|of)\b|tell me (?:which|what|how|whether)\b"
    r"|your (?:choice|answer|action)\s*:"
    r"|(?:por favor,? )?(?:confirme|escolha|responda|selecione)\b"
    r"|(?:me )?(?:diga|avise)(?:-me)? (?:qual|se|como|o que)\b"
    r"|aguard(?:o|ando) (?:a )?sua (?:resposta|confirmação|aprovação|decisão))",
    re.I,
)
_OFFERS = re.compile(
    r"(?:^|[.!:;]\s+|[—–-]\s+)(?:(?:so|então),? )?"
    r"(?:shall|should|may|can|could) (?:i|we)\b[^?.!]*\?"
    r"|(?:^|[.!:;]\s+|[—–-]\s+)(?:would you|do you (?:want|prefer|agree)|want me to|which (?:one|option|of)\b)[^?.!]*\?"
    r"|(?:^|[.!:;]\s+|[—–-]\s+)(?:devo|posso|quer|deseja|gostaria|prefere|você (?:quer|prefere))\b[^?.!]*\?",
    re.I,
)
_COURTESY = re.compile(
    r"(?:is there )?(?:anything|something) else\b[^?]*\?|(?:mais alguma coisa|algo mais)\b[^?]*\?|"
    r"(?:how|what) else can i (?:help|do)\b[^?]*\?",
    re.I,
)


def asks(message: str | None) -> bool:
    """Whether a message ends with a question to the user."""
    text = _INLINE_CODE.sub("x", _FENCED.sub("\n", message or ""))
    lines = [_MARKUP.sub("", line.rstrip()[-_LINE_LIMIT:]) for line in text.splitlines()]
    lines = [line for line in lines if not _DECORATION.fullmatch(line)]
    if not lines:
        return False
    if _ends_asking(lines[-1]) or any(_offers(line) for line in lines[-2:] if not _ITEM.match(line)):
        return True
    before = len(lines)
    while before and _ITEM.match(lines[before - 1]):
        before -= 1
    return 0 < before < len(lines) and _ends_asking(lines[before - 1])  # options, and the question above them


def _ends_asking(line: str) -> bool:
    plain = _HEAD.sub("", line).strip()
    asked = _QUESTION.search(plain)
    if asked:
        sentence = re.split(r"(?<=[.!?:])\s+", plain[: asked.start() + 1])[-1]
        return not _COURTESY.fullmatch(sentence)
    return _TELLS_TO_REPLY.search(plain) is not None


def _offers(line: str) -> bool:
    return _OFFERS.search(_HEAD.sub("", line).strip()) is not None


@dataclass(frozen=True, slots=True)
class Limit:
    """A usage limit that ended a turn; ``resets_at`` (UTC) is None where the CLI does not say when."""

    resets_at: datetime | None


_REACHED = re.compile(
    r"you(?:'|’)?(?: ha)?ve (?:hit|reached) your [^.\n]{0,80}?limit\b"
    r"|(?:5-hour|session|weekly|usage|opus|sonnet|monthly)[\w ]{0,20} limit reached"
    r"|usage limit reached|out of (?:extra usage|usage credits)",
    re.I,
)
_EPOCH = re.compile(r"limit reached\|(\d{10})\b")
_RESETS = re.compile(
    r"resets\s+(?:at\s+|on\s+)?"
    r"(?:(?P<month>[A-Z][a-z]{2})[a-z]*\.?\s+(?P<day>\d{1,2})(?:,\s*(?P<year>\d{4}))?(?:,|\s+at)?\s*)?"
    r"(?:(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?\s*(?P<half>[ap]m)?)?"
    r"(?:\s*\((?P<zone>[\w+\-/]+)\))?",
    re.I,
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def limit_of(error: str | None, *, said_at: datetime) -> Limit | None:
    """Return the limit that an error speaks of; None where it is another error.

    Args:
        error: What the CLI said at the end of the turn.
        said_at: When it did (with a zone): a time of day is the next one after it.
    """
    if not error or not _REACHED.search(error):
        return None
    if epoch := _EPOCH.search(error):
        return Limit(datetime.fromtimestamp(int(epoch[1]), UTC))
    found = _RESETS.search(error)
    return Limit(_moment(found, said_at) if found else None)


def _moment(found: re.Match[str], said_at: datetime) -> datetime | None:
    month, day, hour = found["month"], found["day"], found["hour"]
    if hour is None and day is None:
        return None
    zone = _zone(found["zone"])
    near = said_at.astimezone(zone)
    try:
        clock = near.replace(
            hour=_hour(int(hour or 0), found["half"]), minute=int(found["minute"] or 0), second=0, microsecond=0
        )
        if day is None:
            # The minute is told without its seconds: what is in this one may be yet to come.
            moment = clock if clock > near - timedelta(minutes=1) else clock + timedelta(days=1)
        else:
            number = _MONTHS.index(month.lower()) + 1
            moment = clock.replace(year=int(found["year"] or near.year), month=number, day=int(day))
            if found["year"] is None and moment < near - timedelta(days=1):
                moment = moment.replace(year=near.year + 1)
    except ValueError:
        return None  # no such day or hour: it is some other form
    return moment.astimezone(UTC)


def _hour(hour: int, half: str | None) -> int:
    return hour if half is None else hour % 12 + (12 if half.lower() == "pm" else 0)


def _zone(name: str | None) -> tzinfo | None:
    """Return the zone that the CLI names; None, the machine's own, where it names none that is known here."""
    if name is None:
        return None
    try:
        return UTC if name.upper() in ("UTC", "GMT") else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return None
