"""A real JupyterLab in a real Chromium, with the real CLI and the scripted model: what somebody at a notebook sees."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.support.cli import claude_executable
from tests.support.job import until
from tests.support.notebooks import code_notebook
from wxcode_jupyter import Client
from wxcode_jupyter.testing.scripted_model import ScriptedModel
from wxcode_jupyter.testing.world import World

FrontEnd = Literal["lab", "notebook"]
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)
#: For `Notebook.keep_the_kernel_busy`.
FOR_EVER = "print('busy', 'for ever', flush=True)\nwhile True:\n    pass"

_SHUTDOWN_LIMIT_S = 90
_RUN = """(place) => {
    jupyterapp.shell.currentWidget.content.activeCellIndex = place;
    return jupyterapp.commands.execute("notebook:run-cell");
}"""
#: No network but the page's: without these Chromium looks up its maker's hosts.
#: Terminals are drawn as text in the page, which tests can read.
_QUIET = (
    "--no-sandbox --disable-dev-shm-usage --disable-gpu --disable-background-networking --disable-component-update "
    "--no-first-run --disable-sync --disable-quic --disable-3d-apis"
).split()


class Lab:
    """JupyterLab with a project ``demo``, and a browser; everything ends with the ``with`` block.

    Args:
        folder: A new one, in which all of it is kept.
        version: The CLI's.
    """

    def __init__(self, folder: Path, version: str) -> None:
        self.model = ScriptedModel()
        self.folder = folder
        self._executable = claude_executable(version)
        self._port = 0
        self._token = secrets.token_hex(16)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.model)
            self.world = World(self.folder, self.model.url, self._executable, workspace="demo")
            self._start(stack)
            self.client = stack.enter_context(Client.connect(environ=self.server.environ))
            self.project = self.client.create_project("demo", workspace_path=str(self.world.workspace))
            self._browser = stack.enter_context(_chromium())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()

    def open(
        self, name: str, *cells: str, theme: Literal["light", "dark"] = "light", front_end: FrontEnd = "lab"
    ) -> Notebook:
        """Open a new notebook of these cells, in a window of its own; none is run yet."""
        file = self.folder / f"{name}.ipynb"
        file.write_text(json.dumps(code_notebook(cells)))
        context = self._browser.new_context(viewport={"width": 1100, "height": 900}, color_scheme=theme)
        self._stack.callback(context.close)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        place = f"lab/workspaces/{name}/tree/" if front_end == "lab" else "notebooks/"
        page.goto(f"{self.server.url}{place}{file.name}?token={self.server.token}")
        return Notebook(page)

    def restart(self) -> None:
        """End the server, as one does who upgrades it, and start it again where it was."""
        self._port = urlsplit(self.server.url).port or 0
        self._process.terminate()
        try:
            self._process.wait(_SHUTDOWN_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGABRT)  # faulthandler then writes where it stands
            self._process.wait()
            pytest.fail(f"The server did not end:\n{(self.folder / 'lab.log').read_text()[-8000:]}", pytrace=False)
        self._start(self._stack)

    def _start(self, stack: ExitStack) -> None:
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1"]
        command += [f"--ServerApp.port={self._port}", "--ServerApp.port_retries=0"]
        command += [f"--ServerApp.root_dir={self.folder}", "--LabApp.extension_manager=readonly"]
        command += [f"--{app}.expose_app_in_browser=True" for app in ("LabApp", "JupyterNotebookApp")]
        command += ["--allow-root"] if os.geteuid() == 0 else []
        with open(self.folder / "lab.log", "ab") as log:
            process = self._process = subprocess.Popen(
                command,
                env=self.world.env(JUPYTER_TOKEN=self._token, PYTHONFAULTHANDLER="1"),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        stack.callback(process.wait)
        stack.callback(self.world.end_processes)
        self.server = until(lambda: self.world.server(process.pid), timeout_s=60, what="JupyterLab")


class Notebook:
    """One open notebook; its cells are run by JupyterLab's own commands, because keys go astray while it settles."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.cells = page.locator(".jp-Notebook .jp-CodeCell")
        page.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.content?.widgets?.length")
        page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.ready")

    def run(self, place: int) -> Locator:
        """Run a cell, and return it when the kernel is done with it."""
        self.page.evaluate(f"() => ({_RUN})({place})")
        return self.cells.nth(place)

    def reload(self) -> None:
        """Save, and load the page again."""
        self.page.evaluate('() => jupyterapp.commands.execute("docmanager:save")')
        self.page.reload()

    def keep_the_kernel_busy(self, place: int) -> None:
        """Run the cell `FOR_EVER`, and return when it runs."""
        self.page.evaluate(f"() => void ({_RUN})({place})")
        expect(self.cells.nth(place)).to_contain_text("busy for ever")


@contextmanager
def _chromium() -> Iterator[Browser]:
    executable = shutil.which("chromium")
    if executable is None:
        pytest.fail("Chromium is missing: run `make tools`.", pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_QUIET)
        try:
            yield browser
        finally:
            browser.close()
