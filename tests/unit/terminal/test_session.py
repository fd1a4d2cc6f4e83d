"""A session from the outside: bytes in and out, size, signals, end."""

from __future__ import annotations

import asyncio
import hashlib
import os
import resource
import signal
from datetime import UTC, datetime

import pytest

from tests.support.terminal import Bench, output_to_end, output_until, python, running, screen_until, shell, until
from wxcode_jupyter.errors import TerminalClosed, TerminalError
from wxcode_jupyter.models import TermSize
from wxcode_jupyter.terminal.emulation import Emulation
from wxcode_jupyter.terminal.screen import find_emulator, view

RAW_READER = """
    import hashlib, os, sys, tty
    tty.setraw(0)
    os.write(1, b"ready")
    digest, left = hashlib.sha256(), int(sys.argv[1])
    while left:
        data = os.read(0, 65536)
        digest.update(data)
        left -= len(data)
    os.write(1, b"<" + digest.hexdigest().encode() + b">")
"""


async def test_what_is_typed_arrives_and_what_is_written_is_read(bench: Bench) -> None:
    session = await bench.open(("cat",))
    assert datetime.now(UTC) >= session.started_at
    await session.write(b"hello\n")
    assert await output_until(session, b"hello\r\nhello\r\n") == b"hello\r\nhello\r\n"


async def test_a_megabyte_arrives_whole_and_in_order_at_a_raw_reader(bench: Bench) -> None:
    pieces = [bytes((number + at) % 251 for at in range(64 << 10)) for number in range(16)]
    whole = b"".join(pieces)
    session = await bench.open((*python(RAW_READER), str(len(whole))))
    await output_until(session, b"ready")
    await asyncio.gather(*(session.write(piece) for piece in pieces))
    await output_until(session, hashlib.sha256(whole).hexdigest().encode())


async def test_a_child_that_does_not_read_delays_nobody_else(bench: Bench) -> None:
    deaf = await bench.open(python("import time, tty; tty.setraw(0); print('ready'); time.sleep(1000)"), key="deaf")
    await output_until(deaf, b"ready")
    stuck = asyncio.create_task(deaf.write(b"x" * (4 << 20)))
    other = await bench.open(("cat",), key="other", workspace="other")
    await other.write(b"hello\n")
    await output_until(other, b"hello\r\nhello")
    assert not stuck.done()
    await deaf.end(grace_s=0.2)
    with pytest.raises(TerminalClosed):
        await stuck


async def test_a_write_that_has_not_begun_is_taken_back_by_cancelling_it(bench: Bench) -> None:
    os.mkfifo(bench.workspace() / "go")
    session = await bench.open(
        python("""
            import os, tty
            tty.setraw(0)
            os.write(1, b"ready")
            os.read(os.open("go", os.O_RDONLY), 1)
            seen = b""
            while not seen.endswith(b"end"):
                seen += os.read(0, 65536)
            os.write(1, b"<%d, %r>" % (seen.count(b"a"), b"b" in seen))
        """)
    )
    await output_until(session, b"ready")
    started = asyncio.create_task(session.write(b"a" * (1 << 20)))
    taken_back = asyncio.create_task(session.write(b"b" * 10))
    await asyncio.sleep(0)
    taken_back.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taken_back
    last = asyncio.create_task(session.write(b"end"))
    (bench.workspace() / "go").write_bytes(b"1")
    await asyncio.gather(started, last)
    await output_until(session, b"<1048576, False>")


async def test_the_smallest_driver_decides_the_size_and_an_explicit_size_wins(bench: Bench) -> None:
    session = await bench.open(
        python("""
            import os, signal, sys
            def show(*_): os.write(1, b"%dx%d;" % tuple(os.get_terminal_size())[::-1])
            signal.signal(signal.SIGWINCH, show)
            show()
            while True: signal.pause()
        """)
    )
    await output_until(session, b"24x80;")
    wide = session.attach("driver", TermSize(40, 120))
    await output_until(session, b"40x120;")
    session.attach("observer", TermSize(5, 5))
    tall = session.attach("driver", TermSize(60, 100))
    await output_until(session, b"40x100;")
    session.set_explicit_size(TermSize(10, 20))
    await output_until(session, b"10x20;")
    wide.detach()
    tall.set_size(TermSize(61, 101))
    assert session.size == TermSize(10, 20)
    session.set_explicit_size(None)
    await output_until(session, b"61x101;")
    tall.detach()
    assert session.clients == 1
    assert session.size == TermSize(61, 101)
    assert (await session.screen()).size == TermSize(61, 101)


