"""The waiting: for one command, or until Claude is idle; and what both end with."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from IPython.display import display

from ..client import Observer, Project
from ..errors import WxcodeError
from ..models import Command, CommandStatus
from .context import Context
from .evidence import Evidence, collect
from .grammar import Line
from .results import Result, SessionStatus, current_session

V = TypeVar("V")

_OPEN = (CommandStatus.QUEUED, CommandStatus.DELIVERING, CommandStatus.ACCEPTED)
_LATEST = 20  # how many commands an account of a wait may have


def wait(context: Context, line: Line) -> Result:
    """Block until Claude is idle, or asks somebody; end with what became of the commands of that time."""
    client, found = context.client, context.project(line["project"])
    sent = context.sent.pop(found.id, set())
    begun = sent | {command.id for command in client.commands(found, statuses=_OPEN)}
    newest = max((command.seq for command in client.commands(found, last=1)), default=0)

    def account() -> SessionStatus:
        made = _accounts(context, line, found, begun, after=newest)
        return current_session(client, client.get_project(found), evidence=made)

    context.partial = account
    try:
        followed(
            context,
            lambda observer: client.wait(
                found,
                commands=begun,
                timeout_s=line["timeout"],
                attended=context.attended,
                policy=context.policy,
                on_limit=line["on_limit"],
                observer=observer,
            ),
        )
    except KeyboardInterrupt:
        context.sent[found.id] = sent
        raise
    return account()


def wait_for(context: Context, line: Line, command: Command) -> Command:
    """Block until a command is done, and return it, or the one that went on where a limit was waited for."""
    ended = followed(
        context,
        lambda observer: context.client.wait_for(
            command,
            timeout_s=line["timeout"],
            attended=context.attended,
            policy=context.policy,
            observer=observer,
            on_limit=line["on_limit"],
        ),
    )
    context.sent.get(command.output_project_id, set()).discard(command.id)
    return ended


def evidence_of(context: Context, line: Line, command: Command) -> Evidence:
    """Return what became of a command that was waited for."""
    return collect(context.client, context.client.command(command), screen=not line["no_screen"])


def followed(context: Context, follow: Callable[[Observer], V]) -> V:
    """Print the progress of a wait; where the work fails, show what became of it, above the error."""
    printer = context.printer()
    try:
        return follow(printer)
    except WxcodeError:
        printer.flush()
        _show_partial(context)
        raise
    finally:
        printer.flush()


def _accounts(
    context: Context, line: Line, project: Project, begun: Collection[str], *, after: int
) -> tuple[Evidence, ...]:
    """Return what became of the commands that were open when the wait began or came later; the last has the screen."""
    client = context.client
    latest = client.commands(project, last=_LATEST)
    own = [command for command in latest if command.accepted_at and (command.id in begun or command.seq > after)]
    return tuple(collect(client, command, screen=command is own[-1] and not line["no_screen"]) for command in own)


def _show_partial(context: Context) -> None:
    """Show what became of the work that failed: papermill keeps nothing else of it."""
    try:
        result = context.partial() if context.partial else None
    except WxcodeError as lost:  # the server is away: what failed first is what counts
        context.say(f"What became of it is unknown: {lost}")
        return
    evidence = getattr(result, "evidence", None)
    made = evidence if isinstance(evidence, tuple) else (evidence,)
    if any(each is not None and each.summary.command.accepted_at is not None for each in made):
        display(result)  # type: ignore[no-untyped-call]
