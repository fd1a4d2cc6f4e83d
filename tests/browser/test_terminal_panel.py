"""JupyterLab's own terminal panel on a session: what Claude Code shows, in Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import expect

from tests.support.job import until
from tests.support.lab import Lab
from wxcode_jupyter.models import SessionState
from wxcode_jupyter.server.jupyter_terminals import name_of
from wxcode_jupyter.testing.scripted_model import Rule, Say

pytestmark = [pytest.mark.cli, pytest.mark.timeout(300), pytest.mark.xdist_group("lab")]

OPEN = """name => void jupyterapp.commands.execute("terminal:open", {name})"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab"), "2.1.330") as lab:
        yield lab


def test_the_panel_shows_the_session_and_types_into_it(lab: Lab) -> None:
    lab.model.add(Rule("from the panel", [Say("I have read it.")]))
    lab.client.start_session(lab.project)
    until(lambda: lab.client.session(lab.project).state is SessionState.IDLE, timeout_s=60, what="an idle session")
    read_aloud(lab)
    page = lab.open("panel", "").page

    page.evaluate(OPEN, name_of(lab.project))

    panel = page.locator(".jp-Terminal")
    expect(panel).to_be_visible()
    expect(panel).to_contain_text("Claude Code")
    panel.locator("textarea").press_sequentially("from the panel")
    expect(panel).to_contain_text("from the panel")
    panel.locator("textarea").press("Enter")
    expect(panel).to_contain_text("I have read it.")


def read_aloud(lab: Lab) -> None:
    """Switch the panel's screen reader mode on: what it shows is text in the page then, not only a picture."""
    response = httpx.put(
        f"{lab.server.url}lab/api/settings/@jupyterlab/terminal-extension:plugin",
        json={"raw": '{"screenReaderMode": true}'},
        headers={"Authorization": f"token {lab.server.token}"},
        trust_env=False,
    )
    assert response.status_code == 204, response.text
