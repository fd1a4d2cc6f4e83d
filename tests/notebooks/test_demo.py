"""``make demo`` and ``make lab``: the scripts themselves, in a folder of their own."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.notebooks.rig import NOTEBOOKS, QUICKSTART, RETURN_VISIT, UNATTENDED
from tests.support.cli import TOOLS
from wxcode_jupyter.testing.world import processes_of

pytestmark = [pytest.mark.cli, pytest.mark.timeout(240)]

SCRIPT = NOTEBOOKS.parent / "scripts" / "demo.py"


class Demo:
    """A run of the script whose output is read line by line."""

    def __init__(self, what: str, folder: Path, tools: Path = TOOLS) -> None:
        self.printed = ""
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPT), what, "--folder", str(folder), "--tools", str(tools)],
            env={"PATH": os.environ["PATH"], "HOME": str(folder.parent), "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A shell that runs the tests in the background has Ctrl-C ignored, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def until(self, pattern: str) -> re.Match[str]:
        """Return the match in the first line that has one, waiting for it."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.printed += line
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"{pattern} was not printed:\n{self.printed}")

    def signal(self, number: int) -> None:
        """Send the script a signal."""
        self._process.send_signal(number)

    def finish(self) -> int:
        """Wait for the end and return the exit code."""
        try:
            self.printed += self._process.communicate(timeout=120)[0]
        finally:
            self._process.kill()
        return self._process.returncode


def test_it_can_be_cut_off_run_again_and_gone_on_with(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    cut_off = Demo("run", folder)
    cut_off.until("command accepted")
    assert processes_of(folder / "home") != {}
    cut_off.signal(signal.SIGTERM)
    assert cut_off.finish() == 128 + signal.SIGTERM
    assert processes_of(folder / "home") == {}

    demo = Demo("run", folder)
    assert demo.finish() == 0, demo.printed
    assert processes_of(folder / "home") == {}
    [transcript] = (folder / "home" / ".claude" / "projects").glob("*/*.jsonl")
    assert "It worked. Two milestones, one conversation" in demo.printed
    assert f"conversation  {transcript.stem}" in demo.printed
    assert f"transcript    {transcript}" in demo.printed
    assert "Invoice form (completed)" in demo.printed
    assert "Order list (in_progress)" in demo.printed
    assert len(re.findall(r"MILESTONE-CONTEXT\.md: completed$", demo.printed, re.MULTILINE)) == 2
    for notebook in NOTEBOOKS.glob("*.ipynb"):
        assert str(folder / notebook.name) in demo.printed
    for notebook in (QUICKSTART, RETURN_VISIT):
        assert transcript.stem in (folder / notebook.name).read_text()
    assert (folder / UNATTENDED.name).read_text() == UNATTENDED.read_text()

    lab = Demo("lab", folder)
    url, token = lab.until(r"(http://127\S+/)lab/tree/01-quickstart\.ipynb\?token=(\w+)").groups()
    with httpx.Client(base_url=url, headers={"Authorization": f"token {token}"}, trust_env=False) as client:
        assert client.get("wxcode/api/v1/info").json()["headless"] is False
        [project] = client.get("wxcode/api/v1/output-projects").json()["projects"]
        assert project["claude_session_id"] == transcript.stem
        for notebook in NOTEBOOKS.glob("*.ipynb"):
            assert client.get(f"api/contents/{notebook.name}").status_code == 200
    lab.signal(signal.SIGINT)
    assert lab.finish() == 0, lab.printed
    assert processes_of(folder / "home") == {}


def test_a_claude_that_does_not_work_is_a_failure_with_its_reason(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    broken = tools / "claude-2.1.330" / "claude"
    broken.parent.mkdir(parents=True)
    broken.write_text("#!/bin/sh\necho this machine has no luck\nexit 3\n")
    broken.chmod(0o755)
    (tools / "gsd-1.14.0").symlink_to(TOOLS / "gsd-1.14.0")
    demo = Demo("run", tmp_path / "demo", tools)
    assert demo.finish() == 1
    assert "this machine has no luck" in demo.printed
    assert "The demo failed: papermill ended with exit code 1 in 01-quickstart.ipynb" in demo.printed
    assert processes_of(tmp_path / "demo" / "home") == {}


def test_nothing_is_touched_that_is_not_the_demos(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years")
    demo = Demo("run", folder)
    assert demo.finish() == 1
    assert "is not empty, and not the demo's" in demo.printed
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]


def test_one_at_a_time_and_with_its_tools(tmp_path: Path) -> None:
    without = Demo("run", tmp_path / "demo", tmp_path / "tools")
    assert without.finish() == 1
    assert "claude is missing: run `make tools`" in without.printed
    with (tmp_path / "demo" / ".wxcode-demo").open("w") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        second = Demo("run", tmp_path / "demo")
        assert second.finish() == 1
    assert "runs in" in second.printed and "already" in second.printed
