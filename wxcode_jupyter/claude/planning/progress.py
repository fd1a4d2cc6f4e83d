"""The milestone that GSD works on: its phases, how far each is, and the step that comes next."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from .documents import (
    Position,
    Roadmap,
    RoadmapPhase,
    State,
    join,
    normal_number,
    plain,
    read_current_milestone,
    read_requirements,
    read_roadmap,
    read_shipped,
    read_state,
    read_title,
    read_verdict,
)
from .tree import PlanningTree

#: A phase folder: an optional project code (``CK-``), the number, the name. 999 is GSD's backlog.
_CODE = re.compile(r"^[A-Z]{1,6}-(?=\d)")
_FOLDER = re.compile(r"(?:[A-Z]{1,6}-(?=\d))?(?P<number>\d+[A-Za-z]?(?:\.\d+)*)(?:-.*)?")
_BACKLOG = re.compile(r"999(?:\..*)?")
_ARCHIVED = re.compile(r"(?P<version>v\d+(?:\.\d+)+)-(?:ROADMAP\.md|REQUIREMENTS\.md|phases)", re.I)
_PLAN_WORDS = frozenset({"PLAN", "SUMMARY"})


class PhaseStatus(StrEnum):
    """How far a phase is; each says what has been done."""

    NOT_STARTED = "not_started"
    DISCUSSED = "discussed"  # there is a CONTEXT.md or a RESEARCH.md
    PLANNED = "planned"
    IN_PROGRESS = "in_progress"  # some plans have their summary
    BUILT = "built"  # all plans have, and nothing is verified
    GAPS_FOUND = "gaps_found"  # by the verification, or by the user's tests
    VERIFIED = "verified"  # by either, or ticked in ROADMAP.md, which GSD does when it is


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase of the milestone; plans are counted from its folder."""

    number: str
    name: str
    goal: str
    status: PhaseStatus
    plans_total: int = 0
    plans_done: int = 0
    inserted: bool = False
    folder: str | None = None  # its name in .planning/phases


@dataclass(frozen=True, slots=True)
class ArchivedMilestone:
    """A milestone that complete-milestone has archived; ``phases`` counts the folders that went with it."""

    version: str
    name: str = ""
    shipped_on: str | None = None
    phases: int = 0


@dataclass(frozen=True, slots=True)
class Planning:
    """What a ``.planning/`` folder says.

    Attributes:
        has_project: Whether PROJECT.md exists: GSD's new-project has been here.
        has_roadmap: Whether ROADMAP.md exists.
        project: The project's title.
        version: The milestone's version, as ``v1.1``; None where nothing tells it.
        name: The milestone's name, "" where nothing tells it.
        goal: The milestone's goal, likewise.
        phases: The milestone's phases, in the order of their numbers.
        archived: What was archived, oldest version first.
        position: Where STATE.md says that the work is.
        folders: The phase folders that are not archived, the backlog's left out.
        requirements_total: How many requirements there are, and
        requirements_done: how many of them are ticked.
        is_paused: Whether a ``.continue-here`` file tells that the work was paused in the middle.
    """

    has_project: bool = False
    has_roadmap: bool = False
    project: str | None = None
    version: str | None = None
    name: str = ""
    goal: str = ""
    phases: tuple[Phase, ...] = ()
    archived: tuple[ArchivedMilestone, ...] = ()
    position: Position | None = None
    folders: tuple[str, ...] = ()
    requirements_total: int = 0
    requirements_done: int = 0
    is_paused: bool = False

    @property
    def phases_done(self) -> int:
        """How many phases are verified."""
        return sum(phase.status is PhaseStatus.VERIFIED for phase in self.phases)

    @property
    def current(self) -> Phase | None:
        """The phase to be worked on: the first that is not verified, unless it is built and a later one has begun."""
        left = [phase for phase in self.phases if phase.status is not PhaseStatus.VERIFIED]
        for index, phase in enumerate(left):
            later = (other.status is not PhaseStatus.NOT_STARTED for other in left[index + 1 :])
            if phase.status is not PhaseStatus.BUILT or not any(later):
                return phase
        return None

    def phase(self, number: str) -> Phase | None:
        """Return the phase with this number, however it is padded."""
        return next((phase for phase in self.phases if phase.number == normal_number(number)), None)


@dataclass(frozen=True, slots=True)
class Step:
    """One command of GSD's that may come next: its bare name, its arguments, and why."""

    command: str
    arguments: str
    reason: str
    phase: str | None = None


