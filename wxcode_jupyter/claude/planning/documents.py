"""GSD's documents, from text to values. Each line is read by itself: the time is linear in the text, whatever it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

_LINE_LIMIT = 1000  # characters of a line that count
_ID = r"(?P<number>[A-Za-z0-9][\w.-]*)"
_PHASE_HEADING = re.compile(rf"#{{2,4}}\s*Phase\s+{_ID}\s*:\s*(?P<name>.*)", re.I)
_PHASE_ITEM = re.compile(rf"\s*[-*]\s*\[(?P<mark>[ xX])\]\s*\**\s*Phase\s+{_ID}\s*:?\s*(?P<name>.*)", re.I)
_VERSION = r"(?P<version>v\d+(?:\.\d+)+)"
_MILESTONE_HEADING = re.compile(rf"(?:#{{1,3}}\s+(?!Phase\s)|\s*<summary>)(?P<before>.*?){_VERSION}(?P<name>.*)", re.I)
_MILESTONE_ITEM = re.compile(rf"\s*[-*]\s*(?P<before>[✅🚧📋]?)\s*[*\[\s]*{_VERSION}(?P<name>.*)")
_RANGE = re.compile(r"Phases?\s+(\d+)(?:\.\d+)?(?:\s*[-–—]\s*(\d+))?", re.I)
_GOAL = re.compile(r"\s*\*\*(?P<what>Milestone Goal|Goal)(?::\*\*|\*\*:)\s*(?P<text>.*)", re.I)
_FIELD = re.compile(r"\s*\**(?P<name>[A-Za-z][A-Za-z _]{0,40}?)\**:\**\s*(?P<value>.*)")
_PHASE_POSITION = re.compile(r"(?P<number>\d[\w.]*)(?:\s+of\s+(?P<of>\d{1,6})\b)?(?:\s*[(](?P<name>[^)]*)[)])?", re.I)
_PLAN_POSITION = re.compile(r"(?P<number>\d{1,6})\s+of\s+(?P<of>\d{1,6})\b", re.I)
_SHIPPED = re.compile(rf"#{{2,3}}\s+{_VERSION}\s*(?P<name>[^(]*)(?:[(]Shipped:?\s*(?P<on>[^)]*)[)])?", re.I)
_REQUIREMENT = re.compile(r"\s*[-*]\s*\[(?P<mark>[ xX])\]\s")
_FENCE = re.compile(r"\s{0,3}(```+|~~~+)")


@dataclass(frozen=True, slots=True)
class RoadmapPhase:
    """A phase as ROADMAP.md names it; ``number`` is without leading zeros (``2.1``), ``checked`` its tick."""

    number: str
    name: str = ""
    goal: str = ""
    checked: bool = False
    inserted: bool = False
    milestone: str | None = None
    shipped: bool = False


@dataclass(frozen=True, slots=True)
class RoadmapMilestone:
    """A milestone as ROADMAP.md names it; ``first`` and ``last`` are the whole numbers of its phases, where given."""

    version: str
    name: str = ""
    goal: str = ""
    shipped: bool = False
    running: bool = False
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Roadmap:
    """What ROADMAP.md says, in its order; a phase stands in ``phases`` as often as it is named: see `join`."""

    milestones: tuple[RoadmapMilestone, ...] = ()
    phases: tuple[RoadmapPhase, ...] = ()


@dataclass(frozen=True, slots=True)
class Position:
    """Where STATE.md says that the work is; what it does not say is None.

    ``phase`` is its number without leading zeros, ``of`` how many there are; ``plan`` and ``plans`` are those of the
    phase.
    """

    phase: str | None = None
    of: int | None = None
    name: str | None = None
    plan: int | None = None
    plans: int | None = None
    status: str | None = None
    last_activity: str | None = None
    stopped_at: str | None = None


@dataclass(frozen=True, slots=True)
class State:
    """What STATE.md says."""

    version: str | None = None
    name: str | None = None
    position: Position | None = None


def normal_number(number: str) -> str:
    """Return a phase's number without leading zeros and in upper case: ``02.1`` and ``2.1`` are the same phase."""
    return re.sub(r"^0+(?=\d)", "", number.rstrip(".-")).upper()


