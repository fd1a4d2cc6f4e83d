"""The report of a project: right verdicts, in three formats, written whole."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.magics.conftest import Notebook
from wxcode_jupyter.magics import ReportResult, UsageMistake
from wxcode_jupyter.magics.report import write_atomically

BEGUN, ENDED = "2026-01-02T03:04:05+00:00", "2026-01-02T03:05:35+00:00"


@pytest.fixture
def night(demo: Notebook) -> Notebook:
    """Three milestones: one that passed, one that failed and was given a strange name, one that was not started."""
    for name, status, fields in (
        ("good | one", "completed", {"outcome": "finished", "last_message": "All *done*."}),
        ('bad <two> & "co"', "failed", {"error": "API Error: 400\n\x1b[31mno & <no>\x00\ufffe"}),
    ):
        demo.run(f"%%wx new '{name}' --start\n# It\n")
        command = demo.api.only_command()
        demo.api.accept(accepted_at=BEGUN)()
        demo.api.set_command(command, status, completed_at=ENDED, **fields)
    demo.run("%%wx new three\n# It\n")
    return demo


def milestone_of(notebook: Notebook, name: str) -> dict[str, Any]:
    return next(item for item in notebook.api.milestones.values() if item["element_name"] == name)


def write(notebook: Notebook, options: str) -> ReportResult:
    result = notebook.run(f"%wx report {options}")
    assert isinstance(result, ReportResult)
    return result


def test_each_command_has_its_verdict(night: Notebook) -> None:
    result = write(night, "")
    report = result.report
    assert [(suite.name, suite.verdict) for suite in report.suites] == [
        ("good | one", "passed"),
        ('bad <two> & "co"', "failed"),
        ("three", "not done"),
    ]
    assert (report.passed, report.failed, report.skipped) == (1, 1, 0)
    assert not result.passed and result.ok
    assert report.suites[0].duration_s == 90
    assert "API Error: 400" in report.suites[1].reason
    assert "1 passed, 1 failed, 0 not done" in repr(result)


@pytest.mark.parametrize("outcome", ["asks", "limited"])
def test_a_question_that_nobody_answered_has_failed(demo: Notebook, outcome: str) -> None:
    demo.run("%%wx new one --start\n# It\n")
    demo.api.accept()()
    demo.api.set_command(demo.api.only_command(), "completed", outcome=outcome)
    assert not write(demo, "").passed
    demo.run("%wx send yes")
    demo.api.accept()()
    demo.api.set_command(demo.api.only_command(), "completed", outcome="finished")
    assert write(demo, "").passed
    assert [suite.name for suite in write(demo, "").report.suites] == ["one", "commands of no milestone"]


def leave_nothing(notebook: Notebook) -> str:
    """Let the latest command end without its artefact, and return its id."""
    command = notebook.api.only_command()
    notebook.api.accept()()
    notebook.api.set_command(command, "completed", outcome="asks", missing="a new ROADMAP.md with phases")
    notebook.api.summary_of[command] = {"missing_still": "a new ROADMAP.md with phases"}
    return command


def finish(notebook: Notebook) -> None:
    command = notebook.api.only_command()
    notebook.api.accept()()
    notebook.api.set_command(command, "completed", outcome="finished")


def test_a_gsd_command_without_its_artefact_has_failed(demo: Notebook) -> None:
    demo.run("%%wx new one --start\n# It\n")
    leave_nothing(demo)
    (suite,) = write(demo, "").report.suites
    assert (suite.verdict, suite.reason) == ("failed", "Claude ended its turn without a new ROADMAP.md with phases.")


@pytest.mark.parametrize("text", ["hello", "/clear"])
def test_what_is_missing_stays_so_whatever_is_said_afterwards(demo: Notebook, text: str) -> None:
    demo.run("%%wx new one --start\n# It\n")
    begun = leave_nothing(demo)
    demo.run(f"%wx send {text}")
    finish(demo)
    report = write(demo, "--format junit").report
    assert [suite.verdict for suite in report.suites] == ["failed", "passed"]
    assert report.failed == 1
    demo.api.summary_of[begun] = {"missing_still": None}  # it came later, by an answer
    assert write(demo, "").passed


def test_what_a_later_milestone_leaves_is_not_what_was_missing(demo: Notebook) -> None:
    demo.run("%%wx new one --start\n# It\n")
    begun = leave_nothing(demo)
    demo.run("%%wx new two --start\n# It\n")
    finish(demo)
    demo.api.summary_of[begun] = {"missing_still": None}
    assert [suite.verdict for suite in write(demo, "").report.suites] == ["failed", "passed"]


def test_the_same_command_done_again_settles_it(demo: Notebook) -> None:
    demo.run("%%wx new one --start\n# It\n")
    begun = leave_nothing(demo)
    again = demo.api.commands[begun]
    client = demo.magics.context.client
    client.send(again["output_project_id"], again["text"], milestone=client.milestone(again["milestone_id"]))
    finish(demo)
    assert write(demo, "").passed  # though nothing of it is in .planning/ any more


def test_the_next_milestone_is_no_answer(demo: Notebook) -> None:
    for name in ("one", "two"):
        demo.run(f"%%wx new {name} --start\n# It\n")
        command = demo.api.only_command()
        demo.api.accept()()
        demo.api.set_command(command, "completed", outcome="asks" if name == "one" else "finished")
    report = write(demo, "").report
    assert [suite.verdict for suite in report.suites] == ["failed", "passed"]
    assert "a question, and nobody answered it" in report.suites[0].reason


@pytest.mark.parametrize(("status", "verdict"), [("interrupted", "failed"), ("accepted", "not done")])
def test_a_question_that_stopped_the_work_is_the_reason(demo: Notebook, status: str, verdict: str) -> None:
    demo.run("%%wx new one --start\n# It\n")
    command = demo.api.only_command()
    demo.api.accept()()
    demo.api.set_command(command, status)
    demo.api.summary = {
        "questions": [
            {"question": "Which size?", "answer": "Small", "at": None},
            {"question": "Which colour?", "answer": None, "at": None},
        ]
    }
    (suite,) = write(demo, "").report.suites
    assert suite.verdict == verdict
    assert suite.reason.startswith("Nobody has answered: Which colour? It ")


def test_what_somebody_says_of_a_milestone_counts(demo: Notebook) -> None:
    demo.run("%%wx new one --start\n# It\n")
    demo.api.accept()()
    demo.api.set_command(demo.api.only_command(), "completed", outcome="asks")
    demo.run("%wx complete one")
    assert write(demo, "").passed
    demo.api.set_command(demo.api.only_command(), "completed", outcome="finished")
    demo.run("%wx fail one")
    result = write(demo, "--format junit")
    assert result.report.failed == 1
    (suite,) = ElementTree.fromstring(result.text)
    assert suite.get("tests") == "2"
    assert "marked failed" in str(suite.findall("testcase")[1][0].text)


def test_an_open_command_is_not_done(demo: Notebook) -> None:
    demo.run("%%wx new one --start\n# It\n")
    report = write(demo, "").report
    assert (report.passed, report.failed, report.skipped) == (0, 0, 1)
    assert report.suites[0].reason == "It is queued."


def test_markdown_keeps_its_tables_whatever_names_there_are(night: Notebook, tmp_path: Path) -> None:
    result = write(night, "--file out.md")
    text = (tmp_path / "out.md").read_text()
    assert text == str(result)
    assert r"| good \| one |" in text and r"bad \<two\>" in text
    assert "> ```text\n> All *done*.\n> ```" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {7}


def test_json_has_what_the_api_has_and_the_verdicts(night: Notebook, tmp_path: Path) -> None:
    write(night, "--format json --file out.txt")
    whole = json.loads((tmp_path / "out.txt").read_text())
    assert (whole["passed"], whole["failed"], whole["not_done"]) == (1, 1, 0)
    first = whole["suites"][0]
    assert first["milestone"]["element_name"] == "good | one"
    assert first["commands"][0]["outcome"] == "finished"
    assert (first["commands"][0]["verdict"], first["commands"][0]["duration_s"]) == ("passed", 90.0)


def test_junit_is_what_the_usual_schema_allows(night: Notebook, tmp_path: Path) -> None:
    night.run("%wx send 'later'")
    write(night, "--file out.xml")
    root = ElementTree.parse(tmp_path / "out.xml").getroot()
    check_junit(root)
    good, bad, never, others = root
    assert [suite.get("name") for suite in root] == [
        "good | one",
        'bad <two> & "co"',
        "three",
        "commands of no milestone",
    ]
    assert (good.get("tests"), good.get("failures"), good.get("time")) == ("1", "0", "90.000")
    assert good.findtext("system-out") == "All *done*."
    (failure,) = bad.iter("failure")
    assert failure.text == "API Error: 400\nno & <no>"
    assert (failure.get("type"), failure.get("message")) == ("failed", "API Error: 400 no & <no>")
    assert never.get("tests") == "0"
    assert others.get("skipped") == "1"


def check_junit(root: ElementTree.Element) -> None:
    """Check what the schema of Ant's JUnit task demands: elements in order, attributes, and their forms."""
    token, number, seconds = r"\S(?:[^\n\t]*\S)?", r"\d+", r"\d+\.\d+"
    moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
    suite_form = {"name": token, "hostname": token, "package": token, "timestamp": moment, "time": seconds}
    suite_form |= dict.fromkeys(("tests", "failures", "errors", "skipped", "id"), number)
    assert root.tag == "testsuites" and not root.attrib
    for index, suite in enumerate(root):
        check_attributes(suite, suite_form)
        assert suite.get("id") == str(index)
        assert re.fullmatch("properties,(testcase,)*system-out,system-err", ",".join(child.tag for child in suite))
        for item in suite.iter("property"):
            check_attributes(item, {"name": token, "value": ".*"})
        cases = suite.findall("testcase")
        assert len(cases) == int(suite.get("tests", ""))
        for case in cases:
            check_attributes(case, {"name": token, "classname": token, "time": seconds})
            assert len(case) <= 1
            for child in case:
                assert child.tag in ("failure", "skipped") and not len(child)
                if child.tag == "failure":
                    check_attributes(child, {"message": token, "type": token})
        assert sum(1 for _ in suite.iter("failure")) == int(suite.get("failures", ""))
        assert sum(1 for _ in suite.iter("skipped")) == int(suite.get("skipped", ""))


