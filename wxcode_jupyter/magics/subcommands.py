"""The table of the subcommands: what may be written, and the help that follows from it."""

from __future__ import annotations

from .grammar import Line, Mistake, Option, Subcommand, cut_word, nearest, read_line

_PROJECT = Option(
    ("-p", "--project"), "the project; else the last one used, WXCODE_PROJECT, the working directory's", "NAME", "value"
)
_OUTPUT = Option(("-o", "--output"), "keep the result in this variable, on failure too", "VAR", "value")
_WAIT = Option(("--wait",), "block until it is done, and print the progress; interrupting ends the waiting only")
_TIMEOUT = Option(("--timeout",), "limit of the waiting: 90 (seconds), 30m, 2h", "T", "seconds")
_SCREEN_FORMAT = Option(("--format",), "text (the default), html or ansi", "F", "value")
_NO_SCREEN = Option(("--no-screen",), "leave the last screen out of what the waiting ends with")
_POLICY = (
    Option(
        ("--on-question",),
        "when Claude asks: fail (raise at once; where nobody is there), wait, first or recommended option",
        "fail|wait|first|recommended",
        "value",
    ),
    Option(("--answers",), "answers by pattern: a dict's variable, or a YAML or JSON file", "FILE|VAR", "value"),
    Option(("--on-timeout",), "at the limit: leave Claude at work, or interrupt it", "leave|interrupt", "value"),
)
_CONTEXT = Option(("--context",), "the text, from a variable or a file, instead of a cell's body", "VAR|@FILE", "value")
_ON_LIMIT = Option(
    ("--on-limit",), "at a usage limit, with --wait: fail, or wait for its end and go on", "fail|wait", "value"
)
_CLEAR = Option(("--clear",), "begin with an empty context: /clear goes first")
_COMMON = (_PROJECT, _OUTPUT)