def read_roadmap(text: str) -> Roadmap:
    """Read ROADMAP.md: milestones in headings, summaries and lists, phases in headings and lists with ticks."""
    milestones: dict[str, RoadmapMilestone] = {}
    phases: list[RoadmapPhase] = []
    current: str | None = None
    shipped = False
    for line in _lines(text):
        if re.match(r"\s*</?details\b", line, re.I):
            shipped, current = not line.lstrip().startswith("</"), None
        elif found := _PHASE_HEADING.match(line) or _PHASE_ITEM.match(line):
            if re.search(r"\d", found["number"]):
                phases.append(_phase(found, current, shipped))
        elif found := _MILESTONE_HEADING.match(line):
            current = found["version"].lower()
            milestones[current] = _merged(milestones.get(current), _milestone(found, shipped))
        elif found := _MILESTONE_ITEM.match(line):
            named = _milestone(found, shipped=False)
            milestones[named.version] = _merged(milestones.get(named.version), named)
        elif found := _GOAL.match(line):
            goal = plain(found["text"])
            if found["what"].lower() == "milestone goal" and current:
                milestones[current] = replace(milestones[current], goal=goal)
            elif phases and not phases[-1].goal:
                phases[-1] = replace(phases[-1], goal=goal)
    listed = tuple(milestones.values())
    return Roadmap(listed, tuple(_placed(phase, listed) for phase in phases))


def join(mentions: Iterable[RoadmapPhase]) -> tuple[RoadmapPhase, ...]:
    """Make one phase of all that have the same number: GSD names a phase in a list with ticks, and in its details."""
    phases: dict[str, RoadmapPhase] = {}
    for mention in mentions:
        known = phases.get(mention.number, mention)
        phases[mention.number] = replace(
            known,
            name=known.name or mention.name,
            goal=known.goal or mention.goal,
            checked=known.checked or mention.checked,
            inserted=known.inserted or mention.inserted,
        )
    return tuple(phases.values())


def read_state(text: str) -> State:
    """Read STATE.md: its front matter (1.42.3, gsd-core), and the fields of its body, the first of each name."""
    head: dict[str, str] = {}
    body: dict[str, str] = {}
    lines = list(_lines(text))
    fences = [index for index, line in enumerate(lines) if line.strip() == "---"][:2]
    begins_with_head = len(fences) == 2 and not any(line.strip() for line in lines[: fences[0]])
    for index, line in enumerate(lines):
        if found := _FIELD.match(line):
            into = head if begins_with_head and index < fences[1] else body
            into.setdefault(found["name"].strip().lower().replace(" ", "_"), plain(found["value"]).strip("\"'"))
    phase = _PHASE_POSITION.match(body.get("phase") or body.get("current_phase") or head.get("current_phase", ""))
    plan = _PLAN_POSITION.match(body.get("plan", ""))

    def said(*names: str) -> str | None:
        values = (fields.get(name) for name in names for fields in (body, head))
        return next((value for value in values if value and value not in ("—", "-", "None")), None)

    position = Position(
        phase=normal_number(phase["number"]) if phase else None,
        of=int(phase["of"]) if phase and phase["of"] else None,
        name=(phase["name"] if phase and phase["name"] else None) or said("current_phase_name"),
        plan=int(plan["number"]) if plan else None,
        plans=int(plan["of"]) if plan else None,
        status=said("status"),
        last_activity=said("last_activity"),
        stopped_at=said("stopped_at"),
    )
    version, name = head.get("milestone", ""), head.get("milestone_name", "")
    return State(
        version=version.lower() if re.fullmatch(_VERSION, version, re.I) else None,
        name=name if name not in ("", "milestone") else None,
        position=position if position != Position() else None,
    )


def read_title(text: str) -> str | None:
    """Return the first heading of PROJECT.md."""
    for line in _lines(text):
        if line.startswith("# "):
            return plain(line[2:]) or None
    return None


def read_current_milestone(text: str) -> tuple[str, str] | None:
    """Return version and name of ``## Current Milestone: v1.1 Name`` in PROJECT.md, as new-milestone writes it."""
    for line in _lines(text):
        found = re.match(rf"#{{2,3}}\s+Current Milestone:\s*{_VERSION}(?P<name>.*)", line, re.I)
        if found:
            return found["version"].lower(), _milestone_name(found["name"])
    return None


def read_shipped(text: str) -> dict[str, tuple[str, str | None]]:
    """Return name and day of the milestones in MILESTONES.md, by version."""
    found = (_SHIPPED.match(line) for line in _lines(text))
    return {hit["version"].lower(): (plain(hit["name"]), (hit["on"] or "").strip() or None) for hit in found if hit}