def check_attributes(element: ElementTree.Element, forms: dict[str, str]) -> None:
    assert set(element.attrib) == set(forms)
    for name, form in forms.items():
        assert re.fullmatch(form, element.get(name, "")), (element.tag, name, element.get(name))


def test_a_file_is_replaced_whole_or_not_at_all(night: Notebook, tmp_path: Path) -> None:
    out = tmp_path / "out.md"
    out.write_text("the one before")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(out, "begun \ud800")
    assert out.read_text() == "the one before"
    write(night, "--file out.md").refresh()
    assert out.read_text().startswith("# demo")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_mistakes_are_told(night: Notebook) -> None:
    with pytest.raises(UsageMistake, match="nearest is 'json'"):
        night.run("%wx report --format jsn")
    with pytest.raises(UsageMistake, match="cannot be written"):
        night.run("%wx report --file nowhere/out.md")


def test_an_empty_project_has_an_empty_report(demo: Notebook) -> None:
    for name in ("md", "json", "junit"):
        assert write(demo, f"--format {name}").passed
    assert len(ElementTree.fromstring(write(demo, "--format junit").text)) == 0


def test_scrapbook_finds_it(night: Notebook) -> None:
    result = write(night, "--format json")
    scrap = result._repr_mimebundle_()["application/scrapbook.scrap.json+json"]
    assert scrap["name"] == "wxcode.report.demo"
    assert json.loads(json.dumps(scrap))["data"]["report"]["failed"] == 1
