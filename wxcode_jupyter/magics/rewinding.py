"""``rewind``: back to before a milestone."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import SessionAlive
from ..evidence import Rewound
from ..models import Milestone, SessionState
from .cards import Badge, Card
from .context import Context
from .grammar import Line
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


def rewind(context: Context, line: Line) -> Result:
    """Bring workspace and conversation back to before a milestone; a session that rests is stopped first."""
    client, project = context.client, context.project(line["project"])
    milestone = find_milestone(context, project, line)
    session = client.session(project)
    if session.state.live and session.state not in _RESTING:
        raise SessionAlive(
            f"The session is {session.state}: wait for it, or end it with `%wxmilestone stop`.", project_id=project.id
        )
    if session.state.live:
        client.stop(project)
    done = client.rewind(milestone, yes=bool(line["yes"]))
    notes = (
        "Its record stays as it is: `%%wxmilestone new` with --again makes another one.",
        "`%wxmilestone resume` goes on from there.",
    )
    return RewindResult(milestone=client.milestone(milestone), rewound=done, notes=notes)
