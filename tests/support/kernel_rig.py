"""Real kernels with private folders: papermill runs, and a kernel that is talked to directly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def private_environment(folder: Path) -> dict[str, str]:
    """Return an environment from scratch in which Jupyter and IPython keep everything under ``folder``."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "JUPYTER_CONFIG_DIR": str(folder / "jupyter" / "config"),
        "JUPYTER_DATA_DIR": str(folder / "jupyter" / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "jupyter" / "runtime"),
        "IPYTHONDIR": str(folder / "jupyter" / "ipython"),
        "JUPYTER_PLATFORM_DIRS": "1",
    }


@dataclass(frozen=True)
class PapermillRun:
    """How papermill ended, and the notebook that it wrote."""

    exit_code: int
    printed: str
    cells: list[dict[str, Any]]

    def text(self, cell: int) -> str:
        """Return what a cell shows as plain text: its streams, results and errors."""
        parts = []
        for output in self.cells[cell]["outputs"]:
            if output["output_type"] == "stream":
                parts.append(_joined(output["text"]))
            elif output["output_type"] == "error":
                parts.append(f"{output['ename']}: {output['evalue']}")
            else:
                parts.append(_joined(output["data"]["text/plain"]))
        return "".join(parts)


def run_papermill(
    folder: Path, environment: dict[str, str], cells: Sequence[str], *, timeout_s: float = 90
) -> PapermillRun:
    """Run the cells under papermill's command line, as a scheduler would; the output has the given cells only."""
    folder.mkdir(parents=True, exist_ok=True)
    notebook = {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": None,
                "id": f"c{n}",
                "metadata": {},
                "outputs": [],
                "source": source,
            }
            for n, source in enumerate(cells)
        ],
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    source, target = folder / "in.ipynb", folder / "out.ipynb"
    source.write_text(json.dumps(notebook))
    done = subprocess.run(
        [sys.executable, "-m", "papermill", "--no-progress-bar", str(source), str(target)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    written = json.loads(target.read_text())["cells"]
    ids = {f"c{n}" for n in range(len(cells))}
    return PapermillRun(done.returncode, done.stdout + done.stderr, [cell for cell in written if cell["id"] in ids])


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)
