"""Papermill's command line on our notebooks, and what it has written."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.notebooks import code_notebook

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
QUICKSTART = NOTEBOOKS / "01-quickstart.ipynb"
RETURN_VISIT = NOTEBOOKS / "02-resume-and-next-milestone.ipynb"
UNATTENDED = NOTEBOOKS / "03-scripted-with-papermill.ipynb"


@dataclass(frozen=True)
class Executed:
    """How papermill ended, and the notebook that it wrote."""

    exit_code: int
    printed: str
    notebook: dict[str, Any]

    def outputs(self, cell: str) -> list[dict[str, Any]]:
        """Return the outputs of the cell with this id."""
        [found] = [item for item in self.notebook["cells"] if item["id"] == cell]
        outputs: list[dict[str, Any]] = found["outputs"]
        return outputs

    def text(self, cell: str) -> str:
        """Return what a cell shows as plain text: its streams, results and errors."""
        parts = []
        for output in self.outputs(cell):
            match output["output_type"]:
                case "stream":
                    parts.append(joined(output["text"]))
                case "error":
                    parts.append(f"{output['ename']}: {output['evalue']}")
                case _:
                    parts.append(joined(output["data"]["text/plain"]))
        return "".join(parts)


class Papermill:
    """One run of a notebook, as a scheduler starts it; it runs from the beginning.

    Args:
        notebook: The notebook.
        folder: Where it is run and where the output goes.
        environment: The whole environment.
        parameters: What replaces the notebook's own.
    """

    def __init__(self, notebook: Path, folder: Path, environment: dict[str, str], **parameters: object) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._target = folder / f"out-{notebook.name}"
        command = [sys.executable, "-m", "papermill", "--no-progress-bar", str(notebook), str(self._target)]
        if parameters:
            command += ["--parameters_yaml", json.dumps(parameters)]  # JSON is YAML
        self._process = subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, timeout_s: float = 100) -> Executed:
        """Wait for its end."""
        try:
            printed, _ = self._process.communicate(timeout=timeout_s)
        finally:
            self._process.kill()
        return Executed(self._process.returncode, printed, json.loads(self._target.read_text()))


def run(notebook: Path, folder: Path, environment: dict[str, str], **parameters: object) -> Executed:
    """Run a notebook to its end."""
    return Papermill(notebook, folder, environment, **parameters).finish()


def write_notebook(path: Path, *cells: str) -> Path:
    """Write a notebook of code cells, whose ids are c0, c1..."""
    path.write_text(json.dumps(code_notebook(cells)))
    return path


def joined(text: str | list[str]) -> str:
    """Return the text of an output, which nbformat keeps in lines."""
    return text if isinstance(text, str) else "".join(text)