async def test_signals_reach_the_whole_process_group(bench: Bench) -> None:
    session = await bench.open(
        shell("trap 'echo parent' INT; sh -c 'trap \"echo child\" INT; echo up; while :; do sleep 0.05; done'")
    )
    await output_until(session, b"up")
    await session.signal(signal.SIGINT)
    await output_until(session, b"child")


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", -9), ("kill -1 $$", -1)])
async def test_the_exit_code_is_the_status_or_the_negative_signal(bench: Bench, script: str, code: int) -> None:
    session = await bench.open(shell(f"echo bye; {script}"))
    await session.wait_closed()
    assert session.exit_code == code
    assert await output_to_end(session) == b"bye\r\n"


async def test_all_output_up_to_the_exit_is_there_when_the_exit_is_reported(bench: Bench) -> None:
    session = await bench.open(shell("seq 1 200000"))
    await session.wait_closed()
    output = await output_to_end(session)
    assert output.split() == [b"%d" % number for number in range(1, 200001)]
    assert session.head == len(output)


async def test_a_disk_that_takes_no_more_loses_output_but_the_session_goes_on(bench: Bench) -> None:
    # The keeper inherits a limit on the size of files: each segment takes 100 kB, then writing fails as on a full disk.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        session = await bench.open(shell("seq 1 200000; read line; echo end; exit 4"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    await session.write(b"\n")
    await session.wait_closed()
    position, lost = 0, 0
    async with session.attach("observer") as client:
        async for chunk in client:
            lost += chunk.offset - position
            position = chunk.end
    assert lost > 0
    assert session.exit_code == 4  # it has read on, and its input arrived
    assert not (await session.screen()).exact


async def test_a_descendant_that_holds_the_terminal_open_does_not_delay_the_report(bench: Bench) -> None:
    noise = "setsid timeout 10 sh -c 'while :; do echo noise; done'"
    session = await bench.open(shell(f"{noise} & echo $!; sleep 0.1; exit 3"))
    await asyncio.wait_for(session.wait_closed(), 5)
    assert session.exit_code == 3


async def test_end_asks_politely_first(bench: Bench) -> None:
    session = await bench.open(shell("read line; exit 5"))
    assert await session.end(lambda: session.write(b"/exit\n")) == 5
    assert session.closed


async def test_end_goes_on_to_sigterm_and_sigkill(bench: Bench) -> None:
    session = await bench.open(shell("trap 'echo asked' TERM; echo up; while :; do sleep 0.05; done"))
    await output_until(session, b"up")
    assert await session.end(lambda: session.write(b"/exit\n"), grace_s=0.3) == -signal.SIGKILL
    assert b"asked" in await output_to_end(session)
    assert await session.end() == -signal.SIGKILL


async def test_after_the_end_nothing_can_be_typed_signalled_or_lost(bench: Bench) -> None:
    session = await bench.open(shell("read go; echo last words"))
    with pytest.raises(TerminalError):
        session.discard()
    await session.write(b"\n")
    await session.wait_closed()
    with pytest.raises(TerminalClosed):
        await session.write(b"x")
    with pytest.raises(TerminalClosed):
        await session.signal(signal.SIGINT)
    assert "last words" in (await session.screen()).lines
    session.discard()
    with pytest.raises(TerminalClosed):
        await session.screen()


async def test_subscribers_hear_of_output_and_of_the_end(bench: Bench) -> None:
    session = await bench.open(("cat",))
    heard: list[tuple[int, bool]] = []
    unsubscribe = session.subscribe(lambda: heard.append((session.head, session.closed)))
    await session.write(b"x\n")
    await until(lambda: heard and heard[-1] == (6, False))
    await session.write(b"\x04")
    await until(lambda: heard[-1][1])
    unsubscribe()
    unsubscribe()


