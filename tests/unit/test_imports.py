"""The layers hold: `.importlinter` says who may import whom, and what each import costs stays small."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_import_rules_are_kept() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([str(program), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("wxcode_jupyter", ("tornado", "pymongo", "IPython", "httpx")),
        ("wxcode_jupyter.magics", ("tornado.web", "pymongo", "jupyter_server", "pyghostty", "anywidget")),
        ("wxcode_jupyter.terminal.keeper", ("tornado", "pymongo", "pyghostty", "asyncio")),
    ],
)
def test_an_import_brings_only_what_it_needs(module: str, unwanted: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print(*[name for name in {unwanted!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
