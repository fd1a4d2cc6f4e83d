"""``wxterm.v1`` (`PROTOCOL.md`), over real sockets against a real PTY."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.server.api import UNKNOWN_ID, Api
from tests.server.sockets import Socket, connect
from tests.server.wxterm_socket import WxtermSocket
from tests.support.processes import processes_of, stopped
from tests.support.server import WxServer
from tests.support.terminal import until
from tests.unit.protocol.test_wxterm import BAD
from wxcode_jupyter.models import TermSize
from wxcode_jupyter.protocol import wxterm
from wxcode_jupyter.protocol.frames import Input, Resize, Signal
from wxcode_jupyter.protocol.wxterm import (
    Ack,
    Attach,
    Closed,
    Failure,
    Output,
    Ping,
    Pong,
    RoleIs,
    Size,
    Snapshot,
    State,
)

SIZE = TermSize(40, 120)


class TestAttaching:
    async def test_the_first_client_starts_the_session(
        self, server: WxServer, api: Api, project: dict[str, Any], path: str
    ) -> None:
        async with await WxtermSocket.connect(server, f"{path}/terminal") as client:
            connected = await client.wait_connected()
            await client.wait_text("stand-in up: session-id")

            connecting = [state for state in client.of(State) if not state.connected]
            assert [state.message for state in connecting] == ["Connecting...", "Preparing the session..."]
            assert [state.state for state in connecting] == ["stopped", "starting"]
            assert connected.project == {"id": project["id"], "name": project["name"]}
            assert connected.state == "starting"
            assert connected.claude_session_id == api.json("GET", f"{path}/session")["claude_session_id"]
            assert connected.stream
            kinds = [type(frame) for frame in client.frames if not isinstance(frame, State)]
            assert kinds[:3] == [RoleIs, Size, Snapshot]
            assert client.of(RoleIs) == [RoleIs("driver")]
            assert {size.size for size in client.of(Size)} == {SIZE}

    async def test_where_it_is_not_asked_for_json_is_spoken(self, server: WxServer, terminal_path: str) -> None:
        connection = await connect(server, f"wxcode/api/v1{terminal_path}", subprotocols=["v2.binary"])
        assert connection.selected_subprotocol is None
        async with Socket(connection) as client:
            await client.wait_connected()

    async def test_both_protocols_show_one_session(self, server: WxServer, terminal_path: str) -> None:
        async with (
            await Socket.connect(server, terminal_path) as json_client,
            await WxtermSocket.connect(server, terminal_path) as client,
        ):
            await json_client.wait_connected()
            await client.wait(Size)
            await json_client.type("echo one-wa''y\r")
            await client.wait_text("one-way\r\n")
            await client.type_keys("echo other-wa''y\r")
            await json_client.wait_text("other-way\r\n")
            assert client.of(State)[-1].clients == 2

    async def test_who_returns_gets_exactly_what_it_lacks(self, server: WxServer, terminal_path: str) -> None:
        async with await WxtermSocket.connect(server, terminal_path) as stays:
            async with await WxtermSocket.connect(server, terminal_path) as leaves:
                stream = (await leaves.wait_connected()).stream
                await leaves.type_keys("echo be''fore\r")
                await leaves.wait_text("before\r\n")
                offset = leaves.offset
                assert offset is not None
            await stays.type_keys("echo mean''while\r")
            await stays.wait_text("meanwhile\r\n")

            async with await WxtermSocket.connect(server, terminal_path, Attach(stream, offset)) as returns:
                await returns.send(Ack(offset))
                await returns.wait(Output)
                await returns.type_keys("echo af''ter\r")
                await returns.wait_text("after\r\n")
                await stays.wait_text("after\r\n")

                kinds = [type(frame) for frame in returns.frames if not isinstance(frame, State)]
                assert kinds[:3] == [RoleIs, Size, Output]
                assert returns.of(Snapshot) == [] == returns.of(Failure)
                assert returns.of(Output)[0].offset == offset
                assert stays.output.endswith(b"before\r\n" + returns.output)

    async def test_what_it_had_before_may_be_acknowledged_before_it_is_shown_anything(
        self, server: WxServer, terminal_path: str
    ) -> None:
        async with await WxtermSocket.connect(server, terminal_path) as stays:
            await stays.wait_text("up: session-id")
            await stays.type_keys("seq 20000; echo do''ne\r")  # too much for another to get the snapshot of this one
            await stays.wait_text("done\r\n")
            had = stays.offset
            assert had is not None
            [emulator] = [
                pid for pid, line in processes_of(server.folder / "home").items() if "terminal.emulator" in line
            ]
            async with await WxtermSocket.connect(server, f"{terminal_path}?role=observer") as returns:
                with stopped(emulator):
                    await returns.wait(RoleIs)
                    for frame in (Ack(0), Ack(had), Ping(b"heard?")):
                        await returns.send(frame)
                    await returns.wait(Pong)
                    assert returns.of(Failure) == []
                    await returns.send(Ack(1 << 40))
                    assert (await returns.wait(Failure)).code == "invalid_body"
                    assert returns.of(Snapshot) == []
                await returns.wait(Snapshot)

    @pytest.mark.parametrize("attach", [Attach("another", 7), Attach("another", 0), Attach(None, 3)])
    async def test_who_knows_another_process_begins_with_the_screen(
        self, attach: Attach, server: WxServer, terminal_path: str
    ) -> None:
        async with await WxtermSocket.connect(server, terminal_path, attach) as client:
            await client.wait(Snapshot)
            await client.wait_text("stand-in up")

    async def test_an_offset_that_was_never_written_begins_with_the_screen(
        self, server: WxServer, terminal_path: str
    ) -> None:
        async with await WxtermSocket.connect(server, terminal_path) as client:
            stream = (await client.wait_connected()).stream
        async with await WxtermSocket.connect(server, terminal_path, Attach(stream, 1 << 40)) as client:
            await client.wait(Snapshot)

    async def test_its_size_is_the_terminals_from_the_beginning(self, server: WxServer, terminal_path: str) -> None:
        async with await WxtermSocket.connect(server, terminal_path, Attach(size=TermSize(30, 90))) as client:
            await client.wait(Size, size=TermSize(30, 90))
            await client.type_keys("stty size\r")
            await client.wait_text("30 90\r\n")

    async def test_nothing_is_taken_before_it_has_attached(self, server: WxServer, terminal_path: str) -> None:
        connection = await connect(server, f"wxcode/api/v1{terminal_path}", subprotocols=[wxterm.NAME])
        async with WxtermSocket(connection) as client:
            await client.send(Input(b"too early\r"))
            assert (await client.wait(Failure)).code == "session_not_running"
            await client.send(Ack(7))
            assert (await client.wait(Failure)).code == "invalid_body"
            await client.send(Ping(b"there?"))
            assert await client.wait(Pong) == Pong(b"there?")
            await client.send(Attach())
            await client.wait_text("stand-in up")
            assert b"too early" not in client.output

    @pytest.mark.parametrize(
        ("identifier", "code", "reason"), [("x", 4000, "invalid_id"), (UNKNOWN_ID, 4004, "not_found")]
    )
    async def test_an_id_that_leads_nowhere(self, identifier: str, code: int, reason: str, server: WxServer) -> None:
        async with await WxtermSocket.connect(server, f"/output-projects/{identifier}/terminal") as client:
            assert await client.wait_closed() == code
            assert isinstance(client.frames[-1], Failure)
            assert client.frames[-1].code == reason


class TestWhileItLasts:
    @pytest.mark.parametrize(("message", "field"), BAD, ids=lambda value: repr(value)[:20])
    async def test_a_frame_that_does_not_fit_changes_nothing(
        self, message: bytes | str, field: str, server: WxServer, terminal_path: str
    ) -> None:
        async with await WxtermSocket.connect(server, terminal_path) as client:
            await client.wait_text("up: session-id")

            await client.connection.write_message(message, binary=isinstance(message, bytes))
            failure = await client.wait(Failure)
            assert failure.code == "invalid_body"
            assert field in failure.message

            await client.type_keys("stty size\r")
            await client.wait_text("stty size\r\n40 120\r\n")

    async def test_a_second_attach_and_an_impossible_ack_are_refused(
        self, server: WxServer, terminal_path: str
    ) -> None:
        async with await WxtermSocket.connect(server, terminal_path) as client:
            await client.wait_text("up: session-id")
            for frame in (Attach(), Ack(1 << 40)):
                await client.send(frame)
                assert (await client.wait(Failure)).code == "invalid_body"

    async def test_what_a_later_version_sends_is_ignored(self, server: WxServer, terminal_path: str) -> None:
        async with await WxtermSocket.connect(server, terminal_path) as client:
            await client.wait_connected()
            await client.connection.write_message(b"\x7fwhat?", binary=True)
            await client.type_keys("stty size\r")
            await client.wait_text("40 120\r\n")
            assert client.of(Failure) == []

    async def test_a_size_comes_in_its_place(self, server: WxServer, terminal_path: str) -> None:
        """What is printed before the resize comes before SIZE, and what is printed because of it after it."""
        async with await WxtermSocket.connect(server, terminal_path) as driver:
            await driver.wait_connected()
            async with await WxtermSocket.connect(server, f"{terminal_path}?role=observer") as observer:
                await driver.type_keys("trap 'stty size; echo res''ized' WINCH; echo re''ady\r")
                await observer.wait_text("ready\r\n")
                await driver.send(Resize(TermSize(33, 99)))
                assert await observer.wait(Size) == Size(observer.offset or 0, TermSize(33, 99))
                assert b"33 99\r\n" not in observer.output
                await driver.type_keys("\r")  # dash runs a trap once it has read a line
                await observer.wait_text("33 99\r\nresized\r\n")

    async def test_signals(self, server: WxServer, terminal_path: str) -> None:
        async with await WxtermSocket.connect(server, terminal_path) as client:
            await client.wait_connected()
            await client.type_keys("trap 'echo got-I''NT' INT; cat; echo en''ded\r")
            await client.send(Signal("EOF"))
            await client.wait_text("ended\r\n")
            await client.send(Signal("SIGINT"))
            await client.type_keys("\r")
            await client.wait_text("got-INT\r\n")

    async def test_an_observer_sees_and_can_do_nothing(
        self, server: WxServer, terminal_path: str, api: Api, path: str
    ) -> None:
        may_read = {"X-Allow": "read wxcode:session"}
        attach = Attach(size=TermSize(10, 20))
        async with await WxtermSocket.connect(server, terminal_path) as driver:
            await driver.wait_connected()
            async with await WxtermSocket.connect(server, terminal_path, attach, headers=may_read) as observer:
                await observer.wait(RoleIs, role="observer")
                for frame in (Input(b"echo obser''ved\r"), Resize(TermSize(5, 5)), Signal("SIGTERM")):
                    await observer.send(frame)
                    assert (await observer.wait(Failure)).code == "invalid_body"
                await driver.type_keys("stty size\r")
                await observer.wait_text("40 120\r\n")
                assert b"observed" not in observer.output

    async def test_answers_of_its_terminal_never_reach_the_program(self, server: WxServer, terminal_path: str) -> None:
        async with await WxtermSocket.connect(server, terminal_path) as client:
            await client.wait_connected()
            await client.type_keys("stty raw -echo; echo rea''dy; head -c 4 | od -An -c; stty sane\r")
            await client.wait_text("ready\n")
            await client.send(Input(b"\x1b[?62;c\x1b[12;40Ra\x1b]11;rgb:00/00/00\x1b\\b\x1b[?1u"))
            await client.send(Input(b"cd"))
            await client.wait_text("a   b   c   d")

    async def test_the_state_follows_the_session(
        self, server: WxServer, terminal_path: str, api: Api, path: str
    ) -> None:
        async with await WxtermSocket.connect(server, terminal_path) as client:
            await client.wait_text("up: session-id")
            async with await WxtermSocket.connect(server, terminal_path):
                await client.wait(State, clients=2)
            await client.wait(State, clients=1)
            await client.type_keys("hook SessionStart\r")
            await until(lambda: api.json("GET", path)["claude_session_id"])

            states = client.of(State)
            assert all(before != after for before, after in itertools.pairwise(states))


class TestTheEnd:
    async def test_all_are_told_the_exit_code_after_the_last_byte(self, server: WxServer, terminal_path: str) -> None:
        async with (
            await WxtermSocket.connect(server, terminal_path) as first,
            await WxtermSocket.connect(server, terminal_path) as second,
        ):
            await second.wait_connected()
            await first.wait_connected()
            await first.type_keys("echo las''t; exit 7\r")
            for client in (first, second):
                assert await client.wait_closed() == 1000
                assert client.frames[-1] == Closed(7)
                assert client.output.endswith(b"last\r\n")
                assert client.of(State)[-1].state == "exited"

    async def test_a_slow_client_gets_the_last_byte_too(
        self, server: WxServer, terminal_path: str, api: Api, path: str
    ) -> None:
        """It has the window full when the program ends and the session is gone."""
        attach = Attach(window=64 << 10)
        async with await WxtermSocket.connect(server, terminal_path, attach) as client:
            await client.wait_text("up: session-id")
            client.silent = True
            await client.type_keys("stty -echo -opost\rseq 100000; exit\r")
            await until(lambda: api.json("GET", f"{path}/session")["state"] == "exited")
            while len(client.output) < 64 << 10:
                await client.next()
            client.silent = False
            assert client.offset is not None
            await client.send(Ack(client.offset))

            assert await client.wait_closed() == 1000
            flood = bytes(client.output[client.output.index(b"1\n2\n3\n") :])
            assert flood == b"".join(b"%d\n" % number for number in range(1, 100001))