def read_requirements(text: str) -> tuple[int, int]:
    """Return how many requirements REQUIREMENTS.md ticks, and how many it has."""
    marks = [found["mark"] for line in _lines(text) if (found := _REQUIREMENT.match(line))]
    return sum(mark != " " for mark in marks), len(marks)


def read_verdict(text: str) -> str:
    """Return the ``status`` in the front matter of a VERIFICATION.md or UAT.md, in lower case; "" without one.

    A UAT.md that counts issues (``issues: 2``) is ``diagnosed`` whatever its status says.
    """
    verdict = ""
    for line in _lines(text):
        found = _FIELD.match(line)
        if found and found["name"].lower() == "status" and not verdict:
            verdict = plain(found["value"]).split("|")[0].strip().lower().replace(" ", "_")
        elif found and found["name"].lower() == "issues" and re.match(r"[1-9]", found["value"]):
            return "diagnosed"
    return verdict


def plain(text: str) -> str:
    """Return a text on one line without Markdown's emphasis and links."""
    linked = re.sub(r"\[([^][]*)\]\([^()]*\)", r"\1", text)
    return " ".join(linked.replace("**", "").replace("`", "").split())


def _phase(found: re.Match[str], milestone: str | None, shipped: bool) -> RoadmapPhase:
    name = found["name"]
    is_item = "mark" in found.re.groupindex
    if is_item:
        bold, stars, _ = name.partition("**")
        name = bold if stars else re.split(r"\s+[-–—]\s+|\s+[(]\d", name)[0]
    return RoadmapPhase(
        number=normal_number(found["number"]),
        name=plain(re.sub(r"[(]INSERTED[)]", "", name, flags=re.I)),
        checked=is_item and found["mark"] != " ",
        inserted="(inserted)" in found["name"].lower(),
        milestone=milestone,
        shipped=shipped,
    )


def _milestone(found: re.Match[str], shipped: bool) -> RoadmapMilestone:
    before, after = found["before"], found["name"]
    span = _RANGE.search(after)
    return RoadmapMilestone(
        version=found["version"].lower(),
        name=_milestone_name(after),
        shipped=shipped or "✅" in before or "shipped" in after.lower(),
        running="🚧" in before,
        first=int(span[1][:6]) if span else None,
        last=int((span[2] or span[1])[:6]) if span else None,
    )


def _milestone_name(text: str) -> str:
    return plain(re.split(r"\*\*|\]|[(<]|\s[-–—]\s", text.lstrip(" :—–-"))[0]).strip(" :")


def _merged(known: RoadmapMilestone | None, named: RoadmapMilestone) -> RoadmapMilestone:
    if known is None:
        return named
    return replace(
        known,
        name=known.name or named.name,
        shipped=known.shipped or named.shipped,
        running=known.running or named.running,
        first=known.first if known.first is not None else named.first,
        last=known.last if known.last is not None else named.last,
    )


def _placed(phase: RoadmapPhase, milestones: tuple[RoadmapMilestone, ...]) -> RoadmapPhase:
    """Give a phase to its milestone: the only one whose range has it, else the one whose heading it stands under."""
    digits = re.match(r"\d{1,6}", phase.number)
    whole = int(digits[0]) if digits else -1
    ranges = [m for m in milestones if m.first is not None and m.last is not None and m.first <= whole <= m.last]
    owner = ranges[0] if len(ranges) == 1 else next((m for m in milestones if m.version == phase.milestone), None)
    if owner is None:
        return phase
    return replace(phase, milestone=owner.version, shipped=phase.shipped or owner.shipped)


def _lines(text: str) -> Iterator[str]:
    """Yield the lines that are meant: without comments and fenced code, each cut to a length that is read quickly."""
    fence = ""
    for line in _without_comments(text).splitlines():
        found = _FENCE.match(line)
        if fence:
            fence = "" if found and found[1].startswith(fence) else fence
        elif found:
            fence = found[1]
        else:
            yield line[:_LINE_LIMIT]


def _without_comments(text: str) -> str:
    kept: list[str] = []
    start = 0
    while (opened := text.find("<!--", start)) >= 0 and (closed := text.find("-->", opened + 4)) >= 0:
        kept.append(text[start:opened])
        start = closed + 3
    return "".join([*kept, text[start:]])
