"""Fault points do nothing in a server, and what they are told in one that a test has armed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from wxcode_jupyter import fault_points
from wxcode_jupyter.fault_points import ENVIRONMENT_NAME, Armed, FaultPoint, reach

_PASSES = """
from wxcode_jupyter.fault_points import FaultPoint, reach
for number in range(5):
    reach(FaultPoint.TEXT_SEEN)
    reach(FaultPoint.ENTER_PRESSED)
"""


def run(file: Path | None) -> subprocess.Popen[bytes]:
    environment = dict(os.environ)
    if file is not None:
        environment[ENVIRONMENT_NAME] = str(file)
    return subprocess.Popen([sys.executable, "-c", _PASSES], env=environment)


def reached(file: Path) -> list[str]:
    return file.with_name(f"{file.name}.reached").read_text().splitlines()


def test_nothing_is_armed_where_no_test_has_done_it(tmp_path: Path) -> None:
    assert ENVIRONMENT_NAME not in os.environ
    assert fault_points._armed is None
    reach(FaultPoint.TEXT_SEEN)
    assert run(None).wait(30) == 0
    assert not list(tmp_path.iterdir())


def test_a_process_kills_itself_at_the_nth_time(tmp_path: Path) -> None:
    file = tmp_path / "faults"
    file.write_text("kill text_seen 2\n")
    assert run(file).wait(30) == -signal.SIGKILL
    assert reached(file) == ["text_seen", "enter_pressed", "text_seen kill"]


def test_a_process_stands_still_and_each_fault_counts_from_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "faults"
    file.write_text("stop text_seen 2\nkill text_seen 1\n")
    process = run(file)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert reached(file) == ["text_seen", "enter_pressed", "text_seen stop"]
    process.send_signal(signal.SIGCONT)
    assert process.wait(30) == -signal.SIGKILL
    assert reached(file)[3:] == ["enter_pressed", "text_seen kill"]


def test_a_line_that_names_no_point_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "faults"
    file.write_text("kill nowhere 1\n")
    with pytest.raises(ValueError, match="nowhere"):
        Armed(file)


def test_each_point_is_passed_somewhere_and_says_what_is_so_there() -> None:
    package = Path(fault_points.__file__).parent
    sources = "".join(path.read_text() for path in package.rglob("*.py") if path.name != "fault_points.py")
    declared = Path(fault_points.__file__).read_text()
    for point in FaultPoint:
        assert f"FaultPoint.{point.name}" in sources, point
        assert f'{point.name} = "{point.value}"\n    """' in declared, f"{point} has no docstring"