SUBCOMMANDS: dict[str, Subcommand] = {
    item.name: item
    for item in (
        Subcommand(
            "project",
            "select a project, creating it where it is new; the options are kept with it",
            "name",
            "NAME",
            options=(
                Option(("--workspace",), "its folder; without it the server makes one", "DIR", "value"),
                Option(("--permission-mode",), "Claude Code's permission mode", "M", "value"),
                Option(("--model",), "Claude Code's model", "M", "value"),
                Option(("--claude-arg",), "one more argument for Claude Code; may be repeated", "A", "many"),
                Option(("--trust",), "tell Claude Code to trust the folder"),
                _OUTPUT,
            ),
        ),
        Subcommand("projects", "the projects", options=(_OUTPUT,)),
        Subcommand("list", "the milestones of the project", options=_COMMON),
        Subcommand(
            "new",
            "a milestone whose MILESTONE-CONTEXT.md is the cell's body; the same name and text give what exists",
            "name",
            "NAME",
            cell=True,
            options=(
                Option(("--element",), "id of the element that it converts", "ID", "value"),
                Option(("--start",), "start it"),
                _WAIT,
                _TIMEOUT,
                _NO_SCREEN,
                _ON_LIMIT,
                *_POLICY,
                Option(("--again",), "make another one of this name: other text, or after the first has ended"),
                _CONTEXT,
                *_COMMON,
            ),
        ),
        Subcommand(
            "start",
            "start a milestone (name or id): session started or resumed, command queued; on one that runs, re-attach",
            "name",
            "MILESTONE",
            options=(_WAIT, _TIMEOUT, _ON_LIMIT, *_POLICY, _NO_SCREEN, *_COMMON),
        ),
        Subcommand(
            "init",
            "the project's first one: GSD's new-project with the cell's body as its brief; the same brief is sent once",
            cell=True,
            options=(_WAIT, _TIMEOUT, _ON_LIMIT, *_POLICY, _NO_SCREEN, _CONTEXT, *_COMMON),
        ),
        Subcommand(
            "gsd",
            "one of GSD's commands, in its installed spelling; alone, it lists them, and COMMAND? explains one",
            "command",
            "COMMAND [ARGS]",
            options=(_CLEAR, _WAIT, _TIMEOUT, _ON_LIMIT, *_POLICY, _NO_SCREEN, *_COMMON),
        ),
        Subcommand(
            "next",
            "what GSD's files say comes next",
            options=(Option(("--run",), "do it"), _CLEAR, _WAIT, _TIMEOUT, _ON_LIMIT, *_POLICY, _NO_SCREEN, *_COMMON),
        ),
        Subcommand(
            "run",
            "GSD's steps of a milestone one after the other, started where it is pending, until it is as far as that",
            "name",
            "MILESTONE",
            options=(
                Option(
                    ("--until",),
                    "every phase is planned, built or verified (the default), or the milestone is archived",
                    "planned|built|verified|archived",
                    "value",
                ),
                Option(("--max-turns",), "begin at most so many of GSD's commands", "N", "count"),
                Option(
                    ("--budget-usd",), "begin none once they have cost so much (Claude Code 2.1.330)", "X", "amount"
                ),
                _TIMEOUT,
                _ON_LIMIT,
                *_POLICY,
                *_COMMON,
            ),
        ),
        Subcommand(
            "resume",
            "the return visit: attach to the live session, or resume the conversation",
            options=(
                Option(("--fresh",), "begin a new conversation; the old id is kept in the lineage"),
                Option(("--session",), "go back to an earlier conversation of `history`", "ID", "value"),
                Option(("--now",), "send what a usage limit holds in the queue at once"),
                Option(("--force",), "take the project from another host's server that has it, once you have agreed"),
                Option(("--yes",), "with --force: agreed"),
                *_COMMON,
            ),
        ),
        Subcommand(
            "history", "the project's conversations: since when and why, milestones, the first prompt", options=_COMMON
        ),
        Subcommand(
            "send",
            "give Claude the text, or the cell's body, as one command",
            "text",
            "TEXT",
            cell=True,
            options=(_WAIT, _TIMEOUT, _ON_LIMIT, *_POLICY, _NO_SCREEN, _CONTEXT, *_COMMON),
        ),
        Subcommand(
            "wait",
            "block until Claude is idle or needs somebody, and show what became of the commands of that time",
            options=(_TIMEOUT, _ON_LIMIT, *_POLICY, _NO_SCREEN, *_COMMON),
        ),
        Subcommand("questions", "what Claude asks, and was asked before", options=_COMMON),
        Subcommand(
            "answer",
            "answer what Claude asks: a label or its beginning (in quotes where it has blanks), one for each question",
            "text",
            "[ID] CHOICE...",
            options=(Option(("--text",), "a text of your own instead of an option", "TEXT", "value"), *_COMMON),
        ),
        Subcommand("status", "the session, GSD's phases and next step, the milestones, the commands", options=_COMMON),
        Subcommand(
            "log",
            "the latest events",
            options=(
                Option(("--limit",), "how many; 50 by default", "N", "count"),
                Option(("--raw",), "instead, what the live session's terminal has printed, with its colours"),
                Option(("--asciicast",), "instead, write it there with its times, as an asciicast v2", "FILE", "value"),
                Option(("--file",), "with --raw: write it there, every byte; else it is printed", "FILE", "value"),
                *_COMMON,
            ),
        ),
        Subcommand("screen", "what the terminal shows now", options=(_SCREEN_FORMAT, *_COMMON)),
        Subcommand(
            "terminal",
            "the terminal itself, live, where widgets are shown; its screen elsewhere",
            options=(
                Option(("--rows",), "its height at first; 24 by default", "R", "count"),
                Option(("--cols",), "its width; as the cell is wide by default", "C", "count"),
                Option(("--observer",), "only look on: neither type nor size"),
                Option(("--clipboard",), "let what runs in it copy into your clipboard (OSC 52); it may never read it"),
                *_COMMON,
            ),
        ),
        Subcommand(
            "withdraw",
            "take a queued command back, never to be sent: the one with this id, else the newest that waits",
            "name?",
            "ID",
            options=_COMMON,
        ),
        Subcommand("interrupt", "interrupt what Claude does, as Esc does; the session lives on", options=_COMMON),
        Subcommand("stop", "end the session; the conversation can be resumed", options=_COMMON),
        Subcommand("complete", "mark a milestone completed: our record only", "name?", "MILESTONE", options=_COMMON),
        Subcommand("fail", "mark a milestone failed", "name?", "MILESTONE", options=_COMMON),
        Subcommand(
            "report",
            "the milestones and commands of the project, how each ended and why, for people and for CI",
            options=(
                Option(("--format",), "md, json or junit; else by the file's ending (.md, .json, .xml)", "F", "value"),
                Option(("--file",), "write it there; without it, it is shown", "FILE", "value"),
                *_COMMON,
            ),
        ),
        Subcommand(
            "rewind",
            "back to before a milestone: workspace, .planning/ and conversation; what they were is kept",
            "name",
            "MILESTONE",
            options=(
                Option(("--yes",), "also take back what was changed after its last command"),
                Option(
                    ("--fork",), "leave this project as it is, and make another one of what it was", "NAME", "value"
                ),
                Option(("--workspace",), "with --fork: its folder; else one next to this project's", "DIR", "value"),
                *_COMMON,
            ),
        ),
        Subcommand(
            "export",
            "write the project, its conversations included and its folder not, into a file that can be moved",
            "name",
            "FILE",
            options=_COMMON,
        ),
        Subcommand(
            "import",
            "make a project of an exported file, and select it",
            "name",
            "FILE",
            options=(
                Option(
                    ("--workspace",), "its folder, which may have its files already; else a new one", "DIR", "value"
                ),
                Option(("--name",), "another name than its own", "NAME", "value"),
                _OUTPUT,
            ),
        ),
        Subcommand("trust", "tell Claude Code to trust the project's folder", options=_COMMON),
        Subcommand("doctor", "check everything that is needed, and say how to mend it", options=_COMMON),
    )
}


