"""``export`` and ``import``: a project as a file, to go on with on another machine or in another folder."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from ..client import Project
from ..evidence import Imported
from .cards import Badge, Card
from .context import Context
from .grammar import Line, Mistake
from .results import Result

_ONE_PLACE = "One conversation must not run twice: once it was imported elsewhere, go on there only."


@dataclass(frozen=True, repr=False, kw_only=True)
class ExportResult(Result):
    """The file that a project was written into."""

    project: Project
    file: Path

    def _card(self) -> Card:
        size = f"{self.file.stat().st_size:,} bytes" if self.file.exists() else "it is not there any more"
        rows = [("file", str(self.file)), ("size", size)]
        return Card(self.project.name, Badge("exported", "good"), rows, notes=self.notes)


@dataclass(frozen=True, repr=False, kw_only=True)
class ImportResult(Result):
    """The project that a file has become."""

    imported: Imported

    def _card(self) -> Card:
        done = self.imported
        rows = [
            ("folder", done.workspace_path),
            ("conversation", done.claude_session_id or "none yet"),
            ("brought", f"{done.conversations} transcripts, {done.milestones} milestones, {done.commands} commands"),
        ]
        return Card(done.name, Badge("imported", "good"), rows, notes=self.notes)


def export_(context: Context, line: Line) -> ExportResult:
    """Write the project into a file on the kernel's side."""
    file = _file(line)
    found = context.project(line["project"])
    notes = (
        "The workspace's own files are not in it: bring them there by git or rsync. Then, there: "
        f"`%wxmilestone import --workspace DIR {file.name}`.",
        _ONE_PLACE,
    )
    return ExportResult(project=found, file=context.client.export_project(found, file), notes=notes)


def import_(context: Context, line: Line) -> ImportResult:
    """Make a project of a file, and select it."""
    file = _file(line)
    if not file.is_file():
        raise Mistake(f"There is no file {file}.", line.subcommand.usage)
    folder = os.path.abspath(os.path.expanduser(line["workspace"])) if line["workspace"] else None
    done = context.client.import_project(file, workspace_path=folder, name=line["name"])
    context.select(context.client.get_project(done.project_id))
    notes = ("`%wxmilestone resume` goes on from there.", _ONE_PLACE, *_left_out(done))
    return ImportResult(imported=done, notes=notes)


def _file(line: Line) -> Path:
    if not line.taken:
        raise Mistake("A file is expected.", line.subcommand.usage)
    return Path(os.path.abspath(os.path.expanduser(line.taken)))


def _left_out(done: Imported) -> tuple[str, ...]:
    """Say which options were not taken over, and how they are given."""
    left, words = done.left_out, []
    if mode := left.get("permission_mode"):
        words.append(f"--permission-mode {mode}")
    words += [f"--claude-arg={shlex.quote(str(argument))}" for argument in left.get("claude_args") or ()]
    words += ["--trust"] if left.get("trust") else []
    if not words:
        return ()
    return (
        "Not taken over, because it gives Claude rights; where you want it: "
        f'`%wxmilestone project {" ".join(words)} "{done.name}"`.',
    )
