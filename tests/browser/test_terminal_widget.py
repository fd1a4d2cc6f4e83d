"""The terminal as somebody in JupyterLab has it, on a server that speaks ``wxterm.v1`` and knows nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.support.job import until
from tests.support.lab import Lab
from tests.support.wxterm_server import WxtermServer
from wxcode_jupyter.testing.scripted_model import Rule, Say

pytestmark = [pytest.mark.cli, pytest.mark.timeout(300), pytest.mark.xdist_group("lab")]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab"), "2.1.330") as lab:
        yield lab


@pytest.fixture
def server() -> Iterator[WxtermServer]:
    with WxtermServer() as server:
        yield server


def test_it_types_and_shows(lab: Lab, server: WxtermServer) -> None:
    server.print(b"\x1b[32mwelcome\x1b[0m to the terminal\r\n$ ")
    notebook = lab.open("types", "from wxcode_jupyter.ipyxterm import Terminal", f"Terminal({server.url!r})")
    notebook.run(0)
    shown = notebook.run(1).locator(".ipyxterm")
    expect(shown.locator(".xterm-rows")).to_contain_text("welcome to the terminal")
    shown.locator(".xterm-screen").click()
    notebook.page.keyboard.type("ls -l\n")
    until(lambda: server.typed == b"ls -l\r", timeout_s=60, what="what was typed")
    expect(shown.locator(".xterm-rows")).to_contain_text("ls -l")


def test_claude_is_typed_to(lab: Lab) -> None:
    lab.model.add(Rule("what is it", [Say("It is the terminal.")]))
    notebook = lab.open("claude", "%load_ext wxcode_jupyter\n%wx project demo", "%wx terminal --rows 30")
    notebook.run(0)
    shown = notebook.run(1).locator(".ipyxterm")
    expect(shown.get_by_role("status").first).to_have_text("idle")
    shown.locator(".xterm-screen").click()
    notebook.page.keyboard.type("what is it\n")
    expect(shown.locator(".xterm-rows")).to_contain_text("It is the terminal.")