def understand(tree: PlanningTree) -> Planning:
    """Make sense of a tree."""
    roadmap, state = read_roadmap(tree.text("ROADMAP.md")), read_state(tree.text("STATE.md"))
    archived = _archived(tree)
    version, name, goal = _milestone(tree, roadmap, state, {item.version for item in archived})
    ticked, total = read_requirements(tree.text("REQUIREMENTS.md"))
    return Planning(
        has_project="PROJECT.md" in tree.files,
        has_roadmap="ROADMAP.md" in tree.files,
        project=read_title(tree.text("PROJECT.md")),
        version=version,
        name=name,
        goal=goal,
        phases=tuple(_phases(tree, roadmap, version)),
        archived=archived,
        position=state.position,
        folders=tuple(name for name in tree.subfolders("phases") if not _BACKLOG.match(name)),
        requirements_total=total,
        requirements_done=ticked,
        is_paused=any(_is_pause(path) for path in tree.files),
    )


def phase_on_disk(tree: PlanningTree, number: str) -> Phase | None:
    """Return a phase as its folder alone tells it, for one that ROADMAP.md does not name (any more)."""
    for name in tree.subfolders("phases"):
        found = _FOLDER.fullmatch(name)
        if found and normal_number(found["number"]) == normal_number(number):
            return _phase(tree, RoadmapPhase(normal_number(number)), name)
    return None


def next_steps(planning: Planning) -> tuple[Step, ...]:
    """Return what GSD's own ``progress`` would propose, the best first; others do instead where it is not installed."""
    if not planning.has_project:
        return (Step("new-project", "", "there is no .planning/PROJECT.md yet"),)
    if not planning.phases:
        what = "the last milestone is archived" if planning.archived else "there is no milestone with phases"
        return (Step("new-milestone", "", what),)
    steps = phase_steps(planning.current) if planning.current else (completion_step(planning),)
    return (*pause_steps(planning), *steps)


def pause_steps(planning: Planning) -> tuple[Step, ...]:
    """Return what goes before everything else where the work was paused."""
    paused = Step("resume-work", "", "the work was paused in the middle (.continue-here)")
    return (paused,) if planning.is_paused else ()


def completion_step(planning: Planning) -> Step:
    """Return the step behind the last phase."""
    version = (planning.version or "").removeprefix("v")
    count = len(planning.phases)
    done = "the phase is verified" if count == 1 else f"all {count} phases are verified"
    if planning.phases_done < count:
        done = "all phases are built"
    return Step("complete-milestone", version, done)


def phase_steps(phase: Phase) -> tuple[Step, ...]:
    """Return what comes next in a phase, the best first; empty for one that is verified."""
    return tuple(_phase_steps(phase))


def _phase_steps(phase: Phase) -> Iterator[Step]:
    number, named = phase.number, f"phase {phase.number}" + (f" ({phase.name})" if phase.name else "")
    match phase.status:
        case PhaseStatus.NOT_STARTED:
            yield Step("discuss-phase", number, f"{named} has not begun", number)
            yield Step("plan-phase", number, f"{named} has no plan", number)
        case PhaseStatus.DISCUSSED:
            yield Step("plan-phase", number, f"{named} is discussed, and has no plan", number)
        case PhaseStatus.PLANNED | PhaseStatus.IN_PROGRESS:
            done = f"{named} has {phase.plans_done} of {phase.plans_total} plans done"
            yield Step("execute-phase", number, done, number)
        case PhaseStatus.GAPS_FOUND:
            yield Step("plan-phase", f"{number} --gaps", f"the verification of {named} found gaps", number)
        case PhaseStatus.BUILT:
            yield Step("verify-work", number, f"{named} is built, and not verified", number)


def _archived(tree: PlanningTree) -> tuple[ArchivedMilestone, ...]:
    shipped = read_shipped(tree.text("MILESTONES.md"))
    names = [*tree.inside("milestones"), *tree.subfolders("milestones")]
    versions = {found["version"].lower() for name in names if (found := _ARCHIVED.fullmatch(name))} | shipped.keys()
    return tuple(
        ArchivedMilestone(version, *shipped.get(version, ("", None)), _count_phases(tree, version))
        for version in sorted(versions, key=lambda version: [int(part[:9]) for part in version[1:].split(".")])
    )


def _count_phases(tree: PlanningTree, version: str) -> int:
    folders = [name for name in tree.subfolders("milestones") if name.lower() == f"{version}-phases"]
    return sum(len(tree.subfolders(f"milestones/{name}")) for name in folders)