def read(text: str, *, is_cell: bool) -> Line | None:
    """Read a whole line; None means that help was asked for. Raises ``Mistake``.

    ``-p NAME`` and ``-o VAR`` may stand before the subcommand, too.
    """
    text = rest = text.strip()
    while rest.startswith("-"):
        word, rest, _ = cut_word(rest)
        if word in ("--help", "-h"):
            return None
        if word.partition("=")[0] not in (*_PROJECT.names, *_OUTPUT.names):
            raise Mistake(f"A subcommand is expected before {word}.", "%wxmilestone SUBCOMMAND ...")
        if "=" not in word:
            _, rest, _ = cut_word(rest)
        rest = rest.lstrip()
    leading = text[: len(text) - len(rest)]  # as it was written: its quotes are read once more below
    if not rest:
        return None
    name, rest, _ = cut_word(rest)
    wants_help = name.endswith("?")
    subcommand = SUBCOMMANDS.get(name.rstrip("?"))
    if subcommand is None:
        raise Mistake(
            f"There is no subcommand {name!r}{nearest(name, SUBCOMMANDS)}.", "%wxmilestone (alone) lists them"
        )
    if wants_help:
        return Line(subcommand, wants_help=True)
    if is_cell and not subcommand.cell:
        raise Mistake(f"{subcommand.name} takes no cell body: write it with one %.", subcommand.usage)
    return read_line(subcommand, f"{leading} {rest}")


def overview() -> str:
    """Return the usage of all subcommands."""
    lines = ["%wxmilestone SUBCOMMAND [options] [text]      (%wx for short; --help after a subcommand tells more)", ""]
    lines += [f"  {item.name:<10} {item.summary}" for item in SUBCOMMANDS.values()]
    lines += ["", "Options come first, then the text as it is; {{name}} in it is a variable of the notebook."]
    return "\n".join(lines)


def explain(subcommand: Subcommand) -> str:
    """Return the help of one subcommand."""
    width = max(len(", ".join(option.names) + " " + option.metavar) for option in subcommand.options)
    lines = [subcommand.usage, "", f"  {subcommand.summary}", ""]
    for option in subcommand.options:
        lines.append(f"  {', '.join(option.names) + ' ' + option.metavar:<{width}}  {option.help}")
    return "\n".join(lines)
