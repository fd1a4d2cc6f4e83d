"""``wxterm.v1`` where no wheel of pyghostty is installed: the output that is kept, and a redraw by SIGWINCH."""

from __future__ import annotations

from pathlib import Path

from tests.server.api import Api
from tests.server.conftest import make_server
from tests.server.wxterm_socket import WxtermSocket
from wxcode_jupyter.models import TermSize
from wxcode_jupyter.protocol.wxterm import Attach, Output, RoleIs, Size, Snapshot, State

DRAWS_AGAIN = """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])
print("ready", flush=True)
while signal.sigwait([signal.SIGWINCH]):
    print("drawn in", os.get_terminal_size().lines, flush=True)
"""
SIZE, SMALLER = TermSize(40, 120), TermSize(39, 120)


async def test_the_output_is_played_again_and_a_redraw_asked_for(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    missing.mkdir()
    missing.joinpath("pyghostty.py").write_text("raise ImportError('no wheel for this platform')\n")
    program = tmp_path / "draws_again.py"
    program.write_text(DRAWS_AGAIN)
    with make_server(tmp_path / "it", variables={"PYTHONPATH": str(missing)}) as server, Api(server) as api:
        path = f"/output-projects/{api.create_project('one')['id']}"
        async with await WxtermSocket.connect(server, f"{path}/terminal") as first:
            stream = (await first.wait_connected()).stream
            await first.wait(Size, size=SMALLER)
            await first.wait(Size, size=SIZE)
            await first.type_keys(f'exec "$python" -S {program}\r')
            await first.wait_text("ready\r\n")

            async with await WxtermSocket.connect(server, f"{path}/terminal") as second:
                await second.wait(Size, size=SMALLER)
                await second.wait(Size, size=SIZE)
                kinds = [type(frame) for frame in second.frames if not isinstance(frame, State)]
                assert kinds[:4] == [RoleIs, Size, Snapshot, Output]
                assert second.of(Snapshot) == [Snapshot(0, SIZE, b"")]
                for client in (first, second):
                    await client.wait_text("drawn in 40\r\n")
                read = min(len(first.output), len(second.output))
                assert second.output[:read] == first.output[:read]
                assert b"stand-in up" in second.output

            returns = Attach(stream, first.offset)
            async with await WxtermSocket.connect(server, f"{path}/terminal", returns) as third:
                await third.wait(Size)
                await third.type_keys("only this")  # which the terminal echoes
                await third.wait_text("only this")
                assert third.of(Snapshot) == []
                assert b"stand-in up" not in third.output
            assert "drawn in 40" in api.get(f"{path}/screen").text
        assert server.log().count("no emulator that knows the exact screen") == 1
