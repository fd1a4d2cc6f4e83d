"""``rewind``: back to before a milestone."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..errors import SessionAlive
from ..evidence import Forked, Rewound
from ..models import Milestone, SessionState
from .cards import Badge, Card
from .context import Context
from .grammar import Line, Mistake
from .results import Result
from .work import find_milestone

_RESTING = (SessionState.IDLE, SessionState.ATTENTION)


@dataclass(frozen=True, repr=False, kw_only=True)
class RewindResult(Result):
    """A workspace and a conversation that went back to before a milestone."""

    milestone: Milestone
    rewound: Rewound

    def _card(self) -> Card:
        done = self.rewound
        rows = [
            ("files", f"{done.restored} written, {done.removed} deleted; now as in {done.checkpoint}"),
            ("until now", f"kept in {done.saved}"),
            ("conversation", done.claude_session_id or done.note),
        ]
        return Card(self.milestone.element_name, Badge("rewound", "good"), rows, notes=self.notes)


@dataclass(frozen=True, repr=False, kw_only=True)
class ForkResult(Result):
    """A second project that was made of what the first was before a milestone."""

    milestone: Milestone
    forked: Forked

    def _card(self) -> Card:
        done = self.forked
        rows = [
            ("folder", done.workspace_path),
            ("files", f"as in {done.checkpoint}; not what git ignores, but for .planning/"),
            ("conversation", done.claude_session_id or done.note or "none yet"),
        ]
        return Card(done.name, Badge("forked", "good"), rows, notes=self.notes)


def rewind(context: Context, line: Line) -> Result:
    """Bring workspace and conversation back to before a milestone; a session that rests is stopped first."""
    client, project = context.client, context.project(line["project"])
    milestone = find_milestone(context, project, line)
    if line["workspace"] and not line["fork"]:
        raise Mistake("--workspace is for --fork: a project keeps its folder.", line.subcommand.usage)
    if line["fork"]:
        return _fork(context, line, milestone)
    session = client.session(project)
    if session.state.live and session.state not in _RESTING:
        raise SessionAlive(
            f"The session is {session.state}: wait for it, or end it with `%wxmilestone stop`.", project_id=project.id
        )
    if session.state.live:
        client.stop(project)
    done = client.rewind(milestone, yes=bool(line["yes"]))
    later = f" So are those that were started after it: {', '.join(done.taken_back)}." if done.taken_back else ""
    notes = (
        f'It is pending again: `%wxmilestone start "{milestone.element_name}"` begins it once more.{later}',
        "`%wxmilestone resume` goes on from there.",
    )
    return RewindResult(milestone=client.milestone(milestone), rewound=done, notes=notes)


def _fork(context: Context, line: Line, milestone: Milestone) -> ForkResult:
    if line["yes"]:
        raise Mistake("--fork takes nothing back, so there is nothing to say --yes to.", line.subcommand.usage)
    folder = os.path.abspath(os.path.expanduser(line["workspace"])) if line["workspace"] else None
    done = context.client.fork(milestone, line["fork"], workspace_path=folder)
    again = f'`%wxmilestone project "{done.name}"`, then `start "{milestone.element_name}"`, begins it there once more.'
    return ForkResult(milestone=milestone, forked=done, notes=(again,))