async def test_the_screen_shows_everything_that_was_in_the_journal(bench: Bench) -> None:
    session = await bench.open(
        python(r"""
            import os, sys
            os.write(1, b"\x1b]0;\xe2\x9c\xb3 a title\x07one\r\n\r\n  two  \xe4\xb8\xad\x1b[?2004h")
            sys.stdin.readline()
            os.write(1, b"\x1b[?1049h\x1b[2J\x1b[3;5Hother")
            sys.stdin.readline()
        """)
    )
    view = await screen_until(session, lambda view: view.bracketed_paste)
    assert view.lines[:4] == ("one", "", "  two  中", "")
    assert len(view.lines) == 24
    assert (view.cursor, view.title, view.alternate, view.exact) == ((2, 9), "✳ a title", False, True)
    assert view.offset == session.head
    await session.write(b"\n")
    view = await screen_until(session, lambda view: view.alternate)
    assert (view.lines[2], view.cursor) == ("    other", (2, 9))


async def test_the_terminals_answers_reach_the_child_once(bench: Bench) -> None:
    session = await bench.open(
        python(r"""
            import os, tty
            tty.setraw(0)
            os.write(1, b"\x1b[c\x1b[>0q\x1b[6n")
            seen = b""
            while not seen.endswith(b"R"):
                seen += os.read(0, 100)
            os.write(1, repr(seen).encode() + b";")
            os.write(1, repr(os.read(0, 100)).encode() + b";")
        """)
    )
    output = await output_until(session, b"R';")
    assert output.count(b"wxcode_jupyter") == 1
    await session.write(b"key")
    assert (await output_to_end(session)).endswith(b"b'key';")


async def test_the_child_runs_when_its_session_is_opened_and_not_longer(bench: Bench) -> None:
    session = await bench.open(("cat",))
    assert running(session.pid)
    await bench.pools[0].close_all()
    assert not running(session.pid)


async def test_a_snapshot_and_the_output_after_it_make_the_screen(bench: Bench) -> None:
    session = await bench.open(shell("seq 1 100; printf '\\033[1mbold'; read line; printf more; read line"))
    await output_until(session, b"bold")
    snapshot = await session.snapshot(history=10)
    assert (snapshot.exact, snapshot.size, snapshot.offset) == (True, session.size, session.head)
    await session.write(b"x\n")
    await output_until(session, b"more")
    again = find_emulator()(snapshot.size)
    again.feed(snapshot.data + session.read(snapshot.offset, 1 << 20).data)
    shown = view(again, 0, exact=True)
    truth = await session.screen()
    assert (shown.lines, shown.cursor) == (truth.lines, truth.cursor)


async def test_who_comes_soon_after_gets_the_same_snapshot_unless_much_has_followed(bench: Bench) -> None:
    session = await bench.open(shell("seq 1 100; read line; echo more; read line; seq 1 20000; echo over; read line"))
    await output_until(session, b"100")
    first = await session.snapshot()
    await session.write(b"x\n")
    await output_until(session, b"more")
    assert await session.snapshot() is first
    assert (await session.snapshot(history=0)).offset > first.offset  # that was never taken before
    await session.write(b"x\n")
    await output_until(session, b"over")
    later = await session.snapshot()
    assert (later.exact, later.offset) == (True, session.head)


async def test_where_no_emulator_knows_the_screen_the_journal_is_replayed_and_a_redraw_asked_for(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.pool()._emulation = Emulation("pyte")
    session = await bench.open(shell("trap 'stty size' WINCH; echo up; while :; do sleep 0.05; done"))
    await output_until(session, b"up")
    snapshot, _ = await asyncio.gather(session.snapshot(), session.snapshot())
    assert (snapshot.exact, snapshot.data, snapshot.offset) == (False, b"", 0)
    await output_until(session, b"24 80")
    assert session.size == TermSize(24, 80)
    assert caplog.text.count("no emulator that knows the exact screen") == 1
