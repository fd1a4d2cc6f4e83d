"""Bytes through the JSON terminal: output, input, sizes, signals; floods, hung programs, silent clients."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from tests.server.api import Api
from tests.server.sockets import Socket
from tests.support.server import WxServer
from tests.support.terminal import until


class TestOutput:
    async def test_characters_are_never_cut(self, server: WxServer, terminal_path: str) -> None:
        """The bytes of one character are written a while apart, the last one never comes."""
        script = r"printf '\342'; sleep 0.05; printf '\234'; sleep 0.05; printf '\263|'; printf '\377|\360\237'; exit"
        async with await Socket.connect(server, terminal_path) as client:
            await client.wait_connected()
            await client.type(f"stty -echo\rclear() {{ :; }}\r{script}\r")
            await client.wait_closed()

        assert client.text.endswith("✳|�|�")
        assert client.frames[-1]["type"] == "closed"

    async def test_a_flood_arrives_whole(self, server: WxServer, terminal_path: str) -> None:
        async with await Socket.connect(server, terminal_path) as client:
            await client.wait_connected()
            await client.type("stty -echo -opost\rseq 300000; exit\r")
            await client.wait_closed()

        flood = client.text[client.text.index("1\n2\n3\n") :]
        assert flood == "".join(f"{number}\n" for number in range(1, 300001))

    async def test_what_is_no_longer_kept_is_told_of(self, other_server: WxServer) -> None:
        """A session's journal keeps its newest two segments of 8 MiB, however little is asked for."""
        with Api(other_server) as api:
            path = f"/output-projects/{api.create_project('small')['id']}"
            async with await Socket.connect(other_server, f"{path}/terminal") as driver:
                await driver.wait_connected()
                await driver.type("head -c 20000000 /dev/zero | tr '\\0' x; echo; echo do''ne\r")
                await driver.wait_text("done\r\n")

                async with await Socket.connect(other_server, f"{path}/terminal") as late:
                    await late.wait_text("done\r\n")
            api.json("DELETE", f"{path}/session")

        lost = late.of("status")[-1]
        assert lost["connected"]
        assert "nao estao mais guardados" in lost["message"]
        count = int(lost["message"].split()[0])
        assert count + len(late.text) == len(driver.text)
        assert driver.text.endswith(late.text)
        assert [frame["type"] for frame in late.frames].index("output") > late.frames.index(lost)


