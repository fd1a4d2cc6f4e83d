"""A real IPython shell with our extension, driven by cells as a user writes them, against the API in memory."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from tests.support.fake_api import FakeApi
from wxcode_jupyter import magics
from wxcode_jupyter.client import Client, transport
from wxcode_jupyter.client.transport import Endpoint
from wxcode_jupyter.magics import MilestoneResult

NEW = "%%wxmilestone new login\n# Login\nUsers sign in.\n"


class Notebook:
    """Runs cells; ``attended`` says whether a front end is there."""

    def __init__(self, shell: InteractiveShell, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shell = shell
        self.api = api
        self.magics = magics.load(shell)
        self.magics.context._client = Client(Endpoint("http://h:1/"), transport=api.transport())
        self._monkeypatch = monkeypatch
        self.attended = False

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "attended":
            self._monkeypatch.setenv("WXCODE_ATTENDED", str(int(value)))
        super().__setattr__(name, value)

    def run(self, cell: str) -> Any:
        """Run a cell and return its value, or raise what it raised."""
        outcome = self.shell.run_cell(cell)  # type: ignore[no-untyped-call]
        outcome.raise_error()
        return outcome.result

    @property
    def variables(self) -> dict[str, Any]:
        variables: dict[str, Any] = self.shell.user_ns
        return variables

    def posted(self, end: str) -> list[Any]:
        """Return the bodies that were posted to paths with this end."""
        return [body for method, path, body in self.api.requests if method == "POST" and path.endswith(end)]


def new_login(notebook: Notebook) -> MilestoneResult:
    """Return the milestone that most of these tests begin with."""
    result = notebook.run(NEW)
    assert isinstance(result, MilestoneResult)
    return result


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell(config=config)  # type: ignore[no-untyped-call]
    yield shell
    atexit.unregister(shell.atexit_operations)  # IPython's own is not idempotent
    shell.atexit_operations()  # type: ignore[no-untyped-call]
    shell.restore_sys_module_state()  # type: ignore[no-untyped-call]


@pytest.fixture
def notebook(shell: InteractiveShell, api: FakeApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Notebook:
    monkeypatch.delenv("WXCODE_PROJECT", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(transport, "_PAUSE_S", 0)
    return Notebook(shell, api, monkeypatch)


@pytest.fixture
def demo(notebook: Notebook) -> Notebook:
    """A notebook that has selected the project ``demo``."""
    notebook.run("%wxmilestone project demo")
    return notebook
