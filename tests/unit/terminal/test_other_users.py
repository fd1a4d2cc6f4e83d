"""The keeper is one user's: nobody else is served by it, and nobody else's is believed.

The real other user needs root to become him; without it, the keeper is told that we are another one.
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.terminal import Bench, keeper_pid, shell
from wxcode_jupyter.errors import KeeperUnavailable
from wxcode_jupyter.terminal import rendezvous
from wxcode_jupyter.terminal.process import KeeperClient

OTHER = 4242
WAYS = ["told", *(["real"] if os.geteuid() == 0 else [])]

_KEEPER = """
import os, sys
from wxcode_jupyter.terminal import rendezvous
from wxcode_jupyter.terminal.keeper import Keeper
fd = rendezvous.open_folder(sys.argv[1])
assert rendezvous.take_over(fd)
with rendezvous.listen(fd) as listener:
    print("ready", flush=True)
    Keeper(listener, int(sys.argv[2])).run()
"""

#: Says hello as a server does, and prints how it is answered. The folder is entered before the user changes.
_SERVER = """
import os, socket, sys
from wxcode_jupyter.terminal.wire import PROTOCOL_VERSION, encode
os.chdir(sys.argv[1])
if (user := int(sys.argv[2])) != os.geteuid():
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
with socket.socket(socket.AF_UNIX) as sock:
    sock.connect("keeper.sock")
    try:
        sock.sendall(encode({"op": "hello", "versions": [PROTOCOL_VERSION], "id": 1}))
        print(sock.recv(1000))
    except ConnectionError:
        print(b"")
"""

#: Listens in the keeper's place, as another user where it can; a hello would be printed.
_SQUATTER = """
import os, socket, sys
os.chdir(sys.argv[1])
sock = socket.socket(socket.AF_UNIX)
sock.bind("keeper.sock")
os.chmod("keeper.sock", 0o666)
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(4242)
    os.setuid(4242)
sock.listen()
print("ready", flush=True)
for _ in range(2):
    print(sock.accept()[0].recv(1000), flush=True)
"""


@contextmanager
def running(program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a Python program that says "ready"."""
    line = [sys.executable, "-c", program, *arguments]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def greet(folder: Path, user: int) -> str:
    """Say hello to the keeper as a user, and return what came back."""
    done = subprocess.run(
        [sys.executable, "-c", _SERVER, str(folder), str(user)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("way", WAYS)
def test_another_user_is_refused_and_the_keeper_goes_on(tmp_path: Path, way: str) -> None:
    folder, me = tmp_path / "run", os.geteuid()
    keepers_user, visitor = (me + 1, me) if way == "told" else (me, OTHER)
    with running(_KEEPER, str(folder), str(keepers_user)) as keeper:
        # As if the modes had failed: they are the first guard, this is about the second.
        (folder / rendezvous.SOCKET_NAME).chmod(0o666)
        folder.chmod(0o711)
        assert greet(folder, visitor) == "b''"
        assert greet(folder, visitor) == "b''"
        if way == "real":
            assert '"version"' in greet(folder, me)
        keeper.send_signal(signal.SIGTERM)
        _, complaint = keeper.communicate(timeout=60)
    assert complaint.splitlines() == [f"keeper: refused a connection of user {visitor}"] * 2


async def test_who_listens_in_the_keepers_place_is_told_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    if os.geteuid() != 0:
        monkeypatch.setattr(rendezvous, "peer", lambda _sock: (1, OTHER))
    with running(_SQUATTER, str(folder)) as squatter:
        for find in (KeeperClient.find, KeeperClient.connect):
            with pytest.raises(KeeperUnavailable, match=rf"of user {OTHER} listens in place of your keeper"):
                await find(str(folder))
        heard, _ = squatter.communicate(timeout=60)
    assert heard == "b''\n" * 2


async def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(folder, OTHER, OTHER)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: OTHER)

    for find in (KeeperClient.find, KeeperClient.connect):
        with pytest.raises(KeeperUnavailable, match="has to belong to you"):
            await find(str(folder))
    assert list(folder.iterdir()) == []


async def test_a_link_to_a_folder_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "run").symlink_to("real")

    with pytest.raises(KeeperUnavailable, match="cannot be used"):
        await KeeperClient.connect(str(tmp_path / "run"))
    assert list((tmp_path / "real").iterdir()) == []


async def test_a_keeper_is_reached_by_its_folder_alone(bench: Bench) -> None:
    await bench.open(shell("echo up; read line"))
    keeper = await keeper_pid(bench)
    assert sockets_of(keeper) <= {str(Path(bench.runtime_dir) / rendezvous.SOCKET_NAME), ""}
    assert stat.S_IMODE((Path(bench.runtime_dir) / rendezvous.SOCKET_NAME).stat().st_mode) == 0o600


def sockets_of(pid: int) -> set[str]:
    """Return the names of a process's sockets, resolved; one that is no unix socket is "network"."""
    inodes = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        target = os.readlink(fd)
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    named = {}
    for row in Path("/proc/net/unix").read_text().splitlines()[1:]:
        columns = row.split(maxsplit=7)
        named[columns[6]] = columns[7] if len(columns) > 7 else ""
    names = (named.get(inode, "network") for inode in inodes)
    return {
        os.path.realpath(name.replace("/proc/self/", f"/proc/{pid}/")) if name[:1] == "/" else name for name in names
    }