class TestInput:
    async def test_a_megabyte_arrives_whole_and_in_order(self, server: WxServer, terminal_path: str) -> None:
        text = "".join(f"{number:07d}" for number in range(150_000))
        async with await Socket.connect(server, terminal_path) as client:
            await client.wait_connected()
            await client.type(f"stty raw -echo; echo rea''dy; head -c {len(text)} | sha256sum; stty sane\r")
            await client.wait_text("ready\n")
            for start in range(0, len(text), 100_000):
                await client.type(text[start : start + 100_000])

            await client.wait_text(hashlib.sha256(text.encode()).hexdigest())

    async def test_keys_are_typed_although_their_client_leaves_at_once(
        self, server: WxServer, terminal_path: str, project: dict[str, Any]
    ) -> None:
        async with await Socket.connect(server, terminal_path) as client:
            await client.wait_connected()
            await client.type("echo was here > visit")
            await client.type(".txt\r")

        visit = Path(project["workspace_path"], "visit.txt")
        await until(lambda: visit.exists() and visit.read_text() == "was here\n")

    async def test_answers_of_the_clients_terminal_are_not_typed(self, server: WxServer, terminal_path: str) -> None:
        async with await Socket.connect(server, terminal_path) as client:
            await client.wait_connected()
            await client.type("stty raw -echo; echo rea''dy; head -c 5 | od -An -c; stty sane\r")
            await client.wait_text("ready\n")
            for piece in ("a\x1b[?6", "2c", "\x1b]11;rgb:0000/0000/0000\x07b\x1b[5;1R", "\x1b[A"):
                await client.type(piece)

            await client.wait_text("a   b 033   [   A")

    async def test_a_lone_escape_is_typed(self, server: WxServer, terminal_path: str) -> None:
        async with await Socket.connect(server, terminal_path) as client:
            await client.wait_connected()
            await client.type("stty raw -echo; echo rea''dy; head -c 1 | od -An -c; stty sane\r")
            await client.wait_text("ready\n")
            await client.type("\x1b")

            await client.wait_text("033")

    async def test_the_smallest_driver_decides_the_size(
        self, server: WxServer, terminal_path: str, api: Api, path: str
    ) -> None:
        def size() -> tuple[int, int]:
            session = api.json("GET", f"{path}/session")
            return session["rows"], session["cols"]

        async with await Socket.connect(server, terminal_path) as first:
            await first.wait_connected()
            await first.send(type="resize", rows=50, cols=150)
            await until(lambda: size() == (50, 150))
            async with await Socket.connect(server, terminal_path) as second:
                await second.wait_connected()
                await second.send(type="resize", rows=30, cols=200)
                await until(lambda: size() == (30, 150))
                await second.type("stty size\r")
                await second.wait_text("30 150\r\n")
            await until(lambda: size() == (50, 150))
            await first.type("stty size\r")
            await first.wait_text("50 150\r\n")

    async def test_signals_go_to_the_process_group(self, server: WxServer, terminal_path: str) -> None:
        async with await Socket.connect(server, terminal_path) as client:
            await client.wait_connected()
            await client.type("trap 'echo got-INT' INT; echo rea''dy; sleep 100; echo aw''ake\r")
            await client.wait_text("ready\r\n")
            await client.send(type="signal", signal="SIGINT")
            await client.wait_text("got-INT\r\nawake\r\n")

            await client.send(type="signal", signal="SIGTERM")
            assert await client.wait_closed() == 1000
            assert client.frames[-1] == {"type": "closed", "exit_code": -15}

    async def test_a_signal_reaches_a_program_that_does_not_read(self, server: WxServer, terminal_path: str) -> None:
        async with await Socket.connect(server, terminal_path) as client:
            await client.wait_connected()
            await client.type("trap 'stty sane; echo got-INT' INT; stty raw -echo; echo rea''dy; sleep 100\r")
            await client.wait_text("ready\n")
            await client.type("x" * 200_000)
            await client.send(type="signal", signal="SIGINT")

            await client.wait_text("got-INT")

    async def test_a_client_can_leave_a_program_that_does_not_read(
        self, server: WxServer, terminal_path: str, api: Api, path: str
    ) -> None:
        async with await Socket.connect(server, terminal_path) as client:
            await client.wait_connected()
            await client.type("stty raw -echo; echo rea''dy; sleep 100\r")
            await client.wait_text("ready\n")
            await client.type("x" * 200_000)

        await until(lambda: api.json("GET", f"{path}/session")["clients"] == 0)

    async def test_end_of_file(self, server: WxServer, terminal_path: str, api: Api, path: str) -> None:
        async with await Socket.connect(server, terminal_path) as client:
            await client.wait_connected()
            await client.type("cat; echo cat-en''ded\r")
            await client.send(type="signal", signal="EOF")
            await client.wait_text("cat-ended\r\n")

            await client.send(type="signal", signal="EOF")
            assert await client.wait_closed() == 1000
            assert client.frames[-1] == {"type": "closed", "exit_code": 0}

        assert api.json("GET", f"{path}/session")["exit_code"] == 0

    async def test_all_clients_are_told_the_exit_code(self, server: WxServer, terminal_path: str) -> None:
        async with (
            await Socket.connect(server, terminal_path) as first,
            await Socket.connect(server, f"{terminal_path}?role=observer") as second,
        ):
            await first.wait_connected()
            await first.type("exit 7\r")

            assert await first.wait_closed() == 1000
            assert await second.wait_closed() in (1000, 4005)  # it may have come before there was a session
            assert first.frames[-1] == {"type": "closed", "exit_code": 7}
