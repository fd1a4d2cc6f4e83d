"""A milestone in a git workspace, for real: its wait ends with what became of it, and a report is written."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.cli import each_cli
from tests.support.job import Job
from tests.support.kernel_rig import PapermillRun, run_papermill
from wxcode_jupyter.magics.export import SCRAP_TYPE
from wxcode_jupyter.testing.scripted_model import Fail, Rule, Say, Use

pytestmark = [pytest.mark.cli, pytest.mark.timeout(240)]

SETUP = "%load_ext wxcode_jupyter\n%wxmilestone project demo --permission-mode acceptEdits --workspace"


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()


def run(job: Job, *cells: str) -> PapermillRun:
    environment = {
        **job.server.environment(),
        "WXCODE_SERVER_URL": job.server.url,
        "WXCODE_TOKEN": job.server.token,
    }
    return run_papermill(job.folder / "run", environment, [f"{SETUP} {job.workspace}", *cells], timeout_s=200)


@each_cli
def test_a_wait_ends_with_the_files_that_claude_wrote_and_a_report_tells_the_rest(
    tmp_path: Path, cli_version: str
) -> None:
    steps: list[Say | Use | Fail] = [
        Use("Write", {"file_path": "{{cwd}}/src/invoice.py", "content": "one\ntwo\n"}, text="I write a file."),
        Use("Write", {"file_path": "{{cwd}}/.planning/STATE.md", "content": "# State\n"}),
        Say("Both files are there."),
    ]
    rules = [
        Rule("new-milestone", steps, times=1),
        Rule("new-milestone", [Fail(400, message="no more")]),
    ]
    with Job(tmp_path, cli_version, rules=rules, gsd="1.14.0") as job:
        (job.workspace / ".gitignore").write_text(".planning/\n.claude/\n.milestones/\n")
        git(job.workspace, "init", "-q")
        git(job.workspace, "add", ".gitignore")
        git(job.workspace, "commit", "-qm", "first")
        before = (git(job.workspace, "rev-parse", "HEAD"), (job.workspace / ".git" / "index").read_bytes())

        done = run(
            job,
            "%%wxmilestone new Invoices --start --wait --timeout 150\n# Invoices\n",
            "%wxmilestone complete Invoices",
            "%%wxmilestone new Orders --start --wait --timeout 150\n# Orders\n",
        )

        assert done.exit_code == 1, done.printed
        shown = done.text(1)
        for text in (
            "Both files are there.",
            "2 added, 0 changed, 0 deleted (+3 -0) since refs/wxcode/",
            "+2 -0  src/invoice.py",
            "+1 -0  .planning/STATE.md",
            "in 3 answers of claude-",
            "acknowledged",
            "duration",
        ):
            assert text in shown, shown
        shown_data = [output.get("data", {}) for output in done.cells[1]["outputs"]]
        (scrap,) = [data[SCRAP_TYPE] for data in shown_data if SCRAP_TYPE in data]
        assert scrap["name"] == "wxcode.Invoices"
        assert [item["path"] for item in scrap["data"]["evidence"]["changes"]["files"]] == [
            ".planning/STATE.md",
            "src/invoice.py",
        ]
        assert "CommandFailed" in done.text(3) and "since refs/wxcode/" in done.text(3)

        # Of all that the user's git has noticed nothing.
        assert (git(job.workspace, "rev-parse", "HEAD"), (job.workspace / ".git" / "index").read_bytes()) == before
        assert git(job.workspace, "status", "--short") == "?? src/"
        assert len(git(job.workspace, "for-each-ref", "refs/wxcode").splitlines()) == 2

        reported = run(
            job, f"%wxmilestone report --file {tmp_path}/night.xml", f"%wx report --file {tmp_path}/night.json"
        )

        assert reported.exit_code == 0, reported.printed
        invoices, orders = ElementTree.parse(tmp_path / "night.xml").getroot()
        assert (invoices.get("name"), invoices.get("failures")) == ("Invoices", "0")
        assert (orders.get("name"), orders.get("failures")) == ("Orders", "1")
        assert "no more" in str(next(orders.iter("failure")).text)
        assert json.loads((tmp_path / "night.json").read_text())["failed"] == 1
