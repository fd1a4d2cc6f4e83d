"""``%wxmilestone`` itself: from a line to a result, and from an error to what the user sees."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class, needs_local_scope, no_var_expand

from ..client import Client
from ..errors import InvalidRequest, WxcodeError
from . import asking, commands, gsd, moving, report, rewinding, running, subcommands, terminal, waiting, work
from .context import Context
from .grammar import Line, Mistake, fill
from .results import Help, Result

Plain = Callable[[Context, Line], Result]
WithText = Callable[[Context, Line, "str | None", dict[str, Any]], Result]

_PLAIN: dict[str, Plain] = {
    "project": commands.project,
    "projects": commands.projects,
    "list": work.list_milestones,
    "start": work.start,
    "gsd": gsd.gsd,
    "next": gsd.next_step,
    "run": running.run,
    "resume": commands.resume,
    "history": commands.history,
    "wait": waiting.wait,
    "questions": asking.questions,
    "answer": asking.answer,
    "status": commands.status,
    "log": commands.log,
    "screen": terminal.screen,
    "terminal": terminal.terminal,
    "withdraw": work.withdraw,
    "interrupt": commands.interrupt,
    "stop": commands.stop,
    "complete": work.complete,
    "fail": work.fail,
    "report": report.report,
    "rewind": rewinding.rewind,
    "export": moving.export_,
    "import": moving.import_,
    "trust": commands.trust,
    "doctor": commands.doctor,
}
_WITH_TEXT: dict[str, WithText] = {"new": work.new, "send": work.send, "init": gsd.init}
_WAITING = frozenset({"new", "start", "send", "init", "gsd", "next", "run", "wait", "resume", "trust"})
_ALWAYS_WAITING = frozenset({"wait", "run"})


class UsageMistake(InvalidRequest):
    """A mistake in a line, where no front end is: papermill shows nothing of IPython's ``UsageError``."""

    code = "usage"


@magics_class
class WxMagics(Magics):
    """The magics, with the state of this kernel.

    Args:
        shell: The IPython shell.
        client: A connected client; by default one is connected at the first use.
    """

    def __init__(self, shell: InteractiveShell, client: Client | None = None) -> None:
        super().__init__(shell)
        self.context = Context(shell, client)

    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    def wxmilestone(
        self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None
    ) -> Result | None:
        """Drive a durable Claude Code conversation; alone, it shows the usage of all subcommands."""
        return self._run(line, cell, local_ns)

    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    def wx(self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None) -> Result | None:
        """Alias of ``%wxmilestone``."""
        return self._run(line, cell, local_ns)

    def _run(self, text: str, cell: str | None, local: Mapping[str, Any] | None) -> Result | None:
        context = self.context
        context.begin()
        output: str | None = None
        name = ""
        try:
            variables = context.variables(local)
            line = subcommands.read(text, is_cell=cell is not None)
            if line is None:
                return Help(text=subcommands.overview())
            if line.wants_help:
                return self._help(line)
            line = fill(line, variables)
            name, output = line.subcommand.name, _variable(line)
            if _waits(line):
                context.policy = asking.read_policy(context, line)
            result = (
                _WITH_TEXT[name](context, line, cell, variables) if name in _WITH_TEXT else _PLAIN[name](context, line)
            )
        except Mistake as mistake:
            message = f"{mistake.message}\n  Usage: {mistake.usage}" if mistake.usage else mistake.message
            shown = UsageError(message) if context.attended else brief(UsageMistake(message))
            self._keep(output, shown)
            raise shown from None
        except WxcodeError as error:
            self._keep(output, error)
            raise brief(error) from error.__cause__
        except KeyboardInterrupt as error:
            if name in _WAITING and context.partial is not None:
                context.say(
                    "Stopped waiting. Claude works on: `%wxmilestone wait` goes on waiting, "
                    "`%wxmilestone interrupt` stops the work."
                )
            self._keep(output, error)
            raise brief(KeyboardInterrupt("stopped waiting; Claude works on")) from None
        self._keep(output, None, result)
        return result

    def _help(self, line: Line) -> Help:
        if line.subcommand.name == "gsd":
            return gsd.help_of(self.context, line)
        return Help(text=subcommands.explain(line.subcommand))

    def _keep(self, output: str | None, error: BaseException | None, result: Result | None = None) -> None:
        """Store the result in the variable that ``-o`` names; after a failure the last that is known of it."""
        if output is None:
            return
        if result is None:
            result = self._last_known(error)
        self.context.shell.user_ns[output] = result

    def _last_known(self, error: BaseException | None) -> Result:
        partial = self.context.partial
        try:
            known = Result() if partial is None else partial()
        except WxcodeError as lost:  # the server is away: what failed first is what counts
            known = Result(notes=(f"What became of it is unknown: {lost}",))
        return replace(known, error=error)


def brief(error: BaseException) -> Any:
    """Make IPython show an error by its name and message: the way through this package tells a user nothing."""
    lines = [f"{type(error).__name__}: {error}"]
    error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]
    return error


def _variable(line: Line) -> str | None:
    name = line["output"]
    if name is not None and (not name.isidentifier() or keyword.iskeyword(name)):
        raise Mistake(f"-o: {name!r} is no name of a variable.", line.subcommand.usage)
    return name if name is None else str(name)


def _waits(line: Line) -> bool:
    """Tell whether a line waits for something; options of the waiting are a mistake in one that does not."""
    if line["on_limit"] not in (None, "fail", "wait"):
        raise Mistake("--on-limit is fail or wait.", line.subcommand.usage)
    if line["wait"] or line.subcommand.name in _ALWAYS_WAITING:
        return True
    if line["timeout"] is not None:
        raise Mistake("--timeout limits the waiting: add --wait.", line.subcommand.usage)
    for key in ("on_question", "answers", "on_timeout", "on_limit"):
        if line[key] is not None:
            raise Mistake(f"--{key.replace('_', '-')} is for the waiting: add --wait.", line.subcommand.usage)
    return False
