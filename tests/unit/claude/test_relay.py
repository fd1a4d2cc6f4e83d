"""The hook relay, run as the CLI runs it: it delivers, and whatever happens it is silent and ends with 0."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wxcode_jupyter.claude.hooks import HookSpool

FOLDERS = [
    "plain",
    "with blanks",
    "it's",
    'say "hi"',
    "$HOME `id` $(id)",
    "a;b&c|d",
    "a\\b",
    "-n",
    "*?[x]",
    "é日本",
    "new\nline",
]


def installed(folder: Path) -> HookSpool:
    spool = HookSpool(str(folder))
    spool.install(tui="default")
    return spool


def command_of(spool: HookSpool) -> str:
    """Return what the CLI is told to run."""
    settings = json.loads(Path(spool.settings_path).read_bytes())
    return str(settings["hooks"]["Stop"][0]["hooks"][0]["command"])


def event(number: int = 0, **fields: Any) -> bytes:
    return json.dumps({"hook_event_name": "Stop", "session_id": "s", "number": number, **fields}).encode()


def relay(spool: HookSpool, data: bytes, *, before: str = "") -> subprocess.CompletedProcess[bytes]:
    """Run the hook's command with an event on its standard input."""
    script = before + command_of(spool)
    return subprocess.run(["/bin/sh", "-c", script], input=data, capture_output=True, timeout=60, check=False)


def silent(done: subprocess.CompletedProcess[bytes]) -> bool:
    return (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("name", FOLDERS)
def test_an_event_arrives_whole_whatever_the_folder_is_called(tmp_path: Path, name: str) -> None:
    spool = installed(tmp_path / name)
    data = event(text="é\u2028 \\ % $HOME `id` \x00")
    assert silent(relay(spool, data))
    (arrived,) = spool.load()
    assert (arrived.name, arrived.claude_session_id, dict(arrived.data)) == ("Stop", "s", json.loads(data))
    assert [path.name for path in (tmp_path / name / "spool").iterdir()] == [arrived.key]


def test_an_event_of_five_megabytes(tmp_path: Path) -> None:
    spool = installed(tmp_path)
    assert silent(relay(spool, event(text="x" * 5_000_000)))
    assert len(spool.load()[0].data["text"]) == 5_000_000


def test_events_one_after_another_keep_their_order(tmp_path: Path) -> None:
    spool = installed(tmp_path)
    for number in range(30):
        assert silent(relay(spool, event(number)))
    assert [each.data["number"] for each in spool.load()] == list(range(30))


def test_twenty_at_once_lose_nothing_and_mix_nothing(tmp_path: Path) -> None:
    spool = installed(tmp_path)
    command = command_of(spool)
    running = [
        subprocess.Popen(
            ["/bin/sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for _ in range(20)
    ]
    payloads = [event(number, text=chr(97 + number) * 200_000) for number in range(20)]
    for process, data in zip(running, payloads, strict=True):
        assert process.stdin is not None
        process.stdin.write(data[:100_000])
    for process, data in zip(running, payloads, strict=True):
        output, _ = process.communicate(data[100_000:], timeout=60)
        assert (process.returncode, output) == (0, b"")
    arrived = spool.load()
    assert sorted(each.data["number"] for each in arrived) == list(range(20))
    assert {each.data["text"] for each in arrived} == {chr(97 + number) * 200_000 for number in range(20)}


def test_half_an_event_is_not_seen(tmp_path: Path) -> None:
    spool = installed(tmp_path)
    process = subprocess.Popen(["/bin/sh", "-c", command_of(spool)], stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(event()[:10])
    process.stdin.flush()
    assert spool.load() == []
    process.communicate(event()[10:], timeout=60)
    assert len(spool.load()) == 1


def test_the_server_is_poked(tmp_path: Path) -> None:
    spool = installed(tmp_path)
    poke = os.open(spool.poke_path, os.O_RDWR | os.O_NONBLOCK)
    try:
        assert silent(relay(spool, event()))
        assert os.read(poke, 100) == b"."
    finally:
        os.close(poke)


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    spool = installed(tmp_path)
    assert silent(relay(spool, event(), before="umask 000; "))
    (key,) = [each.key for each in spool.load()]
    paths = [tmp_path / "spool" / key, Path(spool.settings_path), Path(spool.poke_path), tmp_path / "relay.sh"]
    assert [path.stat().st_mode & 0o077 for path in paths] == [0, 0, 0, 0]


def _remove_spool(folder: Path) -> None:
    shutil.rmtree(folder / "spool")


def _spool_is_a_file(folder: Path) -> None:
    _remove_spool(folder)
    (folder / "spool").write_text("")


def _make_read_only(folder: Path) -> None:
    (folder / "spool").chmod(0o500)  # which stops everybody but root
    folder.chmod(0o500)


def _remove_fifo(folder: Path) -> None:
    (folder / "poke").unlink()


def _fifo_is_a_folder(folder: Path) -> None:
    _remove_fifo(folder)
    (folder / "poke").mkdir()


def _remove_relay(folder: Path) -> None:
    (folder / "relay.sh").unlink()


@pytest.mark.parametrize(
    "damage",
    [shutil.rmtree, _remove_spool, _spool_is_a_file, _make_read_only, _remove_fifo, _fifo_is_a_folder, _remove_relay],
    ids=lambda damage: damage.__name__.strip("_"),
)
def test_damage_of_any_kind_is_silent_and_harmless(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    folder = tmp_path / "it's $HOME"
    spool = installed(folder)
    command = command_of(spool)
    damage(folder)
    done = subprocess.run(["/bin/sh", "-c", command], input=event(), capture_output=True, timeout=60, check=False)
    assert silent(done)
    if folder.exists():
        folder.chmod(0o700)


def test_a_full_disk_is_silent_and_leaves_no_broken_event(tmp_path: Path) -> None:
    spool = installed(tmp_path)
    assert silent(relay(spool, event(text="x" * 100_000), before="ulimit -f 16; "))
    assert spool.load() == []
    assert silent(relay(spool, event(1)))
    assert [each.data["number"] for each in spool.load()] == [1]
    assert len(os.listdir(tmp_path / "spool")) == 1
