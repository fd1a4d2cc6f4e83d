"""GSD ("get shit done") as it is installed: which commands there are, and how each is spelled.

The layout decides the spelling, whatever a file says of itself (seen in the ``slash_commands`` of CLI 2.1.197 and
2.1.330, with all three packages installed locally and globally):

    .claude/commands/gsd/<name>.md        /gsd:<name>   get-shit-done-cc 1.20.5; 1.42.3 with --local
    .claude/skills/gsd-<name>/SKILL.md    /gsd-<name>   get-shit-done-cc 1.42.3, gsd-core 1.14.0 with --global
    .claude/commands/gsd-<name>.md        /gsd-<name>   gsd-core 1.14.0 with --local

``home`` is the user's HOME; ``config_dir`` is the CLI's ``CLAUDE_CONFIG_DIR``, where that is set: the CLI then looks
there instead of in ``<home>/.claude``.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..errors import GsdMissing, InvalidRequest, NotFound

#: Installs GSD into the working directory's ``.claude``; asks nothing. (The package wants Node 24.)
INSTALL_COMMAND = "npx @opengsd/gsd-core --claude --local"

MILESTONE_TEMPLATE = "/gsd:new-milestone {context_path}"
MILESTONE_FIELDS = ("context_path", "milestone_id", "project_id", "element_name")
#: The file comes first: at the end of a text, 2.1.197 opens its list of files there, and Enter chooses from it.
NEW_PROJECT_TEMPLATE = "/gsd:new-project @{brief_path} --auto"
NEW_PROJECT_FIELDS = ("brief_path", "project_id", "project_name")

StrPath = str | os.PathLike[str]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_GSD_WORD = re.compile(r"/gsd[:-]([A-Za-z0-9][A-Za-z0-9_-]*)(?=\s|$)")
_LINE_BREAKERS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_HEAD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class GsdCommand:
    """One installed command.

    ``name`` is the same in every layout (``new-milestone``), ``spelling`` is what is typed (``/gsd:new-milestone``).
    ``description`` and ``argument_hint`` are one line each, empty where the file does not give them.
    """

    name: str
    spelling: str
    description: str
    argument_hint: str
    path: str


def installed_commands(
    workspace: StrPath, home: StrPath, *, config_dir: StrPath | None = None
) -> dict[str, GsdCommand]:
    """Return what is installed, by name, sorted; the workspace's commands win over the user's. Empty without GSD."""
    user_folder = Path(config_dir) if config_dir else Path(home, ".claude")
    found: dict[str, GsdCommand] = {}
    for folder in (user_folder, Path(workspace, ".claude")):
        found.update((command.name, command) for command in _scan(folder))
    return dict(sorted(found.items()))


def spell(name: str, workspace: StrPath, home: StrPath, *, config_dir: StrPath | None = None) -> str:
    """Return a command in its installed spelling; the name may come in any spelling, or bare (``new-milestone``).

    Raises:
        GsdMissing: GSD is not installed; ``install`` is the command that installs it, ``workspace`` where.
        NotFound: GSD is installed, this command is not; the message names the nearest ones.
    """
    commands = installed_commands(workspace, home, config_dir=config_dir)
    if not commands:
        raise _missing(workspace, f"GSD is installed neither in {os.fspath(workspace)} nor in {os.fspath(home)}")
    bare = re.sub(r"^/?gsd[:-]", "", name)
    if bare not in commands:
        near = difflib.get_close_matches(bare, commands, n=3) or list(commands)[:3]
        raise NotFound(
            f"The installed GSD has no command {bare!r}. Near it: {', '.join(near)}.",
            what="GSD command",
            identifier=bare,
        )
    return commands[bare].spelling


def read_command(text: str) -> tuple[str, str] | None:
    """Return bare name and arguments of a text that begins with a GSD command, in whatever spelling; else None."""
    word = _GSD_WORD.match(text)
    return (word[1], text[word.end() :].strip()) if word else None


def check_template(template: str, fields: tuple[str, ...] = MILESTONE_FIELDS) -> None:
    """Refuse a template that could not be filled in, so that a server says so when it starts.

    Raises:
        InvalidRequest: Unbalanced braces, an unknown field, a conversion, or no text at all.
    """
    _fill(template, dict.fromkeys(fields, "x"))


def milestone_command(
    template: str | None,
    workspace: StrPath,
    home: StrPath,
    *,
    context_path: str,
    milestone_id: str,
    project_id: str,
    element_name: str,
    config_dir: StrPath | None = None,
) -> str:
    """Return the text that starts a milestone, ready to be typed.

    Args:
        template: The configured text with the fields of `MILESTONE_FIELDS`, or None (or empty) for GSD's
            ``new-milestone`` with the context path. A GSD command at its beginning takes the installed spelling.
        workspace: The project's folder.
        home: The user's HOME.
        context_path: Relative to the workspace, as `workspace.write_context` returns it.
        milestone_id: The milestone's id.
        project_id: The output project's id.
        element_name: Free text. Braces in it mean nothing; what would break the line becomes a space.
        config_dir: ``CLAUDE_CONFIG_DIR``, where it is set.

    Raises:
        GsdMissing: The text begins with a GSD command that is not installed; says how to install it.
        InvalidRequest: The template cannot be filled in.
    """
    values = {
        "context_path": context_path,
        "milestone_id": milestone_id,
        "project_id": project_id,
        "element_name": element_name,
    }
    return _installed(_fill(template or MILESTONE_TEMPLATE, values), workspace, home, config_dir)


def new_project_command(
    template: str | None,
    workspace: StrPath,
    home: StrPath,
    *,
    brief_path: str,
    project_id: str,
    project_name: str,
    config_dir: StrPath | None = None,
) -> str:
    """Return the text that makes a workspace's first ``.planning/PROJECT.md``, ready to be typed.

    By default GSD's ``new-project --auto`` with the brief (a file, relative to the workspace). Fields of a template
    are `NEW_PROJECT_FIELDS`; spelling and errors are those of `milestone_command`.
    """
    values = {"brief_path": brief_path, "project_id": project_id, "project_name": project_name}
    return _installed(_fill(template or NEW_PROJECT_TEMPLATE, values), workspace, home, config_dir)


def new_project_by_hand(workspace: StrPath, home: StrPath, *, config_dir: StrPath | None = None) -> str:
    """Return the line for a shell by which a user is interviewed for the workspace's first ``.planning/PROJECT.md``."""
    found = installed_commands(workspace, home, config_dir=config_dir).get("new-project")
    return f"cd {shlex.quote(os.fspath(workspace))} && claude {found.spelling if found else '/gsd:new-project'}"


