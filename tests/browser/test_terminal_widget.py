"""The terminal as somebody in JupyterLab has it, on a server that speaks ``wxterm.v1`` and knows nothing else."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.support.cli import CLI_VERSIONS
from tests.support.job import until
from tests.support.lab import FrontEnd, Lab
from tests.support.wxterm_server import WxtermServer, state
from wxcode_jupyter.protocol import wxterm
from wxcode_jupyter.testing.scripted_model import Rule, Say

pytestmark = [pytest.mark.cli, pytest.mark.timeout(300), pytest.mark.xdist_group("lab")]


SETUP = "%load_ext wxcode_jupyter\nfrom wxcode_jupyter.ipyxterm import Terminal"
PASTE = """(place, text) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", text);
    place.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
}"""
RUN_THE_NEXT = """() => {
    jupyterapp.shell.currentWidget.content.activeCellIndex = 2;
    void jupyterapp.commands.execute("notebook:run-cell");
}"""
DARK = '() => jupyterapp.commands.execute("apputils:change-theme", { theme: "JupyterLab Dark" })'
FOR_A_WHILE = """
import os, pathlib, time
pathlib.Path("kernel").write_text(str(os.getpid()))
print("busy", flush=True)
while not os.path.exists("go-on"):
    time.sleep(0.01)
