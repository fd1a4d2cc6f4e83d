"""What a session leaves when its leader ends: nothing that carries its mark, whatever group it is in."""

from __future__ import annotations

import pytest

from tests.support.terminal import Bench, output_until, running, shell, until
from wxcode_jupyter.terminal.session import TerminalSession


async def reported_pid(session: TerminalSession) -> int:
    """Return the number that the program prints as ``pid=...``."""
    return int((await output_until(session, b"\n")).partition(b"=")[2])


@pytest.mark.parametrize(
    "leave",
    [
        "setsid sleep 1000 & echo pid=$!;",
        "setsid sh -c 'sleep 1000 & echo pid=$!';",  # its parent has ended, too
        """setsid sh -c 'trap "" TERM; echo pid=$$; while :; do sleep 0.1; done' &""",
        "setsid sh -c 'echo pid=$$; kill -STOP $$' &",
    ],
)
async def test_who_has_left_the_group_is_ended_with_the_leader(bench: Bench, leave: str) -> None:
    session = await bench.open(shell(f"{leave} read x"))
    pid = await reported_pid(session)
    assert running(pid)
    await session.write(b"\n")
    await session.wait_closed()
    await until(lambda: not running(pid))


async def test_other_sessions_are_left_alone(bench: Bench) -> None:
    background = shell("setsid sleep 1000 & echo pid=$!; read x")
    ending = await bench.open(background)
    staying = await bench.open(background, key="other", workspace="other")
    theirs, ours = await reported_pid(ending), await reported_pid(staying)
    await ending.end()
    await until(lambda: not running(theirs))
    assert running(ours)
    assert not staying.closed