def _fill(template: str, values: Mapping[str, str]) -> str:
    """Fill in the fields, once and strictly: unlike ``str.format``, no attribute, index or conversion is followed."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise InvalidRequest(f"The command template {template!r} cannot be read: {error}.") from error
    text = ""
    for literal, field, spec, conversion in parts:
        text += literal
        if field is None:
            continue
        if field not in values or spec or conversion:
            known = ", ".join(f"{{{name}}}" for name in values)
            raise InvalidRequest(f"The command template {template!r} has an unknown field {field!r}. Known: {known}.")
        text += _LINE_BREAKERS.sub(" ", values[field])
    if not text.strip():
        raise InvalidRequest("The command template is empty.")
    return text.strip()


def _installed(text: str, workspace: StrPath, home: StrPath, config_dir: StrPath | None) -> str:
    word = _GSD_WORD.match(text)
    if word is None:
        return text
    try:
        return spell(word[1], workspace, home, config_dir=config_dir) + text[word.end() :]
    except NotFound as error:
        # `--minimal` installs GSD without its milestones.
        raise _missing(workspace, f"The installed GSD has no {word[1]}") from error


def _missing(workspace: StrPath, what: str) -> GsdMissing:
    folder = os.fspath(workspace)
    return GsdMissing(
        f"{what}. Install it with: cd {shlex.quote(folder)} && {INSTALL_COMMAND}",
        workspace=folder,
        install=INSTALL_COMMAND,
    )


def _scan(folder: Path) -> Iterator[GsdCommand]:
    """Yield the commands of one ``.claude``, the newest layout last."""
    for path in _listed(folder / "commands" / "gsd"):
        if path.suffix == ".md":
            yield from _command(path.stem, ":", path)
    for path in _listed(folder / "skills"):
        if path.name.startswith("gsd-"):
            yield from _command(path.name.removeprefix("gsd-"), "-", path / "SKILL.md")
    for path in _listed(folder / "commands"):
        if path.suffix == ".md" and path.name.startswith("gsd-"):
            yield from _command(path.stem.removeprefix("gsd-"), "-", path)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []  # the CLI, run by the same user, sees nothing there either


def _command(name: str, separator: str, path: Path) -> Iterator[GsdCommand]:
    if not _NAME.fullmatch(name):
        return  # it would be typed
    try:
        with path.open("rb") as file:
            head = _front_matter(file.read(_HEAD_BYTES).decode("utf-8", "replace"))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
        return  # as above
    yield GsdCommand(
        name, f"/gsd{separator}{name}", _line(head.get("description")), _line(head.get("argument-hint")), str(path)
    )


def _front_matter(text: str) -> Mapping[str, Any]:
    match = re.match(r"\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", text, re.DOTALL | re.MULTILINE)
    if match is None:
        return {}
    try:
        head = yaml.safe_load(match[1])
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}  # the command works all the same; only its help is lost
    return head if isinstance(head, dict) else {}


def _line(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return f"[{', '.join(value)}]"  # `argument-hint: [area filter]`, as GSD writes it, is a list in YAML
    return " ".join(str(value).split()) if isinstance(value, str | int | float) else ""
