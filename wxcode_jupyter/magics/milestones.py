"""Making a milestone once, however many kernels ask for the same one, and when."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from itertools import count

from ..client import Client, Project
from ..errors import Conflict
from ..models import Milestone, MilestoneStatus
from .grammar import Mistake

ENDED = (MilestoneStatus.COMPLETED, MilestoneStatus.FAILED)


def ensure_milestone(
    client: Client, project: Project, name: str, text: str, *, element_id: str | None, again: bool, usage: str
) -> tuple[Milestone, bool]:
    """Return the newest milestone of this name and text, made where there is none, and whether it was there before.

    Kernels that ask at the same time get the same one: its id follows from what it is, and the server creates an id
    once.

    Args:
        client: Where to.
        project: Whose milestone it is.
        name: Its element's name.
        text: Its context; blanks at the end make no difference.
        element_id: Its element, for one that is made.
        again: Make another one of this name, where those of the same text have ended.
        usage: What a mistake shows.

    Raises:
        Mistake: one of this name exists with another text, and ``again`` was not asked for.
    """
    while True:
        listed = client.milestones(project)
        # A list comes without the texts.
        named = [client.milestone(item) for item in listed if item.element_name == name]
        same = [item for item in named if _is_text_of(item, text)]
        if same and not (again and same[-1].status in ENDED):
            return same[-1], True
        if named and not again:
            raise Mistake(
                f"The milestone {name!r} exists with another text ({named[-1].status}, {named[-1].id}): another name, "
                "or --again for one more of this name.",
                usage,
            )
        identifier = _next_id(project, name, {item.id for item in listed})
        try:
            return client.new_milestone(project, name, text, element_id=element_id, milestone_id=identifier), False
        except Conflict:
            continue  # another kernel was faster, with another text: now it is listed


def _next_id(project: Project, name: str, taken: Collection[str]) -> str:
    """Return the id of the next milestone of this name: an ObjectId that is as old as its project."""
    digests = (hashlib.sha256(f"{project.id} {number} {name}".encode()).hexdigest() for number in count())
    return next(found for digest in digests if (found := project.id[:8] + digest[:16]) not in taken)


def _is_text_of(milestone: Milestone, text: str) -> bool:
    return (milestone.context or "").rstrip() == text.rstrip()
