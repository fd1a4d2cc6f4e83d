"""A report as Markdown, as JSON, and as JUnit's XML."""

from __future__ import annotations

import json
import re
import socket
from datetime import UTC, datetime
from xml.etree import ElementTree

from ..plain import clean, clean_line
from .evidence import spoken
from .export import to_plain
from .verdicts import Case, ProjectReport, Suite, marked_failed

_TITLE_LIMIT = 120
_MESSAGE_LIMIT = 2000
_ACTS = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
#: Where Markdown's dialects make a link of what is none.
_LINKS = re.compile(r"(?i)(?<=[a-z]):(?=//)|(?<=www)\.")
#: Characters that XML 1.0 does not have, however they are written.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_markdown(report: ProjectReport) -> str:
    """Return the report as Markdown: one table of milestones, then the commands of each."""
    lines = [
        f"# {_md(report.project.name)}",
        "",
        f"{report.passed} passed, {report.failed} failed, {report.skipped} not done; {_utc(report.created_at)}",
        "",
        "| milestone | status | verdict | outcome | duration | reason |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for suite in report.suites:
        lines.append(
            _row(suite.name, suite.status, suite.verdict, suite.outcome, spoken(suite.duration_s), suite.reason)
        )
    for suite in report.suites:
        if suite.cases:
            lines += ["", f"## {_md(suite.name)}", "", "| command | status | outcome | begun | duration | error |"]
            lines.append("| --- | --- | --- | --- | --- | --- |")
            lines += [_command_row(case) for case in suite.cases]
            said = suite.cases[-1].command.last_message
            if said:
                lines += ["", *_quoted(said[:_MESSAGE_LIMIT])]
    return "\n".join(lines) + "\n"


def as_json(report: ProjectReport) -> str:
    """Return the report as JSON; the keys of commands and milestones are those of the REST API."""
    suites = [
        {
            "milestone": to_plain(suite.milestone),
            "verdict": suite.verdict,
            "outcome": suite.outcome,
            "duration_s": suite.duration_s,
            "error": suite.reason or None,
            "commands": [
                {
                    **to_plain(case.command),
                    "verdict": case.verdict,
                    "duration_s": case.duration_s,
                    "reason": case.reason or None,
                }
                for case in suite.cases
            ],
        }
        for suite in report.suites
    ]
    counts = {"passed": report.passed, "failed": report.failed, "not_done": report.skipped}
    project = to_plain(report.project)
    whole = {"project": project, "created_at": to_plain(report.created_at), **counts, "suites": suites}
    # What JSON need not write as an escape would act all the same where the report is printed.
    return _ACTS.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(whole, indent=2, ensure_ascii=False)) + "\n"


def as_junit(report: ProjectReport) -> str:
    """Return the report as the XML that Ant's JUnit task writes, elements and attributes in the schema's order."""
    root = ElementTree.Element("testsuites")
    for number, suite in enumerate(report.suites):
        root.append(_testsuite(report, suite, number))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _testsuite(report: ProjectReport, suite: Suite, number: int) -> ElementTree.Element:
    marked = marked_failed(suite)
    verdicts = [case.verdict for case in suite.cases]
    begun = [case.command.created_at for case in suite.cases]
    element = ElementTree.Element(
        "testsuite",
        {
            "name": _name(suite.name),
            "timestamp": _utc(min(begun, default=report.created_at)),
            "hostname": socket.gethostname() or "localhost",
            "tests": str(len(suite.cases) + marked),
            "failures": str(verdicts.count("failed") + marked),
            "errors": "0",
            "skipped": str(verdicts.count("not done")),
            "time": f"{suite.duration_s or 0:.3f}",
            "package": _name(report.project.name),
            "id": str(number),
        },
    )
    properties = ElementTree.SubElement(element, "properties")
    told = {"status": suite.status, "milestone": suite.milestone.id if suite.milestone else ""}
    for name, value in told.items():
        ElementTree.SubElement(properties, "property", {"name": name, "value": value})
    for case in suite.cases:
        _testcase(element, report, suite, case)
    if marked:
        whole = _case_element(element, report, suite, "the milestone", 0.0)
        _fail(whole, "failed", suite.reason)
    said = [case.command.last_message or "" for case in suite.cases]
    ElementTree.SubElement(element, "system-out").text = _xml("\n\n".join(filter(None, said)))
    ElementTree.SubElement(element, "system-err").text = ""
    return element


def _testcase(parent: ElementTree.Element, report: ProjectReport, suite: Suite, case: Case) -> None:
    element = _case_element(parent, report, suite, case.command.text, case.duration_s or 0.0)
    if case.verdict == "failed":
        _fail(element, case.command.outcome or str(case.command.status), case.reason)
    elif case.verdict == "not done":
        ElementTree.SubElement(element, "skipped", {"message": _xml(case.reason)})


def _case_element(
    parent: ElementTree.Element, report: ProjectReport, suite: Suite, name: str, seconds: float
) -> ElementTree.Element:
    owner = f"{report.project.name}.{suite.name}"
    named = {"name": _name(name), "classname": _name(owner), "time": f"{seconds:.3f}"}
    return ElementTree.SubElement(parent, "testcase", named)


def _fail(element: ElementTree.Element, kind: str, reason: str) -> None:
    failure = {"message": _name(reason), "type": kind}
    ElementTree.SubElement(element, "failure", failure).text = _xml(reason)


def _name(text: str) -> str:
    """Return a text as a token: one line, never empty."""
    return _xml(clean_line(text, _TITLE_LIMIT)) or "-"


def _xml(text: str) -> str:
    return _NO_XML.sub("", clean(text))


def _utc(moment: datetime) -> str:
    """Return a time in UTC as JUnit's schema wants it, without a zone."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _command_row(case: Case) -> str:
    command = case.command
    begun = _utc(command.accepted_at) if command.accepted_at else ""
    return _row(command.text, str(command.status), command.outcome, begun, spoken(case.duration_s), case.reason)


def _row(*cells: str | None) -> str:
    return f"| {' | '.join(_md(clean_line(cell or '', _TITLE_LIMIT)) for cell in cells)} |"


def _md(text: str) -> str:
    """Return a text of which Markdown makes nothing."""
    return _LINKS.sub(r"\\\g<0>", re.sub(r"([\\`*_{}\[\]<>#|&~$])", r"\\\1", clean_line(text)))


def _quoted(text: str) -> list[str]:
    """Return a text as it is, within a fence that is longer than any in it: no link, picture or element of Claude's."""
    shown = clean(text)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", shown)), default=0))
    return [f"> {line}".rstrip() for line in (f"{fence}text", *shown.split("\n"), fence)]
