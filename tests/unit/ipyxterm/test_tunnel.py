"""Frames through the kernel: in order, none twice, none lost, and no faster than Jupyter takes them."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator

import pytest

from tests.support.job import until
from tests.support.wxterm_server import WxtermServer
from tests.unit.ipyxterm.page import Page
from wxcode_jupyter.ipyxterm.tunnel import BROKEN, RATE_BYTES_PER_S, dial
from wxcode_jupyter.protocol import wxterm
from wxcode_jupyter.protocol.frames import Input


@pytest.fixture
def server() -> Iterator[WxtermServer]:
    with WxtermServer() as server:
        yield server


@pytest.fixture
def page(server: WxtermServer) -> Iterator[Page]:
    page = Page(functools.partial(dial, server.url, {}))
    page.wait(lambda: page.said("opened"))
    yield page
    page.tunnels.close()
    until(lambda: not server.clients)


def test_frames_go_both_ways(server: WxtermServer, page: Page) -> None:
    server.print(b"before ")
    assert page.send(wxterm.Attach()) == 1
    page.wait(lambda: page.output == b"before ")
    page.send(Input(b"one "), Input(b"two "))
    page.wait(lambda: page.output == b"before one two ")
    assert [message["seq"] for message in page.said("taken")] == [1, 2]
    assert [message["seq"] for message in page.said("frames")] == [*range(1, len(page.said("frames")) + 1)]


def test_a_batch_that_comes_twice_is_typed_once(server: WxtermServer, page: Page) -> None:
    page.send(wxterm.Attach())
    seq = page.send(Input(b"once"))
    page.wait(lambda: len(page.said("taken")) == seq)
    page.say("frames", wxterm.encode(Input(b"once")), seq=seq)
    page.wait(lambda: len(page.said("taken")) == seq + 1)  # its receipt may be what was lost
    page.send(Input(b", and then"))
    page.wait(lambda: page.output.endswith(b"then"))
    assert server.typed == b"once, and then"


def test_the_end_of_the_connection_is_told_with_its_code(server: WxtermServer, page: Page) -> None:
    page.send(wxterm.Attach())
    page.wait(lambda: page.frames)
    server.cut(4005)
    page.wait(lambda: page.said("closed"))
    assert page.said("closed")[0]["code"] == 4005


def test_a_server_that_is_not_there_is_told(server: WxtermServer) -> None:
    page = Page(functools.partial(dial, "ws://127.0.0.1:1/terminal", {}))
    page.wait(lambda: page.said("closed"))
    [told] = page.said("closed")
    assert told["code"] == BROKEN
    assert "cannot connect to ws://127.0.0.1:1/terminal" in told["reason"]


def test_a_page_that_leaves_leaves_no_connection(server: WxtermServer, page: Page) -> None:
    page.send(wxterm.Attach())
    until(lambda: server.clients)
    page.say("close")
    until(lambda: not server.clients)


def test_a_flood_is_as_slow_as_jupyter_takes_it_and_complete(server: WxtermServer, page: Page) -> None:
    page.send(wxterm.Attach())
    page.wait(lambda: page.frames)
    flood = bytes(range(256)) * 2048
    began = time.monotonic()
    for place in range(0, len(flood), 1 << 15):
        server.print(flood[place : place + (1 << 15)])
    page.wait(lambda: page.output == flood)
    assert time.monotonic() - began > 0.7 * len(flood) / RATE_BYTES_PER_S
