"""Whoever joins late sees what those see who were there from the beginning: in xterm.js, at any offset of the output.

The programs are real, and so is the terminal (@xterm/headless with the graphemes addon, as in the widget). Where the
two emulators, libghostty on the server and xterm.js in the page, disagree on the output itself, no snapshot can help:
those causes are named in ``same_screen.cause``, pinned below one by one, and counted.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.cli import CliRig, each_cli
from tests.support.cli_terminal import CliTerminal
from tests.support.same_screen import Recording, cause, compare
from tests.support.xterm import XtermHost
from wxcode_jupyter.testing.scripted_model import Rule, Say

WORDS = 'alpha beta γάμμα 日本語 emoji👍 é́ über x = (y + z) * 3; return "string" # comment\tlong_identifier'.split(" ")
ENV = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8", "COLORTERM": "truecolor"}
ANSWER = """# Title

Some **bold** answer with `code`, 日本 and 👍.

```python
for i in range(3):
    print(i)
```

| a | b |
|---|---|
| 1 | 2 |
"""


@pytest.fixture(scope="module")
def host() -> Iterator[XtermHost]:
    with XtermHost() as host:
        yield host


def text(lines: int, seed: int = 1) -> str:
    dice = random.Random(seed)
    return "".join(" ".join(dice.choices(WORDS, k=dice.randrange(18))) + "\n" for _ in range(lines))


def attach_anywhere(
    host: XtermHost, recording: Recording, examples: int = 4, clients: int = 12, most: float = 0.2
) -> None:
    causes: dict[tuple[int, str], None] = {}
    joined = 0

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.integers(0, len(recording.output)), min_size=1, max_size=clients))
    def attach(offsets: list[int]) -> None:
        nonlocal joined
        joined += len(offsets)
        found = compare(host, recording, offsets)
        unknown = [one for one in found if not cause(recording, one)]
        assert not unknown, "\n".join(f"{one.joined}, {one.seen}: {one.difference}" for one in unknown[:3])
        causes.update({(one.joined, cause(recording, one)): None for one in found})

    attach()
    if causes:
        print(f"of {joined} clients where the emulators disagree: {Counter(name for _joined, name in causes)}")
    assert len(causes) <= max(most * joined, 2)


def program(folder: Path, *argv: str) -> CliTerminal:
    if shutil.which(argv[0]) is None:
        pytest.fail(f"{argv[0]} is missing: run `make tools`.", pytrace=False)
    return CliTerminal(argv, env={**ENV, "HOME": str(folder)}, cwd=folder)


def recorded(terminal: CliTerminal) -> Recording:
    return Recording(bytes(terminal.raw), tuple(terminal.sizes))


def test_a_log_of_ten_megabytes(host: XtermHost) -> None:
    line = (
        b"\x1b[32m2026-01-01 12:00:00\x1b[0m \x1b[1mINFO\x1b[m  %08d something happened: caf\xc3\xa9 \xe6\x97\xa5\r\n"
    )
    output = b"".join(line % number for number in range(10_000_000 // len(line)))
    attach_anywhere(host, Recording(output, ((0, 24, 80), (4_000_000, 50, 132))), examples=2, clients=4)


def test_vim_after_1500_keys(host: XtermHost, tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text(text(400))
    dice = random.Random(5)
    moves = [*"jkhlwb0$Gnx>p", "dd", "gg", "\x06", "\x02", "\x05", "\x19", "yyP", "v3jd", "zz", "zt", "/alpha\r", "u"]
    changes = ["ihello wörld\x1b", "o日本👍\x1b", "A end\x1b", ":vsplit\r", "\x17w", ":set nu!\r", ":set wrap!\r"]
    with program(tmp_path, "vim", "-u", "NONE", "-N", "-i", "NONE", "-c", "syn on|set mouse=a hls ls=2", "f.py") as vim:
        vim.wait_text("f.py")
        typed = 0
        while typed < 1500:
            keys = "".join(dice.choices(moves + changes, k=40))
            typed += len(keys)
            vim.type(f'{keys}\x1b:echo "SEEN" . "{typed}"\r')
            vim.wait_text(f"SEEN{typed}")
            if 700 < typed < 800:
                vim.resize(32, 100)
        attach_anywhere(host, recorded(vim))


def test_less(host: XtermHost, tmp_path: Path) -> None:
    (tmp_path / "big.txt").write_text(text(1000))
    with program(tmp_path, "less", "-M", "big.txt") as less:
        less.wait_text("big.txt")
        for count, key in enumerate(
            [*"   bbjjjjjkkkG", "g", "/alpha\r", "n", "N", "50%", "-S\r\r", "\x1b)", "\x1b(", "g"]
        ):
            less.type(key)
            if count == 6:
                less.resize(40, 70)
        less.type("G")
        less.wait_text("END")
        less.type("q")
        less.wait_exit()
        attach_anywhere(host, recorded(less))


def test_tmux(host: XtermHost, tmp_path: Path) -> None:
    socket = f"wxcode-{os.getpid()}"
    with program(tmp_path, "tmux", "-L", socket, "-f", "/dev/null", "new-session", "env PS1='$ ' sh") as tmux:
        tmux.wait_text(r"(?m)^[$#] ?$")
        try:
            for number, keys in enumerate(
                ["seq 1 100; printf '\\033[31mred\\033[m 日本\\n'", "\x02%ls --color /usr", '\x02"seq 50']
            ):
                tmux.type(f"{keys}; echo do''ne{number}\r")
                tmux.wait_text(f"done{number}")
            tmux.resize(36, 110)
            tmux.type("\x02[")
            tmux.wait_text(r"\[\d+/\d+\]")
            tmux.press("q", lambda: not re.search(r"\[\d+/\d+\]", tmux.screen))
            tmux.type("seq 30; echo do''ne3\r")
            tmux.wait_text("done3")
            attach_anywhere(host, recorded(tmux))
        finally:
            subprocess.run(["tmux", "-L", socket, "kill-server"], env=ENV, check=True)


@pytest.mark.cli
@each_cli
@pytest.mark.parametrize("renderer", ["default", "fullscreen"])
def test_the_cli(host: XtermHost, tmp_path: Path, cli_version: str, renderer: str) -> None:
    with CliRig(tmp_path, cli_version, [Rule(None, [Say(ANSWER * 3)])]) as rig:
        terminal = rig.start(tui=renderer)
        terminal.wait_text(r"(?m)^❯\s*$", 60)
        rig.ask(terminal, "hello there")
        terminal.wait_text("print", 60)
        terminal.wait_for(lambda: terminal.free, 60)
        terminal.resize(35, 90)
        rig.ask(terminal, "again please")
        terminal.wait_for(lambda: len(rig.model.prompts) > 1, 60)
        terminal.wait_for(lambda: terminal.free, 60)
        attach_anywhere(host, recorded(terminal))


LOOKS = ("", "1", "7", "2;3", "9;53", "4:3;58;5;9", "38;5;100", "38;2;1;2;3", "48;5;20", "48;2;9;8;7", "91;104")
MOVES = (
    "\x1b[{row};1H \x1b[K", "\x1b[{row};1H\x1b[2K", "\x1b[{row};1H\x1b[J", "\x1b[{row};5H\x1b[1K",
    "\x1b[{row};1H\x1b[2L", "\x1b[{row};1H\x1b[M", "\x1b[{row};9H\x1b[3P", "\x1b[{row};9H\x1b[4@",
    "\x1b[{row};9H\x1b[5X", "\x1b[2T", "\x1b[3;{row}r\x1b[3;1H\x1bM\x1b[r", "\x1b[3;9r\x1b[?6h\x1b[2;2H",
    "\x1b[?6l\x1b[r", "\x1b[{row};1H\x1b7\x1b[9;9H\x1b8", "\x1b[{row}d", "\x1b[7G", "\r\n", "\b", "\t",
    "\x1b[?1h\x1b=", "\x1b[?1l\x1b>", "\x1b[?2004h", "\x1b[?1006;1002h", "\x1b[?1002l", "\x1b[?25h", "\x1b[?25l",
    "\x1b[3 q", "\x1b[0 q", "\x1b]0;title {row}\x07", "\x1b]8;;http://h/{row}\x07link\x1b]8;;\x07",
    "\x1b(0lqqk\x1b(B", "\x1b[4habc\x1b[4l", "\x1b[!p", "\x1b[?1004h",
)  # fmt: skip


DISAGREEMENTS = {
    "erasing to the end of a line at a pending wrap": b"x" * 80 + b"\x1b[Ky",
    "erasing below at a pending wrap": b"x" * 80 + b"\x1b[Jy",
    "half a flag": "\U0001f1e9x".encode(),
    "a flag and a half": "\U0001f1e9\U0001f1ea\U0001f1ebx".encode(),
    "a skin tone after a movement": "👍\x1b[1;3H\U0001f3fdx".encode(),
    "a combining mark after a sequence": "e\x1b[m\u0301x".encode(),
    "a Thai vowel that is a letter": "ก\u0e33x".encode(),
    "a conjunct": "क्षि\x08x".encode(),
    "a cursor that is saved at a pending wrap": b"x" * 80 + b"\x1b7\x1b[H\x1b8y",
    "a blank at a pending wrap": b"x" * 80 + b"\x1b[2J",
    "the alternate screen asked for twice": b"\x1b[?1049hx\x1b[?1049hy",
    "the look of half a wide character": "日\x1b[1;1H\x1b[7ma".encode(),
    "a saved cursor whose line scrolls away": b"\x1b[3;3H\x1b7\x1b[24;1H\n\n\n\x1b8z",
    "a repetition after a sequence": b"x\x1b[m\x1b[3b",
}


@pytest.mark.parametrize("output", DISAGREEMENTS.values(), ids=DISAGREEMENTS.keys())
def test_where_the_emulators_disagree(host: XtermHost, output: bytes) -> None:
    # What is not the snapshot's to mend. One that passes here no longer has agreed to differ: take it out.
    assert compare(host, Recording(output), [])


PIECES = st.sampled_from(
    ["x", "word ", "日本", "👍", "👨\u200d👩\u200d👧", "\U0001f1e9\U0001f1ea ", "e\u0301", "\u1112\u1161\u11ab",
     "⚠\ufe0f", "x" * 75, "\r\n", "\t", "\b", "\x1b[m\r\n", "\x1b[31mx", "\x1b[7mx", "\x1b[9;9Hx",
     "\r\n\x1b[?1049hx\x1b[?1049l", "\x1b[2Jx"]
)  # fmt: skip


def test_characters_of_all_widths_cut_anywhere(host: XtermHost) -> None:
    @settings(max_examples=40, deadline=None, database=None, phases=[Phase.generate])
    @given(st.lists(PIECES, min_size=1, max_size=60), st.lists(st.floats(0, 1), max_size=5))
    def attach(pieces: list[str], where: list[float]) -> None:
        output = "".join(pieces).encode()
        recording = Recording(output)
        found = compare(host, recording, [int(share * len(output)) for share in where])
        assert [str(one.difference) for one in found if not cause(recording, one)] == []

    attach()


def frames(seed: int) -> Recording:
    """Make full-screen redraws: what TUIs do, in any order, on the alternate screen with changes of size.

    (On the primary one each emulator has its own way to break rows anew when it has not drawn them itself.)
    """
    dice = random.Random(seed)
    rows, cols = 24, 80
    sizes, output = [(0, rows, cols)], bytearray(b"\x1b[?1049h" if seed % 2 else b"$ program\r\n")
    for _ in range(12):
        if seed % 2 and dice.random() < 0.3:
            rows, cols = dice.randint(12, 40), dice.randint(40, 120)
            sizes.append((len(output), rows, cols))
            output += b"\x1b[m\x1b[r\x1b[?6l\x1b[H\x1b[2J"
        for row in range(1, rows + 1):
            output += b"\x1b[%d;1H\x1b[2K%s" % (row, dice.choice(["", "日本語 👍 ", "│ é ─── "]).encode())
            for _ in range(dice.randrange(5)):
                output += f"\x1b[{dice.choice(LOOKS)}m{dice.choice(WORDS[:3])} ".encode()
        for _ in range(30):
            move = dice.choice(MOVES).format(row=dice.randint(4, rows))
            output += f"\x1b[{dice.choice(LOOKS)}m{move}{dice.choice(['x', 'word ', '─┼'])}".encode()
    return Recording(bytes(output), tuple(sizes))


@pytest.mark.parametrize("seed", range(6))
def test_full_screen_redraws(host: XtermHost, seed: int) -> None:
    attach_anywhere(host, frames(seed), most=1.0)
