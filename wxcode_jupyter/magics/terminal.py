"""``%wxmilestone terminal``: the live terminal, and the screen as text for who has no front end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..client import Client, Project
from ..errors import SessionNotRunning
from .context import Context
from .grammar import Line, Mistake, nearest
from .results import Result, Screen

if TYPE_CHECKING:
    from ..ipyxterm import Terminal

_SCREEN_TYPES = {"text": "text/plain", "html": "text/html", "ansi": "text/x-ansi"}
_LIMIT = 500
_ENDED = "The session has ended; this is what it showed last. `%wxmilestone resume` goes on with the conversation."


@dataclass(frozen=True, repr=False, kw_only=True)
class LiveTerminal(Screen):
    """The terminal: a widget where a front end shows widgets, and elsewhere its screen at the time of the display.

    ``text`` is what it showed when the cell ran.
    """

    _widget: Terminal = field(repr=False, compare=False)

    @property
    def widget(self) -> Terminal:
        """The widget, to be put where one likes."""
        return self._widget

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        return self._widget._repr_mimebundle_()


def screen(context: Context, line: Line) -> Result:
    """Show what the terminal shows."""
    found, form = context.project(line["project"]), line["format"] or "text"
    if form not in _SCREEN_TYPES:
        raise Mistake(
            f"--format is one of {', '.join(_SCREEN_TYPES)}{nearest(form, _SCREEN_TYPES)}.", line.subcommand.usage
        )
    return look(context.client, found, form)


def terminal(context: Context, line: Line) -> Result:
    """Show the terminal itself; whoever may drive it starts or resumes the session by looking at it."""
    from ..ipyxterm import Terminal  # widgets cost a fifth of a second, which only this subcommand needs

    client, found = context.client, context.project(line["project"])
    rows, cols = (_size(line, name) for name in ("rows", "cols"))
    address = client.terminal(found, observer=bool(line["observer"]))

    def picture() -> Mapping[str, str]:
        shown = look(client, found, "html")
        return {kind: shown._repr_mimebundle_()[kind] for kind in ("text/plain", "text/html")}

    widget = Terminal(
        address.url,
        headers=address.headers,
        page_url=address.page_url,
        rows=rows or 24,
        cols=cols or 0,
        label=found.name,
        clipboard=bool(line["clipboard"]),
        picture=picture,
    )

    def again() -> LiveTerminal:
        shown = look(client, found, "text")
        return LiveTerminal(text=shown.text, title=shown.title, notes=shown.notes, _again=again, _widget=widget)

    return again()


def look(client: Client, project: Project, form: str) -> Screen:
    """Return the screen; without one there is a note: looking is no work that could fail, and Run All goes on."""
    title = f"{project.name}: terminal"

    def again() -> Screen:
        return look(client, project, form)

    try:
        text = client.screen(project)
        markup = "" if form == "text" else client.screen(project, accept=_SCREEN_TYPES[form])
        notes = () if client.session(project).state.live else (_ENDED,)
        return Screen(text=text, title=title, format=form, markup=markup, notes=notes, _again=again)
    except SessionNotRunning as error:
        return Screen(text="", title=title, notes=(error.message,), _again=again)


def _size(line: Line, name: str) -> int | None:
    value: int | None = line[name]
    if value is not None and not 1 <= value <= _LIMIT:
        raise Mistake(f"--{name} is a number from 1 to {_LIMIT}.", line.subcommand.usage)
    return value
