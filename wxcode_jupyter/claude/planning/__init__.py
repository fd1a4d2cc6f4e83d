"""What GSD's ``.planning/`` folder says: which milestone, which phases, how far they are, and what comes next.

    tree.py       the folder as a value: names and texts, bounded, through no link
    documents.py  ROADMAP.md, STATE.md, PROJECT.md, MILESTONES.md, REQUIREMENTS.md: texts into values
    progress.py   both together: the milestone's phases, and the step that GSD would take next
    goals.py      how far a milestone is to be brought, and the steps on the way
    artefacts.py  what each of GSD's commands leaves behind, by which it is known to be finished

Everything but ``tree.read_tree`` is pure. The forms are those of GSD's own templates and of its ``roadmap analyze``
(get-shit-done-cc 1.20.5 and 1.42.3, gsd-core 1.14.0). Claude writes the files, so nothing here may fail on what it made
of them: what is missing, half written or not understood is an absent value.
"""

from .artefacts import find_missing, is_finished
from .documents import Position
from .goals import Goal, is_reached, steps_towards
from .progress import ArchivedMilestone, Phase, PhaseStatus, Planning, Step, next_steps, understand
from .tree import PlanningTree, read_tree

__all__ = [
    "ArchivedMilestone",
    "Goal",
    "Phase",
    "PhaseStatus",
    "Planning",
    "PlanningTree",
    "Position",
    "Step",
    "find_missing",
    "is_finished",
    "is_reached",
    "next_steps",
    "read_tree",
    "steps_towards",
    "understand",
]