"""
PROGRAM = """
import os, pty, subprocess
master, slave = pty.openpty()
subprocess.Popen(["sh", "-c", "echo how are you?; read answer; echo then all is $answer"], stdin=slave, stdout=slave)
Terminal(read=lambda: os.read(master, 65536), write=lambda keys: os.write(master, keys))
"""


OLDER_CLI, CLI = CLI_VERSIONS


@pytest.fixture(scope="module", params=[CLI])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab"), request.param) as lab:
        yield lab


@pytest.fixture
def server() -> Iterator[WxtermServer]:
    with WxtermServer() as server:
        yield server


def test_it_types_and_shows(lab: Lab, server: WxtermServer) -> None:
    server.print(b"\x1b[32mwelcome\x1b[0m to the terminal\r\n$ ")
    shown = Shown(lab, "types", f"Terminal({server.url!r})")
    shown.says("welcome to the terminal")
    shown.type("ls -l\n")
    until(lambda: server.typed == b"ls -l\r", timeout_s=60, what="what was typed")
    shown.says("ls -l")

    pasted = "".join(f"{number}," for number in range(300_000))
    server.typed, server.on_input = b"", lambda keys: b""
    shown.paste(pasted)
    until(lambda: server.typed == pasted.encode(), timeout_s=60, what="two megabytes")

    shown.notebook.run(1)
    until(lambda: len(server.attaches) == 2 and len(server.clients) == 1, timeout_s=60, what="the new one in its place")


def test_after_a_loss_it_goes_on_where_it_was(lab: Lab, server: WxtermServer) -> None:
    server.print(b"one\r\n")
    shown = Shown(lab, "loss", f"Terminal({server.url!r})")
    shown.says("one")
    server.refusal = (1011, "not now")
    server.cut()
    expect(shown.notice).to_contain_text("Not connected: not now. Next try in")
    server.print(b"two\r\n")
    server.refusal = None
    shown.root.get_by_role("button", name="Connect now").click()
    shown.says("onetwo")
    expect(shown.notice).to_be_hidden()
    assert (server.attaches[-1].stream, server.attaches[-1].offset) == ("s1", 5)

    server.start_again()
    server.print(b"another program")
    server.cut()
    shown.says("another program")
    expect(shown.rows).not_to_contain_text("one")

    server.tell(wxterm.Closed(0))
    expect(shown.notice).to_contain_text("The program has ended (exit code 0).")


def test_a_page_that_is_loaded_again_shows_the_same_screen(lab: Lab, server: WxtermServer) -> None:
    server.print(b"\x1b[1mthis is it\x1b[0m")
    shown = Shown(lab, "reload", f"Terminal({server.url!r})")
    shown.says("this is it")
    before = shown.rows.inner_text()
    shown.notebook.reload()
    shown.says("this is it")
    assert shown.rows.inner_text() == before


def test_an_observer_looks_on(lab: Lab, server: WxtermServer) -> None:
    server.print(b"look at me")
    shown = Shown(lab, "observer", f"Terminal({server.url + '?role=observer'!r})")
    shown.says("look at me")
    expect(shown.root).to_contain_text("read only")
    expect(shown.root.get_by_role("button", name="Interrupt")).to_be_disabled()
    shown.type("nothing")
    server.print(b" again")
    shown.says("look at me again")
    assert (server.typed, server.sizes) == (b"", [])


def test_what_the_toolbar_says_and_does(lab: Lab, server: WxtermServer) -> None:
    server.print(b"a needle in the haystack, and one more needle\r\n")
    shown = Shown(lab, "toolbar", f"Terminal({server.url!r})")
    shown.says("needle")
    background = shown.root.locator(".xterm-scrollable-element")
    expect(background).to_have_css("background-color", "rgb(255, 255, 255)")
    shown.notebook.page.evaluate(DARK)
    expect(background).to_have_css("background-color", "rgb(17, 17, 17)")
    toolbar = shown.root.get_by_role("toolbar")
    expect(toolbar).to_contain_text("idle")
    expect(toolbar).to_contain_text("billing0f2ac6b8")
    server.tell(state(state="waiting", questions=1))
    expect(toolbar).to_contain_text("waiting")
    expect(toolbar).to_contain_text("Claude asks")

    toolbar.get_by_role("button", name="Interrupt").click()
    until(lambda: server.typed == b"\x1b", timeout_s=60, what="Esc")

    shown.notebook.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    toolbar.get_by_role("button", name="Copy").click()
    expect(shown.notice).to_contain_text("The screen is copied.")
    shown.rows.get_by_text("haystack").dblclick(force=True)
    keyboard = shown.notebook.page.keyboard
    keyboard.press("Control+c")
    expect(shown.notice).to_contain_text("The selection is copied.")
    keyboard.press("Control+v")
    until(lambda: server.typed.startswith(b"\x1b") and len(server.typed) > 1, timeout_s=60, what="what was copied")
    assert server.typed[1:] in b"a needle in the haystack, and one more needle"
    server.typed = b""

    keyboard.press("Control+Shift+F")
    keyboard.type("needle")
    expect(shown.root.get_by_role("search")).to_contain_text("of 2")
    keyboard.press("Escape")
    expect(shown.root.get_by_role("search")).to_be_hidden()

    keyboard.press("Alt+F10")
    expect(toolbar.get_by_role("button", name="Interrupt")).to_be_focused()
    for _ in range(3):
        keyboard.press("ArrowRight")
    rows = server.sizes[-1].rows
    keyboard.press("Enter")
    until(lambda: server.sizes[-1].rows < rows, timeout_s=60, what="a size for larger letters")
    keyboard.press("ArrowLeft")
    keyboard.press("Enter")
    keyboard.press("End")
    toolbar.get_by_role("button", name="Screen reader").click()
    expect(shown.root.locator(".xterm-accessibility-tree")).to_contain_text("needle")
    toolbar.get_by_role("button", name="Screen reader").click()
    keyboard.press("Escape")
    expect(toolbar.locator(":focus")).to_have_count(0)
    assert server.typed == b""


def test_where_the_page_reaches_nothing_it_goes_through_the_kernel(lab: Lab, server: WxtermServer) -> None:
    server.print(b"through the kernel\r\n")
    cells = (f"Terminal({server.url!r}, headers={{'X-Secret': 's'}})", FOR_A_WHILE)
    shown = Shown(lab, "kernel", *cells, cut_off=True)
    shown.says("through the kernel")
    expect(shown.notice).to_contain_text(
        "Connected through the kernel: the terminal may stand still while a cell runs."
    )
    shown.type("typed")
    until(lambda: server.typed == b"typed", timeout_s=60, what="what was typed")

    shown.notebook.page.evaluate(RUN_THE_NEXT)
    expect(shown.notebook.cells.nth(2)).to_contain_text("busy")
    server.print(b"while it works\r\n")
    shown.says("while it works")
    kernel = int(until((lab.folder / "kernel").read_text, what="the kernel's pid"))
    os.kill(kernel, signal.SIGSTOP)
    try:
        shown.type(" later")
        expect(shown.notice).to_contain_text("The kernel is busy or gone")
    finally:
        os.kill(kernel, signal.SIGCONT)
    (lab.folder / "go-on").touch()
    until(lambda: server.typed == b"typed later", timeout_s=60, what="what was typed meanwhile")
    expect(shown.notice).to_contain_text("Connected through the kernel")

    server.cut()
    until(lambda: len(server.attaches) == 2, timeout_s=60, what="another connection")
    server.print(b"and on\r\n")
    shown.says("through the kerneltypedwhile it works laterand on")


def test_notebook_7_has_it_as_well(lab: Lab, server: WxtermServer) -> None:
    server.print(b"in Notebook\r\n")
    shown = Shown(lab, "notebook7", f"Terminal({server.url!r})", front_end="notebook")
    shown.says("in Notebook")
    shown.type("typed")
    until(lambda: server.typed == b"typed", timeout_s=60, what="what was typed")


def test_a_program_of_the_kernels(lab: Lab) -> None:
    shown = Shown(lab, "program", PROGRAM)
    shown.says("how are you?")
    shown.type("well\n")
    shown.says("then all is well")


def test_claude_is_typed_to_and_seen_by_others_over_a_reload_and_a_restart(lab: Lab) -> None:
    shown = ask_claude(lab)

    other = Shown(lab, "other", "%wx terminal -p demo --observer")
    other.says("It is the terminal.")
    expect(other.root).to_contain_text("read only")
    assert other.rows.inner_text().split() == shown.rows.inner_text().split()

    shown.notebook.reload()
    shown.says("It is the terminal.")
    assert other.rows.inner_text().split() == shown.rows.inner_text().split()

    conversation = shown.root.locator(".ipyxterm-id").inner_text()
    lab.restart()
    expect(shown.badge).to_have_text("idle")
    shown.says("It is the terminal.")
    expect(shown.root.locator(".ipyxterm-id")).to_have_text(conversation)


@pytest.mark.parametrize("lab", [OLDER_CLI], indirect=True)
def test_the_older_claude_is_typed_to_as_well(lab: Lab) -> None:
    ask_claude(lab)


def ask_claude(lab: Lab) -> Shown:
    """Type a prompt into Claude's own screen, and see it answered there."""
    lab.model.add(Rule("what is it", [Say("It is the terminal.")]))
    shown = Shown(lab, "claude", "%wx terminal -p demo --rows 30")
    expect(shown.badge).to_have_text("idle")
    shown.type("what is it\n")
    shown.says("It is the terminal.")
    expect(shown.badge).to_have_text("idle")
    return shown


class Shown:
    """A notebook whose second cell shows a terminal.

    Args:
        cut_off: Whether the page has neither the bundle nor the server's own WebSocket.
    """

    def __init__(self, lab: Lab, name: str, *cells: str, cut_off: bool = False, front_end: FrontEnd = "lab") -> None:
        self.notebook = lab.open(name, SETUP, *cells, front_end=front_end)
        if cut_off:
            self.notebook.page.route("**/static/wxcode_jupyter/**", lambda route: route.abort())
        self.notebook.run(0)
        self.notebook.run(1)
        self.root = self.notebook.page.locator(".ipyxterm")
        self.rows = self.root.locator(".xterm-rows")
        self.badge = self.root.get_by_role("status").first
        self.notice = self.root.locator(".ipyxterm-notice")

    def says(self, text: str) -> None:
        expect(self.rows).to_contain_text(text)

    def type(self, text: str) -> None:
        self.root.locator(".xterm-screen").click()
        self.notebook.page.keyboard.type(text)

    def paste(self, text: str) -> None:
        self.root.locator("textarea").evaluate(PASTE, text)
