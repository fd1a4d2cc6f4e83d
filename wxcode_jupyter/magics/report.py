"""``report``: the milestones and commands of a project, as Markdown, JSON or JUnit XML, for people and for CI."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..client import Client, Project
from ..models import Command, CommandStatus, now
from ..plain import clean_line
from .cards import Badge, Card
from .context import Context
from .grammar import Line, Mistake, nearest
from .report_formats import as_json, as_junit, as_markdown
from .results import Result
from .verdicts import ProjectReport, read_report

_WRITERS: dict[str, Callable[[ProjectReport], str]] = {"md": as_markdown, "json": as_json, "junit": as_junit}
_BY_ENDING = {".md": "md", ".markdown": "md", ".json": "json", ".xml": "junit"}


@dataclass(frozen=True, repr=False, kw_only=True)
class ReportResult(Result):
    """A report, and where it was written; ``passed`` is whether nothing in it failed."""

    report: ProjectReport
    text: str
    path: str | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.report.failed

    def __str__(self) -> str:
        return self.text

    def _scrap(self) -> str | None:
        return f"wxcode.report.{self.report.project.name}"

    def _card(self) -> Card:
        report = self.report
        rows = [("file", self.path)] if self.path else []
        counted = f"{report.passed} passed, {report.failed} failed, {report.skipped} not done"
        table = [
            (Badge(suite.verdict, suite.tone), suite.name, clean_line(suite.reason, 120)) for suite in report.suites
        ]
        badge = Badge("failed", "bad") if report.failed else Badge("passed", "good")
        block = "" if self.path else self.text
        return Card(f"{report.project.name}: report", badge, [*rows, ("commands", counted)], [table], block, self.notes)


def report(context: Context, line: Line) -> Result:
    """Write the report of a project, or show it where no file is named."""
    client, project = context.client, context.project(line["project"])
    writer, path = _WRITERS[_format(line)], _path(line)

    def look() -> ReportResult:
        found: Project = client.get_project(project)
        commands = client.commands(found)
        unanswered = {command.id: _unanswered(client, command) for command in commands if _was_cut(command)}
        still = {command.id: client.summary(command).missing_still for command in commands if command.missing}
        read = read_report(
            found, client.milestones(found), commands, at=now(), unanswered=unanswered, missing_still=still
        )
        text = writer(read)
        if path is not None:
            try:
                write_atomically(path, text)
            except OSError as error:
                raise Mistake(f"--file: {path} cannot be written: {error.strerror}.", line.subcommand.usage) from error
        return ReportResult(report=read, text=text, path=None if path is None else str(path), _again=look)

    return look()


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a reader sees the one before or the one after, whole."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with aside.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _was_cut(command: Command) -> bool:
    return command.accepted_at is not None and command.status is not CommandStatus.COMPLETED


def _unanswered(client: Client, command: Command) -> list[str]:
    """Return what Claude has asked in a turn, and nobody has answered: the reason why it is not done."""
    return [asked.question for asked in client.summary(command).questions if asked.answer is None]


def _format(line: Line) -> str:
    asked: str | None = line["format"]
    if asked is None and line["file"]:
        ending = os.path.splitext(line["file"])[1].lower()
        if ending not in _BY_ENDING:
            known = ", ".join(_BY_ENDING)
            told = f"--file {line['file']}: the format is that of its ending ({known}), or of --format."
            raise Mistake(told, line.subcommand.usage)
        return _BY_ENDING[ending]
    if asked is None:
        return "md"
    if asked not in _WRITERS:
        names = ", ".join(_WRITERS)
        raise Mistake(f"--format is one of {names}{nearest(asked, _WRITERS)}.", line.subcommand.usage)
    return asked


def _path(line: Line) -> Path | None:
    return Path(line["file"]).expanduser().absolute() if line["file"] else None