def _milestone(tree: PlanningTree, roadmap: Roadmap, state: State, archived: set[str]) -> tuple[str | None, str, str]:
    """Return version, name and goal of the milestone in work.

    As GSD 1.42.3 looks for it: STATE.md's word, then the roadmap's mark, then its first milestone that is not shipped;
    1.20.5 has no such word in STATE.md, but one in PROJECT.md. One that has been shipped is never it.
    """
    known = {milestone.version: milestone for milestone in roadmap.milestones}
    by_project = read_current_milestone(tree.text("PROJECT.md"))
    candidates = [
        state.version,
        *(milestone.version for milestone in roadmap.milestones if milestone.running),
        by_project[0] if by_project else None,
        *known,
    ]
    for version in filter(None, candidates):
        listed = known.get(version)
        if (listed.shipped if listed else False) or (version in archived and listed is None):
            continue
        names = [listed.name if listed else "", state.name if version == state.version else ""]
        names += [by_project[1]] if by_project and by_project[0] == version else []
        return version, next(filter(None, names), ""), listed.goal if listed else ""
    return None, "", ""


def _phases(tree: PlanningTree, roadmap: Roadmap, version: str | None) -> Iterator[Phase]:
    folders: dict[str, list[str]] = {}
    for name in tree.subfolders("phases"):
        if found := _FOLDER.fullmatch(name):
            folders.setdefault(normal_number(found["number"]), []).append(name)
    mine = [
        phase
        for phase in roadmap.phases
        if not phase.shipped and phase.milestone in (None, version) and not _BACKLOG.fullmatch(phase.number)
    ]
    for phase in sorted(join(mine), key=_order):
        yield _phase(tree, phase, _folder_of(phase, folders.get(phase.number, [])))


def _order(phase: RoadmapPhase) -> list[tuple[int, str]]:
    """Order ``2`` before ``2.1`` before ``2.10`` before ``3``; numbers that are names come last."""
    parts = (re.match(r"(\d{0,9})(.*)", part, re.S) for part in phase.number.split("."))
    return [(int(part[1] or 10**9), part[2]) for part in parts if part]


def _folder_of(phase: RoadmapPhase, names: list[str]) -> str | None:
    """Choose among the folders of one number: one of an older milestone may be left there, under another name."""
    slug = re.sub(r"[^a-z0-9]+", "-", phase.name.lower()).strip("-")
    return next((name for name in names if slug and name.lower().endswith(f"-{slug}")), names[0] if names else None)


def _phase(tree: PlanningTree, phase: RoadmapPhase, folder: str | None) -> Phase:
    path = f"phases/{folder}"
    files = tree.inside(path) if folder else []
    plans = {_plan_key(name) for name in files if _is_plan(name, "PLAN")}
    summaries = {_plan_key(name) for name in files if _is_plan(name, "SUMMARY")}
    nested = tree.inside(f"{path}/plans")  # gsd-core's and late 1.42's PLAN-01-name.md
    plans |= {_plan_key(name) for name in nested if _is_plan(name, "PLAN")}
    summaries |= {_plan_key(name) for name in nested if _is_plan(name, "SUMMARY")}
    done = len(plans & summaries)
    reports = [name for name in files if name.endswith(("VERIFICATION.md", "UAT.md"))]
    verdicts = {read_verdict(tree.text(f"{path}/{name}")) for name in reports}
    return Phase(
        number=phase.number,
        name=plain(phase.name),
        goal=phase.goal,
        status=_status(phase, files, len(plans), done, verdicts),
        plans_total=len(plans),
        plans_done=done,
        inserted=phase.inserted,
        folder=folder,
    )


def _status(phase: RoadmapPhase, files: list[str], plans: int, done: int, verdicts: set[str]) -> PhaseStatus:
    if phase.checked and (not done or done == plans):  # else: ticked, and then planned again, for the gaps
        return PhaseStatus.VERIFIED
    if plans and done < plans:
        return PhaseStatus.IN_PROGRESS if done else PhaseStatus.PLANNED
    if plans:
        if verdicts & {"gaps_found", "diagnosed", "failed"}:
            return PhaseStatus.GAPS_FOUND
        return PhaseStatus.VERIFIED if verdicts & {"passed", "complete"} else PhaseStatus.BUILT
    has_context = any(name.endswith(("CONTEXT.md", "RESEARCH.md")) for name in files)
    return PhaseStatus.DISCUSSED if has_context else PhaseStatus.NOT_STARTED


def _is_plan(name: str, word: str) -> bool:
    """Whether a file is a plan (or a summary) as GSD's ``plan-scan`` sees it; outlines and drafts are not."""
    stem = name.removesuffix(".md")
    return stem != name and word in stem.upper().split("-") and not stem.upper().endswith("-OUTLINE")


def _plan_key(name: str) -> str:
    """Return what a plan and its summary have in common: ``2.1-1``, whatever else the names say."""
    parts = [part for part in _CODE.sub("", name.removesuffix(".md")).split("-") if part.upper() not in _PLAN_WORDS]
    numbers = [normal_number(part) for part in parts[:2] if part[:1].isdigit()]
    return "-".join(numbers or parts)


def _is_pause(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    return name.startswith(".continue-here") and (folder == "" or re.fullmatch(r"phases/[^/]+", folder) is not None)
